"""The leaves of what we disclose: intent, end, and what never went."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import dispatch
from gateway.audit import intent, leaf
from gateway.audit.intent import Ending, Released
from gateway.dispatch import Finding, Interaction, Part, Period, Result
from gateway.errors import IntegrityError
from gateway.message import Digest, LeafHash, MessageId, OrganisationNumber, Outcome, Pseudonym
from tests import builders, sending
from tests.effort import effort

SALT = b"s" * leaf.SALT
AT = datetime(2026, 1, 15, 10, tzinfo=UTC)
NAMED = {
    "organisation": OrganisationNumber("5560269986"),
    "pseudonym": Pseudonym("ab" * 16),
    "salt": SALT,
}
KEYED = ("ca" * 16, "c0" * 16)
"""What stands for case and consent in the trail."""


def canonical(value: object) -> bytes:
    """RFC 8785 for what has ASCII keys and whole numbers."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def queued(**changes):
    to = sending.recipient(sending.EMPLOYER, "FK-KALLELSE-AG-01", organisation="5560269986", hemligt="HEMLIGT-4711")
    period = Period(first=date(2025, 12, 1), last=date(2026, 1, 10))
    command = sending.command(sending.MOTE, to, **{"period": period, "suspicion": "M-1", **changes})
    return dispatch.Queued(
        dispatch=dispatch.DispatchId("urn:uuid:8d4c788f-8da4-5abc-84ad-a9d1973b8a49"), command=command, recipient=to
    )


def permitted(**changes):
    decision = builders.decision(person=sending.person(), kind="kallelse", **changes)
    citation = dispatch.Citation(purpose="Kallelse", lagrum="30 kap. 10 §")
    return dispatch.Permitted(queued=queued(), decision=decision, citation=citation, policy=builders.POLICY)


def intended(**changes):
    return intent.intended(
        permitted(**changes),
        interaction=Interaction.SEND,
        action="urn:a",
        digest=Digest("cd" * 32),
        at=AT,
        keyed=KEYED,
        **NAMED,
    )


def ending(**changes):
    made = Ending(
        state="delivered",
        released=Released.YES,
        code=None,
        partner_code="F-1",
        attempts=2,
        first_failure="GW-FAR-LOST",
        at=AT,
        answer=b"<answer/>",
        answer_id=MessageId("urn:uuid:2"),
        result=Result(finding=Finding.PARTIAL, parts=(Part(name="1", finding=Finding.REFUSED, code="X"),)),
    )
    return replace(made, **changes)


def ended(**changes):
    return intent.ended(queued(), ending(**changes), intent=LeafHash(bytes(32)), policy=builders.POLICY, **NAMED)


def test_an_intent_says_who_gets_what_about_whom_why_and_on_which_law():
    one = intended()
    assert json.loads(one.record) == {
        "action": "urn:a",
        "asker": "rehabilitering",
        "basis": "SKV-AGI-INKOMST",
        "case": "A-4711",
        "cited": {"lagrum": "30 kap. 10 §", "purpose": "Kallelse"},
        "command": "k-avstamningsmote",
        "composed": "2026-01-15T10:00:00Z",
        "consent": "S-1",
        "contract": "forsakringskassan/avstamningsmote",
        "digest": "cd" * 32,
        "dispatch": "urn:uuid:8d4c788f-8da4-5abc-84ad-a9d1973b8a49",
        "granted": ["arbetsplats", "belopp", "period"],
        "information": "kallelse",
        "interaction": "send",
        "judged": {
            "answered": None,
            "benefit": "sjukpenning",
            "case_period": {"first": "2025-09-01", "last": "2026-06-30"},
            "consent": {"recipients": ["arbetsgivare"], "until": "2026-06-30"},
            "fields": ["hemligt"],
            "own": ["hemligt"],
            "silent": [],
        },
        "kind": "intent",
        "lagrum": ["SFL-26-19@2011:1244"],
        "organisation": "5560269986",
        "partner": "arbetsgivare",
        "period": {"first": "2025-12-01", "last": "2026-01-10"},
        "person": {"kind": "personnummer", "number": "199202232386"},
        "policy": builders.POLICY,
        "protection": "ingen",
        "purpose": "fk:Arendehandlaggning",
        "reasons": ["FIELD_NOT_IN_BASIS"],
        "record": 1,
        "suspicion": "M-1",
        "v": 1,
        "withheld": [{"field": "telefon", "reason": "FIELD_NOT_IN_BASIS"}],
    }
    assert json.loads(one.entry) | {"commitment": ""} == {
        "commitment": "",
        "kind": "intent",
        "policy": builders.POLICY,
        "v": 1,
    }


