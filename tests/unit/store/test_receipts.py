"""That a receipt was signed is written with a later commit, once a message, and no message fails for its sake."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.errors import UnavailableError
from gateway.message import Fingerprint, Sign
from gateway.sqlite import OperationalError
from gateway.store import receipts
from tests import builders


def sign(message: int | None, value: bytes = b"\1" * 64, seconds: int = 0) -> Sign:
    at = builders.NOON + timedelta(seconds=seconds)
    return Sign(message=message, at=at, certificate=Fingerprint("a" * 64), value=value)


def kept(store) -> list[int]:
    session = store.open()
    found = [number for (number,) in session.execute("SELECT message FROM receipts ORDER BY message").fetchall()]
    session.close()
    return found


class Failing:
    """Raises once, at one point, after it has been told the point so many times."""

    def __init__(self, point: str, error: Exception, after: int = 1) -> None:
        self.point, self.error, self.after = point, error, after

    def __call__(self, point: str) -> None:
        if point == self.point:
            self.after -= 1
            if self.after == 0:
                raise self.error


def test_what_was_signed_is_written_with_the_next_message_and_read_with_what_it_says(store, clock):
    journal = builders.journal(store, clock)
    ready = builders.ready(records=2)
    accepted = journal.accept(ready).result()
    assert accepted.number == 1
    journal.keep(sign(accepted.number))
    assert kept(store) == []
    journal.accept(builders.ready("urn:uuid:2")).result()
    assert kept(store) == [1]
    journal.close()
    told = receipts.read(store, 1)
    assert told is not None
    assert told.accepted == accepted
    assert told.sign == sign(1)
    assert receipts.read(store, 2).sign is None
    assert receipts.read(store, 3) is None


def test_what_no_message_comes_after_is_written_by_itself(store, clock):
    journal = builders.journal(store, clock, later=timedelta(milliseconds=1))
    journal.keep(sign(journal.accept(builders.ready()).result().number))
    for _ in range(1000):
        if kept(store):
            break
        journal._writer.join(0.01)
    assert kept(store) == [1]
    journal.close()


def test_what_was_signed_is_written_when_the_journal_is_closed(store, clock):
    journal = builders.journal(store, clock, group=2)
    for n in range(5):
        accepted = journal.accept(builders.ready(f"urn:uuid:{n}")).result()
    for n in range(1, accepted.number + 1):
        journal.keep(sign(n))
    journal.close()
    assert kept(store) == [1, 2, 3, 4, 5]


def test_the_first_that_is_kept_of_a_message_stands_and_a_repetition_has_its_number(store, clock):
    journal = builders.journal(store, clock)
    journal.keep(sign(journal.accept(builders.ready()).result().number))
    again = journal.accept(builders.ready()).result()
    assert (again.repeated, again.number) == (True, 1)
    journal.keep(sign(again.number, b"\2" * 64, seconds=9))
    journal.keep(sign(again.number, b"\3" * 64, seconds=10))
    journal.close()
    assert receipts.read(store, 1).sign == sign(1)


def test_what_tells_of_no_message_in_the_store_is_not_written(store, clock):
    journal = builders.journal(store, clock)
    journal.keep(sign(None))
    journal.close()
    assert kept(store) == []


@pytest.mark.parametrize("point", ["receipts", "commit"])
def test_what_a_failed_commit_did_not_write_is_written_with_the_next(store, clock, point):
    full = Failing(point, OperationalError("database or disk is full"), after=2 if point == "commit" else 1)
    journal = builders.journal(store, clock, faults=full)
    journal.keep(sign(journal.accept(builders.ready()).result().number))
    with pytest.raises(UnavailableError):
        journal.accept(builders.ready("urn:uuid:2")).result()
    assert kept(store) == []
    journal.accept(builders.ready("urn:uuid:2")).result()
    assert kept(store) == [1]
    journal.close()


def test_what_was_written_by_a_commit_that_seemed_to_fail_is_written_once(store, clock):
    journal = builders.journal(store, clock)
    journal.keep(sign(journal.accept(builders.ready()).result().number))
    session = store.open()
    with session.writing():
        receipts.write(session, [sign(1)])  # as the commit that happened all the same
    session.close()
    journal.accept(builders.ready("urn:uuid:2")).result()
    journal.close()
    assert kept(store) == [1]


def test_a_receipt_that_cannot_be_written_fails_no_message_and_is_forgotten(store, clock):
    journal = builders.journal(store, clock)
    journal.keep(sign(900))  # there is no such message
    assert journal.accept(builders.ready()).result().number == 1
    journal.keep(sign(1))
    journal.accept(builders.ready("urn:uuid:2")).result()
    journal.keep(sign(900))
    journal.close()
    assert kept(store) == [1]


def test_beyond_the_backlog_what_was_signed_is_forgotten(store, clock):
    journal = builders.journal(store, clock, backlog=2)
    numbers = [journal.accept(builders.ready(f"urn:uuid:{n}")).result().number for n in range(3)]
    for number in numbers:
        journal.keep(sign(number))
    journal.close()
    assert kept(store) == [1, 2]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE receipts SET at = 'x'", "DELETE FROM receipts", "UPDATE trust_files SET kind = 'x'",
        "DELETE FROM trust_files", "UPDATE trust_reads SET lists = ''", "DELETE FROM trust_reads",
    ],
)  # fmt: skip
def test_what_is_kept_of_signatures_is_never_changed_or_deleted(store, clock, statement):
    journal = builders.journal(store, clock)
    journal.keep(sign(journal.accept(builders.ready()).result().number))
    journal.close()
    session = store.open()
    session.execute("INSERT INTO trust_files VALUES ('a', 'crl', 'b', x'00')")
    session.execute("INSERT INTO trust_reads VALUES ('a', 'b', 'c')")
    with pytest.raises(Exception, match="are never"):
        session.execute(statement)
    session.close()
