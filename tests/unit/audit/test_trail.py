"""A leaf's trail is a function of its record, and holds no value, person or free text."""

from __future__ import annotations

import json
from dataclasses import astuple
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import gallring, governing, intent, leaf, review, trail
from gateway.audit.governing import Declared
from gateway.errors import IntegrityError
from gateway.message import Facts, LeafHash, Outcome, Protection, Withheld
from gateway.review import Answer, Kind, Said, State
from gateway.store import trails
from tests import builders
from tests.effort import effort
from tests.unit.audit import test_intent as outward

SALT = b"s" * leaf.SALT
AT = datetime(2026, 1, 15, 10, tzinfo=UTC)
CASE, CONSENT = outward.KEYED


def decided(facts=None, **more) -> leaf.Leaf:
    one = builders.decision(facts=facts, **more)
    return leaf.decided(builders.permitted(one), one, pseudonym=builders.pseudonym("x"), salt=SALT)


def reviewed(**more) -> leaf.Leaf:
    said = Said(answer=Answer.PERMIT, by="anna", second="bo", reason="FRITEXT", note="AVV-1", at=AT, fields=None)
    outcome = review.Outcome(
        number=7, kind=Kind.RECORD, state=State.PERMITTED, asked=("FREE_TEXT",), role="jurist", laws=("L-1",),
        said=said, partner="skatteverket", organisation="2021005448", contract="skatteverket/prov", record=2,
        reference="urn:uuid:1", about=LeafHash(bytes(32)), at=AT, decision=builders.decision(), **more,
    )  # fmt: skip
    person = builders.decision().person
    return review.settled(outcome, person=person, policy=builders.POLICY, pseudonym=builders.pseudonym("x"), salt=SALT)


def refused() -> leaf.Leaf:
    return builders.refusal().leaf


def register() -> leaf.Leaf:
    return governing.taken(
        {"a.toml": b""}, (), policy=builders.POLICY, predecessor=None, by="kjell@host:1", at=AT, salt=SALT
    )


def declaration() -> leaf.Leaf:
    after = Declared(types=("a",), purposes=("fk:Kontroll",), benefits=())
    return governing.declared({}, {"kö": after}, policy=builders.POLICY, by="kjell@host:1", at=AT, salt=SALT)


def stopped() -> leaf.Leaf:
    decision = builders.decision(outcome=Outcome.DENY, fields={}, labels=None, reasons=("CONSENT_MISSING",))
    return intent.decided(
        outward.queued(), decision, policy=builders.POLICY, at=AT, keyed=outward.KEYED, **outward.NAMED
    )


EVERY = (decided, reviewed, refused, register, declaration, stopped, outward.intended, outward.ended)


@pytest.mark.parametrize("make", EVERY, ids=lambda make: make.__name__)
def test_the_trail_of_every_kind_is_made_again_from_its_opened_record(make):
    one = make()
    record = json.loads(one.record)
    case = None if record.get("case") is None else CASE
    consent = None if record.get("consent") is None else CONSENT
    assert trail.of(record, case=case, consent=consent) == one.trail
    assert one.trail.at.tzinfo is UTC


@pytest.mark.parametrize("make", EVERY, ids=lambda make: make.__name__)
def test_what_is_stored_of_a_trail_is_read_as_it_was(make):
    made = make().trail
    assert trails.read(trails.row(3, made), trails.flow_row(made.flow)) == made


def test_a_decision_tells_what_passed_to_whom_by_which_law():
    told = decided(
        protection=Protection.SEKRETESSMARKERING,
        withheld=(Withheld(field="adress", reason="PROTECTED_IDENTITY"),),
    ).trail
    flow = told.flow
    assert (flow.kind, flow.direction, flow.partner) == ("decision", "in", "skatteverket")
    assert (flow.outcome, flow.basis, flow.protection) == ("PERMIT", "SKV-AGI-INKOMST", "sekretessmarkering")
    assert flow.granted == ("arbetsplats", "belopp", "period")
    assert flow.withheld == ("adress=PROTECTED_IDENTITY",)
    assert told.reference == "urn:uuid:1"
    assert told.record == 1
    assert (flow.consented, told.case) == (False, None)


def test_an_answer_that_rests_on_consent_says_until_when():
    facts = Facts(
        event=date(2026, 1, 1),
        fields=("a",),
        cited=(),
        unknown=(),
        answers=True,
        consent=(("region",), date(2026, 12, 31)),
    )
    told = decided(facts=facts).trail
    assert (told.flow.consented, told.consent_until) == (True, "2026-12-31")


