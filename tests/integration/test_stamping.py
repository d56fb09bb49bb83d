"""Each day's last checkpoint is stamped by an authority over real HTTP; a wrong one is told of, and stops nobody."""

from __future__ import annotations

import json
import re
import threading
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway import logs
from gateway.audit import checkpoint, stamp
from gateway.config import Stamps
from gateway.database import Turn
from gateway.errors import ConfigError
from gateway.store.place import Duty
from gateway.store.views import Views
from gateway.store.witnessed import Witnessed
from gateway.wiring.stamping import Stamping, believed
from tests import authority, builders
from tests.authority import Authority, verified_by_openssl

KEY = builders.signer().key
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def store(request, tmp_path):
    if request.param == "sqlite":
        return builders.store(tmp_path / "store")
    return request.getfixturevalue("stored")


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("tsa") / "one")


class World:
    """A log over several days, the last of them the real one: an authority stamps by its own clock."""

    def __init__(self, store, stack: ExitStack) -> None:
        self.store, self._stack = store, stack
        self.clock = builders.Clock(TODAY)

    def at(self, days: int, hours: float = 0) -> None:
        self.clock.at = TODAY + timedelta(days=days, hours=hours)

    def now(self) -> None:
        self.clock.at = datetime.now(UTC)

    def grow(self, count: int = 1) -> int:
        journal = builders.journal(self.store, self.clock)
        start = Views(self.store).length()
        for n in range(start, start + count):
            journal.accept(builders.ready(f"urn:uuid:{n}")).result()
        journal.close()
        self._integrator = builders.integrator(self.store, self.clock, holder=f"{start}")
        size = self._integrator.step().size
        self._integrator.stop()
        return size

    def stamping(self, url: str, root, *, holder: str = "test", timeout: float = 10.0) -> Stamping:
        made = Stamping(
            self.store.acting(Duty.INTEGRATOR),
            Stamps(authority=url, anchors=root, timeout=timedelta(seconds=timeout)),
            key=KEY, clock=self.clock, holder=holder, chance=lambda: 1.0,
        )  # fmt: skip
        self._stack.callback(made.stop)
        return made

    @property
    def stamped(self):
        return Witnessed(self.store, KEY, None).stamps()

    def unstamped(self) -> timedelta:
        return Witnessed(self.store, KEY, None).unstamped(self.clock.now())


@pytest.fixture
def world(store):
    with ExitStack() as stack:
        yield World(store, stack)


def told(stream) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def day(days: int) -> date:
    return (TODAY + timedelta(days=days)).date()


def test_yesterday_s_last_checkpoint_is_stamped_and_today_s_is_not(world, one):
    for hours in (1, 13, 23.9):
        world.at(-1, hours)
        size = world.grow(2)
    world.now()
    world.grow()
    with authority.Served(one.reply) as served:
        stamping = world.stamping(served.url, one.anchors)
        with logs.captured() as stream:
            due = stamping.step()
            assert stamping.step() is None
    assert (due.day, due.checkpoint.size) == (day(-1), size)
    (asked,) = served.asked
    assert asked[0] == "application/timestamp-query"
    assert builders.ORIGIN.encode() not in asked[1]
    (kept,) = world.stamped
    assert (kept.day, kept.size, checkpoint.verify(kept.note, KEY).size) == (day(-1), size, size)
    assert stamp.verify(kept.token, kept.note, believed(Stamps(authority=served.url, anchors=one.anchors))).time
    assert "Verification: OK" in verified_by_openssl(one, kept.note, kept.token)
    (line,) = told(stream)
    assert (line["event"], line["day"], line["size"]) == ("stamp.made", day(-1).isoformat(), size)


def test_days_that_were_missed_are_stamped_one_by_one_and_quiet_days_are_passed_over(world, one):
    world.at(-6, 10)
    world.grow()
    world.now()
    with authority.Served(one.reply) as served:
        stamping = world.stamping(served.url, one.anchors)
        with logs.captured():
            assert stamping.step().day == day(-6)
            assert stamping.step() is None
            for days in (-4, -4, -1):
                world.at(days, 12)
                world.grow(3)
            world.now()
            assert [stamping.step().day for _ in range(2)] == [day(-4), day(-1)]
            assert stamping.step() is None
    assert [(one_.day, one_.size) for one_ in world.stamped] == [(day(-6), 1), (day(-4), 7), (day(-1), 10)]


def test_of_a_store_that_is_older_only_the_last_day_is(world, one):
    for days in (-9, -8, -3):
        world.at(days, 12)
        world.grow()
    world.now()
    with authority.Served(one.reply) as served, logs.captured():
        stamping = world.stamping(served.url, one.anchors)
        assert (stamping.step().day, stamping.step()) == (day(-3), None)


def test_what_a_clock_set_back_signed_on_a_stamped_day_goes_with_the_next(world, one):
    world.at(-3, 12)
    world.grow()
    world.now()
    with authority.Served(one.reply) as served, logs.captured():
        stamping = world.stamping(served.url, one.anchors)
        assert stamping.step().day == day(-3)
        world.at(-3, 13)
        world.grow()
        world.now()
        assert stamping.step().day == day(-2)
        assert stamping.step() is None
    assert [kept.size for kept in world.stamped] == [1, 2]


