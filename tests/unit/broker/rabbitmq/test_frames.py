"""Publishes that are put together here are, byte for byte, those that pika writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika.channel import Channel
from pika.frame import decode_frame
from pika.spec import Basic

from gateway.broker.rabbitmq import frames, outside
from gateway.broker.rabbitmq.frames import MOST, RECORD, Publishes
from gateway.message import Replay
from tests.builders import event

FRAME_MAX = 4096
"""The smallest there is: bodies above it are cut."""


class Connection(pika.SelectConnection):
    """pika's own, without a socket: keeps what it is given to send."""

    def __init__(self) -> None:
        super().__init__(pika.ConnectionParameters(frame_max=FRAME_MAX), internal_connection_workflow=False)
        self._body_max_length = self._get_body_frame_max_length()
        self.emitted: list[bytes] = []

    def _adapter_emit_data(self, data: bytes) -> None:
        self.emitted.append(data)

    def taken(self) -> bytes:
        taken, self.emitted = b"".join(self.emitted), []
        return taken


@contextmanager
def opened() -> Iterator[Channel]:
    connection = Connection()
    channel = Channel(connection, 3, lambda _channel: None)
    channel._set_state(Channel.OPEN)
    try:
        yield channel
    finally:
        connection.ioloop.close()


@pytest.fixture
def channel() -> Iterator[Channel]:
    with opened() as made:
        yield made


ROOM = FRAME_MAX - 8
BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([0, 1, ROOM - 1, ROOM, ROOM + 1, 2 * ROOM, 2 * ROOM + 1, 20_000]).map(bytes),
)


@given(
    key=st.text(max_size=60),
    identity=st.text(min_size=1, max_size=60),
    bodies=st.lists(BODIES, min_size=1, max_size=4),
    replayed=st.booleans(),
)
def test_ours_is_what_pika_writes(key, identity, bodies, replayed):
    replay = Replay(letter=7, reason="mended") if replayed else None
    with opened() as channel:
        ours = Publishes(channel, "gw.in")
        for body in bodies:
            properties = outside.of(event(identity, replay=replay), 1_700_000_000)
            channel.basic_publish("gw.in", key, body, properties, mandatory=True)
            ours.add(key, properties, body)
        theirs = channel.connection.taken()
        ours.write()
        assert channel.connection.taken() == theirs


def test_nothing_is_written_before_it_is_asked_for_and_then_all_of_it_once(channel):
    ours = Publishes(channel, "gw.in")
    ours.add("q.00", pika.BasicProperties(message_id="a"), b"body")
    assert channel.connection.emitted == []
    ours.write()
    written = channel.connection.taken()
    length, method = decode_frame(written)
    assert isinstance(method.method, Basic.Publish)
    assert (method.method.exchange, method.method.routing_key, method.method.mandatory) == ("gw.in", "q.00", True)
    assert decode_frame(written[length:])[1].properties.message_id == "a"
    ours.write()
    assert channel.connection.emitted == []


def test_many_are_written_in_full_records_and_counted_as_sent(channel):
    ours = Publishes(channel, "gw.in")
    for _ in range(20):
        ours.add("q.00", pika.BasicProperties(), bytes(2000))
    ours.write()
    *full, last = map(len, channel.connection.emitted)
    assert full == [RECORD, RECORD]
    assert 0 < last < RECORD
    assert channel.connection.bytes_sent == 2 * RECORD + last


def test_no_more_is_put_together_than_a_limit_and_one_event(channel):
    ours = Publishes(channel, "gw.in")
    for _ in range(100):
        ours.add("q.00", pika.BasicProperties(), bytes(100_000))
        assert ours._size < MOST
    assert channel.connection.bytes_sent > 100 * 100_000 - MOST


def test_properties_that_cannot_be_encoded_leave_nothing_half_written(channel):
    ours = Publishes(channel, "gw.in")
    ours.add("q.00", pika.BasicProperties(message_id="a"), b"a")
    with pytest.raises(pika.exceptions.UnsupportedAMQPFieldException):
        ours.add("q.00", pika.BasicProperties(headers={"x": object()}), b"b")
    ours.add("q.00", pika.BasicProperties(message_id="c"), b"c")
    ours.write()
    written, kinds = channel.connection.taken(), []
    while written:
        length, read = decode_frame(written)
        kinds.append(type(read).__name__)
        written = written[length:]
    assert kinds == ["Method", "Header", "Body"] * 2


def test_a_key_that_pika_refuses_is_refused(channel):
    with pytest.raises(pika.exceptions.ShortStringTooLong):
        Publishes(channel, "gw.in").add("k" * 256, pika.BasicProperties(), b"")


def test_a_record_is_as_large_as_tls_allows():
    assert frames.RECORD == 2**14
