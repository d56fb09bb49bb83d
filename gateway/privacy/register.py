"""What a register of law must keep before anything is judged by it. Everything here happens at start-up.

A wrong row is found by the person who wrote it, not by the person whose data it is about: each check refuses the whole
configuration with the row's id, what is wrong and what would be accepted. The checks, in order:

1. paragraphs: versions of one id do not overlap, agree on their `day`, and the secrecy-breaking row they name exists;
2. people: at least two approvers, none of them the author (separation of duties);
3. words: purposes, benefits, paragraphs, contract, kind, fields and partner type all exist;
4. law: only primary purposes collect (SFB 114 kap. 8 §), health and other sensitive data only for the purposes that may
   have it (11 §), what is forbidden is not also let through, free text never passes without a person, or, on its way
   out, a standing decision;
5. source: only Skatteverket states what the folkbokföring says (JO 4684-2007);
6. in production, no paragraph that nobody has read;
7. queues: their purposes and benefits are of the closed lists;
8. what goes out, and who may send and ask: `outward`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import pairwise
from typing import Protocol

from gateway.config import Basis, Configuration, Lagrum
from gateway.dispatch import Interaction
from gateway.errors import ConfigError
from gateway.message import Category, ContractId, FieldSpec
from gateway.partners import Partner
from gateway.privacy import protected, purposes

_PURPOSES: Mapping[str, frozenset[purposes.Purpose]] = {
    "inbound_push": purposes.COLLECTING,
    "inbound_answer": purposes.COLLECTING,
    "fk_question": purposes.ASKING,
    "fk_push": purposes.TELLING,
}
"""Direction -> the purposes that a basis may have."""
_Rows = Mapping[str, tuple[Lagrum, ...]]
_Kinds = Mapping[ContractId, Mapping[str, Mapping[str, FieldSpec]]]


class Agreement(Protocol):
    """What the law must know of a contract that goes out (`adapters.outgoing.Outgoing`)."""

    @property
    def interaction(self) -> Interaction:
        """Whether something is asked or told."""
        ...

    @property
    def kind(self) -> str:
        """The kind of information that goes out."""
        ...

    @property
    def mandatory(self) -> frozenset[str]:
        """Fields without which there is no message."""
        ...

    @property
    def answer(self) -> ContractId | None:
        """The contract that answers are read by; None where a receipt comes."""
        ...


Agreements = Mapping[ContractId, Agreement]


def in_force(row: Lagrum, day: date) -> bool:
    """Say whether this version is in force on a day; both ends count."""
    return row.giltig_fom <= day and (row.giltig_tom is None or day <= row.giltig_tom)


def relied_on(basis: Basis, rows: _Rows) -> tuple[str, ...]:
    """Return the ids of every paragraph a basis needs: its own, those that break secrecy for it, its purposes'."""
    breaking = (row.secrecy_break for id_ in basis.lagrum for row in rows[id_] if row.secrecy_break != "none")
    of_purposes = (purposes.LAGRUM[purposes.Purpose(purpose)] for purpose in basis.purposes)
    return tuple(dict.fromkeys((*basis.lagrum, *breaking, *of_purposes)))


def versions(lagrum: Iterable[Lagrum]) -> dict[str, tuple[Lagrum, ...]]:
    """Return id -> its versions, oldest first. Raises ConfigError where two are in force on the same day."""
    rows: dict[str, list[Lagrum]] = {}
    for row in lagrum:
        rows.setdefault(row.id, []).append(row)
    ordered = {id_: tuple(sorted(found, key=lambda row: row.giltig_fom)) for id_, found in rows.items()}
    for found in ordered.values():
        _check_versions(found)
    for found in ordered.values():
        for row in found:
            if row.secrecy_break not in {"none", *ordered}:
                raise wrong(row, "secrecy_break", f"unknown {row.secrecy_break}", {"none", *ordered})
    return ordered


def check(configuration: Configuration, rows: _Rows, kinds: _Kinds, agreements: Agreements) -> None:
    """Check every basis against the paragraphs, the partners and the contracts. Raises ConfigError."""
    seen: set[str] = set()
    for basis in configuration.bases:
        if basis.id in seen:
            raise wrong(basis, "id", "is used twice", ())
        seen.add(basis.id)
        _check_people(basis)
        _check_words(basis, rows)
        _check_partner(basis, configuration, agreements)
        _check_law(basis, _fields(basis, kinds))
        if configuration.gateway.environment == "production":
            _check_read(basis, rows)
    for queue in configuration.queues:
        for key, values, accepted in (
            ("purposes", queue.purposes, purposes.Purpose),
            ("benefits", queue.benefits, purposes.Benefit),
        ):
            for value in set(values) - set(accepted):
                raise ConfigError(f"queue {queue.name}: {key}: unknown {value}; accepted: {', '.join(accepted)}")


def wrong(row: Lagrum | Basis, key: str, what: str, accepted: Iterable[str]) -> ConfigError:
    """Return the error of a row: its id, the key, what is wrong and what would be accepted."""
    name = f"basis {row.id}" if isinstance(row, Basis) else f"lagrum {row.id}@{row.version}"
    values = ", ".join(sorted(accepted))
    return ConfigError(f"{name}: {key}: {what}" + (f"; accepted: {values}" if values else ""))


