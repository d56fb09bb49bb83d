"""The trail is held to the sealed records, and that of a log which is older than it is made from them.

That every leaf of every other path has its trail is an invariant (`tests.invariants`). On a server:
`tests/integration/test_postgresql_trail.py`.
"""

from __future__ import annotations

import pytest

from gateway.errors import IntegrityError, UnavailableError
from gateway.review import Answer
from gateway.store import questions, tracing, trails
from gateway.store.place import SqlitePlace, upgrade_file
from gateway.trust.pseudonym import Pseudonyms
from tests import builders, payloads
from tests.reviewing import Desk

FOLK, AGI, SJUK = "skatteverket/folkbokforing", "skatteverket/arbetsgivardeklaration", "arbetsgivare/sjukanmalan"


@pytest.fixture
def busy(world):
    """A world with messages, a refusal, something quarantined, and a review that somebody settled."""
    for contract in (FOLK, AGI, SJUK):
        assert world.send(contract).accepted
    payload = payloads.sjukanmalan(signer=world.scene.signer("arbetsgivare"), more="<fritext>Ring mig</fritext>")
    world.send(SJUK, payload)
    forbidden = '<x:sjukdom xmlns:x="urn:x">F32</x:sjukdom>'
    world.send(SJUK, payloads.sjukanmalan(signer=world.scene.signer("arbetsgivare"), more=forbidden))
    assert world.send(AGI, "<wrong xmlns='urn:wrong'/>").error
    desk = Desk(world)
    number = min(one.id for one in desk.open())
    desk.answer(number, Answer.PERMIT)
    desk.settle()
    desk.close()
    return world


def checked(world, place=None):
    place = place or SqlitePlace(world.store)
    return tracing.check(place, world.rules.sealer.open, world.rules.pseudonyms)


def rows(session):
    columns = ", ".join(f'"{one}"' for one in trails.TRAIL.split(", "))
    found = session.execute(f"SELECT {columns} FROM trail ORDER BY position").fetchall()  # noqa: S608
    flows = session.execute(f"SELECT {trails.FLOW} FROM flows ORDER BY id").fetchall()  # noqa: S608
    return [tuple(row) for row in found], [tuple(row) for row in flows]


def test_a_whole_trail_is_found_whole(busy):
    report = checked(busy)
    assert (report.whole, report.missing, report.differing, report.surplus) == (True, [], [], [])
    assert report.leaves == busy.views.length() > 5
    kinds = SqlitePlace(busy.store).open().execute("SELECT DISTINCT kind FROM flows ORDER BY 1").fetchall()
    assert {kind for (kind,) in kinds} >= {"decision", "refusal", "review"}


def test_a_row_that_is_gone_changed_or_outlived_its_record_is_named(busy):
    session = SqlitePlace(busy.store).open()
    gone, changed, outlived = (
        row[0] for row in session.execute("SELECT first_leaf FROM messages WHERE leaf_count = 1 ORDER BY id LIMIT 3")
    )
    kept = session.execute("SELECT * FROM records WHERE position = ?", (outlived,)).fetchone()
    before = session.execute(
        "SELECT * FROM trail WHERE position IN (?, ?) ORDER BY position", (gone, changed)
    ).fetchall()
    session.execute("DELETE FROM trail WHERE position IN (?, ?)", (gone, changed))
    row = list(before[1])
    row[2] = "2026-01-01T00:00:00.000000Z"
    session.insert("trail", trails.TRAIL, [tuple(row)])
    session.execute("DELETE FROM records WHERE position = ?", (outlived,))
    report = checked(busy)
    assert not report.whole
    assert (report.missing, report.differing, report.surplus, report.destroyed) == ([gone], [changed], [outlived], 1)
    # As it was: the invariants are checked when the test ends.
    session.execute("DELETE FROM trail WHERE position = ?", (changed,))
    session.insert("trail", trails.TRAIL, [tuple(one) for one in before])
    session.insert("records", "position, pseudonym, sealed", [tuple(kept)])
    session.close()


