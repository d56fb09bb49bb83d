"""What whoever asked is told: schema, id, and that nothing about the person is in it."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import jsonschema
import pytest

from gateway.config import Queue
from gateway.consumer.incoming import parse
from gateway.dispatch import Finding, Part, Result
from gateway.errors import IntegrityError
from gateway.events import outcome
from gateway.events.compose import OUTCOME
from gateway.message import EventId, Pseudonym
from gateway.ports import Delivery
from tests import sending

AT = datetime(2026, 1, 15, 10, 0, 0, 123_456, tzinfo=UTC)
PERSON = Pseudonym("ab" * 16)
QUEUE = Queue(name="svar.rehabilitering", types=(OUTCOME,), purposes=("fk:Kontroll", "fk:Arendehandlaggning"))
SCHEMA = jsonschema.Draft202012Validator(json.loads(json.dumps(outcome.schema())))


def told(queue=QUEUE, **changes):
    to = sending.recipient(sending.EMPLOYER, "b", organisation="5560269986", hemligt="HEMLIGT-4711")
    queued = sending.commands.queue(sending.command(sending.MOTE, to))[0]
    made = outcome.Outcome(
        queued=queued,
        state="delivered",
        code=None,
        partner_code=None,
        attempts=1,
        first_failure=None,
        at=AT,
    )
    return outcome.event(replace(made, **changes), pseudonym=PERSON, queue=queue)


CASES = {
    "delivered": {"result": Result(finding=Finding.DONE, code="0"), "events": (EventId(f"{'0' * 64}-1"),)},
    "not found": {"result": Result(finding=Finding.NOT_FOUND)},
    "partial": {
        "result": Result(finding=Finding.PARTIAL, parts=(Part(name="AF", finding=Finding.REFUSED, code="X.1"),)),
        "waiting": 2,
    },
    "refused": {"state": "refused", "code": "GW-FAR-REFUSED", "partner_code": "VP006", "first_failure": "GW-FAR-LOST"},
    "denied": {"state": "denied", "code": "GW-OUT-DENIED", "reasons": ("CONSENT_MISSING",), "attempts": 0},
    "withheld": {"withheld": ("plats", "namn")},
}


@pytest.mark.parametrize("change", CASES.values(), ids=CASES)
def test_every_outcome_keeps_its_schema_and_is_canonical(change):
    event = told(**change)
    read = json.loads(event.body)
    SCHEMA.validate(read)
    assert event.body == json.dumps(read, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    assert (read["id"], read["type"], read["subject"]) == (event.id, OUTCOME, PERSON)
    assert (event.queues, event.partition) == (("svar.rehabilitering",), PERSON)


def test_the_schema_takes_nothing_that_is_not_written():
    read = json.loads(told().body)
    for change in ({"more": 1}, {"subject": "199202232386"}, {"noonward": False}, {"data": {}}):
        assert not SCHEMA.is_valid({**read, **change})
    for name in read["data"]:
        assert not SCHEMA.is_valid({**read, "data": {key: value for key, value in read["data"].items() if key != name}})
    assert not SCHEMA.is_valid({**read, "data": {**read["data"], "partnerCode": "Åsa Testsson"}})


def test_the_id_follows_from_dispatch_and_state():
    first, again, other = told(), told(at=AT.replace(hour=11), attempts=9), told(state="expired", code="GW-OUT-EXPIRED")
    assert first.id == again.id != other.id


def test_what_was_not_found_is_told_apart_from_what_was_found_in_part():
    for name, flags in {"not found": (True, False), "partial": (False, True), "delivered": (False, False)}.items():
        data = json.loads(told(**CASES[name]).body)["data"]
        assert (data["notFound"], data["partial"]) == flags


def test_the_partners_own_code_is_told_wherever_it_was_found():
    assert json.loads(told(**CASES["delivered"]).body)["data"]["partnerCode"] == "0"
    assert json.loads(told(**CASES["refused"]).body)["data"]["partnerCode"] == "VP006"


def test_nothing_about_the_person_is_in_an_outcome():
    body = told(**CASES["partial"]).body
    for secret in (b"199202232386", b"HEMLIGT", b"hemligt", b"S-1"):
        assert secret not in body


def test_a_consumer_reads_it_with_the_labels_of_its_own_queue():
    event = told()
    delivery = Delivery(
        queue=QUEUE.name, tag=1, event=event.id, body=event.body, attempt=1, lease_ends=None, headers={}
    )
    read = parse(delivery, None)
    assert read.labels.purposes == frozenset(QUEUE.purposes)
    assert read.attributes["commandid"] == "k-avstamningsmote"


def test_a_queue_that_takes_no_outcomes_gets_none():
    with pytest.raises(IntegrityError):
        told(QUEUE.model_copy(update={"types": ("se.forsakringskassan.utbyte.inkomst.v1",)}))
