"""CloudEvents as the gateway composes them, for tests of what receives them."""

from __future__ import annotations

from dataclasses import replace

import orjson

from gateway.config import Queue
from gateway.events.compose import event_type
from gateway.message import Event, EventId
from tests import builders

PURPOSE = "fk:Arendehandlaggning"
TYPE = event_type("inkomst")
BENEFITS = (
    "aktivitetsersattning arbetsskadelivranta arbetsskadesjukpenning foraldrapenning graviditetspenning "
    "narstaendepenning rehabiliteringspenning sjukersattning sjukpenning tillfallig_foraldrapenning"
)
QUEUE = Queue(
    name="handlaggning.inkomst",
    types=(TYPE,),
    purposes=("fk:UnderlagRattighetSkyldighet", PURPOSE),
    benefits=("foraldrapenning", "sjukpenning"),
    delivery_limit=3,
)


def event(number: int, *, person: int = 0, **attributes: object) -> Event:
    """Return event `number`, of a person; attributes of None are left out."""
    ref = builders.digest(f"message {number}")
    pseudonym = builders.pseudonym(builders.NUMBERS[person])
    body = {
        "specversion": "1.0",
        "id": f"{ref}-1",
        "type": TYPE,
        "source": "urn:se:forsakringskassan:utbyte:skatteverket:arbetsgivardeklaration",
        "subject": pseudonym,
        "time": "2026-11-20T12:00:00.000Z",
        "purposes": "fk:Arendehandlaggning fk:Kontroll fk:UnderlagRattighetSkyldighet",
        "benefits": BENEFITS,
        "retention": "SFB 114:15",
        "noonward": True,
        "messageref": ref,
        "data": {"kind": "inkomst", "person": {"id": builders.NUMBERS[person]}, "fields": {"n": number}},
        **attributes,
    }
    written = orjson.dumps({name: value for name, value in body.items() if value is not None})
    return Event(id=EventId(f"{ref}-1"), type=TYPE, partition=pseudonym, queues=(QUEUE.name,), body=written)


def with_body(one: Event, body: bytes) -> Event:
    return replace(one, body=body)
