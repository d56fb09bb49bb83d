"""The inputs of a request for a decision, by name: what must be there, and what each must look like.

One table, `REQUEST`, and three things made from it: `walk` reads a request by it, `schema` is its JSON Schema, and an
error names what would have been accepted. The names are those that people write in files. What is missing, and what is
no such thing, is told by its whole name (`partner.orgNr`, `caseProof.period.fom`), never by its value: a value may be
anything, also a person's number. For the same reason an unknown name is told only if it looks like a name.

Nothing is guessed at and nothing filled in. `null`, an empty text and an empty mandatory list are missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from gateway.config.law import Channel, Direction, SubjectRole, Trigger
from gateway.message import Protection

LONGEST: Final = 200
"""Characters of one text: no id, code or reference is longer, and nothing longer is written anywhere."""
MOST: Final = 1000
"""Entries of one list: more than any contract has fields."""
LARGEST: Final = 1_000_000_000
"""The largest count: more than there are people to ask about."""

_NAME = re.compile(r"[^\W\d_][\w:.-]{0,99}")
_PERSONAL = re.compile(r"\d{6}|\d\d[-:._]?[01]\d[-:._]?[0-9]\d[-:._]?\d{3}")
"""Six digits in a row, or a date with a birth number however it is cut up."""
_PLACE = re.compile(r"\[\d{1,4}\]")
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ORGANISATION = re.compile(r"(?:16)?(\d{2}[2-9]\d{3})-?(\d{4})", re.ASCII)
_PERSON = re.compile(r"((?:18|19|20)\d{6})[-+]?(\d{4})", re.ASCII)
_HASH = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


class MalformedInput(ValueError):  # noqa: N818  # never leaves this room: it becomes a name in `Found.invalid`
    """The value is no such thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What one value must look like."""

    read: Callable[[object], object]
    """Returns it as the gates compare it, or raises MalformedInput."""
    schema: Mapping[str, object]
    """In JSON Schema."""
    swedish: str
    """What would have been accepted: `en dag, ÅÅÅÅ-MM-DD`."""
    english: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Named inputs that belong together."""

    inputs: Mapping[str, Input]
    many: bool = False
    """A list of such tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input."""

    of: Form | Table
    mandatory: bool = True
    may_be_empty: bool = False
    """An empty list says something: that there is nothing."""


@dataclass(slots=True)
class Found:
    """What was wrong, by whole names, in the table's order."""

    missing: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    unknown: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """The name, and those that are accepted in its place."""


def plain(name: str) -> bool:
    """Say whether a text looks like a name, and can hold no person's number: it may then be told again."""
    return _NAME.fullmatch(name) is not None and _PERSONAL.search(name) is None


def known(name: str) -> bool:
    """Say whether a request has an input by this whole name."""
    return find(name) is not None


def form(name: str) -> Form | None:
    """Return what an input must look like, by its whole name; None for a table or a name that is none."""
    of = find(name)
    return of if isinstance(of, Form) else None


def find(name: str) -> Form | Table | None:
    """Return what an input is, by its whole name; None where a request has none by that name."""
    of: Form | Table = REQUEST
    for part in _PLACE.sub("", name).split("."):
        if not isinstance(of, Table) or part not in of.inputs:
            return None
        of = of.inputs[part].of
    return of


def walk(table: Table, data: Mapping[Any, object], found: Found, path: str = "") -> dict[str, Any]:
    """Return the inputs that are there and well formed; tell `found` of all others."""
    accepted = tuple(table.inputs)
    found.unknown.extend((path + _told(key), accepted) for key in data if key not in table.inputs)
    values: dict[str, Any] = {}
    for name, wanted in table.inputs.items():
        given = data.get(name)
        if _nothing(given) and not (wanted.may_be_empty and given == []):
            if wanted.mandatory:
                found.missing.append(path + name)
            continue
        try:
            values[name] = _read(wanted.of, given, found, path + name)
        except MalformedInput:
            found.invalid.append(path + name)
    return values


def _read(of: Form | Table, given: object, found: Found, name: str) -> object:
    if isinstance(of, Form):
        return of.read(given)
    if not of.many:
        if not isinstance(given, Mapping):
            raise MalformedInput
        return walk(of, given, found, f"{name}.")
    if not isinstance(given, list) or len(given) > MOST or not all(isinstance(row, Mapping) for row in given):
        raise MalformedInput
    return [walk(of, row, found, f"{name}[{number}].") for number, row in enumerate(given)]


