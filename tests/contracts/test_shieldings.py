"""What may not go as it is waits marked; it goes again shielded, with the leaf that says so, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import psycopg
import pytest

from gateway.database import Turn
from gateway.errors import UnavailableError
from gateway.inbound.shielding import Done
from gateway.store import guard
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty, Place
from gateway.store.shieldings import StoredShieldings
from gateway.store.views import Views
from tests import builders, steps
from tests.builders import NOON

KEY = builders.signer().key


@dataclass
class Kept:
    place: Place
    clock: builders.Clock
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = builders.journal(self.place.acting(Duty.FRONT), self.clock)
        self.outbox = StoredOutbox(self.place.acting(Duty.RELAY), clock=self.clock)
        self.shieldings = StoredShieldings(self.place.acting(Duty.RELEASER), faults=self._fault)

    def _fault(self, point: str) -> None:
        if point in self.faults:
            self.faults.remove(point)
            raise UnavailableError(builders.codes.STORE_UNAVAILABLE, point)

    def put(self, *events) -> None:
        for number, one in enumerate(events):
            self.journal.accept(replace(builders.ready(f"urn:uuid:{number}"), events=(one,))).result()

    def hold(self, *names: str):
        self.outbox.hold([one for one in self.outbox.pending(9) if one.event.id in names])
        return self.shieldings.held(limit=9)

    def bodies(self) -> dict[str, bytes]:
        return {one.event.id: one.event.body for one in self.outbox.pending(9)}

    def rows(self, sql: str):
        session = self.place.open()
        try:
            return [tuple(row) for row in session.execute(sql).fetchall()]
        finally:
            session.close()

    def close(self) -> None:
        for one in (self.journal, self.outbox, self.shieldings):
            one.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def kept(request, tmp_path):
    place = builders.store(tmp_path) if request.param == "sqlite" else request.getfixturevalue("stored")
    made = Kept(place, builders.Clock())
    yield made
    made.close()


def event(name, body=b"whole", **more):
    return replace(builders.event(name, body=body), **more)


def done(held, body=b"less", *, leaf=True, related=()):
    (entry,) = steps.leaves(f"shielded {held.number}", 1)
    sealed = replace(steps.sealed(f"shielded {held.number}", 1), evidence=b"")
    return Done(
        number=held.number,
        event=held.event.id,
        body=body,
        related=related,
        at=NOON,
        leaf=entry if leaf else None,
        sealed=sealed if leaf else None,
    )


def test_whom_an_event_names_stands_with_it(kept):
    kept.put(event("a", related=("p1", "p2")), event("b"), event("c", related=None))
    assert [one.event.related for one in kept.outbox.pending(9)] == [("p1", "p2"), (), None]


def test_only_what_is_held_back_is_seen_by_whoever_shields(kept):
    kept.put(event("a"), event("b"))
    assert kept.shieldings.held(limit=9) == []
    (held,) = kept.hold("a")
    assert (held.event.id, held.event.body) == ("a", b"whole")
    assert [one.held for one in kept.outbox.pending(9)] == [True, False]
    assert len(kept.hold("a")) == 1


def test_shielded_body_leaf_and_key_are_committed_together_and_once(kept):
    kept.put(event("a"), event("b"))
    (held,) = kept.hold("a")
    before = kept.rows("SELECT count(*) FROM leaves")
    assert kept.shieldings.write(done(held, related=("p9",)))
    assert not kept.shieldings.write(done(held)), "it is held back no more"
    assert kept.bodies() == {"a": b"less", "b": b"whole"}
    first = kept.outbox.pending(9)[0]
    assert (first.held, first.event.related) == (False, ("p9",))
    ((position, name, key),) = kept.rows("SELECT position, event, key_id FROM shieldings")
    assert (name, key) == ("a", steps.sealed("shielded 1", 1).key_id)
    assert position == before[0][0]
    assert kept.rows("SELECT count(*) FROM records") == kept.rows("SELECT count(*) FROM leaves")
    assert kept.rows(f"SELECT count(*) FROM trail WHERE position = {position}") == [(1,)]  # noqa: S608  # a number
    builders.integrate(kept.place.acting(Duty.INTEGRATOR), kept.clock)
    guard.check(kept.place.acting(Duty.FRONT), KEY)
    views = Views(kept.place.acting(Duty.OPERATOR))
    views.verify_log(KEY)
    views.close()


def test_what_may_go_as_it_is_after_all_goes_without_a_leaf(kept):
    kept.put(event("a", related=None))
    (held,) = kept.hold("a")
    before = kept.rows("SELECT count(*) FROM leaves")
    assert kept.shieldings.write(done(held, body=held.event.body, leaf=False))
    assert kept.rows("SELECT count(*) FROM leaves") == before
    assert kept.rows("SELECT count(*) FROM shieldings") == [(0,)]
    assert kept.outbox.pending(9)[0].event.related == ()


def test_an_event_that_went_meanwhile_leaves_no_leaf_nor_does_another_that_has_its_number(kept):
    kept.put(event("a"))
    (held,) = kept.hold("a")
    kept.outbox.settle(kept.outbox.pending(9))
    before = kept.rows("SELECT count(*) FROM leaves")
    assert not kept.shieldings.write(done(held))
    kept.put(*(event(name) for name in ("x",)))
    assert kept.outbox.pending(9) == [] or not kept.shieldings.write(done(held))
    assert kept.rows("SELECT count(*) FROM shieldings") == [(0,)]
    assert kept.rows("SELECT count(*) FROM leaves") == before


POINTS = ("shielded", "leaves", "records", "shieldings", "commit", "committed")


@pytest.mark.parametrize("point", POINTS)
def test_a_failure_anywhere_is_all_or_nothing_and_trying_again_is_once(kept, point):
    kept.put(event("a"))
    (held,) = kept.hold("a")
    kept.faults.append(point)
    with pytest.raises(UnavailableError):
        kept.shieldings.write(done(held))
    happened = point == "committed"
    assert kept.bodies() == {"a": b"less" if happened else b"whole"}
    assert kept.rows("SELECT count(*) FROM shieldings") == [(int(happened),)]
    assert kept.shieldings.write(done(held)) is not happened
    assert kept.bodies() == {"a": b"less"}
    assert kept.rows("SELECT count(*) FROM shieldings") == [(1,)]


def test_an_event_that_is_not_held_back_is_changed_by_nobody(kept):
    kept.put(event("a"))
    session = kept.place.open()
    for change in ("body = 'x'", "related = 'p'", "queues = 'q'", "event = 'b'"):
        with pytest.raises(Exception, match="sent as it is, or shielded"), session.writing(Turn.JOURNAL):
            session.execute(f"UPDATE outbox SET {change}")  # noqa: S608  # our own words
    session.close()
    assert kept.bodies() == {"a": b"whole"}


def test_a_buried_event_keeps_whom_it_names_until_it_is_judged(kept):
    kept.put(event("a", related=("p1",)))
    kept.outbox.bury(kept.outbox.pending(9), reason="too_large")
    assert kept.rows("SELECT related FROM dead_letters") == [("p1",)]


# --- who may, on PostgreSQL -------------------------------------------------------------------------------------------

MAY_NOT = {
    "the relay changes a body": (Duty.RELAY, "UPDATE outbox SET body = 'x'"),
    "the relay forgets whom it names": (Duty.RELAY, "UPDATE outbox SET related = ''"),
    "the relay shields": (Duty.RELAY, "SELECT gateway_shield(1, 'a', 'x', '')"),
    "the relay adds a leaf": (Duty.RELAY, "INSERT INTO leaves (position, hash, entry) VALUES (9, '\\x00', '\\x00')"),
    "the relay says what was shielded": (
        Duty.RELAY,
        "INSERT INTO shieldings (position, event, key_id) VALUES (0, 'a', 'k')",
    ),
    "the releaser reads what is not held back": (Duty.RELEASER, "SELECT body FROM outbox"),
    "the releaser changes a body": (Duty.RELEASER, "UPDATE outbox SET body = 'x'"),
    "the releaser holds back": (Duty.RELEASER, "UPDATE outbox SET held = true"),
    "the releaser settles": (Duty.RELEASER, "DELETE FROM outbox"),
    "an operator shields": (Duty.OPERATOR, "SELECT gateway_shield(1, 'a', 'x', '')"),
    "an operator reads what is held back": (Duty.OPERATOR, "SELECT body FROM held_events"),
    "an operator reads whom a review is about": (Duty.OPERATOR, "SELECT person FROM review_persons"),
    "a reviewer reads whom a review is about": (Duty.REVIEWER, "SELECT person FROM review_persons"),
    "a reviewer reads who is protected": (Duty.REVIEWER, "SELECT person FROM protections"),
    "an operator reads who is protected": (Duty.OPERATOR, "SELECT person FROM protections"),
    "the front reads whom reviews are about": (Duty.FRONT, "SELECT person FROM review_persons"),
    "the front forgets them": (Duty.FRONT, "DELETE FROM review_persons"),
    "a reviewer forgets them": (Duty.REVIEWER, "DELETE FROM review_persons"),
    "the relay reads whom reviews are about": (Duty.RELAY, "SELECT 1 FROM review_persons"),
    "an auditor reads the key": (Duty.AUDITOR, "SELECT wrapped_key FROM public.shieldings"),
}


@pytest.mark.services
@pytest.mark.parametrize("what", MAY_NOT)
def test_nobody_else_does_it_and_nobody_does_more(stored, what):
    duty, statement = MAY_NOT[what]
    session = stored.acting(duty).open()
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), session.writing(Turn.DISPATCHES):
            session.execute(statement)
    finally:
        session.close()


@pytest.mark.services
@pytest.mark.parametrize(
    ("duty", "statement"),
    [
        (Duty.REVIEWER, "SELECT review, record, own, protection FROM review_protections"),
        (Duty.OPERATOR, "SELECT review, protection FROM review_protections"),
        (Duty.OPERATOR, "SELECT letter, protection, beside FROM letter_protections"),
        (Duty.AUDITOR, "SELECT review, protection FROM review_protections"),
        (Duty.AUDITOR, "SELECT position, event FROM shieldings"),
        (Duty.RELEASER, "SELECT body FROM held_events"),
        (Duty.RELAY, "UPDATE outbox SET held = true"),
    ],
)
def test_each_may_do_what_is_its_own(stored, duty, statement):
    session = stored.acting(duty).open()
    try:
        session.execute(statement)
    finally:
        session.close()


@pytest.mark.services
def test_the_function_changes_nothing_that_is_not_held_back(stored):
    made = Kept(stored, builders.Clock())
    made.put(event("a"))
    session = stored.acting(Duty.RELEASER).open()
    with session.writing(Turn.JOURNAL):
        assert session.execute("SELECT gateway_shield(1, 'a', 'x', '')").fetchone() == (False,)
    session.close()
    assert made.bodies() == {"a": b"whole"}
    made.close()