def test_one_process_has_it_stamped(world, one):
    world.at(-1, 1)
    world.grow()
    world.now()
    with authority.Served(one.reply) as served, logs.captured():
        first, second = world.stamping(served.url, one.anchors), world.stamping(served.url, one.anchors, holder="b")
        assert first.step() is not None
        world.at(-1, 2)
        world.now()
        assert second.step() is None
    assert len(served.asked) == 1


def misbehaving(one: Authority, other: Authority):
    """Ways to be wrong: what is answered, status and content type."""
    return {
        "wrong imprint": (lambda _query: one.reply(one.query(b"another text")), 200, authority.REPLY),
        "wrong nonce": (lambda query: one.reply(one.query(_data(query))), 200, authority.REPLY),
        "another authority": (other.reply, 200, authority.REPLY),
        "garbage": (lambda _query: b"\x30\x82\xff\xff" + b"x" * 200, 200, authority.REPLY),
        "nothing": (lambda _query: b"", 200, authority.REPLY),
        "a page": (lambda _query: b"<html>", 200, "text/html"),
        "an error": (lambda _query: b"", 503, authority.REPLY),
        "too much": (lambda query: one.reply(query) + b"x" * 70_000, 200, authority.REPLY),
    }


_KEPT: list[bytes] = []


def _data(_query: bytes) -> bytes:
    return _KEPT[-1]


WAYS = {
    "wrong imprint": "Nonce mismatch|Mismatch between messages",
    "wrong nonce": "Nonce mismatch",
    "another authority": "Error while verifying certificates",
    "garbage": "is not one",
    "nothing": "is not one",
    "a page": "status 200, and no",
    "an error": "status 503",
    "too much": "",
}


@pytest.mark.parametrize("way", WAYS)
def test_an_authority_that_misbehaves_is_told_of_and_nothing_is_kept(world, one, tmp_path, way):
    other = Authority.make(tmp_path / "other")
    world.at(-1, 1)
    world.grow()
    _KEPT.append(Views(world.store).checkpoint())
    world.now()
    answer, status, kind = misbehaving(one, other)[way]
    with authority.Served(answer, status=status, kind=kind) as served, logs.captured() as stream:
        assert world.stamping(served.url, one.anchors).step() is None
    (line,) = told(stream)
    assert (line["event"], line["level"], line["day"]) == ("stamp.failed", "error", day(-1).isoformat())
    assert re.search(WAYS[way], line["detail"])
    assert world.stamped == []


def test_an_authority_whose_clock_is_wrong_is_told_of(world, one):
    world.at(-3, 1)
    world.grow()
    world.at(-2, 1)  # ours is behind the authority's by two days
    with authority.Served(one.reply) as served, logs.captured() as stream:
        assert world.stamping(served.url, one.anchors).step() is None
    assert "clock differs" in told(stream)[0]["detail"]
    assert world.stamped == []


def test_a_slow_authority_is_given_up_and_asked_again_later_and_later(world, one):
    done, slow = threading.Event(), [True]

    def answer(query: bytes) -> bytes:
        if slow[0]:
            done.wait(20)
            return b""  # nobody reads it any more
        return one.reply(query)

    world.at(-1, 1)
    world.grow()
    world.now()
    with authority.Served(answer) as served:
        stamping = world.stamping(served.url, one.anchors, timeout=0.3)
        with logs.captured() as stream:
            for seconds, asked in ((0, 1), (59, 1), (1, 2), (119, 2), (1, 3)):
                world.clock.pass_(timedelta(seconds=seconds))
                stamping.step()
                assert len(served.asked) == asked, seconds
        assert {line["event"] for line in told(stream)} == {"stamp.failed"}
        slow[0] = False
        done.set()
        stamping._link._timeout = 10.0
        world.now()
        stamping._rests = None
        with logs.captured() as stream:
            assert stamping.step() is not None
    assert [line["event"] for line in told(stream)] == ["stamp.made"]


def test_how_late_a_day_is_can_be_seen_and_is_told_where_it_is_too_late(world, one):
    world.at(-2, 1)
    world.grow()
    world.at(-1, 3)
    assert world.unstamped() == timedelta(hours=3)
    with authority.Served(lambda _query: b"", status=500) as served:
        stamping = world.stamping(served.url, one.anchors)
        with logs.captured() as stream:
            stamping.step()
            world.clock.pass_(timedelta(hours=10))
            stamping.step()
    assert [line["late"] for line in told(stream)] == [0, 3600]


def test_what_was_stamped_is_never_changed_or_deleted(world, one):
    world.at(-1, 1)
    world.grow()
    world.now()
    with authority.Served(one.reply) as served, logs.captured():
        world.stamping(served.url, one.anchors).step()
    session = world.store.open()
    for statement in ("UPDATE stamps SET token = token", "DELETE FROM stamps"):
        with pytest.raises(Exception, match="are never"), session.writing(Turn.LOG):
            session.execute(statement)
    session.close()


def test_the_configuration_names_what_is_wrong(tmp_path, one):
    with pytest.raises(ConfigError, match=r"audit.stamps.anchors: not there"):
        believed(Stamps(authority="http://tsa.example"))
    with pytest.raises(ConfigError, match="No such file"):
        believed(Stamps(authority="http://tsa.example", anchors=tmp_path / "away"))
    (tmp_path / "text").write_text("text")
    with pytest.raises(ConfigError, match="not a file of certificates"):
        believed(Stamps(authority="http://tsa.example", anchors=tmp_path / "text"))
    with pytest.raises(ConfigError, match="has no root certificate"):
        believed(Stamps(authority="http://tsa.example", anchors=one.folder / "between.pem"))
