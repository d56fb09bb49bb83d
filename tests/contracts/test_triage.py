"""Recording is in `tests/contracts/test_dead_letters.py`; here is what people do to letters, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.database import Session, Turn
from gateway.errors import UnavailableError
from gateway.message import Protection, Pseudonym, Replay
from gateway.store import dead_letters as module
from gateway.store import triage
from gateway.store.dead_letters import StoredDeadLetters
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty, Place
from gateway.store.triage import ASK_LASTS, Action, State
from tests import builders
from tests.builders import FIRST, SECOND
from tests.contracts.test_dead_letters import letter
from tests.effort import effort

ANNA, BO = "anna", "bo"


@dataclass(frozen=True)
class Desk:
    """A store with dead letters, and those who work on it."""

    place: Place
    clock: builders.Clock
    relay: StoredDeadLetters
    operator: StoredDeadLetters
    outbox: StoredOutbox
    owner: Session

    def open(self, **more) -> StoredDeadLetters:
        return StoredDeadLetters(self.place.acting(Duty.OPERATOR), clock=self.clock, **more)

    def state(self, number: int) -> State:
        found = self.operator.letter(number)
        assert found is not None
        return found.state

    def body(self, number: int) -> bytes:
        ((body,),) = self.owner.execute("SELECT body FROM dead_letters WHERE id = ?", (number,)).fetchall()
        return bytes(body)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def desk(request, tmp_path, clock):
    place = builders.store(tmp_path / "store") if request.param == "sqlite" else request.getfixturevalue("stored")
    made = Desk(
        place=place,
        clock=clock,
        relay=StoredDeadLetters(place.acting(Duty.RELAY), clock=clock),
        operator=StoredDeadLetters(place.acting(Duty.OPERATOR), clock=clock, role="gateway_operator"),
        outbox=StoredOutbox(place.acting(Duty.RELAY), clock=clock),
        owner=place.acting(Duty.OWNER).open(),
    )
    yield made
    for one in (made.relay, made.operator, made.outbox, made.owner):
        one.close()


@pytest.fixture
def three(desk):
    """Letters 1 and 2 alike, 3 of another queue."""
    desk.relay.record([letter("a"), letter("b", reason="No such case"), letter("c", queue=SECOND, reason="timeout")])
    return desk


def refused(verdicts) -> list[str]:
    return [one.refused for one in verdicts]


def test_a_letter_is_kept_with_its_facts(desk, clock):
    clock.pass_(timedelta(minutes=1))
    desk.relay.record([letter("a", replay_of=3, attempts=9)])
    (found,) = desk.operator.letters()
    assert (found.id, found.queue, found.event, found.type, found.attempts) == (1, FIRST, "a", "inkomst", 9)
    assert (found.reason, found.group) == ("no_such_case", triage.group_of(FIRST, "inkomst", "no_such_case"))
    assert (found.since, found.at, found.recorded_at) == (
        builders.NOON - timedelta(hours=1),
        builders.NOON,
        clock.now(),
    )
    assert (found.replay_of, found.state, found.asked_by, found.asked_at) == (3, State.OPEN, None, None)
    assert desk.body(1) == b"body of a"


def test_what_comes_from_a_strange_broker_is_kept_whatever_it_looks_like(desk):
    """A letter that could not be recorded would hold up all behind it for ever."""
    strange = replace(
        letter("strange"),
        event="e\x00v\ud800t",
        queue="no\nsuch",
        type="\x00",
        partition=Pseudonym("\x07" * 900),
        reason=f"no case for {builders.NUMBERS[0]} \x00" + "y" * 5000,
        attempts=10**12,
        replay_of=2**70,
        body=b"",
    )
    other = replace(strange, event="e v t", replay_of=-5, attempts=-1)
    assert desk.relay.record([strange, other]) == 2
    assert desk.relay.record([other, strange]) == 0
    first = desk.operator.letter(1)
    assert (first.queue, first.replay_of, first.attempts) == ("no such", None, 2**31 - 1)
    assert first.event.startswith("unreadable-")
    assert first.reason.startswith("no case for [redacted]")
    assert builders.NUMBERS[0] not in str(desk.operator.letters())


def test_a_retry_puts_the_event_into_the_outbox_for_its_one_queue_with_letter_and_reason(three):
    verdicts = three.operator.retry([3], reason="  konsumenten är lagad ", by=ANNA)
    assert [(one.letter, one.state, one.refused) for one in verdicts] == [(3, State.REPLAYED, "")]
    (pending,) = three.outbox.pending(9)
    event = pending.event
    assert (event.id, event.type, event.partition, event.queues) == ("c", "inkomst", "p", (SECOND,))
    assert event.body == b"body of c"
    assert event.replay == Replay(letter=3, reason="konsumenten är lagad")
    assert (three.state(3), three.body(3)) == (State.REPLAYED, b"")
    assert [(one.action, one.by, one.role, one.reason, one.at) for one in three.operator.history(3)] == [
        (Action.RETRY, ANNA, "gateway_operator", "konsumenten är lagad", three.clock.now())
    ]


def test_a_retry_takes_its_place_behind_what_is_in_the_outbox(three, clock):
    journal = builders.journal(three.place.acting(Duty.FRONT), clock)
    journal.accept(builders.ready()).result()
    three.operator.retry([1, 2], reason="mended", by=ANNA)
    journal.accept(builders.ready("urn:uuid:2")).result()
    journal.close()
    found = three.outbox.pending(9)
    assert [one.event.replay.letter if one.event.replay else 0 for one in found] == [0, 1, 2, 0]
    assert [one.number for one in found] == sorted({one.number for one in found})


def test_who_settles_late_does_not_settle_the_replay_that_was_given_the_same_number(desk, clock):
    """A relay may sleep through its event's delivery, death and retry, and then settle what it had published."""
    journal = builders.journal(desk.place.acting(Duty.FRONT), clock)
    journal.accept(builders.ready()).result()
    journal.close()
    late = desk.outbox.pending(9)
    other = StoredOutbox(desk.place.acting(Duty.RELAY), clock=desk.clock)
    other.settle(other.pending(9))
    desk.relay.record([letter(late[0].event.id)])
    desk.operator.retry([1], reason="mended", by=ANNA)
    ((number, event),) = [(one.number, one.event) for one in other.pending(9)]
    assert (number, event.id) == (late[0].number, late[0].event.id)
    desk.outbox.settle(late)
    assert [one.event.replay.letter for one in other.pending(9)] == [1]
    other.settle(other.pending(9))
    assert other.pending(9) == []
    other.close()


