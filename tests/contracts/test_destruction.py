"""What gallring promises, on either store: what is due goes, once; what is held stays; the log stays provable."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from gateway import codes
from gateway.audit import leaf, proof
from gateway.config.retention import DataClass
from gateway.errors import IntegrityError, UnavailableError
from gateway.message import Protection
from gateway.outbound.states import Happening
from gateway.ports import DeadLetter
from gateway.review import Action as Answering
from gateway.review import Answer
from gateway.store import destroyed
from gateway.store.dead_letters import StoredDeadLetters
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import StoredDispatches
from gateway.store.holds import Action, Covers, Kind
from gateway.store.lease import Lease
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty, Place
from gateway.store.releases import StoredReleases
from gateway.store.reviews import StoredReviews
from tests import builders, retaining, reviewing, steps
from tests.builders import NOON, NUMBERS
from tests.retaining import retention, rule

H = Happening
FIRST, SECOND = (builders.pseudonym(number) for number in (NUMBERS[1], NUMBERS[2]))
"""Of the first two records of `builders.ready`."""
YEAR = timedelta(days=366)


@dataclass
class Kept:
    place: Place
    clock: builders.Clock
    failing: dict[str, Exception]

    def fault(self, point: str) -> None:
        if error := self.failing.pop(point, None):
            raise error

    def accept(self, *messages, relayed: bool = True) -> None:
        journal = builders.journal(self.place.acting(Duty.FRONT), self.clock)
        for one in messages:
            journal.accept(one).result()
        journal.close()
        if relayed:
            self.relay()

    def relay(self) -> None:
        outbox = StoredOutbox(self.place.acting(Duty.RELAY), clock=self.clock)
        while pending := outbox.pending(100):
            outbox.settle(pending)
        outbox.close()

    def refuse(self, *refusals) -> None:
        journal = builders.journal(self.place.acting(Duty.FRONT), self.clock)
        for one in refusals:
            journal.refuse(one).result()
        journal.close()

    def run(self, *rules, bases=(), **more) -> dict[str, int]:
        made = retaining.destruction(self.place, self.clock, faults=self.fault, **more)
        try:
            return {key.split()[1].split("@")[0]: n for key, n in made.run(retention(*rules, bases=bases)).items()}
        finally:
            made.close()

    def due(self, *rules, bases=(), lenient: bool = False):
        made = retaining.destruction(self.place, self.clock)
        try:
            return {one.rule.id: one for one in made.due(retention(*rules, bases=bases, lenient=lenient))}
        finally:
            made.close()

    def held(self, *rules) -> dict[str, dict[str, int]]:
        return {name: dict(one.held) for name, one in self.due(*rules).items() if one.held}

    def count(self, table: str, where: str = "1 = 1") -> int:
        session = self.place.open()
        try:
            return int(session.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])  # noqa: S608  # our own
        finally:
            session.close()

    def whole(self) -> None:
        """The log agrees with itself and with what owns its leaves; every proof verifies; what is gone is explained."""
        builders.integrate(self.place.acting(Duty.INTEGRATOR), self.clock)
        views = DispatchViews(self.place)
        report = views.verify_log(builders.signer().key)
        for position in range(report.size):
            entry = views.at(position)
            proof.verify(views.proof(entry.hash), entry.hash, builders.signer().key)
        views.close()
        assert destroyed.unexplained(self.place) == {}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def kept(request, tmp_path):
    place = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    made = Kept(place, builders.Clock(), {})
    yield made
    made.whole()


# --- evidence, then records -------------------------------------------------------------------------------------------


def test_nothing_goes_before_its_time_and_everything_at_it(kept):
    kept.accept(builders.ready())
    kept.clock.at = NOON.replace(year=2027) - timedelta(microseconds=1)
    assert kept.run() == {}
    assert kept.count("evidence", "length(sealed) > 0") == 1
    kept.clock.at = NOON.replace(year=2027)
    assert kept.run() == {"R-evidence": 1}
    assert (kept.count("evidence", "length(sealed) > 0"), kept.count("records", "pseudonym IS NOT NULL")) == (0, 1)


def test_evidence_goes_before_records_and_with_the_last_record_goes_the_key(kept):
    kept.accept(builders.ready(records=2))
    kept.clock.pass_(2 * YEAR)
    assert kept.run() == {"R-evidence": 1, "R-record": 2}
    assert [kept.count(table) for table in ("evidence", "messages")] == [0, 1]
    assert kept.count("records", "pseudonym IS NOT NULL") == 0
    assert kept.count("trail t", "EXISTS (SELECT 1 FROM leaves l WHERE l.position = t.position AND l.message = 1)") == 0


def test_a_record_stays_for_as_long_as_the_bytes_that_its_person_stands_in(kept):
    kept.accept(builders.ready())
    kept.clock.pass_(2 * YEAR)
    assert kept.run(rule(DataClass.RECORD)) == {}
    assert kept.held(rule(DataClass.RECORD)) == {"R-record": {"evidence": 1}}


def test_each_record_goes_by_its_own_rule_and_evidence_by_the_longest(kept):
    basis = "SKV-AGI-INKOMST"
    kept.accept(builders.ready(records=1), _denied())
    kept.clock.pass_(YEAR)
    short = [rule(data, id=f"S-{data}", bases=(basis,), months=11) for data in (DataClass.EVIDENCE, DataClass.RECORD)]
    long = [rule(data, months=40) for data in (DataClass.EVIDENCE, DataClass.RECORD)]
    assert kept.run(*short, *long) == {"S-evidence": 1, "S-record": 1}
    kept.clock.pass_(3 * YEAR)
    assert kept.run(*short, *long) == {"R-evidence": 1, "R-record": 1, "S-record": 1}


def _denied():
    """A message with one record on a basis, and one that was denied without any."""
    one = builders.ready("urn:uuid:2", records=2)
    denied = builders.decision(2, number=NUMBERS[2], outcome=builders.Outcome.DENY, basis=None, lagrum=(), labels=None)
    whole = builders.permitted(builders.decision(1, number=NUMBERS[1]), denied, source=one.provenance)
    second = leaf.decided(whole, denied, pseudonym=SECOND, salt=builders.salt("denied"))
    return replace(one, leaves=(one.leaves[0], second))


def test_what_has_no_rule_is_never_due(kept):
    kept.accept(builders.ready())
    kept.clock.pass_(50 * YEAR)
    only = rule(DataClass.EVIDENCE, bases=("another",))
    assert (kept.run(only), kept.due(only)["R-evidence"].ripe) == ({}, 0)


def test_a_rule_that_is_not_verified_tells_and_destroys_nothing_but_in_demo_and_test(kept):
    kept.accept(builders.ready())
    kept.clock.pass_(2 * YEAR)
    unsure = rule(verified=False, beslut="", approved_by=())
    assert kept.run(unsure) == {}
    (tally,) = kept.due(unsure).values()
    assert (tally.ripe, tally.destroys) == (1, False)
    assert kept.count("gallringar") == 0
    (tally,) = kept.due(unsure, lenient=True).values()
    assert tally.destroys


def test_the_leaf_names_rule_numbers_and_who_and_nothing_of_the_person(kept):
    kept.accept(builders.ready(), builders.ready("urn:uuid:2"), builders.ready("urn:uuid:3"))
    kept.clock.pass_(YEAR)
    kept.run()
    (done,) = destroyed.history(kept.place, limit=9)
    assert (done.rule, done.data, done.count, done.gone) == ("R-evidence@2020-01-01", "evidence", 3, ((1, 3),))
    views = DispatchViews(kept.place)
    entry = views.at(done.position)
    session = kept.place.open()
    row = session.execute(
        "SELECT g.key_id, g.wrapped_key, r.sealed, r.pseudonym FROM gallringar g "
        "JOIN records r ON r.position = g.position"
    ).fetchone()
    session.close()
    views.close()
    assert row[3] is None
    sealed = replace(builders.sealed(1, b""), key_id=row[0], wrapped_key=bytes(row[1]), records=(bytes(row[2]),))
    ((salt, record),) = retaining.SEALS.open(sealed, [entry.hash]).records
    leaf.check(entry.entry, salt=salt, record=record)
    assert b'"rule":"R-evidence@2020-01-01"' in record
    assert not any(number.encode() in record for number in NUMBERS)
    assert not any(builders.pseudonym(number).encode() in record for number in NUMBERS)


def test_many_go_some_at_a_time_each_with_its_leaf(kept):
    kept.accept(*(builders.ready(f"urn:uuid:{n}") for n in range(7)))
    kept.clock.pass_(YEAR)
    assert kept.run(batch=3) == {"R-evidence": 7}
    assert [one.gone for one in destroyed.history(kept.place, limit=9)] == [((7, 7),), ((4, 6),), ((1, 3),)]


def test_it_stops_between_two_transactions_when_it_is_told_to_and_goes_on_later(kept):
    kept.accept(*(builders.ready(f"urn:uuid:{n}") for n in range(5)))
    kept.clock.pass_(YEAR)
    made, left = retaining.destruction(kept.place, kept.clock, batch=2), [True, True, False]
    assert made.run(retention(), going=lambda: left.pop(0)) == {"rule R-evidence@2020-01-01": 4}
    assert made.run(retention()) == {"rule R-evidence@2020-01-01": 1}
    made.close()


def test_what_is_left_of_a_message_opens_and_what_is_emptied_without_a_rule_does_not(kept):
    one = _denied()
    one = replace(one, sealed=retaining.SEALS.seal(b"<exact/>", one.leaves))
    other = builders.ready("urn:uuid:3")
    other = replace(other, sealed=retaining.SEALS.seal(b"<exact/>", other.leaves))
    kept.accept(one, other)
    kept.clock.pass_(YEAR)
    first = rule(DataClass.RECORD, id="S", bases=("SKV-AGI-INKOMST",), months=12)
    assert kept.run(rule(bases=("SKV-AGI-INKOMST",), id="E"), rule(months=40), first) == {"E": 1, "S": 1}
    kept.clock.pass_(4 * YEAR)
    assert kept.run(rule(months=40), first) == {"R-evidence": 1, "S": 1}
    views = DispatchViews(kept.place)
    opened = retaining.SEALS.open(views.sealed_message(1), [entry.hash for entry in views.leaves(1)])
    assert [bool(record) for _, record in opened.records] == [False, True]
    leaf.check(views.leaves(1)[1].entry, salt=opened.records[1][0], record=opened.records[1][1])
    views.close()


def test_bytes_that_are_gone_without_a_rule_are_not_believed(kept):
    one = builders.ready()
    kept.accept(replace(one, sealed=retaining.SEALS.seal(b"<exact/>", one.leaves)))
    session = kept.place.open()
    session.execute("UPDATE evidence SET sealed = ?", (b"",))
    views = DispatchViews(kept.place)
    with pytest.raises(IntegrityError):
        retaining.SEALS.open(views.sealed_message(1), [entry.hash for entry in views.leaves(1)])
    views.close()
    assert destroyed.unexplained(kept.place) == {"evidence": 1}
    session.execute("UPDATE evidence SET sealed = ?", (b"back",))
    session.close()


# --- whom nothing else is about ---------------------------------------------------------------------------------------


def test_what_is_known_of_a_persons_protection_goes_with_the_last_record_unless_it_protects(kept):
    number = NUMBERS[1]
    other = builders.learned(Protection.NONE, 3, NUMBERS[3])
    kept.accept(builders.ready(learned=(builders.learned(Protection.NONE, 1, number),)))
    kept.accept(builders.ready("urn:uuid:2", learned=(other,)))
    kept.clock.pass_(2 * YEAR)
    assert kept.count("protections") == 2
    kept.run()
    assert kept.count("protections", f"person = '{builders.pseudonym(number)}'") == 0
    assert kept.count("protections") == 1, "the newest revision is never given twice"


def test_a_protected_person_stays_protected(kept):
    kept.accept(builders.ready(learned=(builders.learned(Protection.SEKRETESSMARKERING, 1, NUMBERS[1]),)))
    kept.accept(builders.ready("urn:uuid:2", learned=(builders.learned(Protection.NONE, 3, NUMBERS[3]),)))
    kept.clock.pass_(2 * YEAR)
    kept.run()
    assert kept.count("protections", "rank > 1") == 1


def test_what_another_record_still_tells_of_a_person_keeps_what_is_known(kept):
    kept.accept(builders.ready(learned=(builders.learned(Protection.NONE, 1, NUMBERS[1]),)))
    kept.clock.pass_(2 * YEAR)
    kept.accept(builders.ready("urn:uuid:2", learned=(builders.learned(Protection.NONE, 3, NUMBERS[3]),)))
    kept.run()
    assert kept.count("protections") == 2


# --- what holds it ----------------------------------------------------------------------------------------------------


def test_what_is_not_delivered_is_not_destroyed_and_is_once_it_is(kept):
    kept.accept(builders.ready(), relayed=False)
    kept.clock.pass_(2 * YEAR)
    assert kept.run() == {}
    assert kept.held()["R-evidence"] == {"undelivered": 1}
    kept.relay()
    assert kept.run() == {"R-evidence": 1, "R-record": 1}


def test_a_dead_letter_that_nobody_has_judged_holds_what_it_is_about(kept):
    kept.accept(builders.ready())
    letters = StoredDeadLetters(kept.place.acting(Duty.RELAY), clock=kept.clock)
    dead = builders.event("dead", partition=FIRST)
    letters.record([
        DeadLetter(
            tag=1, queue=builders.FIRST, event=dead.id, type=dead.type, partition=dead.partition, body=dead.body,
            attempts=3, reason="failed", since=NOON, at=NOON, replay_of=None,
        )
    ])  # fmt: skip
    letters.close()
    kept.clock.pass_(2 * YEAR)
    assert kept.run() == {}
    assert kept.held()["R-evidence"] == {"letter": 1}
    people = StoredDeadLetters(kept.place.acting(Duty.OPERATOR), clock=kept.clock)
    (verdict,) = people.retry([1], reason="konsumenten är lagad", by="anna")
    people.close()
    assert not verdict.refused
    assert kept.held()["R-evidence"] == {"undelivered": 1}
    kept.relay()
    assert kept.run() == {"R-evidence": 1, "R-record": 1}


def test_what_waits_for_a_person_is_not_destroyed_and_is_when_it_is_settled(kept):
    kept.accept(reviewing.waits())
    kept.clock.pass_(2 * YEAR)
    assert kept.run() == {}
    assert kept.held()["R-evidence"] == {"review": 1}
    people = StoredReviews(kept.place.acting(Duty.REVIEWER), clock=builders.Clock(), protecting=reviewing.PROTECTING)
    reviewing.done_by(people, 1, reviewing.act(Answering.ANSWER, NOON, answer=Answer.DENY))
    people.close()
    releases = StoredReleases(kept.place.acting(Duty.RELEASER))
    (waiting,) = releases.answered(limit=9)
    assert releases.write(reviewing.done(waiting, Answering.DENY, NOON))
    releases.close()
    kept.relay()
    assert kept.run() == {"R-evidence": 1, "R-review": 1, "R-record": 1}
    assert kept.count("reviews", "wrapped_key IS NOT NULL") == 0


HELD = {
    "message": Covers(kind=Kind.MESSAGE, number=1),
    "person": Covers(kind=Kind.PERSON, pseudonym=FIRST),
    "partner": Covers(kind=Kind.PARTNER, partner="skatteverket"),
    "period": Covers(kind=Kind.PERIOD, first=NOON, beyond=NOON + timedelta(seconds=1)),
}


@pytest.mark.parametrize("name", HELD)
def test_a_legal_hold_holds_until_two_people_let_it_go(kept, name):
    kept.accept(builders.ready())
    kept.clock.pass_(2 * YEAR)
    holds = retaining.holds(kept.place, kept.clock)
    assert holds.hold(HELD[name], reason="tvist 17", by="anna") == 1
    assert kept.run() == {}
    assert kept.held()["R-evidence"] == {"hold": 1}
    assert holds.do(1, Action.RELEASE, reason="avslutad", by="bo") != ""
    assert holds.do(1, Action.ASK, reason="avslutad", by="anna") == ""
    assert holds.do(1, Action.RELEASE, reason="avslutad", by="anna") != "", "who asked does not release"
    assert kept.run() == {}
    assert holds.do(1, Action.RELEASE, reason="avslutad", by="bo") == ""
    assert holds.holds() == []
    (released,) = holds.holds(everything=True)
    assert (released.by, released.last, released.last_by) == ("anna", Action.RELEASE, "bo")
    holds.close()
    assert kept.run() == {"R-evidence": 1, "R-record": 1}


MISSES = {
    "message": Covers(kind=Kind.MESSAGE, number=2),
    "person": Covers(kind=Kind.PERSON, pseudonym=SECOND),
    "partner": Covers(kind=Kind.PARTNER, partner="akassa"),
    "period": Covers(kind=Kind.PERIOD, first=NOON + timedelta(seconds=1)),
    "partner then": Covers(kind=Kind.PARTNER, partner="skatteverket", beyond=NOON),
}


@pytest.mark.parametrize("name", MISSES)
def test_a_legal_hold_holds_nothing_else(kept, name):
    kept.accept(builders.ready())
    kept.clock.pass_(timedelta(days=1))
    kept.accept(builders.ready("urn:uuid:2"))
    kept.clock.at = NOON + YEAR
    holds = retaining.holds(kept.place, kept.clock)
    assert holds.hold(MISSES[name], reason="tvist 17", by="anna") == 1
    holds.close()
    assert kept.run(rule()) == {"R-evidence": 1 if name == "message" else 1 + (name != "period")}  # the second is young


def test_whose_a_released_hold_was_is_forgotten_and_its_steps_stay(kept):
    holds = retaining.holds(kept.place, kept.clock)
    holds.hold(HELD["person"], reason="tvist 17", by="anna")
    holds.do(1, Action.ASK, reason="avslutad", by="anna")
    holds.do(1, Action.WITHDRAW, reason="ännu inte", by="anna")
    holds.do(1, Action.ASK, reason="avslutad", by="anna")
    assert kept.count("holds", "pseudonym IS NOT NULL") == 1
    holds.do(1, Action.RELEASE, reason="avslutad", by="bo")
    holds.close()
    assert (kept.count("holds", "pseudonym IS NOT NULL"), kept.count("hold_steps")) == (0, 5)


def test_a_hold_of_what_is_not_there_or_without_a_reason_is_refused(kept):
    holds = retaining.holds(kept.place, kept.clock)
    assert isinstance(holds.hold(HELD["message"], reason="tvist", by="anna"), str)
    assert isinstance(holds.hold(HELD["person"], reason=" ", by="anna"), str)
    assert isinstance(holds.hold(HELD["person"], reason=f"om {NUMBERS[0]}", by="anna"), str)
    assert isinstance(holds.hold(Covers(kind=Kind.PERIOD), reason="tvist", by="anna"), str)
    assert holds.do(1, Action.ASK, reason="tvist", by="anna") == "there is no such hold"
    holds.close()


@pytest.mark.parametrize("point", ["leaves", "records", "hold_steps", "commit"])
def test_a_hold_whose_commit_fails_does_not_stand(kept, point):
    holds = retaining.holds(kept.place, kept.clock, kept.fault)
    kept.failing[point] = UnavailableError(codes.STORE_UNAVAILABLE, "disk full")
    with pytest.raises(UnavailableError):
        holds.hold(HELD["person"], reason="tvist", by="anna")
    assert holds.holds() == []
    assert holds.hold(HELD["person"], reason="tvist", by="anna") == 1
    holds.close()


# --- what goes out ----------------------------------------------------------------------------------------------------


def sent(kept, *happenings, name: str = "c1"):
    dispatches = StoredDispatches(kept.place.acting(Duty.DISPATCHER), clock=kept.clock)
    parts = steps.parts(steps.command(name))
    dispatches.take(*parts)
    held = dispatches.get(parts[1][0].dispatch)
    for happening in happenings:
        assert dispatches.write(steps.step(held, happening, kept.clock.now()))
        held = dispatches.get(held.id)
    dispatches.close()
    return held


def test_what_was_sent_goes_content_first_and_then_whose_it_was(kept):
    sent(kept, H.COMPOSE, H.BEGIN, H.ANSWER)
    kept.relay()
    kept.clock.pass_(YEAR)
    assert kept.run() == {"R-content": 1}
    assert kept.count("contents", "length(sealed) > 0") == 0
    assert kept.count("contents") > 0, "the keys of its records stay with them"
    assert kept.count("dispatches", "pseudonym IS NOT NULL") == 1
    kept.clock.pass_(YEAR)
    assert kept.run() == {"R-dispatch": 1}
    assert (kept.count("contents"), kept.count("dispatches", "pseudonym IS NOT NULL")) == (0, 0)
    assert kept.count("records", "pseudonym IS NOT NULL") == 0


@pytest.mark.parametrize("happenings", [(), (H.COMPOSE,), (H.COMPOSE, H.BEGIN), (H.COMPOSE, H.BEGIN, H.LOSE)])
def test_what_has_not_ended_is_never_destroyed(kept, happenings):
    sent(kept, *happenings)
    kept.relay()
    kept.clock.pass_(9 * YEAR)
    assert kept.run() == {}


def test_a_dispatch_under_hold_or_with_an_undelivered_event_stays(kept):
    sent(kept, H.COMPOSE, H.BEGIN, H.ANSWER)
    kept.clock.pass_(2 * YEAR)
    assert kept.run() == {}
    assert kept.held()["R-content"] == {"undelivered": 1}
    kept.relay()
    holds = retaining.holds(kept.place, kept.clock)
    holds.hold(Covers(kind=Kind.DISPATCH, number=1), reason="tvist", by="anna")
    holds.close()
    assert kept.run() == {}
    assert kept.held()["R-content"] == {"hold": 1}


# --- what was refused -------------------------------------------------------------------------------------------------


def test_refusals_go_with_their_keys_and_what_was_set_apart_with_its_bytes(kept):
    kept.refuse(builders.refusal(), builders.refusal(b"<apart/>", quarantined=True))
    kept.clock.pass_(YEAR)
    assert kept.run() == {"R-refusal": 1, "R-quarantine": 1}
    assert (kept.count("quarantine"), kept.count("refusals", "wrapped_key IS NOT NULL")) == (0, 0)


def test_what_is_set_apart_and_waits_for_people_stays(kept):
    kept.refuse(reviewing.apart())
    kept.clock.pass_(9 * YEAR)
    assert kept.run() == {}
    assert kept.held()["R-quarantine"] == {"review": 1}


# --- two at once, and what fails --------------------------------------------------------------------------------------


def test_two_who_destroy_at_once_destroy_once(kept):
    kept.accept(*(builders.ready(f"urn:uuid:{n}") for n in range(4)))
    kept.clock.pass_(YEAR)
    other = retaining.destruction(kept.place, kept.clock)
    told: list[object] = []
    first = True

    def meanwhile() -> bool:
        nonlocal first
        if first:
            first = False
            told.append(other.run(retention()))
        return True

    made = retaining.destruction(kept.place, kept.clock)
    assert made.run(retention(), going=meanwhile) == {}
    assert told == [{"rule R-evidence@2020-01-01": 4}]
    assert len(destroyed.history(kept.place, limit=9)) == 1
    for one in (made, other):
        one.close()


def test_who_has_lost_the_lease_destroys_nothing(kept):
    kept.accept(builders.ready())
    kept.clock.pass_(YEAR)
    assert kept.run(holder="nobody") == {}
    lease = Lease(kept.place.acting(Duty.GALLRING), "gallring", holder="somebody", clock=kept.clock)
    assert lease.hold()
    lease.close()
    assert kept.run(holder="another") == {}
    assert kept.run(holder="somebody") == {"R-evidence": 1}


def test_a_hold_that_is_laid_between_finding_and_destroying_holds(kept):
    kept.accept(builders.ready())
    kept.clock.pass_(YEAR)
    holds = retaining.holds(kept.place, kept.clock)

    def meanwhile() -> bool:
        if not holds.holds():
            assert holds.hold(HELD["person"], reason="tvist", by="anna") == 1
        return True

    made = retaining.destruction(kept.place, kept.clock)
    assert made.run(retention(), going=meanwhile) == {}
    made.close()
    holds.close()


POINTS = ["leaves", "records", "flows", "trail", "gallringar", "destroyed", "commit"]


@pytest.mark.parametrize("point", POINTS)
def test_a_destruction_whose_commit_fails_has_not_happened_and_happens_later(kept, point):
    kept.accept(builders.ready())
    kept.clock.pass_(YEAR)
    kept.failing[point] = UnavailableError(codes.STORE_UNAVAILABLE, "disk full")
    with pytest.raises(UnavailableError):
        kept.run()
    assert (kept.count("evidence", "length(sealed) > 0"), kept.count("gallrade")) == (1, 0)
    assert kept.run() == {"R-evidence": 1}


def test_a_destruction_that_happened_although_it_failed_is_not_done_again(kept):
    kept.accept(builders.ready())
    kept.clock.pass_(YEAR)
    kept.failing["committed"] = UnavailableError(codes.STORE_UNAVAILABLE, "the connection is gone")
    with pytest.raises(UnavailableError):
        kept.run()
    assert kept.run() == {}
    assert len(destroyed.history(kept.place, limit=9)) == 1


def test_watchers_find_what_each_rule_has_come_to(kept):
    kept.accept(builders.ready())
    kept.clock.pass_(YEAR)
    made = retaining.destruction(kept.place, kept.clock)
    made.look(retention(rule(), rule(DataClass.RECORD, months=20)))
    assert kept.count("gallring_due", "ripe = 1 AND held = 0 AND oldest IS NOT NULL") == 1
    made.run(retention(rule()))
    made.look(retention(rule()))
    made.close()
    assert (kept.count("gallring_due"), kept.count("gallring_due", "ripe = 0 AND oldest IS NULL")) == (1, 1)
