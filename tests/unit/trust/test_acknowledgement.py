"""A partner's receipt: as strict as its schema, and held to our message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway import codes, endings
from gateway.dispatch import Finding
from gateway.errors import ContractError, UncertainError
from gateway.message import Accepted, Digest, Outcome, RecordOutcome
from gateway.soap import names
from gateway.trust import acknowledgement, receipt
from tests import builders
from tests.effort import effort
from tests.rules import ROOT

DIGEST = Digest("ab" * 32)
ID = "urn:uuid:1"
LEAF = "q" * 42 + "s="
SAID = {
    "MessageId": ID,
    "Digest": DIGEST,
    "Contract": "forsakringskassan/avstamningsmote",
    "ReceivedAt": "2026-11-20T12:00:00Z",
    "AcceptedAt": "2026-11-20T12:00:00.250Z",
    "Decision": "ACCEPTED",
    "Outcomes": '<Outcome code="OK" position="1" result="PERMIT"/>',
    "Leaves": f"<Leaf>{LEAF}</Leaf>",
}
SCHEMA = etree.XMLSchema(etree.parse(ROOT / "schemas" / "receipt.xsd"))


def composed(said=None, *, digest=f'algorithm="{names.SHA256}"', root="Receipt", more="", **changes):
    inside = "".join(
        f"<{name}{' ' + digest if name == 'Digest' else ''}>{text}</{name}>"
        for name, text in {**(SAID if said is None else said), **changes}.items()
    )
    return etree.fromstring(f'<{root} xmlns="{receipt.NAMESPACE}">{inside}{more}</{root}>')


def read(payload):
    return acknowledgement.read(payload, message_id=ID, digest=DIGEST)


def wrong(payload):
    with pytest.raises(ContractError) as caught:
        read(payload)
    return caught.value.code


@pytest.mark.parametrize("outcome", list(Outcome))
def test_our_own_receipts_are_read(outcome):
    ready = builders.ready(records=2)
    accepted = Accepted(
        provenance=ready.provenance,
        accepted_at=builders.NOON,
        outcomes=(ready.outcomes[0], RecordOutcome(position=2, outcome=outcome, code="C-1")),
        leaves=builders.hashes(ready),
        repeated=False,
    )
    payload = etree.fromstring(receipt.compose(accepted))
    assert SCHEMA.validate(payload)
    source = ready.provenance
    result = acknowledgement.read(payload, message_id=source.message_id, digest=source.digest)
    assert result.finding is (Finding.DONE if outcome is Outcome.PERMIT else Finding.PARTIAL)
    assert [part.code for part in result.parts] == ["PERMITTED", "C-1"]


@pytest.mark.parametrize(
    ("decision", "outcomes", "finding"),
    [
        ("ACCEPTED", "", Finding.DONE),
        ("ACCEPTED", '<Outcome code="OK" position="1" result="PERMIT"/>', Finding.DONE),
        ("PARTIAL", '<Outcome code="REFERRED" position="1" result="REFER"/>', Finding.PARTIAL),
        ("PARTIAL", '<Outcome code="DENIED" position="1" result="DENY"/>', Finding.REFUSED),
        (
            "PARTIAL",
            '<Outcome code="OK" position="1" result="PERMIT"/><Outcome code="DENIED" position="2" result="DENY"/>',
            Finding.PARTIAL,
        ),
    ],
)
def test_a_receipt_says_what_became_of_each_part(decision, outcomes, finding):
    assert read(composed(Decision=decision, Outcomes=outcomes)).finding is finding


@pytest.mark.parametrize(("decision", "result"), [("ACCEPTED", "DENY"), ("ACCEPTED", "REFER"), ("PARTIAL", "PERMIT")])
def test_a_receipt_that_contradicts_itself_breaks_the_contract(decision, result):
    outcomes = f'<Outcome code="X" position="1" result="{result}"/>'
    assert wrong(composed(Decision=decision, Outcomes=outcomes)) is codes.CONTRACT_CONTENT


def test_a_position_stands_once():
    twice = '<Outcome code="OK" position="1" result="PERMIT"/><Outcome code="OK" position="01" result="PERMIT"/>'
    assert wrong(composed(Outcomes=twice)) is codes.CONTRACT_CONTENT


@pytest.mark.parametrize("change", [{"MessageId": "urn:uuid:2"}, {"MessageId": f" {ID}"}, {"Digest": "cd" * 32}])
def test_a_receipt_about_something_else_is_genuine_and_no_proof(change):
    with pytest.raises(UncertainError) as caught:
        read(composed(**change))
    assert caught.value.code is endings.OTHER


def test_a_code_that_is_no_code_is_not_kept():
    outcomes = '<Outcome code="F&#246;r Testsson" position="1" result="PERMIT"/>'
    assert read(composed(Outcomes=outcomes)).parts[0].code is None


def test_another_element_is_no_receipt():
    assert wrong(composed(root="Kvitto")) is codes.CONTRACT_UNKNOWN
    assert wrong(etree.fromstring("<Receipt/>")) is codes.CONTRACT_UNKNOWN


MUTATIONS = {
    "an element more": {"more": "<More/>"},
    "an element of another": {"more": '<x xmlns="urn:x"/>'},
    "text between": {"more": "text"},
    "an attribute more": {"digest": f'algorithm="{names.SHA256}" more="1"'},
    "another algorithm": {"digest": 'algorithm="http://www.w3.org/2000/09/xmldsig#sha1"'},
    "no algorithm": {"digest": ""},
    "upper case": {"Digest": DIGEST.upper()},
    "a digest too short": {"Digest": DIGEST[1:]},
    "white space in the digest": {"Digest": f" {DIGEST}"},
    "elements in MessageId": {"MessageId": f"<b>{ID}</b>"},
    "a day": {"AcceptedAt": "2026-11-20"},
    "no day": {"AcceptedAt": "2026-02-30T12:00:00Z"},
    "nothing": {"ReceivedAt": ""},
    "another decision": {"Decision": "REFUSED"},
    "lower case": {"Decision": "accepted"},
    "position 0": {"Outcomes": '<Outcome code="OK" position="0" result="PERMIT"/>'},
    "position a": {"Outcomes": '<Outcome code="OK" position="a" result="PERMIT"/>'},
    "another result": {"Outcomes": '<Outcome code="OK" position="1" result="MAYBE"/>'},
    "no code": {"Outcomes": '<Outcome position="1" result="PERMIT"/>'},
    "an attribute of an outcome more": {"Outcomes": '<Outcome code="OK" position="1" result="PERMIT" x="1"/>'},
    "text in an outcome": {"Outcomes": '<Outcome code="OK" position="1" result="PERMIT">x</Outcome>'},
    "text in Outcomes": {"Outcomes": "x"},
    "another in Outcomes": {"Outcomes": f"<Leaf>{LEAF}</Leaf>"},
    "a leaf too short": {"Leaves": "<Leaf>AAAA</Leaf>"},
    "no base64": {"Leaves": f"<Leaf>{'*' * 44}</Leaf>"},
}


@pytest.mark.parametrize("change", MUTATIONS.values(), ids=MUTATIONS)
def test_what_the_schema_refuses_is_refused(change):
    payload = composed(**change)
    assert not SCHEMA.validate(payload)
    assert wrong(payload) is codes.CONTRACT_SCHEMA


@pytest.mark.parametrize("order", [(1, 0), (5, 6), (6, 7)])
def test_the_order_is_the_schemas(order):
    first, second = order
    items = list(SAID.items())
    items[first], items[second] = items[second], items[first]
    payload = composed(dict(items))
    assert not SCHEMA.validate(payload)
    assert wrong(payload) is codes.CONTRACT_SCHEMA


@pytest.mark.parametrize("name", SAID)
def test_no_element_may_be_missing_or_stand_twice(name):
    without = {key: value for key, value in SAID.items() if key != name}
    assert wrong(composed(without)) is codes.CONTRACT_SCHEMA
    twice = composed()
    for one in twice:
        if etree.QName(one).localname == name:
            one.addnext(etree.fromstring(etree.tostring(one)))
            break
    assert wrong(twice) is codes.CONTRACT_SCHEMA


def test_more_outcomes_than_anybody_could_have_sent_are_refused():
    many = '<Outcome code="OK" position="1" result="PERMIT"/>' * (acknowledgement.MOST + 1)
    assert wrong(composed(Outcomes=many)) is codes.CONTRACT_SCHEMA


TEXTS = st.sampled_from(
    ["", " ", "x", "1", "0", "+1", " 1 ", "ACCEPTED", " PARTIAL", ID, DIGEST, LEAF, "2026-11-20T12:00:00Z",
     " 2026-11-20T12:00:00Z ", "2026-11-20T24:00:00Z", "2026-11-20T12:00:00.1234567Z", "PERMIT", "DENY"]
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(list(SAID)), TEXTS), st.sampled_from(["", "\n", "x", "<More/>"]), TEXTS, TEXTS)
@effort(300)
def test_nothing_is_taken_that_the_schema_refuses(changes, more, position, result):
    outcome = f'<Outcome code="c" position="{position}" result="{result}"/>'
    payload = composed(more=more, **{"Outcomes": outcome, **changes})
    try:
        read(payload)
    except (ContractError, UncertainError):
        return
    assert SCHEMA.validate(payload), SCHEMA.error_log