def test_a_letter_is_sent_again_once(three):
    first = three.operator.retry([1], reason="mended", by=ANNA)
    again = three.operator.retry([1, 2, 2, 99], reason="mended", by=BO)
    assert refused(first) == [""]
    assert [(one.letter, one.state, one.refused) for one in again] == [
        (1, State.REPLAYED, "it is replayed already"),
        (2, State.REPLAYED, ""),
        (99, None, "there is no such letter"),
    ]
    assert [one.event.replay.letter for one in three.outbox.pending(9)] == [1, 2]


def test_two_who_judge_one_letter_at_once_are_one_who_did(three):
    """Whatever the order: never sent twice, never both sent and asked for, and the history tells one story."""
    desks = [three.open() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(desk.retry, [1, 2, 3], reason="mended", by=str(n))
            if n % 2
            else pool.submit(desk.ask_discard, [3, 2, 1], reason="old", by=str(n))
            for n, desk in enumerate(desks)
        ]
        verdicts = [one for call in calls for one in call.result(30)]
    for one in (1, 2, 3):
        assert sum(verdict.letter == one and not verdict.refused for verdict in verdicts) == 1
        assert len(three.operator.history(one)) == 1
    sent = [one.event.replay.letter for one in three.outbox.pending(9)]
    assert sorted(sent) == [one for one in (1, 2, 3) if three.state(one) is State.REPLAYED]
    for desk in desks:
        desk.close()


def test_to_a_queue_that_is_not_configured_nothing_is_sent_again(three):
    desk = three.open(queues=[FIRST])
    assert refused(desk.retry([1, 3], reason="mended", by=ANNA)) == ["", f"queue {SECOND} is not configured"]
    assert three.state(3) is State.OPEN
    assert refused(desk.ask_discard([3], reason="no such queue", by=ANNA)) == [""]
    desk.close()


def whole(body, _own, _beside):
    """Shown to people without anybody protected."""
    return body


def approved(three, *, by, seen=None):
    """Approve what is asked now, or another ask that was seen."""
    return three.operator.approve_discard(
        [1], by=by, seen=(three.operator.letter(1).fingerprint,) if seen is None else seen
    )


