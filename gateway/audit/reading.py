"""The leaf of a reading: who asked the log what, why, and in which case. It stands in a log of its own.

A log that tells who was asked about whom is itself worth asking without leave. So whoever has it answer about a person,
a case or an official, or has a sealed record opened, is written down first (SFB 114 kap. 13 §; the field's yardstick is
HSLF-FS 2016:40 4 kap. 9 §). The readings have a tree of their own, with an origin of its own, because those who read it
are a third group: neither who operates the gateway nor who audits it.

The leaf is made as every other (`leaf`): salted, and the log holds the commitment only. Under seal are reader, purpose,
case, question, parameters and whom it was about, by pseudonym. A person's number is nowhere: a question about a person
has the pseudonym, and what looks like a number in a parameter is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import orjson

from gateway.audit import leaf
from gateway.errors import IntegrityError
from gateway.message import Leaf, Pseudonym

SUFFIX = "/readings"
"""What follows the audit log's origin in that of the readings; it is the name of their key too."""
LONGEST = 100
"""Characters of a case: a reference, not a story."""
LEFT_OUT = "[person]"
"""What stands in a parameter for what looks like a person's number."""

Parameter = str | int | bool | None | Sequence[str]
"""What a question was asked with."""


class Purpose(StrEnum):
    """What a reading is for. There is no other: curiosity has no name."""

    KONTROLL = "kontroll"
    """The recurring control of how personal data is handled (SFB 114 kap. 13 §)."""
    REGISTERUTDRAG = "registerutdrag"
    """A person's own right of access (GDPR art. 15)."""
    REVISION = "revision"
    """Internal or external audit."""
    INCIDENT = "incident"
    RATTSLIG_BEGARAN = "rattslig-begaran"
    """What a court, a prosecutor or another authority may demand by law."""
    TILLSYN = "tillsyn"
    """IMY, JO, JK, Riksrevisionen, ISF."""
    GRANSKNING = "granskning"
    """Somebody answers what only a person may decide, and must see what it is about. The case is the review; nobody
    gives this purpose by hand."""


GIVEN = tuple(one for one in Purpose if one is not Purpose.GRANSKNING)
"""Those that a reader may say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What somebody wants to know, before it is told."""

    reader: str
    """The user of the operating system, or whom a door has proven."""
    purpose: Purpose
    case: str
    """The reference of the case that it is read for: see `unfit`."""
    question: str
    """The name of what is asked: of a question (`Q1`) or a command (`purpose explain`)."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """What it is asked with. Persons are in `pseudonym`."""
    pseudonym: Pseudonym | None = None
    """Whom it is about, where it is about one."""
    at: datetime
    """Now, aware."""


def unfit(case: str) -> str:
    """Tell what is wrong with a case; empty where nothing is."""
    text = case.strip()
    if not text:
        return "a case is needed: nothing is read without one"
    if len(text) > LONGEST:
        return f"a case has at most {LONGEST} characters: give its reference"
    if not text.isprintable():
        return "a case is one line of text"
    if without_persons(text) != text:
        return "a case names no person: this holds what looks like a person's number"
    return ""


def read(reading: Reading, *, salt: bytes) -> Leaf:
    """Make the leaf of a reading.

    Args:
        reading: Who wants to know what.
        salt: `leaf.SALT` fresh random bytes.

    Raises:
        IntegrityError: nobody answers for it, it names no question, or its case is `unfit`.
    """
    if wrong := unfit(reading.case):
        raise IntegrityError(wrong)
    if not reading.reader.strip() or not reading.question.strip():
        raise IntegrityError("a reading names who reads, and what")
    record = {  # keys in order, which is what makes it canonical
        "at": leaf.utc(reading.at),
        "case": reading.case.strip(),
        "kind": "reading",
        "parameters": {name: _told(reading.parameters[name]) for name in sorted(reading.parameters)},
        "pseudonym": reading.pseudonym,
        "purpose": reading.purpose.value,
        "question": reading.question,
        "reader": reading.reader,
        "v": leaf.VERSION,
    }
    return leaf.committed(leaf.Kind.READING, record, policy=None, pseudonym=None, salt=salt)


def told(record: bytes) -> Reading:
    """Return the reading that an opened record tells of. Raises IntegrityError where it is none."""
    try:
        said = orjson.loads(record)
        return Reading(
            reader=said["reader"],
            purpose=Purpose(said["purpose"]),
            case=said["case"],
            question=said["question"],
            parameters=said["parameters"],
            pseudonym=said["pseudonym"],
            at=datetime.fromisoformat(said["at"]),
        )
    except (ValueError, KeyError, TypeError):
        raise IntegrityError("the record tells of no reading") from None


def without_persons(text: str) -> str:
    """Return a text with `LEFT_OUT` for what looks like a personnummer or samordningsnummer.

    Ten or twelve digits that begin with a day, however they are parted; ids and hashes are not taken for them
    (folkbokföringslagen 1991:481 18 §; a samordningsnummer has 60 added to its day).
    """
    return _PERSON.sub(lambda found: found[0] if found["id"] else LEFT_OUT, text)


_PERSON = re.compile(
    r"""
    (?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})
    | (?<![0-9a-z]) (?:1[89]|20)? \d\d [\ .-]? (?:0[1-9]|1[0-2]) [\ .-]? (?:[0-2]\d|3[01]|[678]\d|9[01])
      \ ? [-+\u2010-\u2015\u2212]? \ ? \d{4} (?![0-9a-z])
    """,
    re.IGNORECASE | re.VERBOSE,
)


def _told(value: Parameter) -> Parameter:
    match value:
        case bool() | None:
            return value
        case int():
            return value if len(str(abs(value))) != _TWELVE else _told(str(value))
        case str():
            return without_persons(value)
        case _:
            return [without_persons(one) for one in value]


_TWELVE = 12
"""Digits of a person's number with its century; no count of anything here has as many."""