def test_an_intent_tells_system_case_and_consent_by_their_hashes():
    told = outward.intended().trail
    assert (told.flow.kind, told.flow.direction, told.flow.outcome) == ("intent", "out", "PERMIT")
    assert (told.flow.asker, told.case, told.consent) == ("rehabilitering", CASE, CONSENT)
    assert told.organisation == "5560269986"
    assert told.reference == outward.queued().dispatch


def test_an_end_tells_whether_it_was_released_and_not_what_was_answered():
    told = outward.ended().trail
    assert (told.flow.kind, told.flow.state, told.flow.released) == ("end", "delivered", "yes")
    assert told.flow.answer is None


def test_a_review_tells_the_officials_and_that_a_balancing_was_named_not_why():
    told = reviewed().trail
    assert (told.by, told.second, told.flow.role, told.flow.answer) == ("anna", "bo", "jurist", "permit")
    assert (told.flow.noted, told.flow.waited, told.flow.direction) == (True, "record", "in")
    assert "FRITEXT" not in str(told)
    assert "AVV-1" not in str(told)


def test_a_refusal_tells_the_address_and_the_code_and_not_the_detail():
    told = refused().trail
    assert (told.flow.kind, told.flow.contract) == ("refusal", "skatteverket/arbetsgivardeklaration")
    assert told.flow.code == "GW-CONTRACT-SCHEMA"
    assert "line 1" not in str(told)


def test_what_governs_is_about_no_partner():
    for one in (register(), declaration()):
        assert (one.trail.flow.direction, one.trail.flow.partner) == (None, None)
        assert one.trail.by == "kjell@host:1"


def test_no_trail_names_the_person_or_holds_anybodys_own_words():
    for make in EVERY:
        one = make()
        for secret in ("199202232386", "HEMLIGT", "A-4711", "FRITEXT", "M-1", "Kallelse", *builders.NUMBERS):
            assert secret not in str(astuple(one.trail)), (make.__name__, secret)


MARK = st.text("åäö", min_size=5, max_size=12).map(lambda text: f"X{text}X")


@given(MARK, MARK, MARK)
@effort(50)
def test_no_value_of_a_field_and_no_word_of_a_person_is_in_any_trail(value, word, number):
    leaves = (
        decided(fields={"namn": value}),
        decided(number=number),
        outward.intended(fields={"namn": value}),
        outward.ended(reason=word, answer=value.encode(), partner_code=word),
    )
    for one in leaves:
        said = str(astuple(one.trail))
        assert not [secret for secret in (value, word, number) if secret in said]


def test_a_case_without_its_hash_is_no_trail_and_so_is_a_hash_without_its_case():
    record = json.loads(outward.intended().record)
    for case, consent in ((None, CONSENT), (CASE, None), (None, None)):
        with pytest.raises(IntegrityError, match="go together"):
            trail.of(record, case=case, consent=consent)
    with pytest.raises(IntegrityError, match="go together"):
        trail.of(json.loads(decided().record), case=CASE)


@pytest.mark.parametrize(
    "record", [{}, {"kind": "decision"}, {"kind": "end", "ended": 4}, {"kind": "end", "ended": "x"}]
)
def test_what_is_no_record_has_no_trail(record):
    with pytest.raises(IntegrityError):
        trail.of(record)


def test_two_leaves_that_differ_only_in_whom_they_are_about_are_one_flow():
    first, second = decided(number=builders.NUMBERS[0]), decided(number=builders.NUMBERS[1])
    assert first.trail.flow.number == second.trail.flow.number
    assert decided(basis="OTHER").trail.flow.number != first.trail.flow.number
    assert 0 <= first.trail.flow.number < 2**63


def test_what_gallring_and_holds_leave_is_told_without_whose_or_why():
    held = gallring.held(
        4, gallring.Holding.HOLD, kind="person", about=None, partner=None, by="anna", second=None, reason="FRITEXT",
        at=AT, salt=SALT,
    )  # fmt: skip
    assert (held.trail.flow.kind, held.trail.flow.direction, held.trail.by) == ("hold", None, "anna")
    assert "FRITEXT" not in str(held.trail)


def test_a_kind_that_is_not_named_here_tells_its_moment_and_who_did_it():
    told = trail.of({"at": AT, "by": "process", "kind": "new", "partner": "skatteverket", "policy": "p"})
    assert (told.at, told.by, told.flow.policy, told.flow.direction) == (AT, "process", "p", None)
