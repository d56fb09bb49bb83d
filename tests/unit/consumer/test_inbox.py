"""What fails is given back, waits, and dies by one policy; what the purpose does not allow is never shown."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway import codes
from gateway.consumer import Inbox, PoisonError, connect
from gateway.consumer.inbox import backoff
from gateway.errors import ConfigError, IntegrityError, UnavailableError
from gateway.message import Replay
from tests.unit.consumer.letters import BENEFITS, PURPOSE, QUEUE, event, with_body


class OtherWorldError(Exception):
    pass


class NoSuchCaseError(PoisonError):
    pass


def failing(inbox: Inbox, *, error: BaseException | None = None) -> list[int]:
    """Fail everything that is there now; return attempts."""
    seen = []
    for one in inbox.events(idle=0):
        with one.handling():
            seen.append(one.attempt)
            raise error or OtherWorldError("personal text")
    return seen


def handled(inbox: Inbox, **more) -> list[int]:
    seen = []
    for one in inbox.events(**{"idle": 0, **more}):
        with one.handling():
            seen.append(one.data["fields"]["n"])
    return seen


def lines(told) -> list[dict]:
    return [json.loads(line) for line in told.getvalue().splitlines()]


def test_an_event_comes_parsed_and_with_its_labels(scene):
    sent = event(1)
    scene.publish(sent)
    with scene.inbox() as inbox:
        one = next(inbox.events(idle=0))
        with one.handling() as new:
            assert new
    assert (one.id, one.type, one.subject, one.raw) == (sent.id, sent.type, sent.partition, sent.body)
    assert (one.queue, one.attempt, one.replay_of, dict(one.headers)) == (QUEUE.name, 1, None, {})
    assert one.labels.purposes == {"fk:Arendehandlaggning", "fk:Kontroll", "fk:UnderlagRattighetSkyldighet"}
    assert one.labels.benefits == set(BENEFITS.split())
    assert (one.labels.retention, one.labels.no_onward) == ("SFB 114:15", True)
    assert one.attributes["messageref"] == sent.id.partition("-")[0]
    assert "data" not in one.attributes
    assert one.time.isoformat() == "2026-11-20T12:00:00+00:00"


def test_no_personal_data_is_in_the_text_of_an_event(scene):
    scene.publish(event(1))
    one = next(scene.inbox().events(idle=0))
    assert one.data["person"]["id"] not in repr(one)


def test_what_was_handled_is_gone(scene):
    scene.publish(event(1), event(2, person=1))
    assert handled(scene.inbox()) == [1, 2]
    assert scene.left() == []
    assert scene.dead() == []


def test_an_event_whose_block_was_left_by_break_or_continue_is_handled(scene):
    scene.publish(event(1), event(2, person=1))
    for one in scene.inbox().events(idle=0):
        with one.handling():
            if one.data["fields"]["n"] == 1:
                continue
            break
    assert scene.left() == []


def test_one_persons_events_come_in_order(scene):
    for number in range(6):
        scene.publish(event(number, person=number % 2))
    seen = handled(scene.inbox())
    assert [n for n in seen if n % 2 == 0] == [0, 2, 4]
    assert [n for n in seen if n % 2 == 1] == [1, 3, 5]


def test_a_failed_event_waits_and_holds_its_person_while_others_go_on(scene):
    scene.publish(event(1), event(2, person=1))
    scene.publish(event(3))
    inbox = scene.inbox()
    seen = []
    for one in inbox.events(idle=0):
        with one.handling():
            seen.append((one.data["fields"]["n"], one.attempt))
            if seen[-1] == (1, 1):
                raise OtherWorldError
    assert seen == [(1, 1), (2, 1)]
    scene.clock.pass_(timedelta(seconds=0.9))
    assert handled(inbox) == []
    scene.clock.pass_(timedelta(seconds=0.2))
    assert handled(inbox) == [1, 3]
    assert scene.dead() == []


def test_each_failure_waits_longer_and_past_the_limit_it_dies_with_its_class_as_reason(scene):
    scene.publish(event(1))
    inbox = scene.inbox()
    attempts = failing(inbox)
    for wait in (1, 2, 4):
        scene.clock.pass_(timedelta(seconds=wait) - timedelta(milliseconds=1))
        assert failing(inbox) == []
        scene.clock.pass_(timedelta(milliseconds=1))
        attempts += failing(inbox)
    assert attempts == [1, 2, 3, 4]
    assert scene.dead() == [(event(1).id, "OtherWorldError", 4)]
    assert scene.left() == []


def test_waiting_never_grows_beyond_half_a_minute():
    assert [backoff(n) for n in range(1, 9)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff(10_000) == 30


def test_a_failed_event_is_given_back_before_its_lease_ends(scene):
    scene.publish(event(1))
    inbox = scene.inbox()
    one = next(inbox.events(idle=0))
    scene.clock.pass_(timedelta(seconds=58))  # handling took nearly all of the lease
    with one.handling():
        raise OtherWorldError
    assert next(inbox.events(idle=0)).attempt == 2


def test_a_failed_event_is_given_back_in_time_although_the_others_take_long(scene):
    scene.publish(*[event(n, person=n) for n in range(3)])
    inbox = scene.inbox()
    attempts = []
    for one in inbox.events(idle=0):
        with one.handling():
            scene.clock.pass_(timedelta(seconds=25))
            if one.data["fields"]["n"] == 0:
                attempts.append(one.attempt)
                if one.attempt == 1:
                    raise OtherWorldError
    assert attempts == [1, 2]
    assert scene.dead() == []


def test_poison_dies_at_once_with_its_class_as_reason(scene):
    scene.publish(event(1), event(2, person=1))
    assert failing(scene.inbox(), error=NoSuchCaseError("nobody reads this")) == [1, 1]
    assert scene.dead() == [(event(1).id, "NoSuchCaseError", 1), (event(2, person=1).id, "NoSuchCaseError", 1)]


def test_the_text_of_an_exception_is_told_to_the_consumer_alone(scene, told):
    scene.publish(event(1))
    own = []
    failing(scene.inbox(failed=lambda one, error: own.append((one.id, str(error)))))
    assert own == [(event(1).id, "personal text")]
    (line,) = lines(told)
    assert (line["event"], line["error"], line["attempt"], line["final"]) == (
        "event.failed",
        "OtherWorldError",
        1,
        False,
    )
    assert line["reference"] == event(1).id.partition("-")[0]
    assert "personal" not in told.getvalue().decode()


def test_a_consumer_that_ends_gives_back_what_it_was_lent_without_an_attempt_lost(scene):
    scene.publish(event(1), event(2, person=1), event(3, person=2))
    with scene.inbox() as inbox:
        for one in inbox.events(idle=0):
            with one.handling():
                break
    again = scene.broker.consumer(QUEUE.name).take(limit=10)
    assert [one.event for one in again] == [event(2, person=1).id, event(3, person=2).id]


@pytest.mark.parametrize("error", [ConfigError("x"), IntegrityError("x"), KeyboardInterrupt(), SystemExit(4)])
def test_what_concerns_the_program_itself_ends_it_and_the_event_comes_again(scene, error):
    scene.publish(event(1))
    with pytest.raises(type(error)):
        failing(scene.inbox(), error=error)
    assert scene.dead() == []
    assert scene.left() == [event(1).id]


def test_an_event_that_is_not_taken_through_its_handling_is_a_fault_in_the_program(scene):
    scene.publish(event(1), event(2, person=1))
    with pytest.raises(ConfigError, match="handling"), scene.inbox() as inbox:
        for _ in inbox.events(idle=0):
            pass
    assert scene.left() == [event(1).id, event(2, person=1).id]


def test_who_breaks_off_and_asks_again_goes_on_where_it_was(scene):
    scene.publish(*[event(n, person=n) for n in range(4)])
    inbox = scene.inbox()
    seen = []
    for one in inbox.events(idle=0):
        with one.handling():
            seen.append((one.data["fields"]["n"], one.attempt))
        break
    next(inbox.events(idle=0))  # not handled: shown again
    for one in inbox.events(idle=0):
        with one.handling():
            seen.append((one.data["fields"]["n"], one.attempt))
    assert seen == [(0, 1), (1, 1), (2, 1), (3, 1)]


def test_a_hook_that_fails_itself_ends_the_loop_and_the_event_still_comes_again(scene):
    def hook(_one, _error):
        raise OtherWorldError

    scene.publish(event(1))
    inbox = scene.inbox(failed=hook)
    with pytest.raises(OtherWorldError):
        failing(inbox)
    scene.clock.pass_(timedelta(seconds=2))
    assert handled(inbox) == [1]


def test_an_event_is_handled_once_and_in_its_turn(scene):
    scene.publish(event(1))
    inbox = scene.inbox()
    one = next(inbox.events(idle=0))
    with one.handling():
        pass
    with pytest.raises(ConfigError), one.handling():
        pass


# --- purpose ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["fk:Kontroll", "", "forskning", "fk:arendehandlaggning"])
def test_a_purpose_the_queue_does_not_serve_is_refused_and_the_accepted_ones_are_named(scene, purpose):
    with pytest.raises(ConfigError, match="accepted: fk:UnderlagRattighetSkyldighet, fk:Arendehandlaggning"):
        scene.inbox(purpose=purpose)


@pytest.mark.parametrize(
    "purposes", ["fk:Kontroll", "", "fk:ArendehandlaggningX fk:Kontroll", "fk:Arendehandlaggning,fk:Kontroll"]
)
def test_an_event_whose_labels_do_not_allow_the_purpose_is_never_shown(scene, told, purposes):
    scene.publish(event(1, purposes=purposes), event(2, person=1))
    assert handled(scene.inbox()) == [2]
    assert scene.dead() == [(event(1).id, "purpose", 1)]
    (line,) = lines(told)
    assert (line["event"], line["level"], line["reason"]) == ("event.buried", "error", "purpose")


@pytest.mark.parametrize("benefits", ["sjukpenning", "", "aktivitetsstod"])
def test_an_event_that_is_locked_to_other_benefits_than_the_queues_is_never_shown(scene, benefits):
    scene.publish(event(1, benefits=benefits), event(2, person=1), event(3, person=2, benefits=None))
    assert handled(scene.inbox()) == [2, 3]
    assert scene.dead() == [(event(1).id, "benefits", 1)]


def test_an_event_of_a_type_the_queue_does_not_have_is_never_shown(scene):
    scene.publish(event(1, type="se.forsakringskassan.utbyte.franvaro.v1"))
    assert handled(scene.inbox()) == []
    assert scene.dead() == [(event(1).id, "type", 1)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'"text"',
        event(2).body,  # another event's
        event(1, specversion="0.3").body,
        event(1, data=None).body,
        event(1, data="text").body,
        event(1, time="yesterday").body,
        event(1, purposes=None).body,
        event(1, purposes=7).body,
        event(1, benefits=7).body,
        event(1, noonward=None).body,
        event(1, noonward="true").body,
        event(1, retention=None).body,
        event(1, subject=None).body,
    ],
)
def test_what_cannot_be_read_is_never_shown_and_does_not_stop_the_queue(scene, body):
    scene.publish(with_body(event(1), body), event(3, person=1))
    assert handled(scene.inbox()) == [3]
    assert scene.dead() == [(event(1).id, "unreadable", 1)]


def test_no_such_queue_is_refused_and_the_queues_are_named():
    class Named:
        queues = (QUEUE,)

    with pytest.raises(ConfigError, match=r"queue nowhere: is not one of handlaggning\.inkomst"):
        connect(Named(), queue="nowhere", purpose=PURPOSE)
    with pytest.raises(ConfigError, match="accepted"):
        connect(Named(), queue=QUEUE.name, purpose="fk:Kontroll")


# --- the loop ---------------------------------------------------------------------------------------------------------


def test_stop_is_asked_between_events(scene):
    scene.publish(event(1), event(2, person=1))
    seen: list[int] = []
    with scene.inbox() as inbox:
        for one in inbox.events(stop=lambda: bool(seen)):
            with one.handling():
                seen.append(one.data["fields"]["n"])
    assert seen == [1]
    assert scene.left() == [event(2, person=1).id]


def test_nothing_is_taken_and_no_attempt_used_while_the_consumer_is_not_ready(scene):
    scene.publish(event(1))
    answers = iter([False, False, False, True, True])
    assert handled(scene.inbox(), ready=lambda: next(answers)) == [1]
    assert scene.pauses == [1, 1, 1, 1, 1, 1, 1]  # 1 + 2 + 4 seconds, looking at `stop` each second
    assert scene.dead() == []


def test_an_event_whose_lease_ended_while_it_waited_its_turn_is_not_shown_from_the_old_loan(scene):
    scene.publish(event(1), event(2, person=1))
    seen = []
    for one in scene.inbox().events(idle=0):
        with one.handling():
            seen.append((one.data["fields"]["n"], one.attempt))
            if len(seen) == 1:
                scene.clock.pass_(timedelta(seconds=61))
    assert seen[0] == (1, 1)
    assert (2, 1) not in seen
    assert (2, 2) in seen


def test_an_acknowledgement_that_came_too_late_is_told_and_the_event_comes_again(scene, told):
    scene.publish(event(1))
    with scene.inbox() as inbox:
        one = next(inbox.events(idle=0))
        with one.handling():
            scene.clock.pass_(timedelta(seconds=61))
            (other,) = scene.broker.consumer(QUEUE.name).take(limit=1)
    assert other.attempt == 2
    assert "event.late" in [line["event"] for line in lines(told)]


class Away:
    """A port whose broker is away at times."""

    def __init__(self, port, script) -> None:
        self.port, self.script = port, iter(script)

    def _or_raise(self):
        if next(self.script, True) is False:
            raise UnavailableError(codes.STORE_UNAVAILABLE, "away")

    def take(self, **more):
        self._or_raise()
        return self.port.take(**more)

    def ack(self, deliveries):
        self._or_raise()
        return self.port.ack(deliveries)

    def reject(self, delivery, **more):
        self._or_raise()
        return self.port.reject(delivery, **more)

    def close(self):
        self.port.close()


def test_a_loop_waits_for_a_broker_that_is_away_and_goes_on(scene, told):
    scene.publish(event(1))
    port = Away(scene.broker.consumer(QUEUE.name), [False, False, True])
    seen: list[int] = []
    inbox = Inbox(port, QUEUE, purpose=PURPOSE, clock=scene.clock, sleep=scene.pauses.append)
    inbox.run(lambda one: seen.append(one.data["fields"]["n"]), stop=lambda: bool(seen))
    assert seen == [1]
    assert scene.pauses == [1, 1, 1]
    assert [line["event"] for line in lines(told)] == ["inbox.waits", "inbox.waits"]


def test_an_acknowledgement_that_fails_leaves_the_event_to_come_again(scene):
    scene.publish(event(1))
    port = Away(scene.broker.consumer(QUEUE.name), [True, False])
    with Inbox(port, QUEUE, purpose=PURPOSE, clock=scene.clock, sleep=scene.pauses.append) as inbox:
        one = next(inbox.events(idle=0))
        with pytest.raises(UnavailableError), one.handling():
            pass
    assert scene.left() == [event(1).id]


def test_events_without_a_loop_tell_that_the_broker_is_away(scene):
    port = Away(scene.broker.consumer(QUEUE.name), [False])
    with pytest.raises(UnavailableError):
        list(Inbox(port, QUEUE, purpose=PURPOSE, clock=scene.clock).events(idle=0))


def test_closing_twice_is_closing_once_and_what_was_opened_with_it_is_closed_too(scene):
    closed = []
    inbox = scene.inbox(closing=lambda: closed.append(1))
    inbox.close()
    inbox.close()
    assert closed == [1]


def test_a_dead_letter_that_is_sent_again_says_so(scene):
    scene.publish(replace(event(1), replay=Replay(letter=7, reason="rättat")))
    one = next(scene.inbox().events(idle=0))
    assert one.replay_of == 7
    assert one.headers["x-gw-replay-reason"] == "rättat"


def test_the_kit_is_imported_without_the_server():
    heavy = ("lxml", "zeep", "pika", "starlette", "uvicorn", "sqlalchemy", "psycopg", "requests", "cryptography")
    code = f"import sys, gateway.consumer; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_only_an_operator_can_mend_ends_the_loop(scene):
    scene.publish(event(1))
    troubles = deque([ConfigError("no such queue")])
    inbox = scene.inbox(troubles=troubles)
    with pytest.raises(ConfigError, match="no such queue"):
        next(inbox.events(idle=0))
    assert handled(inbox) == [1]
