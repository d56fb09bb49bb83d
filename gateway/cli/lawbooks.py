"""What `gateway law` tells, gathered: registers opened from a folder or from the store, and answers put in words.

A register is opened beside the installation's contracts, partners and queues, which stay what they are: it is the law
that is tried. One that was judged by comes out of the store by its hash; where this program can no longer compile it,
the error says which file and row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from gateway import wiring
from gateway.adapters.registry import Registry
from gateway.cli.output import Json
from gateway.config import Configuration, load, register
from gateway.config.law import Basis, Lagrum
from gateway.errors import ConfigError
from gateway.privacy import article30, article30_page, citation, labels, obligations, replaying
from gateway.privacy.difference import Around, Change, Days, Difference
from gateway.privacy.flows import OTHER
from gateway.privacy.law import Law
from gateway.privacy.replaying import Lacking, Said
from gateway.privacy.rows import Rows
from gateway.review import NOTHING, Answered
from gateway.store import judged as stored
from gateway.store import registers
from gateway.store.judged import Judged

ARCHIVIST = wiring.Duty.ARCHIVIST
"""On whose behalf sealed records are opened."""
_BEGIN, _END = date.min, date.max


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A register, compiled beside the installation's contracts."""

    configuration: Configuration
    law: Law
    rows: Rows


def of_folder(config: Path, folder: Path | None, *, data: Path | None = None) -> Book:
    """Open the configured register, or that of another folder in its place. Raises ConfigError."""
    configuration = load(config, data=data)
    return _book(configuration if folder is None else _with(configuration, register.contents(folder), folder))


def named(config: Path, data: Path | None, name: str) -> Book:
    """Open the register of a folder, or one that was judged by, by its hash. Raises ConfigError."""
    path = Path(name)
    if path.is_dir():
        return of_folder(config, path, data=data)
    configuration = load(config, data=data)
    if name == configuration.policy:
        return _book(configuration)
    law = kept(configuration, name)
    if law is None:
        raise ConfigError(f"{name}: neither a folder, nor the hash of a register that was judged by here")
    return _book(_with(configuration, law, Path(name)))


def kept(
    configuration: Configuration, policy: str, *, duty: wiring.Duty = wiring.Duty.AUDITOR
) -> dict[str, bytes] | None:
    """Return the files of a register that was judged by. Raises IntegrityError, UnavailableError."""
    return registers.read(wiring.place(configuration, duty), policy)


def taken(configuration: Configuration) -> frozenset[str]:
    """Return the hashes of all registers that were judged by, as the archivist sees them."""
    return frozenset(one.policy for one in registers.taken(wiring.place(configuration, ARCHIVIST)))


def judged(configuration: Configuration, since: datetime) -> Iterator[Judged]:
    """Yield every decision since a time; who reads it is written down before (`cli.reading`).

    Raises ConfigError where the sealing key is not there, IntegrityError.
    """
    seals = wiring.sealer(configuration.gateway.keys)
    return stored.since(wiring.place(configuration, ARCHIVIST), since, seals.open)


def _with(configuration: Configuration, law: Mapping[str, bytes], folder: Path) -> Configuration:
    read = register.parsed(law, folder)
    names = (
        "lagrum", "bases", "information", "categories", "reviews", "test_numbers", "places", "policy", "files",
    )  # fmt: skip
    return configuration.model_copy(update={name: getattr(read, name) for name in names})


def _book(configuration: Configuration) -> Book:
    contracts = _contracts(configuration.gateway.schemas)
    kinds, agreed = contracts.kinds(), contracts.outgoing
    law = Law.build(configuration, kinds, agreed)
    return Book(configuration=configuration, law=law, rows=Rows.of(configuration, kinds, agreed))


@cache
def _contracts(schemas: Path) -> Registry:
    return Registry.load(schemas)


# What somebody should know of a register that no rule refuses.


def unverified(book: Book) -> list[Json]:
    """Return the names of rows that nobody has read."""
    lagrum, bases = book.configuration.lagrum, book.configuration.bases
    return [*(row.key for row in lagrum if not row.verified), *(row.key for row in bases if not row.verified)]


def ending(book: Book, today: date, until: date) -> list[Json]:
    """Return the bases that end soon, with the day, and have no version that begins then."""
    found: list[Json] = []
    for versions in book.rows.bases.values():
        last = versions[-1]
        if last.giltig_tom is not None and today <= last.giltig_tom <= until:
            found.append(f"{last.key} ends {last.giltig_tom}")
    return found


def unserved(book: Book) -> list[Json]:
    """Return the bases that let in what no queue may have: by a contract, and to be routed."""
    serves, queues = labels.serving(book.law.rules), book.configuration.queues
    carried = (basis for basis in book.configuration.bases if basis.inward and basis.carried)
    return [basis.key for basis in carried if not any(serves(queue, basis) for queue in queues)]


