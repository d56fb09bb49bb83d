"""What the wording of one reason is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Who(StrEnum):
    """Who must act."""

    ASKER = "asker"
    """Whoever asked, asks anew."""
    PERSON = "person"
    """A person decides, with written reasons."""
    REGISTER = "register"
    """Whoever keeps the register of law, and those who approve its rows."""
    OPERATION = "operation"
    """Whoever runs the gateway."""
    PARTNER = "partner"
    """The partner."""
    NOBODY = "nobody"
    """The law says no: it is not to be mended."""


WHO: Final[Mapping[Who, tuple[str, str]]] = {
    Who.ASKER: ("Den som begärde uppgifterna", "The requester"),
    Who.PERSON: ("En behörig handläggare", "An authorised case officer"),
    Who.REGISTER: ("Rättsavdelningen", "The legal department"),
    Who.OPERATION: ("Driften", "Operations"),
    Who.PARTNER: ("Partnern", "The partner"),
    Who.NOBODY: ("Ingen", "Nobody"),
}


@dataclass(frozen=True, slots=True)
class Wording:
    """One reason in words."""

    swedish: str
    english: str
    who: Who
    do_swedish: str
    """What whoever acts does: follows on `who`."""
    do_english: str


_NOT_MENDED: Final = (
    "kan göra det tillåtet: lagen säger nej",
    "can make it permitted: the law says no",
)
_DECIDES: Final = (
    "prövar frågan och skriver ned skälen; inget lämnas eller används innan dess",
    "examines the question and writes down the reasons; nothing is released or used before that",
)


def never(swedish: str, english: str) -> Wording:
    """Nobody can mend it."""
    return Wording(swedish, english, Who.NOBODY, *_NOT_MENDED)


def refer(swedish: str, english: str) -> Wording:
    """A person decides."""
    return Wording(swedish, english, Who.PERSON, *_DECIDES)


def asks(swedish: str, english: str, do_swedish: str, do_english: str) -> Wording:
    """Whoever asked asks anew."""
    return Wording(swedish, english, Who.ASKER, do_swedish, do_english)


def register(swedish: str, english: str, do_swedish: str, do_english: str) -> Wording:
    """The register must change."""
    return Wording(swedish, english, Who.REGISTER, do_swedish, do_english)
