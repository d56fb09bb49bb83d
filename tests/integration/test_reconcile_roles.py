"""On PostgreSQL: the auditor reconciles by views that show no more than it may see, and the front counts orphans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.message import LeafHash
from gateway.store import reconciling
from gateway.store.place import Duty
from gateway.store.promises import Held, Promises, Whose
from gateway.store.views import Views
from gateway.trust.acknowledgement import Told as Receipt
from tests.trailing import ANNA, BO, NOON, Told

pytestmark = pytest.mark.services
LATER = NOON + timedelta(days=30)


@pytest.fixture
def told(stored):
    made = Told(stored)
    for number in (1, 2):
        made.message(number, leaves=(ANNA, BO))
    made.end(made.intent(ANNA))
    yield made
    made.close()


def gaps(told, *, hours: int = 24):
    session = told.place.acting(Duty.AUDITOR).open()
    try:
        return [
            (gap.kind.value, gap.number)
            for gap in reconciling.gone_through(session, now=LATER, hours=hours, passed=lambda *_: None)
        ]
    finally:
        session.close()


def test_the_auditor_names_every_gap_and_none_where_there_is_none(told):
    assert gaps(told) == []
    told.message(4)
    told.intent(BO, state="waiting")
    assert gaps(told) == [("message missing", 3), ("intent without end", 2)]
    assert gaps(told, hours=24 * 60) == [("message missing", 3)]


def test_the_front_counts_orphans_and_sees_no_dispatch_that_is_not_in_a_mailbox(told):
    views = Views(told.place.acting(Duty.FRONT))
    assert views.orphaned(LATER) == 0
    told.intent(BO, state="sending")
    assert (views.orphaned(LATER), views.orphaned(NOON)) == (1, 0)
    session = told.place.acting(Duty.FRONT).open()
    try:
        assert session.execute("SELECT count(*) FROM dispatches").fetchone()[0] == 0
    finally:
        session.close()


def test_the_auditor_compares_receipts(told):
    at = datetime(2026, 3, 10, 12, tzinfo=UTC)
    number, message_id, contract, accepted = told.session.execute(
        "SELECT id, message_id, contract, accepted_at FROM messages WHERE id = 1"
    ).fetchone()
    leaves = tuple(
        LeafHash(bytes(row[0]))
        for row in told.session.execute("SELECT hash FROM leaves WHERE message = ? ORDER BY position", (number,))
    )
    taken = datetime.fromisoformat(accepted)
    receipt = Receipt(
        message_id=message_id, digest="d" * 64, contract=contract, received_at=taken, accepted_at=taken, whole=True,
        outcomes=(), leaves=leaves,
    )  # fmt: skip
    session = told.place.acting(Duty.AUDITOR).open()
    try:
        promises = Promises(session, Whose(partner="skatteverket"))
        assert list(promises.add(Held(place="a", told=receipt))) == []
        assert list(promises.compare()) == []
        unclaimed = promises.unclaimed(at - timedelta(days=9999), at + timedelta(days=9999))
        assert [gap.number for gap in unclaimed] == [2]
    finally:
        session.close()
