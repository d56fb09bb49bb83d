"""A dead letter comes home whatever it looks like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.rabbitmq.dead_letters import read
from gateway.broker.rabbitmq.lending import Held
from tests.builders import NOON

OURS = {"ce-id": "e-1", "ce-type": "inkomst", "ce-subject": "person"}
SAID = {
    "x-gw-reason": "schema",
    "x-gw-queue": "sjukpenning.inkomst",
    "x-gw-attempts": "3",
    "x-gw-at": "2026-11-20T11:59:00+00:00",
}
DIED = datetime(2026, 11, 20, 11, 58, tzinfo=UTC)
DEATH = {"reason": "delivery_limit", "queue": "gw.q.sjukpenning.inkomst.02", "time": DIED, "count": 1}


def letter(headers, *, body: bytes = b"{}", timestamp: int | None = int(NOON.timestamp()) - 600, tag: int = 5):
    held = Held("gw.dlq", 1, pika.BasicProperties(headers=headers, timestamp=timestamp, message_id="m"), body)
    held.tag = tag
    return read(held, {"sjukpenning.inkomst": 28}, NOON)


def test_what_a_consumer_gave_up_says_where_why_when_and_after_how_many_attempts():
    one = letter(OURS | SAID)
    assert (one.queue, one.reason, one.attempts) == ("sjukpenning.inkomst", "schema", 3)
    assert (one.event, one.type, one.partition) == ("e-1", "inkomst", "person")
    assert one.at == datetime(2026, 11, 20, 11, 59, tzinfo=UTC)
    assert one.since == NOON - timedelta(minutes=10)
    assert (one.tag, one.body, one.replay_of) == (5, b"{}", None)


def test_what_the_broker_gave_up_is_told_alike():
    one = letter(OURS | {"x-death": [DEATH]})
    assert (one.queue, one.reason, one.attempts) == ("sjukpenning.inkomst", "delivery_limit", 29)
    assert one.at == DIED


def test_the_latest_death_counts():
    one = letter(OURS | {"x-death": [DEATH, {"reason": "expired", "queue": "other"}]})
    assert one.reason == "delivery_limit"


def test_a_replay_that_died_again_says_which_letter_it_was():
    assert letter(OURS | SAID | {"x-gw-replay-of": "17"}).replay_of == 17


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {},
        OURS,
        SAID,
        OURS | {"x-death": []},
        OURS | {"x-death": "x"},
        OURS | {"x-death": [7]},
        OURS | {"x-death": [{"queue": "gw.q.a.00"}]},
        OURS | SAID | {"x-gw-reason": ""},
        OURS | SAID | {"ce-id": 7},
        OURS | SAID | {"ce-subject": None},
        OURS | SAID | {"x-gw-replay-of": "seven"},
    ],
    ids=lambda headers: "+".join(sorted(headers or [])) or "none",
)
def test_a_letter_that_cannot_be_read_is_given_as_unreadable_with_its_bytes(headers):
    one = letter(headers, body=b"\x00what")
    assert one.reason == "unreadable"
    assert one.body == b"\x00what"
    assert one.event
    assert one.queue


def test_an_unreadable_letter_is_the_same_letter_every_time_and_another_is_another():
    assert letter({}, body=b"a").event == letter(None, body=b"a").event != letter({}, body=b"b").event


@pytest.mark.parametrize("wrong", ["yesterday", "2026-11-20T11:59:00", 7.5, 2**63, -(2**70)])
def test_a_time_that_is_none_is_the_time_it_came(wrong):
    one = letter(OURS | SAID | {"x-gw-at": wrong}, timestamp=None)
    assert (one.at, one.since) == (NOON, NOON)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.datetimes() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from([*OURS, *SAID, "x-death", "x-gw-replay-of", "x-delivery-count"])


@given(headers=st.dictionaries(_NAMES, _VALUES), timestamp=st.none() | st.integers(0, 2**64 - 1))
def test_no_header_stops_a_letter(headers, timestamp):
    one = letter(headers, timestamp=timestamp)
    assert one.at.tzinfo is not None
    assert one.since.tzinfo is not None
    assert one.attempts >= 1
