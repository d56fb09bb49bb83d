"""A broker whose own `max_message_size` is lower than what we send: it closes the channel, and everything on it.

It says its limit only then. So the limit is learned once for each connection, the others go, and what is too large is
answered so, in place of breaking every connection for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gateway import logs
from gateway.broker.rabbitmq.connection import State
from gateway.errors import ConfigError
from gateway.ports import EVENT_LIMIT, Publication
from gateway.services import RabbitMQ
from tests.builders import FIRST, QUEUES, event
from tests.integration.rabbit import SOON, eventually, publishing, ready, set_to
from tests.services import Found

pytestmark = pytest.mark.services

SMALL = 64 * 1024
"""Bytes that this broker takes."""
CONFIRMED, TOO_LARGE, UNKNOWN = Publication.CONFIRMED, Publication.TOO_LARGE, Publication.UNKNOWN


@pytest.fixture
def settings(own_rabbitmq: Found) -> Iterator[RabbitMQ]:
    with own_rabbitmq.virtual_host(QUEUES) as made:
        yield made


def sent(publisher, *events) -> list[Publication]:
    """Publish, again while the connection is built anew."""
    eventually(lambda: publisher.state is State.READY)
    return list(publisher.submit(list(events)).result(SOON))


def test_what_the_broker_does_not_take_costs_one_connection_and_then_nobody_but_itself(own_rabbitmq, settings):
    large, exact = event("large", body=b"x" * (SMALL + 1)), event("exact", partition="q", body=b"x" * SMALL)
    alarms, told = [], []
    with (
        set_to(own_rabbitmq, max_message_size=SMALL),
        logs.captured() as stream,
        publishing(settings, alarm=alarms.append, told=lambda state, why: told.append((state, why))) as publisher,
    ):
        assert sent(publisher, large, exact)[0] is UNKNOWN  # nobody knew; who was before it may have arrived
        eventually(lambda: (State.CONNECTING, "message_size") in told)
        for _ in range(3):
            assert sent(publisher, large, exact) == [TOO_LARGE, CONFIRMED]
        assert [state for state, _ in told].count(State.CONNECTING) == 1
    (alarm,) = alarms
    assert isinstance(alarm, ConfigError)
    assert alarm.detail == f"rabbitmq.conf: max_message_size: {SMALL}, and events have up to {EVENT_LIMIT}"
    lost = [json.loads(line) for line in stream.getvalue().splitlines() if b"broker.lost" in line]
    assert [(line["link"], line["why"]) for line in lost] == [("gw-publisher", "message_size")]
    eventually(lambda: ready(settings)[FIRST] >= 3)


def test_a_broker_that_was_mended_is_asked_again_on_the_next_connection(own_rabbitmq, settings):
    large, told = event("large", body=b"x" * (SMALL + 1)), []
    with publishing(settings, told=lambda state, _why: told.append(state)) as publisher:
        with set_to(own_rabbitmq, max_message_size=SMALL):
            publisher._link.hand_over(lambda: publisher._link.rebuild("test"))  # a channel with the new setting
            eventually(lambda: told.count(State.READY) == 2)
            assert sent(publisher, large) == [UNKNOWN]
            eventually(lambda: told.count(State.READY) == 3)
            assert sent(publisher, large) == [TOO_LARGE]
        publisher._link.hand_over(lambda: publisher._link.rebuild("test"))
        eventually(lambda: told.count(State.READY) == 4)
        assert sent(publisher, large) == [CONFIRMED]