def _nothing(given: object) -> bool:
    return given is None or given == [] or (isinstance(given, str) and not given.strip())


def _told(key: object) -> str:
    return key if isinstance(key, str) and plain(key) else "(a key that is no name)"


def schema(table: Table) -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a table."""
    inner: dict[str, object] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _schema(wanted) for name, wanted in table.inputs.items()},
        "required": [name for name, wanted in table.inputs.items() if wanted.mandatory],
    }
    return {"type": "array", "items": inner, "maxItems": MOST} if table.many else inner


def _schema(wanted: Input) -> dict[str, object]:
    shape = dict(wanted.of.schema) if isinstance(wanted.of, Form) else schema(wanted.of)
    if shape.get("type") == "array" and wanted.mandatory and not wanted.may_be_empty:
        shape["minItems"] = 1
    return shape


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST or _TEXT.fullmatch(value) is None:
        raise MalformedInput
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise MalformedInput
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise MalformedInput
    return value


def _day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or _DAY.fullmatch(value) is None:
        raise MalformedInput
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise MalformedInput from None


def _organisation(value: object) -> str:
    match = _ORGANISATION.fullmatch(_text(value))
    if match is None:
        raise MalformedInput
    return match[1] + match[2]


def _number(value: object) -> str:
    match = _PERSON.fullmatch(_text(value))
    return match[1] + match[2] if match else _organisation(value)


def _hash(value: object) -> str:
    if _HASH.fullmatch(_text(value)) is None:
        raise MalformedInput
    return _text(value).lower()


def _names(value: object) -> frozenset[str]:
    names = _texts(value)
    if not all(map(plain, names)):
        raise MalformedInput
    return names


def _texts(value: object) -> frozenset[str]:
    if not isinstance(value, list) or len(value) > MOST:
        raise MalformedInput
    return frozenset(map(_text, value))


def _of(words: Mapping[str, object]) -> Form:
    def read(value: object) -> object:
        if not isinstance(value, str) or value not in words:
            raise MalformedInput
        return words[value]

    listed = ", ".join(words)
    return Form(read=read, schema={"enum": list(words)}, swedish=f"något av: {listed}", english=f"one of: {listed}")


def _enum(words: type[StrEnum]) -> Form:
    return _of({word.value: word for word in words})


_LINE: Final = {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"\S"}
TEXT: Final = Form(read=_text, schema=_LINE, swedish="en text på en rad", english="a text on one line")
TRUTH: Final = Form(read=_truth, schema={"type": "boolean"}, swedish="true eller false", english="true or false")
COUNT: Final = Form(
    read=_count,
    schema={"type": "integer", "minimum": 0, "maximum": LARGEST},
    swedish="ett heltal, 0 eller mer",
    english="a whole number, 0 or more",
)
DAY: Final = Form(
    read=_day,
    schema={"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
    swedish="en dag i almanackan, ÅÅÅÅ-MM-DD",
    english="a day of the calendar, YYYY-MM-DD",
)
ORGANISATION: Final = Form(
    read=_organisation,
    schema={"type": "string", "pattern": r"^(16)?[0-9]{2}[2-9][0-9]{3}-?[0-9]{4}$"},
    swedish="ett organisationsnummer, tio siffror som text",
    english="an organisation number, ten digits as a text",
)
NUMBER: Final = Form(
    read=_number,
    schema={
        "type": "string",
        "pattern": r"^((18|19|20)[0-9]{6}[-+]?[0-9]{4}|(16)?[0-9]{2}[2-9][0-9]{3}-?[0-9]{4})$",
    },
    swedish="ett person- eller samordningsnummer med sekel, tolv siffror som text, eller ett organisationsnummer",
    english="a personnummer or samordningsnummer with its century, twelve digits as a text, or an organisation number",
)
HASH: Final = Form(
    read=_hash,
    schema={"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
    swedish="en SHA-256 i hexadecimal form, 64 tecken",
    english="a SHA-256 in hex, 64 characters",
)
NAMES: Final = Form(
    read=_names,
    schema={"type": "array", "maxItems": MOST, "items": {"type": "string", "pattern": r"^[^\W\d_][\w:.-]{0,99}$"}},
    swedish="en lista med fältnamn",
    english="a list of names of fields",
)
TEXTS: Final = Form(
    read=_texts,
    schema={"type": "array", "maxItems": MOST, "items": _LINE},
    swedish="en lista med koder",
    english="a list of codes",
)
STATUS: Final = _of(
    {
        "none": Protection.NONE,
        "sekretessmarkering": Protection.SEKRETESSMARKERING,
        "skyddad_folkbokforing": Protection.SKYDDAD_FOLKBOKFORING,
        # Försäkringskassan's own service only says that a person is protected: then as the strictest.
        "protected": Protection.SKYDDAD_FOLKBOKFORING,
        "unknown": Protection.UNKNOWN,
        "ingen": Protection.NONE,
        "okand": Protection.UNKNOWN,
    }
)

USE: Final = _of({"read_by_person": "read_by_person", "triage": "triage", "decision_proposal": "decision_proposal"})

PERIOD: Final = Table(inputs={"fom": Input(of=DAY), "tom": Input(of=DAY)})

REQUEST: Final = Table(
    inputs={
        "requestId": Input(of=TEXT),
        "direction": Input(of=_enum(Direction)),
        "channelType": Input(of=_enum(Channel)),
        "partner": Input(
            of=Table(
                inputs={
                    "orgNr": Input(of=ORGANISATION),
                    "type": Input(of=TEXT),
                    "system": Input(of=TEXT),
                    "authN": Input(
                        of=Table(
                            inputs={
                                "orgNr": Input(of=ORGANISATION),
                                "signature": Input(of=TRUTH),
                                "certificate": Input(of=TEXT, mandatory=False),
                            }
                        )
                    ),
                }
            )
        ),
        # One of the two, which no row here can say (`reading`): a person, or automated = true with processId.
        "actor": Input(
            of=Table(
                inputs={
                    "id": Input(of=TEXT),
                    "role": Input(of=TEXT),
                    "unit": Input(of=TEXT),
                    "relation": Input(of=TEXT, mandatory=False),
                }
            ),
            mandatory=False,
        ),
        "automated": Input(of=TRUTH, mandatory=False),
        "processId": Input(of=TEXT, mandatory=False),
        "purpose": Input(of=TEXT),
        "lagrum": Input(of=Table(inputs={"id": Input(of=TEXT), "version": Input(of=TEXT)})),
        "basisId": Input(of=TEXT),
        "caseRef": Input(of=TEXT),
        "caseProof": Input(
            of=Table(
                inputs={
                    "open": Input(of=TRUTH),
                    "caseRef": Input(of=TEXT),
                    "subject": Input(of=NUMBER),
                    "capacity": Input(of=TEXT),
                    "period": Input(of=PERIOD),
                    "requestHash": Input(of=HASH, mandatory=False),
                    "purpose": Input(of=TEXT, mandatory=False),
                    "orgNr": Input(of=ORGANISATION, mandatory=False),
                }
            )
        ),
        "benefit": Input(of=TEXT),
        "subject": Input(of=Table(inputs={"pid": Input(of=NUMBER), "role": Input(of=_enum(SubjectRole))})),
        "eventDate": Input(of=DAY),
        "period": Input(of=PERIOD),
        "fieldsRequested": Input(of=NAMES),
        "trigger": Input(of=_enum(Trigger)),
        "suspicionRef": Input(of=TEXT, mandatory=False),
        "consentRef": Input(
            of=Table(
                inputs={
                    "ref": Input(of=TEXT, mandatory=False),
                    "scope": Input(of=TEXTS),
                    "validTo": Input(of=DAY),
                }
            ),
            mandatory=False,
        ),
        "dataProvenance": Input(
            of=Table(
                inputs={
                    "collectedFor": Input(of=TEXT),
                    "everProcessedFor": Input(of=TEXTS, may_be_empty=True),
                    "sourceBasis": Input(of=TEXT),
                    "gallras": Input(of=DAY, mandatory=False),
                },
                many=True,
            ),
            may_be_empty=True,
        ),
        "sidStatus": Input(of=STATUS),
        "environment": Input(of=_of({"prod": "prod", "test": "test"})),
        "auditReady": Input(of=TRUTH),
        "selection": Input(
            of=Table(
                inputs={
                    "by": Input(of=NAMES),
                    "subjects": Input(of=COUNT),
                    "concernsBenefit": Input(of=TRUTH, mandatory=False),
                    "use": Input(of=TEXT, mandatory=False),
                }
            ),
            mandatory=False,
        ),
        "intendedUse": Input(of=USE, mandatory=False),
        "recentSubjects": Input(of=COUNT, mandatory=False),
        "given": Input(of=NAMES, mandatory=False, may_be_empty=True),
    }
)
"""Who, why, on what law, in which case, about whom and what, from where, and in what state of ours."""
