"""An upgraded store on PostgreSQL gets the trail it would have had."""

from __future__ import annotations

import pytest

from gateway.store import partitions
from gateway.store.place import Duty, PostgresPlace, SqlitePlace
from tests import builders
from tests.paths import test_trail

pytestmark = pytest.mark.services
busy = test_trail.busy


def test_an_upgraded_store_has_the_very_same_trail_and_its_partitions(busy, database, tmp_path):
    place = PostgresPlace(settings=database, duty=Duty.OWNER, folder=tmp_path / "anchor", width=4)
    place.upgrade("0009")
    session = place.open()
    for parent in ("leaves", "records", "evidence"):
        for _ in range(8):
            session.execute("SELECT gateway_add_partition(?)", (parent,))
    session.close()
    builders.carry(SqlitePlace(busy.store), place)
    place.upgrade()
    test_trail.rebuilt(busy, place, place.acting(Duty.AUDITOR))
    session = place.open()
    bounds = partitions.bounds(session)
    session.close()
    assert bounds["trail"] == bounds["leaves"]
