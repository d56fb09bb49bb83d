"""What others have signed for: the integrator writes it, fronts and people read it, nobody changes it."""

from __future__ import annotations

import psycopg
import pytest

from gateway.database import Turn
from gateway.store.cosignatures import StoredCosignatures
from gateway.store.place import Duty
from gateway.store.views import Views
from gateway.store.witnessed import Witnessed
from tests import builders

pytestmark = pytest.mark.services
KEY = builders.signer().key
COSIGNED = ("cosignatures", "origin, size, witness, time, line, at", ("o", 1, "w", 1, "l", "x" * 27))
STAMPED = ("stamps", "origin, day, size, time, token, at", ("o", "2026-11-20", 1, "x" * 27, b"t", "x" * 27))
READERS = (Duty.FRONT, Duty.INTEGRATOR, Duty.OPERATOR, Duty.AUDITOR, Duty.ARCHIVIST, Duty.OVERSEER)
OTHERS = (Duty.RELAY, Duty.DISPATCHER, Duty.REVIEWER, Duty.RELEASER, Duty.GALLRING)


def may(place, duty: Duty, work) -> bool:
    """Try something as a role, and undo it."""

    class Undone(Exception):  # noqa: N818  # no error
        pass

    def done() -> None:
        raise Undone

    session = place.acting(duty).open()
    try:
        with session.writing(Turn.LOG):
            work(session)
            done()
    except Undone:
        return True
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.WrongObjectType):
        return False
    finally:
        session.close()


def said(statement: str):
    return lambda session: session.execute(statement)


@pytest.mark.parametrize("duty", [*READERS, *OTHERS])
def test_who_reads_and_who_writes(stored, duty):
    for table, columns, row in (COSIGNED, STAMPED):
        assert may(stored, duty, said(f"TABLE {table}")) == (duty in READERS)
        writes = may(stored, duty, lambda session, t=table, c=columns, r=row: session.insert(t, c, [r]))
        assert writes == (duty is Duty.INTEGRATOR)


@pytest.mark.parametrize("duty", [*READERS, *OTHERS])
def test_nobody_changes_or_deletes(stored, duty):
    for table in ("cosignatures", "stamps"):
        for statement in ("UPDATE {} SET at = at", "DELETE FROM {}", "TRUNCATE {}"):
            assert not may(stored, duty, said(statement.format(table)))


def test_not_even_the_owner_empties_them(stored):
    session = stored.open()
    for table in ("cosignatures", "stamps"):
        with pytest.raises(psycopg.errors.RestrictViolation, match="are never emptied"), session.writing(Turn.LOG):
            session.execute(f"TRUNCATE {table}")
    session.close()


@pytest.mark.parametrize("duty", [Duty.OPERATOR, Duty.AUDITOR])
def test_people_ask_for_proofs_with_what_was_cosigned(stored, duty):
    clock = builders.Clock()
    journal = builders.journal(stored, clock)
    journal.accept(builders.ready("urn:uuid:1")).result()
    journal.close()
    builders.integrate(stored, clock)
    where = stored.acting(duty)
    views = Views(where)
    assert views.proof(Views(stored).at(0).hash).checkpoint.startswith(KEY.name.encode())
    found = Witnessed(where, KEY, None)
    assert (found.check(), found.stamps(), found.standing(clock.now())) == (0, [], None)


def test_the_front_shows_the_checkpoint_as_the_front(stored):
    session = stored.acting(Duty.FRONT).open()
    with session.reading():
        assert StoredCosignatures(session, KEY.name).shown(None).size == 0
    session.close()
