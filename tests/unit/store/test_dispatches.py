"""Dispatches in the embedded store: what fails and what persists, what is forbidden, and what finding costs."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.database import written
from gateway.errors import IntegrityError, UnavailableError
from gateway.message import PartnerId, Protection
from gateway.outbound import states
from gateway.outbound.ports import Lane
from gateway.outbound.states import Happening, State
from gateway.sqlite import Error, OperationalError
from gateway.store import dispatches as storing
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import StoredDispatches
from gateway.store.gallring import destroy
from gateway.store.outbox import StoredOutbox
from gateway.store.protections import StoredProtections
from gateway.trust.sealing import KEY, Sealer
from tests import builders, steps
from tests.builders import NOON, NUMBERS

H, S = Happening, State
LOG_KEY = builders.signer().key
NEWS = (builders.learned(Protection.SEKRETESSMARKERING, 1),)


class Failing:
    """Raises at one point, once."""

    def __init__(self) -> None:
        self.point = ""

    def __call__(self, point: str) -> None:
        if point == self.point:
            self.point = ""
            raise OperationalError("database or disk is full")


@pytest.fixture
def failing():
    return Failing()


@pytest.fixture
def dispatches(store, clock, failing):
    opened = StoredDispatches(store, clock=clock, faults=failing)
    yield opened
    opened.close()


@pytest.fixture
def views(store):
    opened = DispatchViews(store)
    yield opened
    opened.close()


def taken(dispatches, name: str = "c1", *to: str, **more):
    dispatches.take(*steps.parts(steps.command(name, *to, **more)))
    return dispatches.get(steps.parts(steps.command(name, *to, **more))[1][0].dispatch)


def walked(dispatches, held, *happenings, **more):
    for happening in happenings:
        assert dispatches.write(steps.step(held, happening, **more))
        held = dispatches.get(held.id)
    return held


def whole(store) -> int:
    """The size of the log, when it and what it tells of agree."""
    builders.integrate(store, builders.Clock())
    views = DispatchViews(store)
    size = views.verify_log(LOG_KEY).size
    views.close()
    return size


# --- fails, and fails but persists ------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["commands", "dispatches", "contents", "commit"])
def test_a_command_whose_commit_fails_is_not_there_and_is_taken_when_it_comes_again(dispatches, failing, point):
    made = steps.parts(steps.command("c1", "arbetsformedlingen", "skatteverket"))
    failing.point = point
    with pytest.raises(UnavailableError):
        dispatches.take(*made)
    assert dispatches.due(NOON, limit=9, busy=[]) == []
    assert not dispatches.take(*made).repeated
    assert len(dispatches.due(NOON, limit=9, busy=[])) == 2


def test_a_command_that_is_there_although_it_failed_is_the_same_when_it_comes_again(dispatches, failing):
    made = steps.parts(steps.command("c1"))
    failing.point = "committed"
    with pytest.raises(UnavailableError):
        dispatches.take(*made)
    assert dispatches.take(*made).repeated
    assert len(dispatches.due(NOON, limit=9, busy=[])) == 1


TABLES = ["dispatches", "timeline", "leaves", "records", "contents", "outbox", "protections", "commit"]


@pytest.mark.parametrize("point", TABLES)
def test_a_step_whose_commit_fails_has_not_happened_and_is_written_when_it_comes_again(
    store, dispatches, failing, views, point
):
    held = walked(dispatches, taken(dispatches), H.COMPOSE, H.BEGIN)
    step = steps.step(held, H.ANSWER, learned=NEWS)
    failing.point = point
    with pytest.raises(UnavailableError):
        dispatches.write(step)
    assert dispatches.get(held.id) == held
    assert (len(views.timeline(held.id)), views.counts()["outbox"], views.counts()["leaves"]) == (2, 0, 1)
    assert dispatches.write(step)
    assert (views.counts()["outbox"], whole(store)) == (1, 4)


def test_a_step_that_is_there_although_it_failed_is_written_and_not_twice(store, dispatches, failing, views):
    held = walked(dispatches, taken(dispatches), H.COMPOSE, H.BEGIN)
    step = steps.step(held, H.ANSWER)
    failing.point = "committed"
    with pytest.raises(UnavailableError):
        dispatches.write(step)
    assert dispatches.get(held.id).state is S.DELIVERED
    assert dispatches.write(step)
    assert (len(views.timeline(held.id)), views.counts()["outbox"], whole(store)) == (3, 1, 4)


@pytest.mark.parametrize(
    "other",
    [
        {"at": NOON + timedelta(seconds=1)},
        {"partner_code": "E17"},
        {"leaves": steps.leaves("another", 3)},
        {"digest": None},
    ],
)
def test_another_step_in_its_place_is_not_the_same_step(dispatches, other):
    held = walked(dispatches, taken(dispatches), H.COMPOSE, H.BEGIN)
    step = steps.step(held, H.ANSWER)
    assert dispatches.write(step)
    assert not dispatches.write(replace(step, **other))


def test_a_deposit_that_fails_is_in_no_mailbox_and_in_one_when_it_comes_again(dispatches, failing, file):
    held = walked(dispatches, taken(dispatches), H.COMPOSE)
    step = steps.step(held, H.DEPOSIT)
    failing.point = "deposits"
    with pytest.raises(UnavailableError):
        dispatches.write(step)
    assert file.execute("SELECT count(*) FROM deposits").fetchone() == (0,)
    assert dispatches.write(step)
    assert file.execute("SELECT count(*) FROM deposits").fetchone() == (1,)


def test_what_the_database_cannot_hold_is_no_passing_trouble(dispatches):
    held = taken(dispatches)
    with pytest.raises(IntegrityError, match="cannot hold"):
        dispatches.write(steps.step(held, H.WITHDRAW, reason="\ud800"))
    with pytest.raises(IntegrityError, match="sealed records for 1 leaves"):
        dispatches.write(steps.step(held, H.COMPOSE, records=steps.sealed("x", 2)))
    with pytest.raises(IntegrityError, match="is not here"):
        dispatches.write(replace(steps.step(held, H.WITHDRAW), dispatch="urn:uuid:nobody"))
    command, queued, _, digest = steps.parts(steps.command("c2"))
    with pytest.raises(IntegrityError, match="0 sealed commands for 1"):
        dispatches.take(command, queued, [], digest)
    assert dispatches.get(held.id) == held


def test_whoever_must_know_is_told_after_the_commit(store, clock):
    told = []
    dispatches = StoredDispatches(
        store, clock=clock, learned=lambda: told.append("learned"), committed=lambda: told.append("committed")
    )
    held = walked(dispatches, taken(dispatches), H.COMPOSE, H.BEGIN)
    assert told == []
    step = steps.step(held, H.ANSWER, learned=NEWS)
    assert dispatches.write(step)
    assert told == ["learned", "committed"]
    assert not dispatches.write(replace(step, partner_code="E1"))
    assert told == ["learned", "committed"]
    protections = StoredProtections(store)
    assert protections.status(builders.pseudonym(NUMBERS[0])) is Protection.SEKRETESSMARKERING
    protections.close()
    dispatches.close()


def test_after_close_every_call_is_turned_away(store, clock):
    dispatches = StoredDispatches(store, clock=clock)
    held = taken(dispatches)
    dispatches.close()
    dispatches.close()
    for call in (
        lambda: dispatches.due(NOON, limit=1, busy=[]),
        lambda: dispatches.write(steps.step(held, H.COMPOSE)),
        dispatches.interrupted,
    ):
        with pytest.raises(UnavailableError):
            call()


def test_no_store_is_opened_that_is_not_there(tmp_path, clock, store):
    with pytest.raises(IntegrityError):
        StoredDispatches(replace(store, folder=tmp_path / "nowhere"), clock=clock)


# --- the log, and what is sealed --------------------------------------------------------------------------------------


def test_leaves_of_dispatches_and_messages_are_one_log_in_commit_order(store, dispatches, clock, views):
    journal = builders.journal(store, clock)
    journal.accept(builders.ready("urn:uuid:1", records=2)).result()
    held = walked(dispatches, taken(dispatches), H.COMPOSE)
    journal.refuse(builders.refusal()).result()
    walked(dispatches, held, H.BEGIN, H.ANSWER)
    journal.accept(builders.ready("urn:uuid:2")).result()
    journal.close()
    assert whole(store) == 8
    mine = views.dispatch_leaves(held.id)
    assert [(one.position, one.message, one.refusal, one.dispatch) for one in mine] == [
        (position, None, None, held.number) for position in (2, 4, 5, 6)
    ]
    for one in mine:
        assert views.proof(one.hash).index == one.position
    assert [one.dispatch for one in views.leaves(1)] == [None, None]
    mine_by_name = views.history(builders.pseudonym(NUMBERS[0]))
    assert {one.dispatch for one in mine_by_name} >= {held.number}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM timeline WHERE step = 1", "leaf 0 is told of by no message"),
        ("DELETE FROM timeline WHERE step = 3", "tell of 1 leaves, the log has 4"),
        ("UPDATE timeline SET first_leaf = 0 WHERE step = 3", "leaf 0 is told of by no message, or by two"),
        ("UPDATE leaves SET entry = x'00' WHERE position = 1", "leaf 1 does not have its entry's hash"),
    ],
)
def test_a_log_whose_dispatches_were_tampered_with_does_not_verify(store, dispatches, file, statement, told):
    walked(dispatches, taken(dispatches), H.COMPOSE, H.BEGIN, H.ANSWER)
    assert whole(store) == 4
    builders.forge(file, statement)
    with pytest.raises(IntegrityError, match=told):
        whole(store)


def test_a_leaf_of_a_dispatch_that_waits_to_be_signed_for_is_counted(dispatches, views):
    walked(dispatches, taken(dispatches), H.COMPOSE, H.BEGIN, H.ANSWER)
    assert views.unsigned(NOON + timedelta(seconds=3)) == (4, timedelta(seconds=3))


def test_what_was_sealed_is_opened_with_the_leaves_that_it_was_sealed_with(dispatches, views):
    sealer = Sealer("kek-1", bytes(KEY), os.urandom)
    made = steps.command("c1")
    _, queued, _, digest = steps.parts(made)
    dispatches.take(made, queued, [sealer.seal(b"the command", [])], digest)
    held = dispatches.get(queued[0].dispatch)
    intent = steps.leaves("intent")
    held = walked(dispatches, held, H.COMPOSE, leaves=intent, records=sealer.seal(b"the payload", intent))
    assert sealer.open(held.contents["command"], []).evidence == b"the command"
    opened = sealer.open(held.contents["payload"], [held.intent[1].hash])
    assert (opened.evidence, opened.records) == (b"the payload", ((intent[0].salt, intent[0].record),))
    ends = steps.leaves("end", 3)
    walked(dispatches, held, H.BEGIN)
    held = dispatches.get(held.id)
    walked(dispatches, held, H.ANSWER, leaves=ends, records=sealer.seal(b"the answer", ends))
    kept = views.sealed(held.id)
    assert [(one.step, one.name) for one in kept] == [(0, "command"), (1, "payload"), (3, "answer")]
    for one, evidence in zip(kept, (b"the command", b"the payload", b"the answer"), strict=True):
        assert sealer.open(one.sealed, [entry.hash for entry in one.leaves]).evidence == evidence


def test_an_end_without_content_keeps_its_hidden_record_under_a_key_of_its_own(dispatches, views):
    held = walked(dispatches, taken(dispatches), H.COMPOSE, H.WITHDRAW, by="anna")
    assert set(held.contents) == {"command", "payload"}
    last = views.sealed(held.id)[-1]
    assert (last.step, last.name, last.sealed.evidence, len(last.sealed.records)) == (2, "", b"", 1)


def test_gallring_destroys_content_records_and_whose_it_was_and_leaves_facts_and_proofs(
    store, dispatches, file, views, clock
):
    held = walked(dispatches, taken(dispatches), H.COMPOSE)
    other = walked(dispatches, taken(dispatches, "c2"), H.COMPOSE, H.BEGIN)
    assert destroy(store, held.id) == "it is composed, and has not ended for good"
    held = walked(dispatches, held, H.BEGIN, H.ANSWER)
    assert destroy(store, held.id) == "its events are not delivered yet"
    outbox = StoredOutbox(store, clock=clock)
    outbox.settle(outbox.pending(9))
    outbox.close()
    assert destroy(store, held.id) == ""
    assert destroy(store, held.id) == ""
    assert destroy(store, "urn:uuid:nobody") == "there is no such dispatch"
    assert views.sealed(held.id) == []
    assert len(views.dispatch_leaves(held.id)) == 4
    assert [one.happening for one in views.timeline(held.id)] == [H.COMPOSE, H.BEGIN, H.ANSWER]
    assert file.execute("SELECT pseudonym FROM dispatches ORDER BY id").fetchall() == [
        (None,), (builders.pseudonym(NUMBERS[0]),),
    ]  # fmt: skip
    assert [one.dispatch for one in views.history(builders.pseudonym(NUMBERS[0]))] == [other.number]
    assert whole(store) == 5
    assert set(dispatches.get(other.id).contents) == {"command", "payload"}


def test_what_is_unresolved_is_not_destroyed_for_a_person_may_have_to_ask(store, dispatches):
    held = walked(dispatches, taken(dispatches), H.COMPOSE, H.BEGIN, H.LOSE, H.EXPIRE)
    assert destroy(store, held.id) == "it is unresolved, and has not ended for good"


# --- mailboxes --------------------------------------------------------------------------------------------------------


def deposit(file) -> tuple[object, ...]:
    return file.execute(
        "SELECT deposited_at, fetched_at, acknowledged_at, closed_at, kept_until FROM deposits"
    ).fetchone()


def test_a_deposit_tells_when_it_was_fetched_first_and_until_when_it_is_kept(dispatches, file, clock):
    held = walked(dispatches, taken(dispatches), H.COMPOSE, H.DEPOSIT)
    assert deposit(file) == (written(NOON), None, None, None, None)
    times = [NOON + timedelta(minutes=n) for n in (1, 2, 3)]
    for at in times[:2]:
        held = walked(dispatches, held, H.FETCH, at=at)
    kept = NOON + timedelta(days=7)
    walked(dispatches, held, H.ACKNOWLEDGE, at=times[2], due=kept)
    last = written(times[2])
    assert deposit(file) == (written(NOON), written(times[0]), last, last, written(kept))


@pytest.mark.parametrize("way", [(H.EXPIRE,), (H.WITHDRAW,), (H.FETCH, H.EXPIRE)])
def test_what_is_over_is_not_theirs_to_fetch_any_more(dispatches, file, way):
    held = walked(dispatches, taken(dispatches), H.COMPOSE, H.DEPOSIT)
    walked(dispatches, held, *way)
    _, fetched, acknowledged, closed, _ = deposit(file)
    assert (fetched is not None, acknowledged, closed) == (H.FETCH in way, None, written(NOON))


def test_what_waits_for_a_partner_is_found_by_an_index(file):
    plan = file.execute(
        "EXPLAIN QUERY PLAN SELECT dispatch FROM deposits WHERE partner = ? AND organisation = ? AND closed_at IS NULL"
        " ORDER BY dispatch",
        ("p", ""),
    ).fetchall()
    assert [row[3] for row in plan] == [
        "SEARCH deposits USING INDEX ix_deposits_waiting (partner=? AND organisation=?)"
    ]


# --- what is never changed --------------------------------------------------------------------------------------------


@pytest.fixture
def kept(store, dispatches, file, clock):
    """One delivered, one in a mailbox, an instruction, a pause."""
    walked(dispatches, taken(dispatches), H.COMPOSE, H.BEGIN, H.POSTPONE, H.BEGIN, H.ANSWER)
    walked(dispatches, taken(dispatches, "c2"), H.COMPOSE, H.DEPOSIT)
    with file.writing() as connection:
        connection.execute("INSERT INTO instructions VALUES (1, 2, 'withdraw', 'anna', '', 'x', '', NULL, NULL, NULL)")
        connection.execute("INSERT INTO instructions VALUES (2, 2, 'withdraw', 'bo', '', 'x', '', 3, NULL, 'now')")
        connection.execute("INSERT INTO pauses VALUES (1, 'p', 1, 'anna', '', 'x', '')")
    return file


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE commands SET digest = 'x'",
        "DELETE FROM commands",
        "UPDATE timeline SET code = 'x'",
        "DELETE FROM timeline",
        "REPLACE INTO timeline SELECT * FROM timeline",
        "UPDATE contents SET sealed = x'00'",
        "UPDATE dispatches SET expires = 'x'",
        "UPDATE dispatches SET lane = 'x'",
        "UPDATE dispatches SET state = 'queued' WHERE id = 2",
        "UPDATE dispatches SET step = 9 WHERE id = 2",
        "UPDATE dispatches SET step = step - 1 WHERE id = 2",
        "UPDATE dispatches SET attempts = 0 WHERE id = 1",
        "UPDATE dispatches SET state = 'queued', step = step + 1 WHERE id = 1",
        "UPDATE dispatches SET first_failure = 'x' WHERE id = 1",
        "UPDATE dispatches SET first_failure = NULL WHERE id = 1",
        "UPDATE dispatches SET intent = 7 WHERE id = 2",
        "UPDATE dispatches SET pseudonym = 'another' WHERE id = 2",
        "DELETE FROM dispatches",
        "UPDATE deposits SET deposited_at = 'x'",
        "DELETE FROM deposits",
        "UPDATE instructions SET reason = 'x'",
        "UPDATE instructions SET step = 9 WHERE id = 2",
        "DELETE FROM instructions",
        "UPDATE pauses SET paused = 0",
        "DELETE FROM pauses",
    ],
)
def test_what_happened_to_a_dispatch_is_never_changed_or_deleted(kept, statement):
    with pytest.raises(Error, match="never"), kept.writing() as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM contents",
        "UPDATE dispatches SET pseudonym = NULL",
        "UPDATE dispatches SET state = 'fetched', step = step + 1 WHERE id = 2",
        "UPDATE instructions SET step = 3, settled_at = 'x' WHERE id = 1",
        "UPDATE deposits SET fetched_at = 'x'",
    ],
)
def test_gallring_and_the_next_step_may_be(kept, statement):
    with kept.writing() as connection:
        assert connection.execute(statement).rowcount > 0


def test_the_states_that_the_database_takes_for_final_are_those_of_the_table(file):
    ((sql,),) = file.execute("SELECT sql FROM sqlite_master WHERE name = 'dispatches_end_once'").fetchall()
    assert {state for state in State if f"'{state}'" in sql} == states.FINAL


# --- what finding costs -----------------------------------------------------------------------------------------------


def plan(file, sql: str, values) -> list[str]:
    return [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()]


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (storing._HEADS, ()),
        (storing._LINE, ("queued", "lane", "now", 5)),
        (storing._OVER, ("now", 5)),
        (storing._INTERRUPTED, ()),
        (storing._INSTRUCTED, (5,)),
        (storing._STANDS, ("urn:uuid:1",)),
        (storing._KNOWN, ("asker", "c1")),
        (storing._TAKEN, (1,)),
    ],
)
def test_every_question_is_looked_up_in_an_index(file, sql, values):
    told = [line for line in plan(file, sql, values) if " INDEX " in line or " KEY " in line or "SCAN" in line]
    own = [line for line in told if line.split()[1] not in {"h", "w", "heads", "wanted", "4"}]
    assert own
    assert all(line.startswith("SEARCH") or "ix_instructions_open" in line for line in own), told


class Steps:
    """Counts what SQLite does, in steps of its machine."""

    def __init__(self, store, clock) -> None:
        self.dispatches = StoredDispatches(store, clock=clock)
        self.count = 0
        (session,) = self.dispatches._sessions._idle
        session.connection.set_progress_handler(self._tick, 1)

    def _tick(self) -> int:
        self.count += 1
        return 0

    def of(self, ask) -> int:
        ask(self.dispatches)  # the first time statements are prepared
        self.count = 0
        ask(self.dispatches)
        return self.count


MANY = 3000


def crowd(file, first: int, state: str, *, due=None, partner: str = "crowded") -> None:
    """As many dispatches of one lane in one state, put there as they would stand."""
    expires = written(NOON + timedelta(days=1))
    over = None if state in states.FINAL or state in states.IN_FLIGHT else expires
    columns = f"{storing._DISPATCH}, state"
    rows = [
        (
            n, f"urn:uuid:crowd-{n}", 1, n, "k", partner, "", f"{partner}  k",
            expires, due and written(due), over, expires, state,
        )
        for n in range(first, first + MANY)
    ]  # fmt: skip
    with file.writing():
        file.insert("dispatches", columns, rows)


SHUT = Lane(PartnerId("crowded"), None, "k")


def test_what_has_ended_flies_waits_for_its_time_or_stands_in_a_shut_lane_costs_nothing(store, clock, file):
    counted = Steps(store, clock)
    for n in range(5):
        taken(counted.dispatches, f"c{n}")

    def ask(dispatches) -> None:
        assert len(dispatches.due(NOON, limit=3, busy=[], shut=[SHUT])) == 3

    alone = counted.of(ask)
    crowd(file, 1000, "delivered")
    crowd(file, 10_000, "waiting", due=NOON + timedelta(hours=1))
    crowd(file, 20_000, "composed", due=NOON - timedelta(hours=1))
    crowd(file, 30_000, "uncertain", due=NOON - timedelta(hours=1))
    crowd(file, 40_000, "deposited")
    crowd(file, 50_000, "referred")
    crowd(file, 60_000, "unresolved")
    assert counted.of(ask) < alone + 200
    counted.dispatches.close()


def test_a_pause_costs_nothing_however_much_waits_behind_it(store, clock, file):
    counted = Steps(store, clock)
    taken(counted.dispatches, "c1")

    def ask(dispatches) -> None:
        assert len(dispatches.due(NOON, limit=3, busy=[])) == 1

    with file.writing():
        file.execute("INSERT INTO pauses VALUES (1, 'crowded', 1, 'anna', '', 'fel', '')")
    alone = counted.of(ask)
    crowd(file, 1000, "queued", due=NOON)
    crowd(file, 10_000, "composed", due=NOON)
    assert counted.of(ask) < alone + 200
    counted.dispatches.close()


def test_of_a_long_line_only_as_much_is_read_as_is_asked_for(store, clock, file):
    counted = Steps(store, clock)
    taken(counted.dispatches, "c1")
    crowd(file, 1000, "queued", due=NOON - timedelta(hours=1))
    few = counted.of(lambda dispatches: dispatches.due(NOON, limit=3, busy=[]))
    crowd(file, 10_000, "queued", due=NOON - timedelta(hours=1))
    assert counted.of(lambda dispatches: dispatches.due(NOON, limit=3, busy=[])) < few + 50
    counted.dispatches.close()


def test_a_step_costs_the_same_however_many_there_are(store, clock, file):
    counted = Steps(store, clock)
    held = taken(counted.dispatches, "c1")
    walked(counted.dispatches, held, H.COMPOSE)
    few = counted.of(lambda dispatches: dispatches.write(steps.step(dispatches.get(held.id), _next(dispatches, held))))
    crowd(file, 1000, "queued", due=NOON)
    crowd(file, 10_000, "delivered")
    assert (
        counted.of(lambda dispatches: dispatches.write(steps.step(dispatches.get(held.id), _next(dispatches, held))))
        < few + 200
    )
    counted.dispatches.close()


def _next(dispatches, held) -> Happening:
    return H.POSTPONE if dispatches.get(held.id).state is S.SENDING else H.BEGIN


def test_what_is_interrupted_is_found_among_many_without_reading_them(store, clock, file):
    counted = Steps(store, clock)
    walked(counted.dispatches, taken(counted.dispatches, "c1"), H.COMPOSE, H.BEGIN)

    def ask(dispatches) -> None:
        assert len(dispatches.interrupted()) == 1

    alone = counted.of(ask)
    for first, state in ((1000, "delivered"), (10_000, "queued"), (20_000, "unresolved")):
        crowd(file, first, state, due=NOON if state == "queued" else None)
    assert counted.of(ask) < alone + 50
    counted.dispatches.close()
