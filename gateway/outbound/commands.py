"""Commands: what one of our own systems wants sent or asked, read strictly and cut into one dispatch a recipient.

A command is a structured CloudEvent 1.0 in JSON, of the type `se.forsakringskassan.utbyte.kommando.v1`, whose `source`
is `urn:se:forsakringskassan:utbyte:asker:<id>` (`config/askers.toml`). Whichever way it comes (queue, command line,
Python) it is read here, and refused here if it is wrong: before anything is kept.

The same asker and id is the same command. Whether it says the same is told by a digest of what it asks for, so that a
command put on the queue twice, at two times, is one.

Nothing is filled in: no basis, no purpose, no period. What is missing is the asker's to say.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway import endings
from gateway.adapters import persons
from gateway.adapters.outgoing import Outgoing
from gateway.config import Asker
from gateway.dispatch import AskerId, Case, Command, CommandId, Consent, DispatchId, Period, Queued, Recipient
from gateway.errors import ContractError, IntegrityError
from gateway.message import ContractId, Digest, NumberKind, OrganisationNumber, PartnerId, Person, Value
from gateway.partners import Partner

TYPE: Final = "se.forsakringskassan.utbyte.kommando.v1"
SOURCE: Final = "urn:se:forsakringskassan:utbyte:asker:"
LONGEST: Final = timedelta(days=90)
"""A command may live this long: what nobody could deliver in a quarter is another case by then."""
LARGEST: Final = 256 * 1024
"""Bytes."""
_DISPATCHES: Final = uuid.UUID("6f1d7a52-61c5-5a0e-9e0b-5f0a3c8f7d11")
"""The namespace of dispatch ids (RFC 9562 section 5.5)."""

_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]{0,99}$")]
"""Ids and references: letters, digits and `:._-`, so that nothing about a person fits in by mistake."""
_Cell = str | int | bool | None
_Held = _Cell | list[dict[str, _Cell]]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


_Day = Annotated[date, Field(strict=False)]


class _Period(_Model):
    first: _Day
    last: _Day


class _Case(_Model):
    reference: _Word
    benefit: str
    period: _Period


class _Consent(_Model):
    reference: _Word
    recipients: list[str] = Field(min_length=1)
    until: _Day


class _Recipient(_Model):
    partner: str
    organisation: str | None = Field(default=None, pattern=r"^\d{10}$")
    basis: str
    fields: dict[str, _Held] = {}


class _Data(_Model):
    contract: str
    purpose: str
    case: _Case
    person: str
    period: _Period | None = None
    fields: dict[str, _Held] = {}
    recipients: list[_Recipient] = Field(min_length=1, max_length=20)
    consent: _Consent | None = None
    suspicion: _Word | None = None
    expires: Annotated[datetime, Field(strict=False)]


class _Event(_Model):
    specversion: Literal["1.0"]
    type: Literal["se.forsakringskassan.utbyte.kommando.v1"]
    source: str = Field(pattern=f"^{SOURCE}[a-z0-9.-]+$")
    id: _Word
    time: Annotated[datetime, Field(strict=False)]
    datacontenttype: Literal["application/json"] = "application/json"
    data: _Data


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """Who may command what, whom it can reach, and what it may hold."""

    askers: Mapping[AskerId, Asker]
    partners: Mapping[PartnerId, Partner]
    outgoing: Mapping[ContractId, Outgoing]


def schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a command: the very model that it is read by."""
    return _Event.model_json_schema()


def read(body: bytes, agreed: Agreed) -> tuple[Command, Digest]:
    """Read a command, and return it with the digest that tells whether it is the same as one before.

    Raises:
        ContractError: GW-COMMAND-FORMAT, GW-COMMAND-ASKER or GW-COMMAND-RECIPIENT. The detail names places and rules,
            never values.
    """
    event = _event(body)
    _hold(event, agreed)
    command = _command(event)
    _check(command, agreed)
    return command, _digest(event)


def reread(body: bytes) -> Command:
    """Read a command that is kept here, and was held to the configuration when it came.

    What has changed since is judged where it matters. Raises IntegrityError: it is no command.
    """
    try:
        return _command(_event(body))
    except ContractError as error:
        raise IntegrityError(f"a kept command cannot be read: {error.detail}") from None


def queue(command: Command) -> tuple[Queued, ...]:
    """Cut a command into one dispatch for each recipient, in order."""
    return tuple(
        Queued(dispatch=dispatch_id(command, recipient), command=command, recipient=recipient)
        for recipient in command.recipients
    )


def dispatch_id(command: Command, recipient: Recipient) -> DispatchId:
    """Return the id that every attempt has: the same for the same asker, command and place among the recipients.

    A version 5 UUID (RFC 9562 section 5.5); neither the asker's name nor the command's id can be read out of it.
    """
    name = f"{command.asker}\0{command.id}\0{recipient.position}"
    return DispatchId(uuid.uuid5(_DISPATCHES, name).urn)


