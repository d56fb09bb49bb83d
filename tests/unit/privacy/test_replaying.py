"""A recorded decision judged again gives what the law gives, or is not replayed and says why. Nothing is guessed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.audit import intent, leaf, review
from gateway.dispatch import Interaction
from gateway.errors import PurposeError
from gateway.message import Digest, LeafHash, OrganisationNumber, Outcome, Protection, Pseudonym
from gateway.privacy import disclosure, purpose, replaying
from gateway.privacy.replaying import Lacking
from gateway.review import NOTHING, Answered, Kind, State
from tests.unit.privacy import going
from tests.unit.privacy.statute import OTHER, TODAY, basis, known, lagrum, law, record, valid

SALT = bytes(leaf.SALT)
NOBODY = Pseudonym("0" * 32)


def keyed(command):
    return "0" * 32, None if command.consent is None else "1" * 32


def recorded(one, law_, **statuses):
    """Return the hidden record of what is decided of a record that came in."""
    permitted = purpose.permit(valid(one), law_, known(everyone=Protection.NONE, **statuses))
    (decision,) = permitted.decisions
    return json.loads(leaf.decided(permitted, decision, pseudonym=NOBODY, salt=SALT).record)


def test_a_decision_that_the_new_register_leaves_alone_is_the_same():
    old = law(basis())
    found = replaying.replay(recorded(record(), old), old, law(basis("B-1")))
    assert (found.then.outcome, found.differs()) == (Outcome.PERMIT, ())


@pytest.mark.parametrize(
    ("new", "outcome", "differs"),
    [
        ([basis(fields=["belopp"])], Outcome.PERMIT, ("granted",)),
        ([basis("B-2")], Outcome.PERMIT, ("basis", "labels")),
        ([basis(benefits=["sjukpenning"])], Outcome.PERMIT, ("labels",)),
        ([basis(referred=["fritext", "ekonomi"])], Outcome.REFER, ("outcome", "granted", "reasons", "labels")),
        ([basis(giltig_tom=date(2026, 1, 1))], Outcome.DENY, ("outcome", "granted", "reasons", "lagrum", "labels")),
        ([basis(partner_types=["skatteverket"], cited=["1 §"])], Outcome.DENY, None),
    ],
)
def test_what_would_be_different_is_told_and_how(new, outcome, differs):
    old = law(basis())
    found = replaying.replay(recorded(record(), old), old, law(*new))
    assert found.now.outcome is outcome
    assert found.differs() == differs or differs is None


def test_a_new_text_of_a_paragraph_is_tried_on_the_day_that_the_data_is_about():
    rows = (
        lagrum(giltig_tom=date(2025, 12, 31)),
        lagrum(version="2", giltig_fom=date(2026, 1, 1), test="synnerliga_skal"),
    )
    old, new = law(basis()), law(basis(), rows=rows)
    before = replaying.replay(recorded(record(period_from=date(2025, 12, 31)), old), old, new)
    after = replaying.replay(recorded(record(), old), old, new)
    assert (before.now.outcome, after.now.outcome) == (Outcome.PERMIT, Outcome.REFER)


def test_what_the_partner_cited_and_what_nobody_knew_is_asked_again():
    old = law(basis())
    cited = recorded(record(cited=("1 § lagen (2020:1)",)), old)
    assert replaying.replay(cited, old, law(basis(cited=["1 § lagen (2020:1)"]))).now.outcome is Outcome.PERMIT
    unknown = recorded(record(extensions=("Huvuddiagnos",)), old)
    assert replaying.replay(unknown, old, law(basis(forbidden=["halsa"]))).now.outcome is Outcome.DENY


def test_a_denial_and_a_referral_are_replayed_too_by_the_names_of_the_fields_that_came():
    old = law(basis(referred=["fritext", "ekonomi"]))
    found = replaying.replay(recorded(record(), old), old, law(basis()))
    assert (found.then.outcome, found.now.outcome, found.now.granted) == (
        Outcome.REFER,
        Outcome.PERMIT,
        {"belopp", "period"},
    )


def test_what_protection_withheld_is_withheld_again():
    old = law(basis())
    one = recorded(record(fields={"belopp": 1, "arbetsgivare": "x"}), old, p198202252386=Protection.SEKRETESSMARKERING)
    found = replaying.replay(one, old, law(basis(fields=["belopp", "arbetsgivare"])))
    assert found.now.granted == {"belopp"}


def test_what_a_related_persons_protection_withheld_is_withheld_again():
    old = law(basis())
    one = record(fields={"belopp": 1, "arbetsgivare": "x"}, related=(OTHER,))
    found = replaying.replay(recorded(one, old, **{f"p{OTHER.number}": Protection.SEKRETESSMARKERING}), old, old)
    assert (found.now.granted, found.differs()) == ({"belopp"}, ())


def test_whether_somebody_else_is_protected_is_not_guessed():
    old = law(basis(fields=["belopp"]))
    one = recorded(record(fields={"belopp": 1, "adress": "x"}), old)
    with pytest.raises(Lacking, match="another person"):
        replaying.replay(one, old, law(basis(fields=["belopp", "adress"])))


def test_a_record_of_an_earlier_version_is_not_replayed():
    old = law(basis())
    with pytest.raises(Lacking, match="earlier version"):
        replaying.replay(recorded(record(), old) | {"judged": None}, old, old)


def test_a_decision_that_its_own_register_does_not_give_again_is_not_replayed_by_another():
    old = law(basis())
    with pytest.raises(Lacking, match="its own register"):
        replaying.replay(recorded(record(), old) | {"granted": ["belopp"]}, old, old)
    with pytest.raises(Lacking, match="its own register"):
        replaying.replay(recorded(record(), old), law(basis("B-9")), old)


def test_no_value_is_in_what_is_replayed():
    secret = recorded(record(fields={"belopp": "HEMLIGT", "period": "2026-01"}), law(basis()))
    assert "HEMLIGT" not in json.dumps(secret)


# What people had said yes to.

REFERS = {"referred": ["fritext", "ekonomi"]}


def yes(law_, *reasons, fields=None, basis_id="B-1"):
    """Return a yes to what one record was referred for, as a review keeps it."""
    (decision,) = purpose.permit(valid(record()), law_, known(everyone=Protection.NONE)).decisions
    assert decision.outcome is Outcome.REFER
    given = frozenset(reasons or decision.reasons)
    return Answered(reasons=given, fields=fields, basis=basis_id, lagrum=decision.lagrum)


def reviewed(one, law_, answered, *, at=TODAY, status=Protection.NONE):
    """Return the hidden record of the leaf that says what came of a review."""
    found = known(everyone=status)
    permitted = purpose.again(valid(one), law_, found, record=one.position, answered=answered, at=at)
    (decision,) = permitted.decisions
    outcome = review.Outcome(
        number=1, kind=Kind.RECORD, state=State.PERMITTED, asked=tuple(answered.reasons), role="jurist", laws=(),
        said=None, partner="skatteverket", organisation="2021005448", contract="skatteverket/prov", record=one.position,
        reference="urn:uuid:1", about=LeafHash(bytes(32)), at=at, decision=decision,
    )  # fmt: skip
    made = review.settled(outcome, person=decision.person, policy=law_.policy, pseudonym=NOBODY, salt=SALT)
    return json.loads(made.record)


def test_what_people_let_pass_is_replayed_and_the_yes_is_an_input_that_is_told():
    old = law(basis(**REFERS))
    answered = yes(old)
    found = replaying.replay(reviewed(record(), old, answered), old, law(basis(**REFERS)))
    assert (found.then.outcome, found.differs(), found.answered) == (Outcome.PERMIT, (), answered)
    plain = replaying.replay(recorded(record(), law(basis())), law(basis()), law(basis()))
    assert plain.answered == NOTHING


@pytest.mark.parametrize(
    ("new", "outcome", "differs"),
    [
        ([basis(**REFERS, fields=["belopp"])], Outcome.PERMIT, ("granted",)),
        ([basis("B-2", **REFERS)], Outcome.REFER, ("outcome", "granted", "reasons", "basis", "labels")),
        ([basis(**REFERS, giltig_tom=date(2026, 1, 1))], Outcome.DENY, None),
    ],
)
def test_a_yes_holds_under_a_new_register_only_for_what_it_was_about(new, outcome, differs):
    old = law(basis(**REFERS))
    found = replaying.replay(reviewed(record(), old, yes(old)), old, law(*new))
    assert (found.then.outcome, found.now.outcome) == (Outcome.PERMIT, outcome)
    assert found.differs() == differs or differs is None


def test_a_yes_about_one_text_of_a_paragraph_answers_nothing_by_the_next():
    old = law(basis(**REFERS))
    new = law(basis(**REFERS), rows=(lagrum(version="2"),))
    found = replaying.replay(reviewed(record(), old, yes(old)), old, new)
    assert (found.now.outcome, found.answered.lagrum[0]) == (Outcome.REFER, "L-1@1")


def test_a_yes_to_some_fields_lets_no_more_pass_by_any_register():
    old = law(basis(**REFERS))
    found = replaying.replay(reviewed(record(), old, yes(old, fields=frozenset({"period"}))), old, law(basis()))
    assert (found.then.granted, found.now.granted) == ({"period"}, {"period"})


def test_a_record_that_lost_its_yes_is_not_replayed():
    old = law(basis(**REFERS))
    lost = reviewed(record(), old, yes(old))
    lost["judged"]["answered"] = None
    with pytest.raises(Lacking, match="its own register"):
        replaying.replay(lost, old, old)


def test_what_a_person_answered_is_judged_by_the_day_it_was_carried_out():
    old = law(basis(**REFERS, giltig_tom=date(2026, 3, 31)))
    answered, later = yes(old), datetime(2026, 3, 30, 12, tzinfo=UTC)
    one = reviewed(record(), old, answered, at=later)
    assert one["judged"]["decided"] == "2026-03-30"
    assert replaying.replay(one, old, law(basis(**REFERS, giltig_tom=date(2026, 3, 29)))).now.outcome is Outcome.DENY
    assert replaying.replay(one, old, law(basis(**REFERS, giltig_tom=date(2026, 3, 30)))).now.outcome is Outcome.PERMIT


def test_a_record_of_a_message_that_people_released_is_replayed():
    old = law(basis(fields=["belopp"], forbidden=["halsa"]))
    one = record(fields={"belopp": 1, "diagnos": "x"})
    permitted = purpose.release(valid(one), old, known(everyone=Protection.NONE), TODAY)
    (decision,) = permitted.decisions
    assert decision.facts.released
    told = json.loads(leaf.decided(permitted, decision, pseudonym=NOBODY, salt=SALT).record)
    assert replaying.replay(told, old, old).differs() == ()
    told["judged"]["released"] = False
    with pytest.raises(Lacking, match="its own register"):
        replaying.replay(told, old, old)


def test_what_went_out_after_a_yes_is_replayed():
    old = going.law(going.basis(referred=["ekonomi"]))
    reasons = frozenset(going.stopped(going.command(), old).reasons)
    answered = Answered(reasons=reasons, basis="OUT-1", lagrum=going.stopped(going.command(), old).lagrum)
    one = sent(going.command(), old, answered=answered)
    found = replaying.replay(one, old, old)
    assert (found.then.outcome, found.differs(), found.answered) == (Outcome.PERMIT, (), answered)
    one["judged"]["answered"] = None
    with pytest.raises(Lacking, match="its own register"):
        replaying.replay(one, old, old)


def sent(command, law_, status=Protection.NONE, answered=NOTHING):
    """Return the hidden record of what is decided of something that is to go out."""
    try:
        permitted = going.permit(command, law_, status=status, answered=answered)
    except disclosure.Stopped as stopped:
        made = intent.decided(
            going.queued(command), stopped.decision, organisation=None, policy=law_.policy, at=TODAY,
            pseudonym=NOBODY, keyed=keyed(command), salt=SALT,
        )  # fmt: skip
    else:
        made = intent.intended(
            permitted, interaction=Interaction.SEND, organisation=OrganisationNumber("2021005448"), action="a",
            digest=Digest("0" * 64), at=TODAY, pseudonym=NOBODY, keyed=keyed(command), salt=SALT,
        )  # fmt: skip
    return json.loads(made.record)


def test_what_went_out_is_replayed():
    old = going.law(going.basis())
    found = replaying.replay(sent(going.command(), old), old, going.law(going.basis()))
    assert (found.then.outcome, found.differs()) == (Outcome.PERMIT, ())


@pytest.mark.parametrize(
    ("new", "outcome", "reason"),
    [
        ({"suspicion": True}, Outcome.DENY, "SUSPICION_MISSING"),
        ({"benefits": ["bostadsbidrag"]}, Outcome.DENY, "BENEFIT_NOT_IN_BASIS"),
        ({"consent": True}, Outcome.DENY, "CONSENT_MISSING"),
        ({"required": ["arbetsgivare"]}, Outcome.DENY, "FIELD_REQUIRED"),
        ({"fields": ["belopp"]}, Outcome.PERMIT, None),
    ],
)
def test_what_would_not_have_gone_out_is_told_and_why(new, outcome, reason):
    old = going.law(going.basis())
    found = replaying.replay(sent(going.command(), old), old, going.law(going.basis(**new)))
    assert found.now.outcome is outcome
    assert found.now.reasons == ({reason} if reason else set())
    assert found.differs()


def test_what_was_denied_on_its_way_out_may_go_by_the_new_register():
    old = going.law(going.basis(suspicion=True))
    found = replaying.replay(sent(going.command(), old), old, going.law(going.basis()))
    assert (found.then.outcome, found.now.outcome) == (Outcome.DENY, Outcome.PERMIT)


def test_consent_and_suspicion_are_as_they_were():
    old = going.law(going.basis())
    given = going.command(consent=going.consent(), suspicion="M-1")
    found = replaying.replay(sent(given, old), old, going.law(going.basis(consent=True, suspicion=True)))
    assert found.now.outcome is Outcome.PERMIT


def test_a_basis_that_nobody_wrote_down_is_not_guessed():
    old = going.law(going.basis())
    with pytest.raises(Lacking, match="the basis that was named"):
        replaying.replay(sent(going.command(named="NOBODY-01"), old), old, old)


def test_a_message_that_was_refused_whole_has_no_records_to_replay():
    with pytest.raises(PurposeError):
        recorded(record(), law(basis(partner_types=["skatteverket"], cited=["2 §"])))


def test_the_recipient_must_still_be_a_partner():
    old = going.law(going.basis())
    with pytest.raises(Lacking, match="no partner"):
        replaying.replay(sent(going.command(), old), replace(old, partner_types={}), old)