def known(row: Basis, key: str, values: Iterable[str], accepted: Iterable[str]) -> None:
    """Raise ConfigError for a value that is not among the accepted ones."""
    choice = set(accepted)
    for value in values:
        if value not in choice:
            raise wrong(row, key, f"unknown {value}", choice)


def _check_versions(found: tuple[Lagrum, ...]) -> None:
    for row in found:
        if row.giltig_tom is not None and row.giltig_tom < row.giltig_fom:
            raise wrong(row, "giltig_tom", "is before giltig_fom", ())
        if row.day != found[0].day:
            raise wrong(row, "day", "differs between versions of the same lagrum", {found[0].day})
    for older, newer in pairwise(found):
        if older.giltig_tom is None or older.giltig_tom >= newer.giltig_fom:
            raise wrong(older, "giltig_tom", f"overlaps version {newer.version}", ())


def _check_people(basis: Basis) -> None:
    approvers = {name.strip().casefold() for name in basis.approved_by}
    if basis.author.strip().casefold() in approvers:
        raise wrong(basis, "approved_by", "the author may not approve", ())
    if len(approvers) < 2:  # noqa: PLR2004  two pairs of eyes besides the author's
        raise wrong(basis, "approved_by", "at least two different people must approve", ())


def _check_words(basis: Basis, rows: _Rows) -> None:
    if basis.giltig_tom is not None and basis.giltig_tom < basis.giltig_fom:
        raise wrong(basis, "giltig_tom", "is before giltig_fom", ())
    known(basis, "purposes", basis.purposes, _PURPOSES[basis.direction])
    known(basis, "benefits", basis.benefits or (), purposes.Benefit)
    known(basis, "lagrum", basis.lagrum, rows)
    for purpose in basis.purposes:
        id_ = purposes.LAGRUM[purposes.Purpose(purpose)]
        if any(row.kind != "purpose" for row in rows.get(id_, ())) or id_ not in rows:
            raise wrong(basis, "purposes", f"{purpose} rests on {id_}, which must be a lagrum of kind purpose", ())


def _check_partner(basis: Basis, configuration: Configuration, agreements: Agreements) -> None:
    agreed = {
        partner.id: (partner.partner_type, _contracts(partner, agreements, inward=basis.inward))
        for partner in configuration.partners.values()
    }
    types = {partner_type for partner_type, contracts in agreed.values() if basis.contract in contracts}
    if not types:
        accepted = {contract for _, contracts in agreed.values() for contract in contracts}
        raise wrong(basis, "contract", f"no partner has {basis.contract}", accepted)
    known(basis, "partner_type", [basis.partner_type], types)
    if basis.kind == protected.SOURCE_KIND and basis.partner_type != protected.SOURCE_PARTNER:
        raise wrong(basis, "partner_type", "the folkbokföring has one source", {protected.SOURCE_PARTNER})


def _contracts(partner: Partner, agreements: Agreements, *, inward: bool) -> frozenset[ContractId]:
    """Return by what contracts a partner sends us something, or answers; or else by what contracts it is reached."""
    reached = {contract for endpoint in partner.endpoint for contract in endpoint.contracts}
    if partner.mailbox is not None:
        reached.update(partner.mailbox.contracts)
    if not inward:
        return frozenset(reached)
    answers = {agreements[contract].answer for contract in reached if contract in agreements}
    return frozenset(partner.contracts) | {answer for answer in answers if answer is not None}


def _fields(basis: Basis, kinds: _Kinds) -> Mapping[str, FieldSpec]:
    known(basis, "contract", [basis.contract], kinds)
    known(basis, "kind", [basis.kind], kinds[basis.contract])
    fields = kinds[basis.contract][basis.kind]
    known(basis, "fields", basis.fields, fields)
    return fields


def _check_law(basis: Basis, fields: Mapping[str, FieldSpec]) -> None:
    covered = not basis.inward and basis.standing_decision is not None
    handing_out = frozenset() if basis.inward else purposes.HANDING_OUT
    health, sensitive = purposes.HEALTH | handing_out, purposes.SENSITIVE | handing_out
    for name in basis.fields:
        category = fields[name].category
        if category in basis.forbidden:
            raise wrong(basis, "fields", f"{name} is of the category {category}, which the basis forbids", ())
        if category is Category.FRITEXT and Category.FRITEXT not in basis.referred and not covered:
            raise wrong(basis, "referred", f"{name} is free text and must be left to a person", {Category.FRITEXT})
        if category is Category.HALSA and not health.intersection(basis.purposes):
            raise wrong(basis, "purposes", f"{name} is health data: SFB 114 kap. 11 §", health)
        if category is Category.KANSLIG and not sensitive.issuperset(basis.purposes):
            raise wrong(basis, "purposes", f"{name} is sensitive: SFB 114 kap. 11 §", sensitive)


def _check_read(basis: Basis, rows: _Rows) -> None:
    for id_ in relied_on(basis, rows):
        for row in rows[id_]:
            if not row.verified:
                raise wrong(row, "verified", f"is false, and basis {basis.id} rests on it: not in production", ())
