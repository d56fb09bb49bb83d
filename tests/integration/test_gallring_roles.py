"""On PostgreSQL gallring destroys by one function, what it wrote down and nothing holds; nobody else does."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from gateway.database import Turn, written
from gateway.store import destroyed
from gateway.store.holds import Covers, Kind
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty
from gateway.store.views import Views
from tests import builders, retaining
from tests.builders import NOON

pytestmark = pytest.mark.services
FORBIDDEN = psycopg.errors.InsufficientPrivilege
OTHERS = [duty for duty in Duty if duty not in {Duty.OWNER, Duty.GALLRING}]
LATER = timedelta(days=380)


@pytest.fixture
def place(stored):
    """Two delivered messages, a refusal that was set apart, and a hold of a person."""
    clock = builders.Clock()
    journal = builders.journal(stored.acting(Duty.FRONT), clock)
    for number in (1, 2):
        journal.accept(builders.ready(f"urn:uuid:{number}")).result()
    journal.refuse(builders.refusal(quarantined=True)).result()
    journal.close()
    outbox = StoredOutbox(stored.acting(Duty.RELAY), clock=clock)
    outbox.settle(outbox.pending(9))
    outbox.close()
    return stored


def acting(place, duty: Duty):
    return place.acting(duty).open()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT sealed FROM evidence",
        "SELECT wrapped_key FROM evidence",
        "SELECT sealed FROM records",
        "SELECT pseudonym FROM records",
        "SELECT sealed FROM quarantine",
        "SELECT sealed FROM contents",
        "SELECT wrapped_key FROM refusals",
        "SELECT body FROM outbox",
        "SELECT person FROM protections",
        "SELECT pseudonym FROM holds",
        "SELECT pseudonym FROM dispatches",
        "SELECT organisation FROM trail",
        "DELETE FROM evidence",
        "DELETE FROM records",
        "DELETE FROM trail",
        "DELETE FROM contents",
        "DELETE FROM quarantine",
        "DELETE FROM protections",
        "DELETE FROM outbox",
        "UPDATE evidence SET sealed = ''",
        "UPDATE refusals SET wrapped_key = NULL",
        "UPDATE reviews SET wrapped_key = NULL",
        "UPDATE dispatches SET pseudonym = NULL",
        "UPDATE holds SET pseudonym = NULL",
        "DELETE FROM holds",
        "DELETE FROM hold_steps",
        "DELETE FROM gallringar",
        "UPDATE gallringar SET rule = 'x'",
        "INSERT INTO gallrade (data, first, last, gallring) VALUES ('evidence', 1, 2, 1)",
        "INSERT INTO messages (id) VALUES (9)",
        "INSERT INTO checkpoints (size) VALUES (9)",
        "DROP TRIGGER holds_deleted_never ON holds",
    ],
)
def test_gallring_reads_nothing_sealed_and_nobody_and_deletes_nothing_itself(place, statement):
    session = acting(place, Duty.GALLRING)
    with pytest.raises(FORBIDDEN):
        session.execute(statement)
    session.close()


def log(session, number: int, data: str, count: int) -> None:
    """Write a destruction down, with a leaf that is none: whoever has stolen the role can do no more."""
    (position,) = session.execute("SELECT coalesce(max(position), -1) + 1 FROM leaves").fetchone()
    session.execute("INSERT INTO leaves (position, hash, entry) VALUES (?, ?, ?)", (position, b"h" * 32, b"e"))
    session.execute(
        "INSERT INTO gallringar (id, rule, data, count, by, at, position, key_id, wrapped_key) "
        "VALUES (?, 'x', ?, ?, 'x', ?, ?, 'k', ?)",
        (number, data, count, written(NOON), position, b"w"),
    )


def refused(place, work, said: str) -> None:
    session = acting(place, Duty.GALLRING)
    with pytest.raises(psycopg.errors.RaiseException, match=said), session.writing(Turn.JOURNAL):
        work(session)
    session.close()
    views = Views(place)
    assert views.sealed_message(1) is not None
    assert views.sealed_message(1).evidence
    views.close()


def test_what_is_not_written_down_is_not_destroyed(place):
    refused(place, lambda one: one.execute("SELECT gateway_gallra(1, ?)", ([1],)), "not one of this transaction")


def test_more_than_is_written_down_is_not_destroyed(place):
    def work(session) -> None:
        log(session, 1, "evidence", 1)
        session.execute("SELECT gateway_gallra(1, ?)", ([1, 2],))

    refused(place, work, "not one of this transaction")


def test_a_destruction_that_is_written_down_destroys_once(place):
    def work(session) -> None:
        log(session, 1, "evidence", 1)
        session.execute("SELECT gateway_gallra(1, ?)", ([2],))
        session.execute("SELECT gateway_gallra(1, ?)", ([1],))

    refused(place, work, "not one of this transaction")


def test_one_of_another_transaction_destroys_no_more(place):
    made = retaining.destruction(place, clock := builders.Clock())
    holds = retaining.holds(place, clock)
    holds.hold(Covers(kind=Kind.MESSAGE, number=1), reason="tvist", by="anna")
    holds.close()
    clock.pass_(LATER)
    assert sum(made.run(retaining.retention()).values()) == 2
    made.close()
    which = destroyed.history(place, limit=1)[0].number
    refused(place, lambda one: one.execute("SELECT gateway_gallra(?, ?)", (which, [1])), "not one of this transaction")


def test_what_is_held_is_not_destroyed_whatever_was_written_down(place):
    holds = retaining.holds(place, builders.Clock())
    person = builders.pseudonym(builders.NUMBERS[1])
    holds.hold(Covers(kind=Kind.PERSON, pseudonym=person), reason="tvist", by="anna")
    holds.close()

    def work(session) -> None:
        log(session, 1, "evidence", 2)
        session.execute("SELECT gateway_gallra(1, ?)", ([1, 2],))

    refused(place, work, "of 2 to be destroyed only 0 may be")


def test_a_class_of_data_that_is_none_reaches_no_table(place):
    def work(session) -> None:
        log(session, 1, "evidence; DROP TABLE messages", 1)
        session.execute("SELECT gateway_gallra(1, ?)", ([1],))

    session = acting(place, Duty.GALLRING)
    with pytest.raises(psycopg.errors.UndefinedTable), session.writing(Turn.JOURNAL):
        work(session)
    session.close()


def test_a_hold_that_stands_keeps_whose_it_is_and_is_released_by_two_in_the_database_too(place):
    holds = retaining.holds(place, builders.Clock())
    holds.hold(Covers(kind=Kind.PERSON, pseudonym=builders.pseudonym(builders.NUMBERS[1])), reason="tvist", by="anna")
    holds.close()
    session = acting(place, Duty.GALLRING)
    assert session.execute("SELECT gateway_forget_hold(1)").fetchone()[0] is False
    with pytest.raises(psycopg.errors.RestrictViolation), session.writing(Turn.JOURNAL):
        session.execute(
            "INSERT INTO hold_steps (hold, step, action, by, role, reason, at) "
            "VALUES (1, 2, 'release', 'bo', '', 'x', ?)",
            (written(NOON),),
        )
    session.close()


@pytest.mark.parametrize("duty", OTHERS)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT gateway_gallra(1, ARRAY[1]::bigint[])",
        "SELECT gateway_forget_hold(1)",
        "INSERT INTO gallringar SELECT * FROM gallringar",
        "INSERT INTO holds (id, kind) VALUES (1, 'period')",
        "INSERT INTO hold_steps (hold, step, action, by, role, reason, at) VALUES (1, 1, 'hold', 'x', '', 'x', 'x')",
        "DELETE FROM evidence",
        "DELETE FROM records",
        "SELECT * FROM gallring_evidence",
    ],
)
def test_nobody_else_destroys_holds_or_looks_for_it(place, duty, statement):
    session = acting(place, duty)
    # What stands in nobody's schema but the owner's is not there, the auditor is told.
    with pytest.raises((FORBIDDEN, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction)):
        session.execute(statement)
    session.close()


@pytest.mark.parametrize("duty", [Duty.OPERATOR, Duty.AUDITOR])
def test_operator_and_auditor_see_what_was_destroyed_and_held_and_not_whose(place, duty):
    holds = retaining.holds(place, clock := builders.Clock())
    holds.hold(Covers(kind=Kind.MESSAGE, number=1), reason="tvist", by="anna")
    holds.close()
    clock.pass_(LATER)
    made = retaining.destruction(place, clock)
    made.run(retaining.retention())
    made.look(retaining.retention())
    made.close()
    assert {one.data for one in destroyed.history(place.acting(duty), limit=9)} == {"evidence", "quarantine"}
    session = acting(place, duty)
    assert session.execute("SELECT count(*) FROM hold_steps").fetchone()[0] == 1
    assert session.execute("SELECT sum(held) FROM gallring_due WHERE data = 'evidence'").fetchone()[0] == 1
    with pytest.raises((FORBIDDEN, psycopg.errors.UndefinedColumn)):
        session.execute("SELECT pseudonym FROM holds")
    session.close()
