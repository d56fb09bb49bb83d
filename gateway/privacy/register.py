"""What a register of law must keep before anything is judged by it. Everything here happens at start-up.

A wrong row is found by the person who wrote it, not by the person whose data it is about: each check refuses the whole
configuration with file and row, the key, what is wrong and what to do (`rows.wrong`). The checks, in order:

1. paragraphs: versions of one id do not overlap, agree on their `day`, and the secrecy-breaking row they name exists;
2. kinds: every kind of information that no contract carries is described once, and the secrecy that a field names is
   one that some paragraph excludes;
3. versions of bases: as paragraphs, and they agree on what they are versions of;
4. people: at least two approvers, none of them the author (separation of duties);
5. words: purposes, benefits, types of partner, paragraphs, contract, kind and fields all exist, and what a condition
   names can be met;
6. partners: every partner is of a type of the closed list, what a contract carries has a partner of its type who has
   the contract, and only Skatteverket states what the folkbokföring says (JO 4684-2007);
7. law: only primary purposes collect (SFB 114 kap. 8 §), health and other sensitive data only for the purposes that may
   have it (11 §), what is forbidden is not also let through, free text never passes without a person, or, on its way
   out, a standing decision; consent is asked for where a paragraph rests on it; direktåtkomst only where lag or
   förordning gives it (14 §);
8. queues: their purposes and benefits are of the closed lists;
9. what goes out, and who may send and ask: `outward`;
10. what a registerutdrag holds back, by what right and until when: `exemptions`.

That nobody has read a row stops nothing here. It decides nothing in production (`gates`), and `unread` tells of it.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from gateway.config import Configuration
from gateway.config.law import SENT, Basis, Channel, Condition, Exemption, InformationField, Lagrum
from gateway.errors import ConfigError
from gateway.message import Category, ContractId, FieldSpec
from gateway.partners import Partner
from gateway.privacy import exemptions, protected, purposes
from gateway.privacy.parties import PartnerType
from gateway.privacy.purposes import Purpose
from gateway.privacy.rows import Agreements, Rows, relied_on

_DIRECT = frozenset({"access_right", "consent"})
"""Kinds of paragraph that can give direktåtkomst."""
_BENEFITS = frozenset(purposes.Benefit)
_PARTNER_TYPES = frozenset(PartnerType)
_SAME = ("direction", "contract", "kind", "day")
"""What versions of one basis agree on: what it is about, and which day picks one."""


def check(rows: Rows) -> None:
    """Check every row against all the others, the partners and the contracts. Raises ConfigError."""
    for found in rows.lagrum.values():
        _check_lagrum(found, rows)
    _check_information(rows)
    for bases in rows.bases.values():
        _check_versions(bases, rows)
        _check_same(bases, rows)
    for basis in rows.configuration.bases:
        _check_people(basis, rows)
        _check_words(basis, rows)
        _check_content(basis, rows)
        _check_conditions(basis, rows)
        _check_partners(basis, rows)
        _check_law(basis, rows)
        _check_consent(basis, rows)
    _check_partner_files(rows.configuration)
    _check_queues(rows.configuration)
    if rows.configuration.extracts is not None:
        for one in rows.configuration.extracts.exemptions:
            _check_people(one, rows)
    exemptions.check(rows)


def unread(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    """Return the bases that production leaves to a person, each with the rows that nobody has read and it rests on.

    The rows by their `key`, the basis' own version first. `check` must have accepted the configuration.
    """
    rows, found = Rows.of(configuration, {}, {}), {}
    for id_, versions in rows.bases.items():
        keys: list[str] = []
        for basis in versions:
            relied = [row for needed in relied_on(basis, rows.lagrum) for row in rows.lagrum[needed]]
            keys.extend(row.key for row in relied if not row.verified)
            if not basis.verified:
                keys.insert(0, basis.key)
        if keys:
            found[id_] = tuple(dict.fromkeys(keys))
    return found


# 1-3: rows of one id, and kinds.


def _check_lagrum(versions: tuple[Lagrum, ...], rows: Rows) -> None:
    _check_versions(versions, rows)
    for row in versions:
        if row.day != versions[0].day:
            raise rows.wrong(row, "day", "differs between versions of one lagrum", f"write {versions[0].day}")
        rows.known(row, "secrecy_break", [row.secrecy_break], {"none", *rows.lagrum})


def _check_versions(versions: Sequence[Lagrum | Basis], rows: Rows) -> None:
    for row in versions:
        if row.giltig_tom is not None and row.giltig_tom < row.giltig_fom:
            raise rows.wrong(row, "giltig_tom", "is before giltig_fom", "write the last day that it holds, or none")
    if len({row.key for row in versions}) < len(versions):
        row = next(row for row in versions if Counter(one.key for one in versions)[row.key] > 1)
        raise rows.wrong(row, "id", "is used twice for the same version", "take one of the rows away")
    for older, newer in pairwise(versions):
        if older.giltig_tom is None or older.giltig_tom >= newer.giltig_fom:
            raise rows.wrong(
                older,
                "giltig_tom",
                f"overlaps {rows.place(newer)}, which begins {newer.giltig_fom}",
                "end the older version on the day before the newer begins",
            )


def _check_same(versions: tuple[Basis, ...], rows: Rows) -> None:
    for row in versions:
        for key in _SAME:
            if getattr(row, key) != getattr(versions[0], key):
                raise rows.wrong(
                    row,
                    key,
                    f"differs between versions of one basis, {getattr(versions[0], key)} in {rows.place(versions[0])}",
                    "write the same, or give the row an id of its own",
                )


def _check_information(rows: Rows) -> None:
    excluded = {secrecy for row in rows.configuration.lagrum for secrecy in row.secrecy_excluded}
    seen: set[str] = set()
    for row in rows.configuration.information:
        if row.kind in seen:
            raise rows.wrong(row, "kind", "is described twice", "put all its fields in one row")
        seen.add(row.kind)
        for name, field in row.fields.items():
            if field.secrecy is not None and field.secrecy not in excluded:
                raise rows.wrong(
                    row,
                    f"fields.{name}.secrecy",
                    f"{field.secrecy} is excluded by no lagrum",
                    "write it as a secrecy_excluded does, or leave it out",
                )


# 4: people.


def _check_people(basis: Basis | Exemption, rows: Rows) -> None:
    author, approvers = _folded(basis.author), {_folded(name) for name in basis.approved_by}
    if not author:
        raise rows.wrong(basis, "author", "is nobody", "name who wrote the row")
    if author in approvers:
        raise rows.wrong(basis, "approved_by", "the author may not approve", "name somebody else")
    if len(approvers - {""}) < 2:  # noqa: PLR2004  two pairs of eyes besides the author's
        raise rows.wrong(basis, "approved_by", "at least two different people must approve", "name them")


def _folded(name: str) -> str:
    """Return a name as it is compared: neither case, spaces nor signs, seen or not, make somebody another person."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))


