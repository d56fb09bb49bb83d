"""A registerutdrag: who has got what about one person, why and by what law, in words that the person reads.

GDPR art. 15.1 c asks for recipients by name, if the person wants them (C-154/21), and not for officials (C-579/21).
From the disclosures that the log tells of (`Disclosed`) four rules make the extract:

1. What was sent or received in several attempts, or in several records of one message, is one entry: the same
   counterpart, kind and reference.
2. What a row of the register holds back is left out, and not counted, until its time has passed; then it is there, with
   the reason that it was not (`exemptions`).
3. A counterpart whose name tells where somebody lives or works (a kommun, a region, an employer) has neither name nor
   number unless the person is known not to be protected (OSL 21 kap. 3 and 3 a §§, 22 kap. 1 §): unknown is protected.
4. A number that is a natural person's is never shown as an organisation's: a sole trader's is a personnummer.

Kinds of data are told, never values; nobody else of the same message is, since the log keeps leaves by person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final

from gateway.config import Configuration
from gateway.config.law import Lagrum
from gateway.message import Protection
from gateway.partners import Partner
from gateway.privacy import citation
from gateway.privacy.article30 import PURPOSES
from gateway.privacy.exemptions import Exemptions, Held
from gateway.privacy.parties import PartnerType
from gateway.privacy.purposes import Purpose
from gateway.swedish import swedish_day

_LOCAL: Final = frozenset({
    PartnerType.KOMMUN, PartnerType.REGION, PartnerType.SOCIALNAMND, PartnerType.SKOLHUVUDMAN,
    PartnerType.ARBETSGIVARE, PartnerType.UPPDRAGSGIVARE, PartnerType.ASSISTANSANORDNARE,
})  # fmt: skip
"""Types whose names tell a place; of a class of partners every one does."""
WITHHELD: Final = "uppgift om vem utelämnad, eftersom den kan röja en plats"
_NATURAL: Final = 2
"""The third digit of an organisation number is at least this (lag (1974:174) 1 §); a personnummer's is less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """One leaf that tells of a disclosure, as the trail has it."""

    at: datetime
    direction: str
    """`out` or `in`."""
    interaction: str | None
    """`ask` where we asked."""
    partner: str
    organisation: str | None
    contract: str | None
    information: str | None
    granted: tuple[str, ...]
    purposes: tuple[str, ...]
    lagrum: tuple[str, ...]
    """`id@version`."""
    basis: str | None
    released: str | None
    """Of what went out: `yes`, `unknown`; None while it is under way."""
    reference: str | None
    """The message's or the dispatch's: never shown."""
    leaf: str
    """The leaf's hash in hex: what to quote when asking about it, and what `gateway audit proof` finds it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One time that the law said no."""

    at: datetime
    basis: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One disclosure, as the person is told of it."""

    at: datetime
    """The first time."""
    direction: str
    what: str
    """What happened, in Swedish: `Försäkringskassan lämnade uppgifter`."""
    counterpart: str
    """Who got them, or sent them, by name."""
    organisation: str | None
    """Its number; None where it is not told."""
    system: str
    """The system that got them."""
    information: str
    fields: tuple[str, ...]
    purposes: tuple[str, ...]
    lagrum: tuple[str, ...]
    arrival: str
    """Whether it arrived, in Swedish; empty for what came in."""
    reference: str
    held: str = ""
    """Why it was not shown before; empty where it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What one person is told."""

    made: datetime
    since: datetime | None
    until: datetime | None
    entries: tuple[Entry, ...]
    """Newest first."""
    refused: int | None
    """How many times the law said no; None where the register has that untold."""
    held: Mapping[str, int] = field(default_factory=dict)
    """Rule -> how many entries it holds back now. For the official: the person is never told."""

    def of(self, direction: str) -> tuple[Entry, ...]:
        """Return those that went this way."""
        return tuple(one for one in self.entries if one.direction == direction)


def extract(  # noqa: PLR0913  # what the log tells, of whom, by what, and when
    disclosed: Iterable[Disclosed],
    refused: Iterable[Refused],
    configuration: Configuration,
    *,
    protection: Protection,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Extract:
    """Return what one person is told.

    Args:
        disclosed: Everything about that person and nobody else.
        refused: Likewise, what the law said no to.
        configuration: Its register and its partners are today's.
        protection: The person's, as far as it is known.
        now: What is held back until later than this is left out.
        since: The first moment that it is about, if not the beginning.
        until: The moment that it ends before, if not now.

    Raises ConfigError: the register does not say what is held back, or until when.
    """
    exempt = Exemptions.of(configuration)
    words = _Words(configuration, protected=protection is not Protection.NONE)
    entries: list[Entry] = []
    kept: dict[str, int] = {}
    for one in _collapsed(disclosed):
        held = exempt.holding(one.basis, one.at)
        if held is not None and now < held.until:
            kept[held.rule.id] = kept.get(held.rule.id, 0) + 1
        else:
            entries.append(words.entry(one, held))
    times = sum((held := exempt.holding(one.basis, one.at)) is None or held.until <= now for one in refused)
    tells = configuration.extracts is not None and configuration.extracts.refused
    return Extract(
        made=now,
        since=since,
        until=until,
        entries=tuple(sorted(entries, key=lambda one: (one.at, one.reference), reverse=True)),
        refused=times if tells else None,
        held=kept,
    )


def _collapsed(disclosed: Iterable[Disclosed]) -> Sequence[Disclosed]:
    """Return each disclosure once: attempts and records of one message are one, with all that any of them had."""
    found: dict[tuple[str | None, ...], Disclosed] = {}
    for one in disclosed:
        key = (one.direction, one.partner, one.organisation, one.information, one.basis, one.reference or one.leaf)
        found[key] = _merged(found[key], one) if key in found else one
    return tuple(found.values())


def _merged(one: Disclosed, other: Disclosed) -> Disclosed:
    first, last = (one, other) if one.at <= other.at else (other, one)
    return replace(
        first,
        granted=_both(first.granted, last.granted),
        purposes=_both(first.purposes, last.purposes),
        lagrum=_both(first.lagrum, last.lagrum),
        released="yes" if "yes" in {one.released, other.released} else last.released,
    )


def _both(some: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*some, *more)))


class _Words:
    """What the register and the partners' files call things."""

    def __init__(self, configuration: Configuration, *, protected: bool) -> None:
        self._partners = {str(id_): partner for id_, partner in configuration.partners.items()}
        self._lagrum = {f"{row.id}@{row.version}": row for row in configuration.lagrum}
        self._ours = configuration.gateway
        self._protected = protected

    def entry(self, one: Disclosed, held: Held | None) -> Entry:
        """Return a disclosure as the person is told of it."""
        partner = self._partners.get(one.partner)
        name, number = self._counterpart(partner, one)
        return Entry(
            at=one.at,
            direction=one.direction,
            what=_what(one),
            counterpart=name,
            organisation=number,
            system=self._ours.name if one.direction == "in" else (one.contract or one.partner),
            information=_plain(one.information or "uppgifter"),
            fields=tuple(_plain(name) for name in one.granted),
            purposes=tuple(PURPOSES.get(Purpose(name), name) if name in _PURPOSES else name for name in one.purposes),
            lagrum=tuple(_cited(self._lagrum.get(name), name) for name in one.lagrum),
            arrival=_arrival(one),
            reference=one.leaf,
            held="" if held is None else self._held(held),
        )

    def _counterpart(self, partner: Partner | None, one: Disclosed) -> tuple[str, str | None]:
        name = one.partner if partner is None else partner.name
        if self._protected and (partner is None or partner.kind == "class" or partner.partner_type in _LOCAL):
            return f"{name if partner is not None and partner.kind == 'class' else 'Mottagare'} ({WITHHELD})", None
        number = one.organisation
        if number is not None and number[2:3].isdigit() and int(number[2]) < _NATURAL:
            return f"{name} (enskild näringsidkare)", None
        return name, number

    def _held(self, held: Held) -> str:
        laws = ", ".join(self._latest(id_) for id_ in held.rule.lagrum)
        return f"{held.rule.shown} Undantaget till {swedish_day(held.until)} med stöd av {laws}."

    def _latest(self, id_: str) -> str:
        versions = [row for row in self._lagrum.values() if row.id == id_]
        return _cited(max(versions, key=lambda row: row.giltig_fom, default=None), id_)


_PURPOSES: Final = frozenset(one.value for one in Purpose)


def _cited(row: Lagrum | None, name: str) -> str:
    return name if row is None else citation.written(row)


def _what(one: Disclosed) -> str:
    if one.direction == "in":
        return "Försäkringskassan tog emot uppgifter"
    return (
        "Försäkringskassan frågade om uppgifter" if one.interaction == "ask" else "Försäkringskassan lämnade uppgifter"
    )


def _arrival(one: Disclosed) -> str:
    if one.direction == "in":
        return ""
    return {"yes": "Kom fram", "unknown": "Om det kom fram är inte säkert"}.get(one.released or "", "Pågår")


def _plain(name: str) -> str:
    """Return a name of ours as words: `bostadsadress`, `telefon epost`."""
    parted = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return " ".join(parted.replace("_", " ").replace("-", " ").replace(".", " ").split())


def days(since: datetime | None, until: datetime | None, made: datetime) -> tuple[date | None, date]:
    """Return the first and last day, in Sweden, that an extract is about; the first is None for the beginning."""
    last = made if until is None else min(until, made)
    return (None if since is None else swedish_day(since)), swedish_day(last)
