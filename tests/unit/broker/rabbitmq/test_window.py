"""What the broker may say of publishes, in every way it may say it. The channel here writes down; nothing is sent."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace

import pika
import pytest
from pika.frame import decode_frame
from pika.spec import Basic

from gateway.broker.rabbitmq.publisher import Batch, Parcel, Window
from gateway.ports import EVENT_LIMIT, Publication

CONFIRMED, RETURNED = Publication.CONFIRMED, Publication.RETURNED
REFUSED, UNKNOWN = Publication.REFUSED, Publication.UNKNOWN


class Channel:
    """What a window uses of pika's."""

    channel_number = 1
    params = SimpleNamespace(frame_max=4096)

    def __init__(self) -> None:
        self.is_open = True
        self.published: list[tuple[str, str, bool]] = []
        self.connection = self

    def add_on_return_callback(self, call) -> None:
        self.returned = call

    def add_on_close_callback(self, call) -> None:
        self.closed = call

    def exchange_declare(self, exchange, *, passive, callback) -> None:
        assert exchange == "gw.in"
        assert passive
        callback(None)

    def confirm_delivery(self, answered, callback) -> None:
        self.answered = answered
        callback(None)

    def _output_marshaled_frames(self, pieces: list[bytes]) -> None:
        written = b"".join(pieces)
        while written:
            length, one = decode_frame(written)
            written = written[length:]
            length, header = decode_frame(written)
            written = written[length:]
            assert (one.method.exchange, header.body_size) == ("gw.in", 0)
            self.published.append((one.method.routing_key, header.properties.message_id, one.method.mandatory))

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        self.answered(SimpleNamespace(method=Basic.Ack(tag, multiple)))

    def nack(self, tag: int, *, multiple: bool = False) -> None:
        self.answered(SimpleNamespace(method=Basic.Nack(tag, multiple)))

    def give_back(self, key: str, message_id: str) -> None:
        properties = pika.BasicProperties(message_id=message_id)
        self.returned(self, Basic.Return(312, "NO_ROUTE", "gw.in", key), properties, b"")


class Thread:
    """What a window uses of its link."""

    def __init__(self) -> None:
        self.timers: dict = {}
        self.rebuilt: list[str] = []
        self.is_ready = False

    def own(self) -> None: ...

    def ready(self) -> None:
        self.is_ready = True

    def later(self, name, seconds, call) -> None:
        self.timers[name] = (seconds, call)

    def rebuild(self, why) -> None:
        self.rebuilt.append(why)


@pytest.fixture
def link():
    return Thread()


@pytest.fixture
def channel():
    return Channel()


@pytest.fixture
def window(link, channel):
    made = Window(link, exchange="gw.in", size=4, confirm=6.0)
    made.build(channel)
    assert link.is_ready
    return made


def submit(window: Window, *events: str | tuple[str, ...]) -> Future:
    """Each event a name, or its routing keys after its name."""
    batch = Batch(len(events))
    parcels = []
    for index, one in enumerate(events):
        name, *keys = (one, "q.00") if isinstance(one, str) else one
        parcels += [Parcel(batch, index, key, pika.BasicProperties(message_id=name), b"") for key in keys]
    batch.left = len(parcels)
    window.put(parcels)
    return batch.future


@pytest.mark.parametrize(
    ("text", "learned"),
    [
        ("PRECONDITION_FAILED - message size 70000 is larger than configured max size 65536", 65536),
        ("PRECONDITION_FAILED - message size 9999999 is larger than configured max size 2000000", EVENT_LIMIT),
        ("PRECONDITION_FAILED - something else of 65536", EVENT_LIMIT),
        ("", EVENT_LIMIT),
    ],
)
def test_the_size_that_a_closed_channel_tells_of_holds_on_the_next_one_and_no_longer(link, text, learned):
    alarms = []
    window = Window(link, exchange="gw.in", size=4, confirm=6.0, alarm=alarms.append)
    limits = []
    for reason in (SimpleNamespace(reply_text=text), ConnectionResetError(), None):
        channel = Channel()
        window.build(channel)
        limits.append(window.limit)
        channel.is_open = False
        channel.closed(channel, reason)
        window.lost()
    assert limits == [EVENT_LIMIT, learned, EVENT_LIMIT]
    assert len(alarms) == ("message size" in text)


def test_every_publish_is_mandatory_and_no_more_than_the_window_are_under_way(window, channel):
    submit(window, *"abcdefgh")
    assert channel.published == [("q.00", name, True) for name in "abcd"]
    channel.ack(1)
    assert len(channel.published) == 4  # refilled when half of it is free, in larger pieces
    channel.ack(2)
    assert [name for _, name, _ in channel.published] == list("abcdef")