# 5: words.


def _check_words(basis: Basis, rows: Rows) -> None:
    rows.known(basis, "purposes", basis.purposes, purposes.BY_DIRECTION[basis.direction])
    rows.known(basis, "benefits", basis.benefits or (), _BENEFITS)
    rows.known(basis, "partner_types", basis.partner_types, _PARTNER_TYPES)
    if not basis.lagrum:
        raise rows.wrong(basis, "lagrum", "names none", "name the paragraph that it rests on")
    rows.known(basis, "lagrum", basis.lagrum, rows.lagrum)
    for purpose in basis.purposes:
        id_ = purposes.LAGRUM[Purpose(purpose)]
        if id_ not in rows.lagrum or any(row.kind != "purpose" for row in rows.lagrum[id_]):
            raise rows.wrong(basis, "purposes", f"{purpose} rests on {id_}", "write that lagrum, of kind purpose")


def _check_content(basis: Basis, rows: Rows) -> None:
    if basis.contract is None:
        rows.known(basis, "kind", [basis.kind], rows.information)
    else:
        if not basis.inward and basis.direction not in SENT:
            raise rows.wrong(basis, "contract", f"no contract carries {basis.direction}", "leave contract out")
        rows.known(basis, "contract", [basis.contract], rows.kinds)
        rows.known(basis, "kind", [basis.kind], rows.kinds[basis.contract])
    rows.known(basis, "fields", basis.fields, rows.fields(basis))
    rows.known(basis, "required", basis.required, basis.fields)


def _check_conditions(basis: Basis, rows: Rows) -> None:
    for number, condition in enumerate(basis.any_of, start=1):
        key = f"any_of {number}"
        if condition == Condition():
            raise rows.wrong(basis, key, "names nothing, so it always holds", "say what must hold, or take it away")
        benefits = _BENEFITS if basis.benefits is None else basis.benefits
        rows.known(basis, f"{key}: benefits", condition.benefits or (), benefits)
        rows.known(basis, f"{key}: subject_roles", condition.subject_roles or (), basis.subject_roles)


# 6: partners.


