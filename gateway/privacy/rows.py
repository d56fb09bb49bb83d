"""The register's rows side by side: which versions there are, what each relies on, and how a wrong one is told.

Whoever wrote a row finds it by the error: `bases/banker.toml: [[basis]] 2 (IN-BANK-01@2025-12-01): approved_by: the
author may not approve; name somebody else`. File and row, key, what is wrong, what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from gateway.config import Configuration
from gateway.config.law import Basis, Exemption, Information, InformationField, Lagrum
from gateway.dispatch import Interaction
from gateway.errors import ConfigError
from gateway.message import ContractId, FieldSpec
from gateway.privacy import purposes

Lagrums = Mapping[str, tuple[Lagrum, ...]]
"""Id -> versions, oldest first."""
Kinds = Mapping[ContractId, Mapping[str, Mapping[str, FieldSpec]]]
"""Contract -> kind of information -> field -> what it is, as the contracts declare them."""
Fields = Mapping[str, FieldSpec] | Mapping[str, InformationField]
Row = Lagrum | Basis | Information | Exemption


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


def in_force(row: Lagrum | Basis, day: date) -> bool:
    """Say whether this version is in force on a day; both ends count."""
    return row.giltig_fom <= day and (row.giltig_tom is None or day <= row.giltig_tom)


def relied_on(basis: Basis, lagrum: Lagrums) -> tuple[str, ...]:
    """Return the ids of every paragraph a basis needs: its own, those that break secrecy for it, its purposes'."""
    breaking = (row.secrecy_break for id_ in basis.lagrum for row in lagrum[id_] if row.secrecy_break != "none")
    of_purposes = (purposes.LAGRUM[purposes.Purpose(purpose)] for purpose in basis.purposes)
    return tuple(dict.fromkeys((*basis.lagrum, *breaking, *of_purposes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """All that a row is compared with."""

    configuration: Configuration
    kinds: Kinds
    agreements: Agreements
    """The contracts that go out."""
    lagrum: Lagrums
    bases: Mapping[str, tuple[Basis, ...]]
    """Id -> versions, oldest first; ids in the order of the files."""
    inward: Mapping[ContractId, tuple[Basis, ...]]
    """Contract -> the bases that let in what comes by it."""
    information: Mapping[str, Information]

    @classmethod
    def of(cls, configuration: Configuration, kinds: Kinds, agreements: Agreements) -> Rows:
        """Put the rows together, by id and day."""
        lagrum: dict[str, list[Lagrum]] = {}
        for row in configuration.lagrum:
            lagrum.setdefault(row.id, []).append(row)
        bases: dict[str, list[Basis]] = {}
        inward: dict[ContractId, list[Basis]] = {}
        for basis in configuration.bases:
            bases.setdefault(basis.id, []).append(basis)
            if basis.inward and basis.contract is not None:
                inward.setdefault(basis.contract, []).append(basis)
        return cls(
            configuration=configuration,
            kinds=kinds,
            agreements=agreements,
            lagrum={id_: tuple(sorted(found, key=lambda row: row.giltig_fom)) for id_, found in lagrum.items()},
            bases={id_: tuple(sorted(found, key=lambda row: row.giltig_fom)) for id_, found in bases.items()},
            inward={contract: tuple(found) for contract, found in inward.items()},
            information={row.kind: row for row in configuration.information},
        )

    def fields(self, basis: Basis) -> Fields:
        """Return every field of a basis' kind: as its contract declares them, or `information.toml`."""
        if basis.contract is None:
            return self.information[basis.kind].fields
        return self.kinds[basis.contract][basis.kind]

    def cited(self, basis: Basis) -> tuple[Lagrum, ...]:
        """Return every version of every paragraph that a basis names itself."""
        return tuple(row for id_ in basis.lagrum for row in self.lagrum[id_])

    def place(self, row: Row) -> str:
        """Return where a row stands: `bases/banker.toml: [[basis]] 2 (IN-BANK-01@2025-12-01)`."""
        name = row.key.split(" ", 1)[1]
        place = self.configuration.places.get(row.key)
        return row.key if place is None else f"{place} ({name})"

    def wrong(self, row: Row, key: str, what: str, remedy: str) -> ConfigError:
        """Return the error of a row: where it stands, the key, what is wrong and what to do."""
        return ConfigError(f"{self.place(row)}: {key}: {what}; {remedy}")

    def known(self, row: Row, key: str, values: Iterable[str], accepted: Collection[str]) -> None:
        """Raise ConfigError for a value that is not among the accepted ones."""
        for value in values:
            if value not in accepted:
                raise self.wrong(row, key, f"unknown {value}", f"accepted: {', '.join(sorted(accepted)) or 'none'}")
