from __future__ import annotations

import threading

import pytest

from gateway import codes, logs
from gateway.broker import backoff
from gateway.broker.collector import Collector
from gateway.errors import IntegrityError, UnavailableError
from tests import builders
from tests.contracts.test_dead_letters import letter
from tests.memory import MemoryBroker, MemoryRegistrar

AWAY = UnavailableError(codes.STORE_UNAVAILABLE, "away")


class Source:
    """`ports.DeadLetters` of one connection: a letter is lent once, and again only after `close`."""

    def __init__(self, *names: str) -> None:
        broker = MemoryBroker(builders.QUEUES, clock=builders.Clock())
        broker.dead += [letter(name, tag=tag) for tag, name in enumerate(names, start=1)]
        self._inner = broker.dead_letters()
        self.acknowledged: list[str] = []
        self.fails = 0

    def take(self, *, limit, wait=0.0):
        return self._inner.take(limit=limit, wait=wait)

    def ack(self, letters):
        if self.fails:
            self.fails -= 1
            raise AWAY
        self.acknowledged += [one.event for one in letters]
        self._inner.ack(letters)

    def close(self):
        self._inner.close()


class Registrar(MemoryRegistrar):
    def __init__(self) -> None:
        super().__init__()
        self.fails = 0
        self.persists = False
        """Whether it has happened although it failed."""

    def record(self, letters):
        new = super().record(letters) if self.persists or not self.fails else 0
        if self.fails:
            self.fails -= 1
            raise AWAY
        return new


def collector(source, registrar, **more) -> Collector:
    return Collector(source, registrar, **{"random": lambda: 0.5, **more})


def test_what_the_broker_gave_up_is_recorded_and_then_acknowledged():
    source, registrar, seen = Source("a", "b", "c"), Registrar(), []
    one = collector(source, registrar, batch=2, faults=lambda point: seen.append((point, len(source.acknowledged))))
    assert [one.step(), one.step(), one.step()] == [2, 1, 0]
    assert source.acknowledged == ["a", "b", "c"]
    assert len(registrar.letters) == 3
    assert seen[:3] == [("taken", 0), ("recorded", 0), ("acknowledged", 2)]


def test_how_many_came_home_is_told_and_no_more_of_them():
    with logs.captured() as told:
        collector(Source("secret"), Registrar()).step()
    assert b'"event":"letters.recorded"' in told.getvalue()
    assert b'"count":1' in told.getvalue()
    assert b"secret" not in told.getvalue()


@pytest.mark.parametrize("persists", [False, True])
def test_what_could_not_be_recorded_stays_in_hand_and_is_recorded_once(persists):
    """A broker lends a letter to a connection once: put down, it would never come again."""
    source, registrar = Source("a"), Registrar()
    registrar.fails, registrar.persists = 2, persists
    one = collector(source, registrar)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            one.step()
        assert source.acknowledged == []
    one.step()
    assert (source.acknowledged, len(registrar.letters)) == (["a"], 1)


def test_what_could_not_be_acknowledged_is_recorded_again_as_the_same_letter():
    source, registrar = Source("a"), Registrar()
    source.fails = 1
    one = collector(source, registrar)
    with pytest.raises(UnavailableError):
        one.step()
    assert len(registrar.letters) == 1
    assert one.step() == 0
    assert (source.acknowledged, len(registrar.letters)) == (["a"], 1)


def test_the_thread_goes_on_after_errors_and_tells_each(monkeypatch):
    monkeypatch.setattr(backoff, "FIRST", 0.001)
    source, registrar, told, home = Source("a"), Registrar(), [], threading.Event()
    registrar.fails = 3

    def faults(point: str) -> None:
        if point == "acknowledged":
            home.set()

    one = collector(source, registrar, alarm=told.append, faults=faults)
    one.start()
    assert home.wait(10)
    one.stop()
    assert (told, len(registrar.letters)) == ([AWAY] * 3, 1)


def test_a_store_whose_records_disagree_is_told_and_nothing_is_acknowledged(monkeypatch):
    monkeypatch.setattr(backoff, "FIRST", 0.001)
    source, told, enough = Source("a"), [], threading.Event()

    class Damaged:
        def record(self, _letters):
            raise IntegrityError("damaged")

    def alarm(error) -> None:
        told.append(error)
        enough.set()

    one = collector(source, Damaged(), alarm=alarm)
    one.start()
    assert enough.wait(10)
    one.stop()
    assert isinstance(told[0], IntegrityError)
    assert source.acknowledged == []


def test_one_that_was_never_started_can_be_stopped():
    collector(Source(), Registrar()).stop()
