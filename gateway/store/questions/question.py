"""The forms of a question: what may be asked, what it is asked with, and a page of what it is answered.

A question has a name that auditors know it by (`Q1`), a Swedish title, and says both what it tells and what it does
not. It is asked of the trail and the facts, never of what is sealed. Answers come in pages: a page ends with a mark
that the next one begins after (never a number of rows to pass over, so page one thousand costs what page one does).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.database import Session
from gateway.store.place import Duty
from gateway.trust.sealing import Sealer

Value = str | int | float | bool | None
Key = tuple[str | int, ...]
"""What rows are ordered by: where a page ended."""
LARGEST = 1000
"""Rows of a page."""
MOST = 5000
"""Persons or cases that may be asked about at once."""


class Shape(StrEnum):
    """What a parameter looks like."""

    TEXT = "text"
    WHOLE = "whole"
    MOMENT = "moment"
    """A time, aware: `2026-11-26T21:47:12.000000Z` as it stands in our tables."""
    NAMES = "names"
    """Several texts."""


class Subject(StrEnum):
    """Whom or what a question is about: given on standard input, never as an argument."""

    PERSON = "person"
    CASE = "case"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a question is asked with."""

    name: str
    help: str
    """In Swedish."""
    shape: Shape = Shape.TEXT
    required: bool = False
    default: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a question takes on standard input."""

    subject: Subject
    required: bool = True
    several: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of an answer."""

    limit: int = 100
    after: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A page of rows, each as the question's columns."""

    rows: Sequence[tuple[Value, ...]]
    more: Key | None
    """Where the next page begins; None at the end. There may be more though there are no rows: ask on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One asking."""

    session: Session
    page: Page
    now: datetime
    given: Mapping[str, str | int | tuple[str, ...] | None] = field(default_factory=dict)
    """By parameter; those with a default have it."""
    subjects: tuple[str, ...] = ()
    """Pseudonyms, or keyed hashes of cases or consents."""
    sealer: Sealer | None = None
    """Opens readings, for whoever may."""

    def text(self, name: str) -> str | None:
        """Return a text or a moment that was given."""
        found = self.given.get(name)
        return found if isinstance(found, str) else None

    def whole(self, name: str) -> int:
        """Return a whole number."""
        found = self.given[name]
        assert isinstance(found, int)  # noqa: S101  # `ask` has held it to its shape
        return found

    def names(self, name: str) -> tuple[str, ...]:
        """Return several texts."""
        found = self.given.get(name)
        return found if isinstance(found, tuple) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing that may be asked."""

    id: str
    title: str
    """In Swedish, as everything that is told of it."""
    tells: str
    silent: str
    """What it does not tell, and why."""
    columns: tuple[str, ...]
    answer: Callable[[Asked], Answer]
    parameters: tuple[Parameter, ...] = ()
    about: About | None = None
    duty: Duty = Duty.AUDITOR
    """On whose behalf the store is asked."""


class WrongQuestion(Exception):  # noqa: N818  # it is the question that is wrong
    """What was given does not fit the question: whoever asks must mend it."""


def mark(key: Key) -> str:
    """Write where a page ended, for whoever asks on."""
    return urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def marked(text: str) -> Key:
    """Read it again. Raises WrongQuestion."""
    try:
        found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if isinstance(found, list) and found and all(type(one) in {str, int} for one in found):
            return tuple(found)
    except ValueError:
        pass
    raise WrongQuestion("this is no mark that an answer ended with")