def test_discarding_takes_another_person_and_destroys_the_body(three):
    assert refused(three.operator.ask_discard([1], reason="test data", by=ANNA)) == [""]
    asked = three.operator.letter(1)
    assert (asked.state, asked.asked_by, asked.asked_at) == (State.ASKED, ANNA, three.clock.now())
    (own,) = approved(three, by=f" {ANNA} ")
    assert (own.state, "another person" in own.refused) == (State.ASKED, True)
    assert three.body(1) == b"body of a"
    assert refused(approved(three, by=BO)) == [""]
    assert (three.state(1), three.body(1)) == (State.DISCARDED, b"")
    assert [(one.action, one.by) for one in three.operator.history(1)] == [(Action.ASK, ANNA), (Action.APPROVE, BO)]
    assert three.operator.letter(1).reason == "no_such_case"
    assert refused(three.operator.retry([1], reason="after all", by=ANNA)) == ["it is discarded already"]
    assert three.outbox.pending(9) == []


def test_what_nobody_asked_for_is_not_discarded(three):
    assert refused(approved(three, by=BO)) == ["nobody asks to discard it, or the ask has lapsed"]
    assert refused(three.operator.withdraw([1], by=BO)) == ["nobody asks to discard it, or the ask has lapsed"]
    assert three.operator.history(1) == []


def test_an_ask_lapses_after_a_day_and_then_nobody_approves_it(three, clock):
    three.operator.ask_discard([1], reason="old", by=ANNA)
    clock.pass_(ASK_LASTS - timedelta(seconds=1))
    assert three.state(1) is State.ASKED
    clock.pass_(timedelta(seconds=1))
    assert three.state(1) is State.OPEN
    assert three.operator.letter(1).asked_by is None
    assert {(one.id, one.state) for one in three.operator.letters(state=State.OPEN, queue=FIRST)} == {
        (1, State.OPEN),
        (2, State.OPEN),
    }
    assert three.operator.letters(state=State.ASKED) == []
    assert three.operator.counts()[FIRST, State.OPEN] == 2
    assert refused(approved(three, by=BO)) == ["nobody asks to discard it, or the ask has lapsed"]
    assert refused(three.operator.ask_discard([1], reason="still old", by=BO)) == [""]
    assert refused(approved(three, by=ANNA)) == [""]
    assert [one.action for one in three.operator.history(1)] == [Action.ASK, Action.LAPSE, Action.ASK, Action.APPROVE]


def test_a_withdrawn_ask_leaves_the_letter_open(three):
    three.operator.ask_discard([1], reason="old", by=ANNA)
    assert "withdraw that first" in refused(three.operator.retry([1], reason="mended", by=BO))[0]
    assert refused(three.operator.withdraw([1], by=BO)) == [""]
    assert refused(three.operator.retry([1], reason="mended", by=BO)) == [""]
    assert [one.action for one in three.operator.history(1)] == [Action.ASK, Action.WITHDRAW, Action.RETRY]


def test_who_approves_approves_the_ask_that_was_seen_and_no_other(three, clock):
    three.operator.ask_discard([1, 2], reason="test data", by=ANNA)
    seen = three.operator.letter(1).fingerprint
    assert seen == three.operator.letter(2).fingerprint, "one ask"
    clock.pass_(timedelta(minutes=1))
    three.operator.withdraw([1], by=ANNA)
    assert three.operator.letter(1).fingerprint is None
    three.operator.ask_discard([1], reason="nobody wants it", by=ANNA)
    for others in ((seen,), (), ("0" * 16,)):
        assert "not the one you name" in refused(approved(three, by=BO, seen=others))[0]
    assert (three.state(1), three.body(1)) == (State.ASKED, b"body of a")
    assert refused(three.operator.approve_discard([2], by=BO, seen=(seen,))) == [""]
    assert refused(approved(three, by=BO)) == [""]


def test_a_letter_is_shown_by_what_is_known_now_of_its_person_and_of_whom_else_it_names(three):
    told = []

    def shown(body, own, beside):
        told.append((own, beside))
        return body

    def say(person, protection, rank):
        session = three.place.open()
        with session.writing(Turn.JOURNAL):
            session.execute(
                "INSERT INTO protections (person, protection, rank, stated_at, revision) VALUES (?, ?, ?, 1, ?)",
                (person, protection, rank, rank + len(told)),
            )
        session.close()

    def read():
        three.operator.read([1], purpose="fk:Kontroll", by=ANNA, shown=shown)
        return told[-1]

    three.relay.record([letter("named", related=("p-a", "p-b"))])
    assert read() == (Protection.UNKNOWN, Protection.UNKNOWN), "no broker tells whom it names"
    say("p", "ingen", 0)
    assert read() == (Protection.NONE, Protection.UNKNOWN)
    three.operator.read([4], purpose="fk:Kontroll", by=ANNA, shown=shown)
    assert told[-1] == (Protection.NONE, Protection.NONE)
    say("p-b", "skyddad_folkbokforing", 3)
    three.operator.read([4], purpose="fk:Kontroll", by=ANNA, shown=shown)
    assert told[-1] == (Protection.NONE, Protection.SEKRETESSMARKERING)


