"""What the log tells of one person for a registerutdrag: that person's, all of it, and nobody else's.

On SQLite, and on PostgreSQL as the auditor.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.errors import UnavailableError
from gateway.message import Protection, Pseudonym
from gateway.store import disclosed
from gateway.store.place import Duty
from tests import builders
from tests.trailing import ANNA, BO, CARL, DENIED, IN, NOON, OUT, REVIEW, Told

HOUR = timedelta(hours=1)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def told(request, tmp_path):
    place = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    made = Told(place)
    yield made
    made.close()


def found(told, whose=ANNA, **period):
    session = told.place.acting(Duty.AUDITOR).open()
    try:
        with session.translated(), session.reading():
            return disclosed.disclosed(session, Pseudonym(whose), **period)
    finally:
        session.close()


def test_all_that_went_and_came_is_there_and_what_was_stopped_is_not(told):
    sent, stopped = told.intent(ANNA, reference="ut", at=NOON), told.intent(ANNA, reference="stopp", at=NOON)
    told.end(sent, released="yes", at=NOON + HOUR)
    told.end(stopped, released="no", at=NOON + HOUR)
    told.intent(ANNA, reference="pågår", at=NOON + HOUR)
    told.leaf(IN, ANNA, reference="in", organisation="2021005448", at=NOON + 2 * HOUR)
    told.leaf(replace(REVIEW), ANNA, reference="avgjort", at=NOON + 3 * HOUR)
    told.leaf(replace(IN, outcome="REFER"), ANNA, reference="väntar")
    told.leaf(DENIED, ANNA, reference="nekat")
    told.intent(BO, reference="bo")
    told.leaf(DENIED, BO, reference="bo nekat")
    one = found(told)
    assert [row.reference for row in one.disclosed] == ["ut", "pågår", "in", "avgjort"]
    assert [row.released for row in one.disclosed] == ["yes", None, None, None]
    assert [row.basis for row in one.refused] == ["UT-1"]
    assert one.disclosed[0].granted == OUT.granted
    assert one.disclosed[0].interaction == "send"
    (hash_,) = told.session.execute("SELECT hash FROM leaves WHERE position = ?", (sent,)).fetchone()
    assert one.disclosed[0].leaf == bytes(hash_).hex()
    assert found(told, CARL).disclosed == []


def test_a_period_holds_its_first_moment_and_not_its_last(told):
    for n in range(3):
        told.intent(ANNA, reference=str(n), at=NOON + n * HOUR)
        told.leaf(DENIED, ANNA, at=NOON + n * HOUR)
    one = found(told, since=NOON + HOUR, until=NOON + 2 * HOUR)
    assert [row.reference for row in one.disclosed] == ["1"]
    assert len(one.refused) == 1


def test_pages_are_put_together_and_there_is_an_end_to_them(told, monkeypatch):
    for n in range(7):
        told.intent(ANNA, reference=str(n), at=NOON + (n // 2) * HOUR)
    monkeypatch.setattr(disclosed, "_PAGE", 2)
    assert [row.reference for row in found(told).disclosed] == [str(n) for n in range(7)]
    monkeypatch.setattr(disclosed, "MOST", 6)
    with pytest.raises(UnavailableError, match="shorter time"):
        found(told)


def test_protection_is_what_the_newest_leaf_that_knows_says_and_unknown_where_none_does(told):
    assert found(told).protection is Protection.UNKNOWN
    told.leaf(replace(IN, protection="okand"), ANNA)
    assert found(told).protection is Protection.UNKNOWN
    told.leaf(replace(IN, protection="ingen"), ANNA)
    assert found(told).protection is Protection.NONE
    told.leaf(replace(IN, protection="sekretessmarkering"), ANNA)
    told.leaf(replace(IN, protection="okand"), ANNA)
    told.leaf(replace(IN, protection="ingen"), BO)
    assert found(told).protection is Protection.SEKRETESSMARKERING


def test_the_log_can_be_asked_from_its_oldest_leaf_on(told):
    session = told.session
    assert disclosed.first(session) is None
    told.intent(ANNA, at=NOON)
    told.intent(BO, at=NOON + HOUR)
    assert disclosed.first(session) == NOON
