"""The pitfalls that others fell into with pika and RabbitMQ: each has a guard here, and a test that holds the guard.

The number in front is that of the issue which tells of it best, at pika unless another project is named.
"""

from __future__ import annotations

import ast
import threading
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from gateway.broker.rabbitmq.connection import BACKLOG, State
from gateway.errors import IntegrityError
from gateway.ports import Publication
from tests.builders import QUEUES, event
from tests.integration.rabbit import SOON, consuming, eventually, publishing, taken

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "gateway/broker/rabbitmq"


@dataclass(frozen=True, slots=True)
class Pitfall:
    """What goes wrong, what keeps us from it, and which test says so (`module.py::test`)."""

    what: str
    guard: str
    test: str


HERE = "integration/test_rabbitmq_pitfalls.py"
PUBLISHER = "integration/test_rabbitmq_publisher.py"
CONSUMER = "integration/test_rabbitmq_consumer.py"
FAULTS = "integration/test_rabbitmq_faults.py"
TIMEOUT = "integration/test_rabbitmq_timeout.py"
UNIT = "unit/broker/rabbitmq"

PITFALLS = (
    Pitfall("#1144 a connection shared between threads corrupts its write buffer", "Link.own",
            f"{HERE}::test_a_connection_is_not_touched_outside_its_thread"),
    Pitfall("#1104 a long callback starves the heartbeats", "work is done in callers' threads",
            f"{HERE}::test_a_consumer_that_works_longer_than_the_heartbeat_keeps_its_connection"),
    Pitfall("#1224 sleeping with a BlockingConnection misses heartbeats", "there is none",
            f"{HERE}::test_only_the_select_connection_is_used"),
    Pitfall("#1645 an idle check closes the connection", "heartbeat of 10 to 300 seconds",
            f"{UNIT}/test_login.py::test_a_heartbeat_that_is_none_or_too_short_is_not_taken"),
    Pitfall("#1046 half-open TCP is never noticed", "heartbeat and keepalive",
            f"{CONSUMER}::test_a_black_hole_is_noticed_by_the_heartbeat"),
    Pitfall("#764 close() hangs in an alarm", "deadline, then abandoned",
            f"{FAULTS}::test_while_the_broker_does_not_read_events_are_unknown_at_once_and_closing_keeps_its_deadline"),
    Pitfall("#1257 blocked_connection_timeout does not bound connecting", "socket_timeout, stack_timeout",
            f"{UNIT}/test_login.py::test_no_wait_is_without_a_limit"),
    Pitfall("php-amqplib #1008 confirmed but unroutable", "mandatory, and no alternate exchange",
            f"{PUBLISHER}::test_an_event_whose_queue_is_bound_no_more_comes_back_and_the_others_are_confirmed"),
    Pitfall("#732 reconnecting in an error callback", "by a timer, with a new object",
            f"{FAULTS}::test_a_broker_that_is_stopped_and_then_killed_has_what_it_confirmed_and_everybody_comes_back"),
    Pitfall("#927 callbacks do not run unless the loop does", "the thread owns the loop, without a connection too",
            f"{PUBLISHER}::test_without_a_broker_the_answer_is_unknown_at_once"),
    Pitfall("#1044 one wake-up for each message is slow", "a deque, drained by one wake-up",
            f"{HERE}::test_many_pieces_of_work_wake_the_thread_once"),
    Pitfall("#1043 the write buffer grows without a limit", "the window",
            f"{UNIT}/test_window.py::test_every_publish_is_mandatory_and_no_more_than_the_window_are_under_way"),
    Pitfall("#239 publishing from timers interleaved frames", "published from the window's own callbacks only",
            f"{HERE}::test_one_place_publishes"),
    Pitfall("aiormq #116 a consumer that the server cancelled is silently dead", "cancel callback",
            f"{CONSUMER}::test_a_subscription_that_the_broker_ends_is_made_anew"),
    Pitfall("rabbitmq-server #9046 a delivery of 30 minutes closes the channel", "rebuilt, in order; told to consumers",
            f"{TIMEOUT}::test_an_event_held_too_long_comes_again_with_the_attempt_counted_in_order_and_the_operator_is_told"),
    Pitfall("#1479 the asyncio adapter in a thread", "not used",
            f"{HERE}::test_only_the_select_connection_is_used"),
    Pitfall("#1531 table fields are read wrongly before 1.4.0", "1.4.4 or newer",
            f"{HERE}::test_pika_is_new_enough"),
    Pitfall("#1596 Channel.close with several consumers", "1.4.4 or newer, a channel for all partitions",
            f"{CONSUMER}::test_what_was_in_hand_at_closing_is_there_for_the_next"),
    Pitfall("#858 nothing recovers by itself", "Link rebuilds",
            f"{PUBLISHER}::test_a_cut_in_the_middle_of_a_window_leaves_exactly_the_unconfirmed_unknown"),
)  # fmt: skip


