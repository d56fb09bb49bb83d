"""What stands on the outside of an event."""

from __future__ import annotations

import pika
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.rabbitmq import outside
from gateway.message import Replay
from tests.builders import event

SHORT = st.text(min_size=1, max_size=60)


@given(identity=SHORT, kind=SHORT, person=SHORT, seconds=st.integers(0, 2**40))
def test_our_encoding_is_pikas_byte_for_byte(identity, kind, person, seconds):
    one = event(identity, partition=person, kind=kind)
    ours, theirs = outside.of(one, seconds), outside.whole(one, seconds)
    assert b"".join(ours.encode()) == b"".join(theirs.encode())
    assert ours.message_id == identity


def test_pika_reads_what_was_encoded():
    read = pika.BasicProperties()
    read.decode(b"".join(outside.of(event("e-1", partition="person", kind="inkomst"), 1_700_000_000).encode()))
    assert read.headers == {"ce-id": "e-1", "ce-type": "inkomst", "ce-subject": "person"}
    assert (read.content_type, read.delivery_mode) == ("application/cloudevents+json", 2)
    assert (read.message_id, read.timestamp) == ("e-1", 1_700_000_000)


def test_a_replay_says_which_letter_it_was_and_why_it_goes_again():
    made = outside.of(event("e-1", replay=Replay(letter=7, reason="mended")), 0)
    assert made.headers["x-gw-replay-of"] == "7"
    assert made.headers["x-gw-replay-reason"] == "mended"
    assert made.message_id == "e-1"
