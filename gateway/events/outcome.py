"""What whoever asked is told when a dispatch has ended: one CloudEvent, on the asker's own queue and nowhere else.

It is about a dispatch and not about what it said: no number, no name, no field's value. `subject` is the person's
pseudonym, so that it stays in order with what the same person's answers hold. Of why something was stopped it tells the
reasons, but never that a person is protected: that is for those who may read the decision itself.

The id follows from dispatch and state, so the same ending is the same event on every attempt; a dispatch may end twice
(`referred`, and then `expired`), which is two. The labels are the queue's own purposes: the event serves what the asker
does, whatever that is.

    commandid, dispatchid   which command and which of its recipients
    state, code             how it ended (`outbound/states.py`, `endings.py`); `partnerCode` is the partner's own word
    firstFailure            the code of the first attempt that failed, whatever failed later
    events                  the ids of what the answer gave, before this one on the same queue
    notFound                answered, and the partner has nothing
    parts                   of an answer that came in parts, or of a receipt
    waiting                 how many of the answer's records a person here must look at first
    withheld                names of fields that the recipient did not get
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from gateway.config import Queue
from gateway.dispatch import DispatchId, Finding, Queued, Result
from gateway.errors import IntegrityError
from gateway.events import compose
from gateway.events.compose import OUTCOME, URN
from gateway.events.schemas import DIALECT, Json
from gateway.message import Event, EventId, Pseudonym

SOURCE: Final = f"{URN}:utgaende"
RETENTION: Final = "SFB 114:15"
FILE: Final = "utfall.v1.json"
"""In `schemas/events`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a dispatch ended."""

    queued: Queued
    state: str
    code: str | None
    partner_code: str | None
    attempts: int
    first_failure: str | None
    at: datetime
    reasons: tuple[str, ...] = ()
    """Why it was stopped, where the law stopped it: none that tells that a person is protected."""
    result: Result | None = None
    events: tuple[EventId, ...] = ()
    waiting: int = 0
    withheld: tuple[str, ...] = ()


def outcome_id(dispatch: DispatchId, state: str) -> EventId:
    """Return the id of the event that tells that a dispatch ended in a state."""
    return EventId(f"{dispatch.removeprefix('urn:uuid:')}-{state}")


def event(outcome: Outcome, *, pseudonym: Pseudonym, queue: Queue) -> Event:
    """Compose the event for the asker's queue. Raises IntegrityError where the queue takes no such events."""
    if OUTCOME not in queue.types:
        raise IntegrityError(f"queue {queue.name} takes no outcomes")
    command, dispatch = outcome.queued.command, outcome.queued.dispatch
    id_ = outcome_id(dispatch, outcome.state)
    body = {
        "specversion": "1.0",
        "id": id_,
        "type": OUTCOME,
        "source": SOURCE,
        "subject": pseudonym,
        "time": compose.written(outcome.at),
        "datacontenttype": "application/json",
        "dataschema": f"{SOURCE}:utfall:v1",
        "purposes": " ".join(sorted(queue.purposes)),
        "retention": RETENTION,
        "noonward": True,
        "commandid": command.id,
        "dispatchid": dispatch,
        "data": _data(outcome),
    }
    return Event(
        id=id_,
        type=OUTCOME,
        partition=pseudonym,
        queues=(queue.name,),
        body=orjson.dumps(body, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER),
    )


def _data(outcome: Outcome) -> dict[str, object]:
    command, recipient, result = outcome.queued.command, outcome.queued.recipient, outcome.result
    return {
        "contract": command.contract,
        "case": command.case.reference,
        "recipient": {
            "position": recipient.position,
            "partner": recipient.partner,
            "organisation": recipient.organisation,
        },
        "state": outcome.state,
        "code": outcome.code,
        "partnerCode": outcome.partner_code if result is None else outcome.partner_code or result.code,
        "attempts": outcome.attempts,
        "firstFailure": outcome.first_failure,
        "reasons": list(outcome.reasons),
        "notFound": result is not None and result.finding is Finding.NOT_FOUND,
        "partial": result is not None and result.finding is Finding.PARTIAL,
        "parts": [
            {"name": part.name, "finding": part.finding, "code": part.code} for part in (result.parts if result else ())
        ],
        "events": list(outcome.events),
        "waiting": outcome.waiting,
        "withheld": sorted(outcome.withheld),
    }


