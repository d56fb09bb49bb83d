"""On PostgreSQL: the auditor asks and the operator does not; whoever adds to the log adds to the trail, and no more."""

from __future__ import annotations

import psycopg
import pytest

from gateway.audit.reading import Purpose, Reading
from gateway.database import Turn
from gateway.store import questions
from gateway.store.place import Duty
from gateway.store.questions import QUESTIONS, Page
from tests import builders
from tests.trailing import ANNA, IN, NOON, Told

pytestmark = pytest.mark.services
WRITERS = {Duty.FRONT, Duty.DISPATCHER, Duty.RELEASER}
DENIED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)


FLOW = """
    INSERT INTO flows (id, kind, purposes, lagrum, reasons, granted, withheld, noted, consented)
    VALUES (7, 'x', '', '', '', '', '', false, false) ON CONFLICT (id) DO NOTHING
"""


@pytest.fixture
def told(stored):
    made = Told(stored)
    made.message(1)
    made.intent(ANNA)
    yield made
    made.close()


def may(place, duty: Duty, statement: str) -> bool:
    """Try a statement as a duty, and undo it."""

    class UndoneError(Exception):
        pass

    session = place.acting(duty).open()
    try:
        with session.writing(Turn.JOURNAL):
            session.execute(statement)
            raise UndoneError  # noqa: TRY301  # to undo it
    except UndoneError:
        return True
    except DENIED:
        return False
    finally:
        session.close()


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "Q17"])
def test_the_auditor_may_ask_and_the_operator_may_not(told, name):
    question = QUESTIONS[name]
    given = {"official": "anna"} if name in {"Q2", "Q4"} else {}
    given |= {"since": NOON, "until": NOON} if name == "Q16" else {}
    given |= {"withdrawn": NOON} if name == "Q19" else {}
    subjects = [ANNA] if question.about else []
    told.page(name, page=Page(), subjects=subjects, **given)
    for duty in (Duty.OPERATOR, Duty.OVERSEER, Duty.FRONT, Duty.DISPATCHER, Duty.REVIEWER, Duty.RELAY):
        with pytest.raises(DENIED):
            asked_raw(told, name, duty, subjects, given)


def asked_raw(told, name, duty, subjects, given):
    """Ask as a duty; the driver's own error comes through."""
    session = told.place.acting(duty).open()
    try:
        with session.reading():
            questions.ask(session, QUESTIONS[name], given, page=Page(), now=NOON, subjects=subjects)
    finally:
        session.close()


@pytest.mark.parametrize("duty", list(Duty))
def test_only_who_adds_to_the_log_adds_to_the_trail_and_nobody_serving_changes_or_deletes_it(told, duty):
    if duty is Duty.OWNER:
        return
    (last,) = told.session.execute("SELECT max(position) FROM leaves").fetchone()
    told.session.execute("DELETE FROM trail WHERE position = ?", (last,))
    adds = duty in WRITERS or duty is Duty.GALLRING
    insert = f"INSERT INTO trail (position, flow, at) VALUES ({last}, {IN.number}, '2026')"  # noqa: S608  # numbers
    assert may(told.place, duty, insert) == adds
    assert may(told.place, duty, FLOW) == adds
    if may(told.place, duty, "SELECT reference FROM trail"):
        assert duty in {Duty.AUDITOR, Duty.ARCHIVIST}
    for statement in (
        "UPDATE trail SET at = ''",
        "DELETE FROM trail",
        "DELETE FROM flows",
        "UPDATE trail_gaps SET filled_at = ''",
    ):
        assert not may(told.place, duty, statement), statement


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trail SET at = ''",
        "UPDATE flows SET kind = ''",
        "DELETE FROM flows",
        "TRUNCATE trail",
        "TRUNCATE flows CASCADE",
        "DELETE FROM trail_gaps",
    ],
)
def test_not_even_the_owner_changes_what_is_told(told, statement):
    told.row("trail_gaps", first=0, last=0, filled_at="2026-01-01T00:00:00.000000Z")
    with pytest.raises((psycopg.errors.RestrictViolation, psycopg.errors.RaiseException)):
        told.session.execute(statement)


def test_the_overseer_may_ask_who_read_the_log_and_the_auditor_may_not(told):
    log = builders.readings(told.place.acting(Duty.AUDITOR))
    asked = Reading(reader="anna", purpose=Purpose.KONTROLL, case="K 1", question="Q1", pseudonym=ANNA, at=NOON)
    log.read(asked)
    log.close()

    def rows(duty, **given):
        session = told.place.acting(duty).open()
        try:
            with session.reading():
                found = questions.ask(
                    session, QUESTIONS["Q17"], given, page=Page(), now=NOON, sealer=builders.SEALER, subjects=[ANNA]
                )
                return [row[2:7] for row in found.rows]
        finally:
            session.close()

    assert rows(Duty.OVERSEER) == [("anna", "kontroll", "K 1", "Q1", ANNA)]
    assert rows(Duty.OVERSEER, of_reader="bo") == []
    for duty in (Duty.AUDITOR, Duty.OPERATOR, Duty.ARCHIVIST):
        with pytest.raises(DENIED):
            rows(duty)