def _check_partners(basis: Basis, rows: Rows) -> None:
    if basis.kind == protected.SOURCE_KIND and set(basis.partner_types) != {protected.SOURCE_PARTNER}:
        raise rows.wrong(
            basis, "partner_types", "the folkbokföring has one source", f"write {protected.SOURCE_PARTNER} alone"
        )
    if basis.contract is None:
        return
    agreed = [
        (partner.partner_type, _contracts(partner, rows.agreements, inward=basis.inward))
        for partner in rows.configuration.partners.values()
    ]
    types = {partner_type for partner_type, contracts in agreed if basis.contract in contracts}
    if not types:
        raise rows.wrong(
            basis,
            "contract",
            f"no partner has {basis.contract}",
            "write it in the partner's file, or leave it out here",
        )
    rows.known(basis, "partner_types", basis.partner_types, types)


def _check_partner_files(configuration: Configuration) -> None:
    for partner in configuration.partners.values():
        if partner.partner_type not in _PARTNER_TYPES:
            told = f"partner {partner.id}: partner_type: unknown {partner.partner_type}"
            raise ConfigError(f"{told}; accepted: {', '.join(PartnerType)}")


def _contracts(partner: Partner, agreements: Agreements, *, inward: bool) -> frozenset[ContractId]:
    """Return by what contracts a partner sends us something, or answers; or else by what contracts it is reached."""
    reached = {contract for endpoint in partner.endpoint for contract in endpoint.contracts}
    if partner.mailbox is not None:
        reached.update(partner.mailbox.contracts)
    if not inward:
        return frozenset(reached)
    answers = {agreements[contract].answer for contract in reached if contract in agreements}
    return frozenset(partner.contracts) | {answer for answer in answers if answer is not None}


# 7: law.


def _check_law(basis: Basis, rows: Rows) -> None:
    fields = rows.fields(basis)
    for name in basis.fields:
        _check_field(basis, name, fields[name], rows)
    if Channel.DIRECT_ACCESS in basis.channels and not _gives_direct(basis, rows):
        raise rows.wrong(
            basis,
            "channels",
            "direct_access only as lag or förordning gives it (SFB 114 kap. 14 §)",
            f"name a lagrum of kind {' or '.join(sorted(_DIRECT))}, or take direct_access away",
        )


def _gives_direct(basis: Basis, rows: Rows) -> bool:
    """Say whether a paragraph of the basis gives direktåtkomst, in all its wordings."""
    return any(all(row.kind in _DIRECT for row in rows.lagrum[id_]) for id_ in basis.lagrum)


def _check_field(basis: Basis, name: str, field: FieldSpec | InformationField, rows: Rows) -> None:
    category = field.category
    if category in basis.forbidden:
        raise rows.wrong(
            basis, "fields", f"{name} is of the category {category}, which the basis forbids", "take one of them away"
        )
    covered = not basis.inward and basis.standing_decision is not None
    if category is Category.FRITEXT and Category.FRITEXT not in basis.referred and not covered:
        raise rows.wrong(
            basis, "referred", f"{name} is free text: a person reads it", f"write {Category.FRITEXT} there"
        )
    if category is Category.HALSA and (health := _may(purposes.HEALTH, basis)).isdisjoint(basis.purposes):
        raise rows.wrong(
            basis, "purposes", f"{name} is health data: SFB 114 kap. 11 §", f"one of {', '.join(sorted(health))}"
        )
    if category is Category.KANSLIG and not (sensitive := _may(purposes.SENSITIVE, basis)).issuperset(basis.purposes):
        raise rows.wrong(
            basis, "purposes", f"{name} is sensitive: SFB 114 kap. 11 §", f"none but {', '.join(sorted(sensitive))}"
        )


def _may(having: frozenset[Purpose], basis: Basis) -> frozenset[Purpose]:
    """Return the purposes that may have such data: what goes out is handed out too."""
    return having if basis.inward else having | purposes.HANDING_OUT


def _check_consent(basis: Basis, rows: Rows) -> None:
    by_consent = [row.id for row in rows.cited(basis) if row.kind == "consent"]
    if by_consent and not basis.consent:
        raise rows.wrong(basis, "consent", f"{by_consent[0]} rests on the person's consent", "write true")


# 8: queues.


def _check_queues(configuration: Configuration) -> None:
    for queue in configuration.queues:
        for key, values, accepted in (
            ("purposes", queue.purposes, purposes.Purpose),
            ("benefits", queue.benefits, purposes.Benefit),
        ):
            for value in set(values) - set(accepted):
                raise ConfigError(f"queue {queue.name}: {key}: unknown {value}; accepted: {', '.join(accepted)}")