@pytest.mark.parametrize("pitfall", PITFALLS, ids=lambda one: one.what.split(" ")[0] + one.what.split(" ")[1])
def test_each_pitfall_has_a_test_that_is_there(pitfall):
    module, _, name = pitfall.test.partition("::")
    tree = ast.parse((TESTS / module).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def sources() -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(PACKAGE.glob("*.py"))}


def test_only_the_select_connection_is_used():
    for name, source in sources().items():
        for other in ("BlockingConnection", "AsyncioConnection", "asyncio", "TornadoConnection", "time.sleep"):
            assert other not in source, name


def test_one_place_publishes():
    ways = (".basic_publish(", "._output_marshaled_frames(", "._send_")
    assert [name for name, source in sources().items() if any(way in source for way in ways)] == ["frames.py"]
    assert sources()["frames.py"].count("._output_marshaled_frames(") == 1
    assert [name for name, source in sources().items() if "Publishes(" in source] == ["publisher.py"]
    assert sources()["publisher.py"].count("publishes.add(") == 1


def test_nothing_is_declared_but_passively():
    for source in sources().values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "").endswith("_declare"):
                assert any(key.arg == "passive" and getattr(key.value, "value", None) is True for key in node.keywords)


def test_nothing_is_requeued():
    # The broker would put it behind its followers: `order.py`.
    assert not [name for name, source in sources().items() if ".basic_reject(" in source or ".basic_nack(" in source]


def test_pika_is_new_enough():
    assert tuple(map(int, version("pika").split(".")[:3])) >= (1, 4, 4)


@pytest.fixture
def settings(virtual_host):
    return virtual_host(QUEUES)


@pytest.mark.services
def test_a_connection_is_not_touched_outside_its_thread(settings):
    with publishing(settings) as publisher:
        for touch in (publisher._link.ready, lambda: publisher._link.rebuild("x"), publisher._window._fill):
            with pytest.raises(IntegrityError, match="outside its thread"):
                touch()
        assert publisher.submit([event("a")]).result(SOON) == [Publication.CONFIRMED]


@pytest.mark.services
def test_many_pieces_of_work_wake_the_thread_once(settings):
    with publishing(settings) as publisher:
        link, done, free = publisher._link, [], threading.Event()
        woken = []
        wake = link._loop.add_callback_threadsafe
        link._loop.add_callback_threadsafe = lambda call: (woken.append(call), wake(call))
        assert link.hand_over(free.wait)  # the thread is busy
        eventually(lambda: not link._work)
        for number in range(1000):
            assert link.hand_over(lambda number=number: done.append(number))
        free.set()
        eventually(lambda: len(done) == 1000)
        assert done == list(range(1000))
        assert len(woken) == 2


@pytest.mark.services
def test_more_work_than_may_wait_is_refused_and_answered(settings):
    with publishing(settings) as publisher:
        link, free = publisher._link, threading.Event()
        assert link.hand_over(free.wait)
        eventually(lambda: not link._work)
        last = publisher.submit([event("a")])
        assert all(link.hand_over(lambda: None) for _ in range(BACKLOG - 1))
        assert not link.hand_over(lambda: None)
        assert publisher.submit([event("b")]).result(0) == [Publication.UNKNOWN]
        assert not last.done()
        free.set()
        assert last.result(SOON) == [Publication.CONFIRMED]


@pytest.mark.services
def test_work_that_raises_costs_the_connection_and_not_the_thread(settings):
    def broken() -> None:
        raise ZeroDivisionError

    told = []
    with publishing(settings, told=lambda state, why: told.append((state, why))) as publisher:
        assert publisher._link.hand_over(broken)
        eventually(lambda: (State.CONNECTING, "fault") in told)
        eventually(lambda: publisher.state is State.READY)
        assert publisher.submit([event("a")]).result(SOON) == [Publication.CONFIRMED]


@pytest.mark.services
def test_a_consumer_that_works_longer_than_the_heartbeat_keeps_its_connection(settings):
    told = []
    quick = settings.model_copy(update={"heartbeat": 10})
    with publishing(settings) as publisher, consuming(quick, told=lambda state, _why: told.append(state)) as consumer:
        publisher.submit([event("a")]).result(SOON)
        held = taken(consumer, 1)
        threading.Event().wait(25)  # two heartbeats and more, in the thread that consumes
        assert consumer.ack(held) == [True]
        assert State.CONNECTING not in told