# One row in full.


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One row, in the shape that others read it by, and in Swedish."""

    title: str
    told: Json
    swedish: tuple[tuple[str, str], ...]


def rows(book: Book, name: str) -> list[Shown]:
    """Return every version of a paragraph or basis, or the one that is named: `ID@VERSION`, `ID@2025-12-01`."""
    id_, _, version = name.partition("@")
    lagrum = (row for row in book.configuration.lagrum if row.id == id_ and version in {"", row.version})
    bases = (row for row in book.configuration.bases if row.id == id_ and version in {"", str(row.giltig_fom)})
    return [*(_lagrum(row) for row in lagrum), *(_basis(row, book) for row in bases)]


def _lagrum(row: Lagrum) -> Shown:
    words = {
        "Lagrum": citation.written(row), "Lydelse": row.version, "Gäller från": str(row.giltig_fom),
        "Gäller till": str(row.giltig_tom or "tills vidare"), "Dag som avgör": _DAY[row.day], "Slag": row.kind,
        "Avvägning": row.test, "Sekretess bryts av": row.secrecy_break,
        "Bryter inte": ", ".join(row.secrecy_excluded) or "-", "Källmärke": row.source,
        "Granskad": "ja" if row.verified else "nej",
    }  # fmt: skip
    return Shown(title=row.key, told=article30.rule_metadata(row), swedish=tuple(words.items()))


_DAY = {"event": "händelsens första dag", "decision": "beslutets dag"}


def _basis(row: Basis, book: Book) -> Shown:
    cited = book.rows.cited(row)
    categories = {spec.category for name, spec in book.rows.fields(row).items() if name in row.fields}
    owed = [str(one) for one in obligations.of(row, cited, categories)]
    told: dict[str, Json] = {
        "id": row.id,
        "direction": str(row.direction),
        "partnerType": [*row.partner_types],
        "contract": row.contract,
        "kind": row.kind,
        "lagrum": [f"{one.id}@{one.version}" for one in cited],
        "fkPurposes": [*row.purposes],
        "partnerPurpose": row.purpose_text,
        "subjectRoles": [*map(str, row.subject_roles)],
        "benefit": None if row.benefits is None else [*row.benefits],
        "anyOf": [one.model_dump(mode="json", exclude_none=True) for one in row.any_of],
        "trigger": [*map(str, row.triggers)],
        "channel": [*map(str, row.channels)],
        "fields": [*row.fields],
        "required": [*row.required],
        "forbidCategories": [*map(str, row.forbidden)],
        "referCategories": [*map(str, row.referred)],
        "cited": None if row.cited is None else [*row.cited],
        "periodRule": {
            "within": "case.period",
            "max": None if row.longest_period is None else f"P{row.longest_period}D",
        },
        "consent": row.consent,
        "suspicion": row.suspicion,
        "standingDecision": row.standing_decision,
        "obligations": [*owed],
        "retention": {"rule": row.retention},
        "noOnward": row.no_onward,
        "source": row.source,
        "verified": row.verified,
        "author": row.author,
        "approvedBy": [*row.approved_by],
        "giltigFom": row.giltig_fom.isoformat(),
        "giltigTom": None if row.giltig_tom is None else row.giltig_tom.isoformat(),
    }
    (process,) = (one for one in article30.processes(book.rows) if one.basis is row)
    return Shown(title=row.key, told=told, swedish=tuple(article30_page.terms(process)))


# A difference.


def difference_told(found: Difference, old: Book, new: Book) -> Json:
    """Return a difference as JSON."""
    return {
        "old": old.configuration.policy,
        "new": new.configuration.policy,
        "widens": found.widens,
        "flows": [_change(one) for one in found.changes],
        "around": [
            {"change": one.how.value, "row": one.row, "before": one.before, "after": one.after} for one in found.around
        ],
    }


def _change(one: Change) -> Json:
    return {
        "change": one.how.value,
        "direction": one.direction,
        "partnerType": one.partner_type,
        "contract": one.contract,
        "kind": one.kind,
        "fields": sorted(one.fields),
        "purposes": sorted(one.purposes),
        "benefits": sorted(one.benefits),
        "channels": sorted(one.channels),
        "roles": sorted(one.roles),
        "days": [_day(days) for days in one.days],
        "differs": [*one.differs()],
        "bases": sorted(one.bases),
    }


def _day(days: Days) -> Json:
    return {
        "event": {"fom": _first(days.event_from), "tom": _last(days.event_to)},
        "decision": {"fom": _first(days.decision_from), "tom": _last(days.decision_to)},
    }


def _first(day: date) -> str | None:
    return None if day == _BEGIN else day.isoformat()


def _last(day: date) -> str | None:
    return None if day == _END else day.isoformat()


def difference_rows(found: Difference) -> Iterator[list[str]]:
    """Yield a difference as rows of a table: flows that differ in the same way together, whatever their terms are."""
    merged: dict[tuple[str, ...], set[str]] = {}
    for one in found.changes:
        flow = f"{one.direction} {one.partner_type} {one.kind}"
        benefits = "alla övriga" if one.benefits == {OTHER} else ", ".join(sorted(one.benefits))
        lists = (one.purposes, [benefits], one.roles, one.channels)
        for_ = "; ".join(", ".join(sorted(names)) for names in lists)
        days = "; ".join(_span(days) for days in one.days)
        key = (one.how.value, flow, for_, days, ", ".join(sorted(one.bases)), ", ".join(one.differs()))
        merged.setdefault(key, set()).update(one.fields)
    for (how, flow, for_, days, bases, differs), fields in merged.items():
        yield [how, flow, ", ".join(sorted(fields)), for_, days, bases, differs if how in {"widens", "narrows"} else ""]
    yield from (_around(one) for one in found.around)


def _around(one: Around) -> list[str]:
    return [one.how.value, one.row, "", "", "", "", f"{one.before or '-'} -> {one.after or '-'}"]


def _span(days: Days) -> str:
    decided = f"{_first(days.decision_from) or ''}..{_last(days.decision_to) or ''}"
    event = f"{_first(days.event_from) or ''}..{_last(days.event_to) or ''}"
    return f"decided {decided}, about {event}"


# A replay.


@dataclass(slots=True)
class Replay:
    """What became of decisions that were judged again."""

    differing: list[dict[str, Json]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    tried: str = ""

    @property
    def summary(self) -> dict[str, Any]:
        """Return the counts."""
        return {"law": self.tried, "counts": dict(self.counts), "not replayed": dict(self.lacking)}


def replayed(book: Book, decisions: Iterable[Judged]) -> Replay:
    """Judge decisions again, each first by its own register out of the store.

    Raises IntegrityError, UnavailableError.
    """
    found, own = Replay(tried=book.configuration.policy), _Own(book.configuration)
    for one in decisions:
        found.counts["decisions"] += 1
        try:
            again = replaying.replay(_record(one), own.law(one.policy), book.law)
        except Lacking as lacking:
            found.lacking[str(lacking)] += 1
            continue
        differs = again.differs()
        found.counts["different" if differs else "the same"] += 1
        if differs:
            found.counts[f"{again.then.outcome} -> {again.now.outcome}"] += 1
            found.differing.append({
                "leaf": one.position, "at": one.at.isoformat(timespec="seconds"), "policy": one.policy,
                "differs": [*differs], "answered": _answered(again.answered),
                "then": _said(again.then), "now": _said(again.now),
            })  # fmt: skip
    return found


def _record(one: Judged) -> Mapping[str, Any]:
    if one.record is None:
        raise Lacking(one.missing)
    return one.record


class _Own:
    """The registers that decisions were made by, each compiled once."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._compiled: dict[str | None, Law | str] = {}

    def law(self, policy: str | None) -> Law:
        """Return the register of a hash. Raises Lacking where it is not there, or this program cannot read it."""
        if policy not in self._compiled:
            self._compiled[policy] = self._law(policy)
        found = self._compiled[policy]
        if isinstance(found, str):
            raise Lacking(found)
        return found

    def _law(self, policy: str | None) -> Law | str:
        law = None if policy is None else kept(self._configuration, policy, duty=ARCHIVIST)
        if policy is None or law is None:
            return "its own register is not in the store"
        try:
            return _book(_with(self._configuration, law, Path(policy))).law
        except ConfigError:
            return "its own register cannot be compiled by this program with these contracts"


def _answered(answers: Answered) -> Json:
    """Return what people had said yes to; None where nobody was asked."""
    if answers == NOTHING:
        return None
    return {
        "reasons": sorted(answers.reasons),
        "basis": answers.basis,
        "lagrum": [*(answers.lagrum or ())],
        "fields": None if answers.fields is None else sorted(answers.fields),
    }


def _said(said: Said) -> dict[str, Json]:
    return {
        "outcome": said.outcome.value,
        "basis": said.basis,
        "reasons": sorted(said.reasons),
        "granted": sorted(said.granted),
        "lagrum": sorted(said.lagrum),
        "purposes": [] if said.labels is None else sorted(said.labels.purposes),
        "benefits": None if said.labels is None or said.labels.benefits is None else sorted(said.labels.benefits),
    }


# The record of processing.


def linked(book: Book, day: date) -> Json:
    """Return the record of processing as JSON-LD."""
    return article30.linked(article30.processes(book.rows), book.configuration, day)


def page(book: Book, day: date) -> str:
    """Return the record of processing as a page."""
    return article30_page.page(article30.processes(book.rows), book.configuration, day)