_WORD: Final = "^[A-Za-z0-9][A-Za-z0-9:._-]{0,99}$"
_CODE: Final = "^[A-Za-z0-9._:-]{1,64}$"
_TEXT: Final[Json] = {"type": "string", "minLength": 1}


def _maybe(pattern: str, description: str) -> Json:
    return {"type": ["string", "null"], "pattern": pattern, "description": description}


def _names(description: str, pattern: str) -> Json:
    return {"type": "array", "items": {"type": "string", "pattern": pattern}, "description": description}


_ATTRIBUTES: Final[dict[str, Json]] = {
    "specversion": {"const": "1.0"},
    "id": {"type": "string", "pattern": "^[0-9a-f-]{36}-[a-z]+$", "description": "Utskickets id och hur det slutade."},
    "type": {"const": OUTCOME},
    "source": {"const": SOURCE},
    "subject": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "Personens pseudonym."},
    "time": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"},
    "datacontenttype": {"const": "application/json"},
    "dataschema": {"const": f"{SOURCE}:utfall:v1"},
    "purposes": {"type": "string", "pattern": "^fk:[A-Za-z]+( fk:[A-Za-z]+)*$", "description": "Köns ändamål."},
    "retention": {"const": RETENTION},
    "noonward": {"const": True},
    "commandid": {"type": "string", "pattern": _WORD, "description": "Kommandots id, som beställaren gav det."},
    "dispatchid": {"type": "string", "pattern": "^urn:uuid:[0-9a-f-]{36}$", "description": "Utskickets id."},
}
_PROPERTIES: Final[dict[str, Json]] = {
    "contract": {"type": "string", "pattern": "^[a-z-]+/[a-z-]+$"},
    "case": {"type": "string", "pattern": _WORD, "description": "Ärendets beteckning, som beställaren gav den."},
    "recipient": {
        "type": "object",
        "required": ["position", "partner", "organisation"],
        "additionalProperties": False,
        "properties": {
            "position": {"type": "integer", "minimum": 1, "description": "Platsen bland kommandots mottagare."},
            "partner": _TEXT,
            "organisation": _maybe(r"^\d{10}$", "Vem av flera; null för en namngiven myndighet."),
        },
    },
    "state": {"type": "string", "pattern": "^[a-z]+$", "description": "Hur det slutade."},
    "code": _maybe("^GW(-[A-Z]+)+$", "Varför, med gatewayens egen kod. Null när mottagaren har svarat."),
    "partnerCode": _maybe(_CODE, "Mottagarens egen kod, om den gav någon."),
    "attempts": {"type": "integer", "minimum": 0},
    "firstFailure": _maybe("^GW(-[A-Z]+)+$", "Koden för det första försök som misslyckades."),
    "reasons": _names("Skälen när lagen stoppade. Säger aldrig att någon har skyddad identitet.", "^[A-Z_]+$"),
    "notFound": {"type": "boolean", "description": "Mottagaren har svarat, och har inget."},
    "partial": {"type": "boolean", "description": "Svaret är ofullständigt: se parts."},
    "parts": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name", "finding", "code"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string", "pattern": "^([A-Za-z0-9._:-]{1,64}|-)$"},
                "finding": {"enum": [*Finding]},
                "code": _maybe(_CODE, "Delens egen kod."),
            },
        },
    },
    "events": _names("Id för svarets händelser, som har kommit före denna på samma kö.", r"^[0-9a-f]{64}-[1-9]\d*$"),
    "waiting": {"type": "integer", "minimum": 0, "description": "Poster i svaret som en människa måste pröva först."},
    "withheld": _names("Fält som mottagaren inte har fått.", "^[A-Za-z0-9]+$"),
}


def schema() -> dict[str, Json]:
    """Return the JSON Schema (draft 2020-12) of these events: as strict as we are when we write."""
    return {
        "$schema": DIALECT,
        "$id": f"{URN}:schema:utfall:v1",
        "title": OUTCOME,
        "description": "Hur ett utskick slutade: ett CloudEvent 1.0 (JSON) till den som beställde det. Utan uppgifter.",
        "type": "object",
        "required": [*_ATTRIBUTES, "data"],
        "additionalProperties": False,
        "properties": {
            **_ATTRIBUTES,
            "data": {
                "type": "object",
                "required": [*_PROPERTIES],
                "additionalProperties": False,
                "properties": _PROPERTIES,
            },
        },
    }