def test_a_batch_is_answered_when_its_last_publish_is(window, channel):
    future = submit(window, "a", "b")
    channel.ack(2)
    assert not future.done()
    channel.ack(1)
    assert future.result(0) == [CONFIRMED, CONFIRMED]


def test_one_answer_may_be_for_many(window, channel):
    future = submit(window, *"abcd")
    channel.nack(1)
    channel.ack(3, multiple=True)
    assert not future.done()
    channel.ack(4)
    assert future.result(0) == [REFUSED, CONFIRMED, CONFIRMED, CONFIRMED]


def test_many_refused_at_once_and_the_answer_zero_is_for_all(window, channel):
    first, second = submit(window, "a", "b"), submit(window, "c", "d")
    channel.nack(2, multiple=True)
    assert first.result(0) == [REFUSED, REFUSED]
    channel.ack(0, multiple=True)
    assert second.result(0) == [CONFIRMED, CONFIRMED]


def test_an_answer_for_nothing_that_is_under_way_changes_nothing(window, channel):
    future = submit(window, "a")
    channel.ack(9)
    channel.ack(1)
    assert future.result(0) == [CONFIRMED]


def test_a_return_comes_before_its_ack_and_makes_it_returned(window, channel):
    future = submit(window, "a", "b")
    channel.give_back("q.00", "b")
    channel.ack(2, multiple=True)
    assert future.result(0) == [CONFIRMED, RETURNED]


def test_the_same_event_returned_twice_is_returned_twice(window, channel):
    future = submit(window, "a", "a", "a")
    channel.give_back("q.00", "a")
    channel.give_back("q.00", "a")
    channel.ack(3, multiple=True)
    assert future.result(0) == [RETURNED, RETURNED, CONFIRMED]


def test_a_return_is_for_the_queue_it_names(window, channel):
    future = submit(window, ("a", "q.00"), ("a", "r.00"))
    channel.give_back("r.00", "a")
    channel.ack(2, multiple=True)
    assert future.result(0) == [CONFIRMED, RETURNED]


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        ("ack", "ack", CONFIRMED),
        ("ack", "return", RETURNED),
        ("return", "nack", REFUSED),
        ("nack", "ack", REFUSED),
        ("ack", "lost", UNKNOWN),
        ("nack", "lost", UNKNOWN),
        ("return", "lost", UNKNOWN),
    ],
)
def test_an_event_for_two_queues_has_the_worse_answer(window, channel, first, second, answer):
    future = submit(window, ("a", "q.00", "r.00"))
    for tag, key, what in ((1, "q.00", first), (2, "r.00", second)):
        match what:
            case "ack":
                channel.ack(tag)
            case "nack":
                channel.nack(tag)
            case "return":
                channel.give_back(key, "a")
                channel.ack(tag)
            case "lost":
                window.lost()
    assert future.result(0) == [answer]


def test_a_lost_connection_makes_everything_without_an_answer_unknown(window, channel):
    first, second = submit(window, "a", "b"), submit(window, *"cdefgh")
    channel.ack(1)
    window.lost()
    assert first.result(0) == [CONFIRMED, UNKNOWN]
    assert second.result(0) == [UNKNOWN] * 6
    assert submit(window, "i").result(0) == [UNKNOWN]


def test_a_channel_that_closes_this_moment_is_written_to_no_more(window, channel):
    channel.is_open = False
    assert submit(window, "a").result(0) == [UNKNOWN]
    assert channel.published == []


def test_an_answer_that_comes_late_over_a_lost_channel_counts_for_nothing(window, channel, link):
    submit(window, "a")
    window.lost()
    after = Channel()
    window.build(after)
    future = submit(window, "b")
    assert not future.done()
    after.ack(1)
    assert future.result(0) == [CONFIRMED]


def test_while_the_broker_does_not_read_nothing_is_kept_for_it(window, channel):
    under_way = submit(window, *"abcdef")
    window.hold(held=True)
    assert submit(window, "g").result(0) == [UNKNOWN]
    assert len(channel.published) == 4
    channel.ack(4, multiple=True)
    assert under_way.result(0) == [CONFIRMED] * 4 + [UNKNOWN] * 2
    window.hold(held=False)
    submit(window, "h")
    assert channel.published[-1] == ("q.00", "h", True)


def look(link: Thread, times: int) -> None:
    for _ in range(times):
        link.timers["confirm"][1]()


def test_a_publish_that_is_not_confirmed_in_time_costs_the_connection(window, channel, link):
    submit(window, "a")
    assert link.timers["confirm"][0] == 1.0
    look(link, 6)
    assert link.rebuilt == []
    look(link, 1)
    assert link.rebuilt == ["confirm"]


def test_a_broker_that_is_slow_but_goes_on_keeps_the_connection(window, channel, link):
    for tag in range(1, 30):
        submit(window, "a")
        look(link, 3)
        channel.ack(tag)
    assert link.rebuilt == []