def test_without_a_fit_reason_nothing_is_done(three):
    for reason in ("", " ", f"it was {builders.NUMBERS[0]}", "x" * 201):
        assert refused(three.operator.retry([1], reason=reason, by=ANNA)) == [triage.unfit(reason)]
        assert refused(three.operator.ask_discard([1], reason=reason, by=ANNA)) == [triage.unfit(reason)]
        assert three.operator.read([1], purpose=reason, by=ANNA, shown=whole) == {}
    assert (three.state(1), three.operator.history(1), three.outbox.pending(9)) == (State.OPEN, [], [])


def test_without_somebody_nothing_is_done(three):
    assert refused(three.operator.retry([1], reason="mended", by=" ")) == ["somebody must answer for it"]
    assert three.state(1) is State.OPEN


def test_reading_a_body_is_written_down(three):
    assert three.operator.read([1, 2, 77], purpose="fk:Kontroll", by=ANNA, shown=whole) == {
        1: b"body of a",
        2: b"body of b",
    }
    assert [(one.action, one.by, one.reason) for one in three.operator.history(1)] == [
        (Action.READ, ANNA, "fk:Kontroll")
    ]
    three.operator.retry([1], reason="mended", by=ANNA)
    assert three.operator.read([1], purpose="fk:Kontroll", by=ANNA, shown=whole) == {}
    assert len(three.operator.history(1)) == 2


def test_letters_that_failed_alike_are_a_group(three, clock):
    clock.pass_(timedelta(hours=1))
    three.relay.record([letter("d", at=clock.now(), reason="NO_SUCH_CASE")])
    alike, _, other = sorted(three.operator.groups(), key=lambda one: -one.count)
    assert (alike.group, alike.queue, alike.type, alike.count) == (
        triage.group_of(FIRST, "inkomst", "no_such_case"),
        FIRST,
        "inkomst",
        2,
    )
    assert (alike.first, alike.last, alike.example) == (builders.NOON, clock.now(), 4)
    assert other.count == 1
    assert [one.id for one in three.operator.letters(group=alike.group)] == [4, 1]
    assert [one.queue for one in three.operator.groups(queue=SECOND)] == [SECOND]
    three.operator.retry([1], reason="mended", by=ANNA)
    three.operator.ask_discard([4], reason="old", by=ANNA)
    assert alike.group not in [one.group for one in three.operator.groups()]


def test_letters_are_asked_for_by_queue_state_and_number(three):
    three.operator.retry([2], reason="mended", by=ANNA)
    assert [one.id for one in three.operator.letters()] == [3, 2, 1]
    assert [one.id for one in three.operator.letters(limit=1)] == [3]
    assert [one.id for one in three.operator.letters(queue=FIRST)] == [2, 1]
    assert [one.id for one in three.operator.letters(queue=FIRST, state=State.OPEN)] == [1]
    assert [one.id for one in three.operator.letters(state=State.REPLAYED)] == [2]
    assert three.operator.letter(99) is None
    assert three.operator.counts() == {
        (FIRST, State.OPEN): 1,
        (FIRST, State.REPLAYED): 1,
        (SECOND, State.OPEN): 1,
    }


def test_a_replay_that_dies_again_is_a_new_letter_that_may_be_sent_again(three):
    three.operator.retry([1], reason="mended", by=ANNA)
    assert three.relay.record([letter("a", replay_of=1)]) == 1
    assert three.operator.letter(4).replay_of == 1
    assert refused(three.operator.retry([4], reason="mended better", by=ANNA)) == [""]
    assert three.relay.record([letter("a", replay_of=1), letter("a", replay_of=4)]) == 1


def failing(at: str):
    def fail(point: str) -> None:
        if point == at:
            raise OSError(5, "the disk failed")

    return fail


def test_a_retry_that_fails_before_its_commit_is_none(three):
    for point in ("state", "outbox", "commit"):
        desk = three.open(faults=failing(point))
        with pytest.raises((UnavailableError, OSError)):
            desk.retry([1, 2], reason="mended", by=ANNA)
        desk.close()
        assert (three.state(1), three.state(2), three.outbox.pending(9)) == (State.OPEN, State.OPEN, [])
        assert three.operator.history(1) == []
    assert refused(three.operator.retry([1, 2], reason="mended", by=ANNA)) == ["", ""]
    assert len(three.outbox.pending(9)) == 2