def _event(body: bytes) -> _Event:
    if len(body) > LARGEST:
        raise _wrong("", f"is larger than {LARGEST} bytes")
    try:
        return _Event.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise _wrong(".".join(_place(part) for part in fault["loc"]), fault["type"]) from None


def _place(part: int | str) -> str:
    """Return a part of a place, if it is of our schema; a key that is not may be anything, a name for one."""
    return str(part) if isinstance(part, int) or part in _KNOWN else "…"


_KNOWN = {name for model in (_Event, _Data, _Case, _Period, _Consent, _Recipient) for name in model.model_fields}


def _wrong(place: str, what: str) -> ContractError:
    return ContractError(endings.COMMAND_FORMAT, f"{place or 'the command'}: {what}")


def _hold(event: _Event, agreed: Agreed) -> None:
    """Hold a command to what is agreed with its asker, and to whom we can reach."""
    data = event.data
    asker = agreed.askers.get(_asker(event))
    if asker is None:
        raise ContractError(endings.COMMAND_ASKER, "source: no such asker")
    if data.contract not in asker.contracts:
        raise ContractError(endings.COMMAND_ASKER, f"contract: {asker.id} has {', '.join(asker.contracts)}")
    if data.purpose not in asker.purposes:
        raise ContractError(endings.COMMAND_ASKER, f"purpose: {asker.id} has {', '.join(asker.purposes)}")
    for number, one in enumerate(data.recipients, start=1):
        _reach(f"recipients {number}", one, data, agreed)


def _reach(place: str, one: _Recipient, data: _Data, agreed: Agreed) -> None:
    partner = agreed.partners.get(PartnerId(one.partner))
    if partner is None:
        raise ContractError(endings.COMMAND_RECIPIENT, f"{place}: no such partner")
    organisation = None if one.organisation is None else OrganisationNumber(one.organisation)
    if (partner.kind == "class") != (organisation is not None):
        raise ContractError(
            endings.COMMAND_RECIPIENT, f"{place}: organisation: given for one of a class, and only then"
        )
    if partner.reached(ContractId(data.contract), organisation) is None:
        raise ContractError(endings.COMMAND_RECIPIENT, f"{place}: {partner.id} has no endpoint or mailbox for it")
    if clash := set(one.fields) & set(data.fields):
        known = ", ".join(sorted(name for name in clash if name.isidentifier())) or "a field"
        raise _wrong(place, f"{known} stands among the common fields too")


def _command(event: _Event) -> Command:
    data = event.data
    return Command(
        id=CommandId(event.id),
        asker=_asker(event),
        contract=ContractId(data.contract),
        purpose=data.purpose,
        case=Case(reference=data.case.reference, benefit=data.case.benefit, period=_period(data.case.period, "case")),
        person=_person(data.person),
        period=None if data.period is None else _period(data.period, "period"),
        fields=_fields(data.fields),
        recipients=tuple(_recipient(number, one) for number, one in enumerate(data.recipients, start=1)),
        consent=_consent(data.consent),
        suspicion=data.suspicion,
        at=_instant(event.time, "time"),
        expires=_instant(data.expires, "data.expires"),
    )


def _asker(event: _Event) -> AskerId:
    return AskerId(event.source.removeprefix(SOURCE))


def _recipient(number: int, one: _Recipient) -> Recipient:
    return Recipient(
        position=number,
        partner=PartnerId(one.partner),
        organisation=None if one.organisation is None else OrganisationNumber(one.organisation),
        basis=one.basis,
        fields=_fields(one.fields),
    )


def _person(written: str) -> Person:
    person = persons.read(written)
    if person.kind is NumberKind.OTHER or not person.check_digit_valid:
        raise _wrong("data.person", "is no personnummer or samordningsnummer of twelve digits")
    return person


def _period(given: _Period, place: str) -> Period:
    if given.last < given.first:
        raise _wrong(f"data.{place}", "last is before first")
    return Period(first=given.first, last=given.last)


def _consent(given: _Consent | None) -> Consent | None:
    if given is None:
        return None
    return Consent(reference=given.reference, recipients=frozenset(given.recipients), until=given.until)


def _fields(given: Mapping[str, _Held]) -> dict[str, Value]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _instant(given: datetime, place: str) -> datetime:
    if given.tzinfo is None:
        raise _wrong(place, "has no time zone")
    return given.astimezone(UTC)


def _check(command: Command, agreed: Agreed) -> None:
    going = agreed.outgoing.get(command.contract)
    if going is None:
        raise _wrong("data.contract", "is nothing that is sent or asked")
    for recipient in command.recipients:
        going.keeps({**command.fields, **recipient.fields})
    if not timedelta(0) < command.expires - command.at <= LONGEST:
        raise _wrong("data.expires", f"is not after time, or more than {LONGEST.days} days after it")
    seen = {(one.partner, one.organisation) for one in command.recipients}
    if len(seen) < len(command.recipients):
        raise _wrong("data.recipients", "has somebody twice")


def _digest(event: _Event) -> Digest:
    """Return what tells two commands of one id apart: all but when they were put on the queue."""
    said = event.model_dump(mode="json", exclude={"time"})
    return Digest(hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest())
