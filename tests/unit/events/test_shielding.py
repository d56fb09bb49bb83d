"""A marking that comes while an event waits holds for the event: what locates does not go."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import orjson
import pytest

from gateway.broker.shielded import ShieldedPublisher
from gateway.events import shielding
from gateway.message import Event, EventId, Protection, Pseudonym
from gateway.ports import Publication

P = Protection
HIDING = {"inkomst": frozenset({"arbetsplats", "adress", "fritext"})}
PERSON = Pseudonym("a" * 32)


def event(protection="ingen", *, kind="inkomst", name="e-1", related=(), withheld=(), **fields):
    body = {
        "id": name,
        "protection": protection,
        "data": {
            "kind": kind,
            "fields": fields or {"belopp": 1, "adress": "Storgatan"},
            "withheld": [{"field": "x", "reason": one} for one in withheld],
        },
    }
    made = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return Event(id=EventId(name), type="t", partition=PERSON, queues=("q",), body=made, related=related)


OTHER = Pseudonym("b" * 32)
MARKS = [P.SEKRETESSMARKERING, P.SKYDDAD_FOLKBOKFORING]


@pytest.mark.parametrize("status", MARKS)
@pytest.mark.parametrize("before", ["ingen", "okand"])
def test_what_locates_is_taken_out_and_named_with_the_reason(status, before):
    going = shielding.shielded(event(before), status, P.NONE, HIDING)
    said = orjson.loads(going.body)
    assert said["protection"] == status
    assert said["data"]["fields"] == {"belopp": 1}
    assert said["data"]["withheld"] == [{"field": "adress", "reason": "PROTECTED_IDENTITY"}]
    assert [(one.field, one.reason) for one in going.withheld] == [("adress", "PROTECTED_IDENTITY")]
    assert b"Storgatan" not in going.body
    assert said["id"] == "e-1"
    assert going.body == orjson.dumps(said, option=orjson.OPT_SORT_KEYS), "canonical, as it was"


@pytest.mark.parametrize("status", MARKS)
def test_free_text_is_taken_out_too_for_a_place_may_stand_in_it(status):
    going = shielding.shielded(event(belopp=1, fritext="hos syster i Luleå"), status, P.NONE, HIDING)
    assert orjson.loads(going.body)["data"]["fields"] == {"belopp": 1}


@pytest.mark.parametrize("beside", MARKS)
@pytest.mark.parametrize("before", ["ingen", "okand"])
def test_of_somebody_else_who_is_named_and_protected_since_the_same_is_taken_out(beside, before):
    going = shielding.shielded(event(before, belopp=1, adress="A", fritext="B"), P.NONE, beside, HIDING)
    said = orjson.loads(going.body)
    assert said["protection"] == before, "that is the event's own person's"
    assert said["data"]["fields"] == {"belopp": 1}
    assert [one["reason"] for one in said["data"]["withheld"]] == ["PROTECTED_RELATED"] * 2


def test_both_at_once_are_told_as_the_own_persons():
    going = shielding.shielded(event(), P.SEKRETESSMARKERING, P.SEKRETESSMARKERING, HIDING)
    assert [one.reason for one in going.withheld] == ["PROTECTED_IDENTITY"]


@pytest.mark.parametrize(
    ("one", "status", "beside"),
    [
        (event(), P.NONE, P.NONE),
        (event(), P.NONE, P.UNKNOWN),
        (event("sekretessmarkering"), P.NONE, P.NONE),
        (event("sekretessmarkering", fritext="let pass by people"), P.SKYDDAD_FOLKBOKFORING, P.NONE),
        (event("okand"), P.UNKNOWN, P.NONE),
        (event(withheld=["PROTECTED_RELATED"], fritext="let pass by people"), P.NONE, P.SEKRETESSMARKERING),
        (event(belopp=1), P.NONE, P.SEKRETESSMARKERING),
    ],
)
def test_nothing_else_is_changed_and_nothing_is_ever_put_in(one, status, beside):
    assert shielding.shielded(one, status, beside, HIDING) is None


@pytest.mark.parametrize(("status", "beside"), [(P.SEKRETESSMARKERING, P.NONE), (P.NONE, P.SEKRETESSMARKERING)])
def test_what_is_shielded_is_shielded_no_more(status, beside):
    one = event(belopp=1, adress="A", fritext="B")
    going = replace(one, body=shielding.shielded(one, status, beside, HIDING).body)
    assert shielding.shielded(going, status, beside, HIDING) is None


def test_an_event_without_protection_tells_nothing_that_a_marking_is_about():
    outcome = Event(id=EventId("o"), type="t", partition=PERSON, queues=("q",), body=b'{"data":{"state":"delivered"}}')
    assert shielding.shielded(outcome, P.SEKRETESSMARKERING, P.SEKRETESSMARKERING, HIDING) is None


@pytest.mark.parametrize("body", [b"\xff", b"[1]", b"{"])
def test_what_nobody_can_read_is_empty_where_somebody_is_protected(body):
    one = replace(event(), body=body)
    assert shielding.shielded(one, P.SEKRETESSMARKERING, P.NONE, HIDING).body == b"{}"
    assert shielding.shielded(one, P.NONE, P.NONE, HIDING) is None
    assert shielding.shown(body, P.UNKNOWN, P.NONE, HIDING) == b"{}"
    assert shielding.shown(body, P.NONE, P.NONE, HIDING) == body
    assert not shielding.unsettled(one, P.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "beside", "reason"),
    [
        (P.SEKRETESSMARKERING, P.NONE, "PROTECTED_IDENTITY"),
        (P.NONE, P.SEKRETESSMARKERING, "PROTECTED_RELATED"),
        (P.UNKNOWN, P.NONE, "PROTECTION_UNKNOWN"),
        (P.NONE, P.UNKNOWN, "PROTECTION_UNKNOWN"),
    ],
)
@pytest.mark.parametrize("before", ["ingen", "okand", "sekretessmarkering"])
def test_nobody_is_shown_what_locates_anybody_who_is_protected_or_may_be(status, beside, reason, before):
    said = orjson.loads(shielding.shown(event(before).body, status, beside, HIDING))
    assert said["data"]["fields"] == {"belopp": 1}
    assert said["data"]["withheld"] == [{"field": "adress", "reason": reason}]


def test_of_whom_it_is_known_that_nobody_is_protected_all_is_shown():
    assert shielding.shown(event().body, P.NONE, P.NONE, HIDING) == event().body


class Known:
    def __init__(self, status, beside=P.NONE):
        self.now = {PERSON: status, OTHER: beside}
        self.read = 0

    def status(self, person):
        return self.now[person]

    def refresh(self):
        self.read += 1


class Taken:
    def __init__(self, fault=None):
        self.events = []
        self.fault = fault

    def submit(self, events):
        self.events += events
        done = Future()
        if self.fault is not None:
            done.set_exception(self.fault)
        else:
            done.set_result([Publication.CONFIRMED if one.id != "odd" else Publication.RETURNED for one in events])
        return done

    def close(self):
        pass


def sent(known, *events):
    taken = Taken()
    publisher = ShieldedPublisher(taken, known, HIDING, refresh=known.refresh)
    return publisher.submit(events).result(1), taken.events


C, H, R, U = Publication.CONFIRMED, Publication.HELD, Publication.RETURNED, Publication.UNKNOWN


def test_what_is_known_is_read_again_each_time_and_what_may_not_go_as_it_is_does_not_go():
    known = Known(P.SEKRETESSMARKERING)
    assert sent(known, event()) == ([H], [])
    assert known.read == 1


def test_what_may_go_goes_and_each_answer_is_its_own_events():
    known = Known(P.NONE, P.SEKRETESSMARKERING)
    named, odd, unknown = event(name="named", related=(OTHER,)), event(name="odd"), event(name="x", related=None)
    answers, events = sent(known, named, event(), odd, unknown, event())
    assert answers == [H, C, R, H, C]
    assert [one.id for one in events] == ["e-1", "odd", "e-1"]


def test_a_publisher_that_fails_fails_for_those_that_are_held_too():
    known = Known(P.NONE)
    publisher = ShieldedPublisher(Taken(OSError("gone")), known, HIDING, refresh=known.refresh)
    with pytest.raises(OSError, match="gone"):
        publisher.submit([event(related=None), event()]).result(1)


def test_of_whom_nobody_knows_whom_it_names_nothing_goes_until_somebody_has_looked():
    assert sent(Known(P.NONE), event(related=None)) == ([H], [])
    assert sent(Known(P.NONE), event(related=()))[0] == [C]


def test_while_nothing_can_be_known_nothing_goes_and_it_is_tried_again():
    assert sent(Known(P.UNKNOWN), event()) == ([U], [])


def test_of_whom_nothing_was_ever_said_nothing_that_locates_was_let_in_and_it_goes():
    answers, events = sent(Known(P.UNKNOWN), event("okand", belopp=1))
    assert (answers, len(events)) == ([C], 1)
