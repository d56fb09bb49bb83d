"""A marking that comes while an event waits holds for the event: what locates does not go."""

from __future__ import annotations

from concurrent.futures import Future

import orjson
import pytest

from gateway.broker.shielded import ShieldedPublisher
from gateway.events import shielding
from gateway.message import Event, EventId, Protection, Pseudonym
from gateway.ports import Publication

P = Protection
LOCATING = {"inkomst": frozenset({"arbetsplats", "adress"})}
PERSON = Pseudonym("a" * 32)


def event(protection="ingen", *, kind="inkomst", **fields):
    body = {
        "id": "e-1",
        "protection": protection,
        "data": {"kind": kind, "fields": fields or {"belopp": 1, "adress": "Storgatan"}, "withheld": []},
    }
    made = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return Event(id=EventId("e-1"), type="t", partition=PERSON, queues=("q",), body=made)


@pytest.mark.parametrize("status", [P.SEKRETESSMARKERING, P.SKYDDAD_FOLKBOKFORING])
@pytest.mark.parametrize("before", ["ingen", "okand"])
def test_what_locates_is_taken_out_and_named_with_the_reason(status, before):
    going = shielding.shielded(event(before), status, LOCATING)
    said = orjson.loads(going.body)
    assert said["protection"] == status
    assert said["data"]["fields"] == {"belopp": 1}
    assert said["data"]["withheld"] == [{"field": "adress", "reason": "PROTECTED_IDENTITY"}]
    assert b"Storgatan" not in going.body
    assert (going.id, going.queues, going.partition) == (EventId("e-1"), ("q",), PERSON)
    assert going.body == orjson.dumps(said, option=orjson.OPT_SORT_KEYS), "canonical, as it was"


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (event(), P.NONE),
        (event("sekretessmarkering"), P.NONE),
        (event("sekretessmarkering"), P.SKYDDAD_FOLKBOKFORING),
        (event("okand"), P.UNKNOWN),
    ],
)
def test_nothing_else_is_changed_and_nothing_is_ever_put_in(one, status):
    assert shielding.shielded(one, status, LOCATING) is one


def test_an_event_without_protection_tells_nothing_that_a_marking_is_about():
    outcome = Event(id=EventId("o"), type="t", partition=PERSON, queues=("q",), body=b'{"data":{"state":"delivered"}}')
    assert shielding.shielded(outcome, P.SEKRETESSMARKERING, LOCATING) is outcome


class Known:
    def __init__(self, status):
        self.now = status
        self.read = 0

    def status(self, _person):
        return self.now

    def refresh(self):
        self.read += 1


class Taken:
    def __init__(self):
        self.events = []

    def submit(self, events):
        self.events += events
        done = Future()
        done.set_result([Publication.CONFIRMED] * len(events))
        return done

    def close(self):
        pass


def sent(status, one):
    taken, known = Taken(), Known(status)
    publisher = ShieldedPublisher(taken, known, LOCATING, refresh=known.refresh)
    return publisher.submit([one]).result(), taken.events, known


def test_what_is_known_is_read_again_each_time_before_anything_goes():
    answers, events, known = sent(P.SEKRETESSMARKERING, event())
    assert (answers, known.read) == ([Publication.CONFIRMED], 1)
    assert b"Storgatan" not in events[0].body


def test_while_nothing_can_be_known_nothing_goes_and_it_is_tried_again():
    answers, events, _ = sent(P.UNKNOWN, event())
    assert (answers, events) == ([Publication.UNKNOWN], [])


def test_of_whom_nothing_was_ever_said_nothing_that_locates_was_let_in_and_it_goes():
    answers, events, _ = sent(P.UNKNOWN, event("okand", belopp=1))
    assert (answers, len(events)) == ([Publication.CONFIRMED], 1)