def test_a_retry_that_fails_after_its_commit_is_one(three):
    desk = three.open(faults=failing("committed"))
    with pytest.raises((UnavailableError, OSError)):
        desk.retry([1], reason="mended", by=ANNA)
    desk.close()
    assert three.state(1) is State.REPLAYED
    assert refused(three.operator.retry([1], reason="mended", by=ANNA)) == ["it is replayed already"]
    assert [one.event.replay.letter for one in three.outbox.pending(9)] == [1]


def test_many_letters_are_judged_in_many_transactions(desk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 4)
    desk.relay.record([letter(str(n)) for n in range(10)])
    commits = []
    many = desk.open(faults=commits.append)
    assert refused(many.retry(range(1, 11), reason="mended", by=ANNA)) == [""] * 10
    assert commits.count("commit") == 3
    assert [one.event.replay.letter for one in desk.outbox.pending(99)] == list(range(1, 11))
    many.close()


_FORBIDDEN = (
    "UPDATE triage SET by = 'somebody else'",
    "UPDATE triage SET reason = ''",
    "DELETE FROM triage",
    "DELETE FROM dead_letters",
    "UPDATE dead_letters SET reason = 'x'",
    "UPDATE dead_letters SET queue = 'x'",
    "UPDATE dead_letters SET replay_of = 7",
    "UPDATE dead_letters SET state = 'open' WHERE id = 1",
    "UPDATE dead_letters SET state = 'discarded' WHERE id = 1",
    "UPDATE dead_letters SET body = (SELECT body FROM dead_letters WHERE id = 3) WHERE id = 2",
    "UPDATE dead_letters SET partition = 'q' WHERE id = 2",
)


def test_facts_and_judgements_are_never_changed_or_deleted_not_even_by_the_owner(three):
    three.operator.retry([1], reason="mended", by=ANNA)
    for statement in _FORBIDDEN:
        with pytest.raises(Exception, match="never"), three.owner.writing(Turn.LETTERS):  # each driver's own error
            three.owner.execute(statement)
    assert three.state(1) is State.REPLAYED


_TRIES = st.lists(
    st.tuples(
        st.sampled_from(["retry", "ask", "approve", "withdraw", "read", "wait"]),
        st.sampled_from([1, 2, 3]),
        st.sampled_from([ANNA, BO]),
    ),
    max_size=12,
)


@effort(25)
@given(_TRIES)
def test_after_any_history_every_letter_is_where_its_history_says_and_sent_exactly_if_it_was(tmp_path_factory, tries):
    clock = builders.Clock()
    place = builders.store(tmp_path_factory.mktemp("triage"))
    desk = StoredDeadLetters(place, clock=clock)
    desk.record([letter("a"), letter("b"), letter("c", queue=SECOND)])
    act = {
        "retry": lambda one, by: desk.retry([one], reason="r", by=by),
        "ask": lambda one, by: desk.ask_discard([one], reason="r", by=by),
        "approve": lambda one, by: desk.approve_discard([one], by=by, seen=(desk.letter(one).fingerprint,)),
        "withdraw": lambda one, by: desk.withdraw([one], by=by),
        "read": lambda one, by: desk.read([one], purpose="p", by=by, shown=whole),
        "wait": lambda _one, _by: clock.pass_(timedelta(hours=9)),
    }
    for what, one, by in tries:
        act[what](one, by)
    outbox = StoredOutbox(place, clock=builders.Clock())
    sent = [one.event.replay.letter for one in outbox.pending(99)]
    outbox.close()
    assert len(sent) == len(set(sent))
    session = place.open()
    for one in desk.letters():
        state, asker = State.OPEN, None
        for step in desk.history(one.id):
            assert (state, step.action) in triage.TRANSITIONS
            state = triage.TRANSITIONS[state, step.action]
            asker = step.by if step.action is Action.ASK else asker
            assert step.action is not Action.APPROVE or step.by != asker
        ((stored, body, partition),) = session.execute(
            "SELECT state, body, partition FROM dead_letters WHERE id = ?", (one.id,)
        ).fetchall()
        assert stored == state
        assert (body == b"") == (partition == "") == (state in triage.JUDGED)
        assert (one.id in sent) == (state is State.REPLAYED)
    session.close()
    desk.close()