def test_an_end_says_what_became_of_it_and_points_to_the_intent():
    one = ended(by="handläggare 7", reason="frågade mottagaren")
    assert json.loads(one.record) == {
        "answer": sha256(b"<answer/>").hexdigest(),
        "answer_id": "urn:uuid:2",
        "asker": "rehabilitering",
        "attempts": 2,
        "by": "handläggare 7",
        "code": None,
        "command": "k-avstamningsmote",
        "contract": "forsakringskassan/avstamningsmote",
        "dispatch": "urn:uuid:8d4c788f-8da4-5abc-84ad-a9d1973b8a49",
        "ended": "2026-01-15T10:00:00Z",
        "first_failure": "GW-FAR-LOST",
        "intent": "00" * 32,
        "kind": "end",
        "organisation": "5560269986",
        "partner": "arbetsgivare",
        "partner_code": "F-1",
        "parts": [{"code": "X", "finding": "refused", "name": "1"}],
        "person": {"kind": "personnummer", "number": "199202232386"},
        "policy": builders.POLICY,
        "reason": "frågade mottagaren",
        "released": "yes",
        "result": "partial",
        "state": "delivered",
        "v": 1,
    }
    assert json.loads(one.entry) | {"commitment": ""} == {
        "commitment": "",
        "kind": "end",
        "policy": builders.POLICY,
        "v": 1,
    }


def test_what_never_went_has_the_leaf_of_its_decision():
    decision = builders.decision(outcome=Outcome.DENY, fields={}, labels=None, reasons=("CONSENT_MISSING",))
    one = intent.decided(queued(consent=None), decision, policy=builders.POLICY, at=AT, keyed=(KEYED[0], None), **NAMED)
    said = json.loads(one.record)
    assert (said["kind"], said["direction"], said["outcome"], said["reasons"]) == (
        "decision",
        "out",
        "DENY",
        ["CONSENT_MISSING"],
    )
    assert (said["consent"], said["decided"], said["organisation"]) == (None, "2026-01-15T10:00:00Z", "5560269986")
    assert json.loads(one.entry)["kind"] == "decision"


def test_values_of_fields_are_in_no_leaf():
    decision = builders.decision(outcome=Outcome.REFER, fields={})
    stopped = intent.decided(queued(), decision, policy=builders.POLICY, at=AT, keyed=KEYED, **NAMED)
    for one in (intended(fields={"hemligt": "HEMLIGT-4711"}), ended(), stopped):
        assert b"HEMLIGT" not in one.record + one.entry


def test_the_public_entry_names_nobody():
    for one in (intended(), ended()):
        assert b"199202232386" in one.record
        for secret in (b"199202232386", b"5560269986", b"arbetsgivare", b"rehabilitering", b"A-4711"):
            assert secret not in one.entry


@given(st.text(), st.text(), st.integers(0, 2**40), st.booleans())
@effort(100)
def test_every_record_is_canonical(text, other, number, flag):
    decision = builders.decision(outcome=Outcome.DENY, fields={}, basis=text, reasons=(other,))
    command = {"purpose": text, "suspicion": other if flag else None, "consent": None}
    leaves = (
        intended(fields={text: other}, basis=other, record=number),
        ended(by=text, reason=other, attempts=number, code=text, result=None if flag else ending().result),
        intent.decided(queued(**command), decision, policy=builders.POLICY, at=AT, keyed=(KEYED[0], None), **NAMED),
    )
    for one in leaves:
        assert one.record == canonical(json.loads(one.record))
        assert one.entry == canonical(json.loads(one.entry))


def test_times_are_written_in_utc():
    swedish = AT.astimezone(datetime.now().astimezone().tzinfo)
    assert json.loads(ended(at=swedish).record)["ended"] == "2026-01-15T10:00:00Z"


def test_an_intent_can_be_read_again():
    one = intended()
    said = intent.read(one.record)
    assert (said.dispatch, said.digest, said.action) == (queued().dispatch, "cd" * 32, "urn:a")
    assert said.granted == ("arbetsplats", "belopp", "period")
    assert said.citation == permitted().citation
    assert said.composed == AT
    later = intent.intended(
        permitted(),
        interaction=Interaction.ASK,
        action="",
        digest=Digest("0"),
        at=AT + timedelta(microseconds=1),
        keyed=KEYED,
        **NAMED,
    )
    assert intent.read(later.record).composed == AT + timedelta(microseconds=1)


@pytest.mark.parametrize(
    "record",
    [b"", b"no json", b"[]", b"{}", b'{"kind":"end"}', b'{"kind":"intent"}', b'{"kind":"intent","cited":1}'],
)
def test_another_record_is_no_intent(record):
    with pytest.raises(IntegrityError):
        intent.read(record)


def test_an_end_is_not_an_intent():
    with pytest.raises(IntegrityError):
        intent.read(ended().record)


def test_a_leaf_is_whole_again_only_with_its_own_record_and_salt():
    one = intended()
    assert leaf.opened(one.entry, salt=one.salt, record=one.record, pseudonym=one.pseudonym) == one
    for salt, record in ((b"t" * 32, one.record), (one.salt, ended().record)):
        with pytest.raises(IntegrityError):
            leaf.opened(one.entry, salt=salt, record=record, pseudonym=None)