def test_a_record_that_is_not_its_leafs_is_believed_by_nobody(busy):
    session = SqlitePlace(busy.store).open()
    first = session.execute("SELECT sealed FROM records WHERE position = 0").fetchone()
    other = Pseudonyms(b"o" * 32)
    assert tracing.check(SqlitePlace(busy.store), busy.rules.sealer.open, other).whole  # nothing here has a case
    session.execute("DELETE FROM records WHERE position = 0")
    session.insert("records", "position, pseudonym, sealed", [(0, None, bytes(len(first[0])))])
    with pytest.raises(IntegrityError, match="seal"):
        checked(busy)
    pseudonym = session.execute("SELECT pseudonym FROM records WHERE position = 1").fetchone()[0]
    session.execute("DELETE FROM records WHERE position = 0")
    session.insert("records", "position, pseudonym, sealed", [(0, pseudonym, bytes(first[0]))])
    session.close()


def test_an_upgraded_store_answers_nothing_before_its_trail_is_made_and_then_has_the_very_same(busy, tmp_path):
    folder = tmp_path / "older"
    place = builders.older(folder, "0009")
    builders.carry(SqlitePlace(busy.store), place)
    place.upgrade()
    rebuilt(busy, place, place)


def rebuilt(world, place, auditor) -> None:
    """Hold a store that was upgraded to one that has had its trail all the time."""
    last = world.views.length() - 1
    session = auditor.open()
    with pytest.raises(UnavailableError, match=f"leaves 0 to {last} are older than the trail"):
        questions.whole(session)
    assert len(checked(world, place).missing) == last + 1
    seen: list[int] = []
    made = tracing.rebuild(place, world.rules.sealer.open, world.rules.pseudonyms, world.clock, told=seen.append)
    assert (made.made, made.destroyed, seen[-1]) == (last + 1, 0, last + 1)
    questions.whole(session)
    assert checked(world, place).whole
    mine = SqlitePlace(world.store).open()
    trail, flows = rows(mine)
    mine.close()
    assert rows(session)[0] == trail
    assert [row[:-2] for row in rows(session)[1]] == [row[:-2] for row in flows]  # the last two are truths
    again = tracing.rebuild(place, world.rules.sealer.open, world.rules.pseudonyms, world.clock)
    assert (again.leaves, again.made) == (0, 0)
    session.close()


def test_a_rebuilding_that_was_stopped_goes_on_and_makes_nothing_twice(busy, monkeypatch):
    place = SqlitePlace(busy.store)
    session = place.open()
    before = rows(session)
    session.execute("DELETE FROM trail")
    session.insert("trail_gaps", "first, last, filled_at", [(0, busy.views.length() - 1, None)])
    monkeypatch.setattr(tracing, "BATCH", 2)

    class StoppedError(Exception):
        pass

    def stop(leaves: int) -> None:
        if leaves >= 4:
            raise StoppedError

    by = (place, busy.rules.sealer.open, busy.rules.pseudonyms, busy.clock)
    with pytest.raises(StoppedError):
        tracing.rebuild(*by, told=stop)
    with pytest.raises(UnavailableError):
        questions.whole(session)
    report = tracing.rebuild(*by)
    assert 0 < report.made < busy.views.length()
    assert rows(session) == before
    questions.whole(session)
    session.close()


def test_a_new_store_has_no_gap(world):
    session = SqlitePlace(world.store).open()
    assert session.execute("SELECT count(*) FROM trail_gaps").fetchone()[0] == 0
    session.close()


def test_a_store_that_was_empty_when_it_was_upgraded_has_no_gap(tmp_path):
    place = builders.older(tmp_path, "0009")
    upgrade_file(place.database)
    session = place.open()
    assert session.execute("SELECT count(*) FROM trail_gaps").fetchone()[0] == 0
    session.close()
