"""A request for a decision: may this pass, for this purpose, on this basis? All that the gates ask of it.

The same form whoever asks: the way in makes one of a record, the way out of one recipient's part of a command, and
`gateway purpose decide` of a file. What is missing is None, and is denied where it is mandatory: nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from gateway.config.law import Channel, Direction, SubjectRole, Trigger
from gateway.dispatch import Period
from gateway.message import Category, ContractId, Protection


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """The partner: who it says it is, and what it has proved."""

    organisation: str
    """Ten digits."""
    type: str
    """As in the partner's file: `skatteverket`, `arbetsgivare`."""
    system: str
    proved: str | None
    """The organisation that its certificate and signature prove; None where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts here or there: a person by id, role and unit, or an automated process by id."""

    id: str
    role: str
    unit: str
    automated: bool
    relation: str | None = None
    """What binds a human actor to the subject, where something does: `own`, `relative`, `same_address`, `colleague`."""
    mandate: frozenset[str] | None = None
    """The purposes it may act for, where it is a system of ours (`config/askers.toml`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """The paragraph that the request rests on."""

    id: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseProof:
    """That a case is open at whoever needs the information: for this subject, in this capacity, for this period.

    And for which request: by its fingerprint, or by purpose and partner.
    """

    open: bool
    case: str
    subject: str
    capacity: str
    period: Period
    request: str | None = None
    """Hex SHA-256 of the request it was made for (`reading.fingerprint`), where it is bound to one."""
    purpose: str | None = None
    """The purpose that it was made for, where it says."""
    organisation: str | None = None
    """The partner that it was made for, ten digits, where it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The person's consent."""

    reference: str
    scope: frozenset[str]
    """The types of partner that it covers."""
    until: date
    """The last day that it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProvenance:
    """Where some of the data comes from (SFB 114 kap. 10-11 §§)."""

    collected_for: str
    """The purpose it was collected for; or `statistik`, `forskning`, `arkiv` where it is such a copy."""
    processed_for: frozenset[str]
    """Every purpose that it is or was processed for."""
    basis: str
    """The basis that let it in."""
    gallras: date | None = None
    """The day from which it should be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How more than one subject is picked (SFB 114 kap. 12 §)."""

    by: frozenset[str]
    """Fields or categories that the search is made by."""
    subjects: int
    concerns_benefit: bool = False
    """The data searched by concerns a benefit or compensation."""
    use: str | None = None
    """`handling`, `follow_up`, `control`; None: another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """May this pass? `None` is missing."""

    id: str | None
    direction: Direction | None
    channel: Channel | None
    partner: Party | None
    actor: Actor | None
    purpose: str | None
    lagrum: Cited | None
    basis: str | None
    case: str | None
    proof: CaseProof | None
    benefit: str | None
    subject: str | None
    """The person's number, twelve digits, or an organisation number."""
    subject_role: SubjectRole | None
    event: date | None
    period: Period | None
    fields: frozenset[str] | None
    trigger: Trigger | None
    provenance: tuple[DataProvenance, ...] | None
    protection: Protection | None
    """Of every person in it, the worst."""
    environment: str | None
    """`prod` or `test`: where the data is to be used."""
    audit_ready: bool | None
    """The log has taken an entry of this beforehand."""
    suspicion: str | None = None
    consent: Consent | None = None
    selection: Selection | None = None
    use: str | None = None
    """What becomes of it, where it is not a person who reads it: `decision_proposal`."""
    recent_subjects: int = 0
    """How many others the same actor has asked about, one by one, within the hour."""
    given: Mapping[str, Category] = field(default_factory=dict)
    """What the message holds beside what is asked for: unknown elements by the category that their names give away."""
    quoted: tuple[str, ...] = ()
    """What a message itself writes of law and purpose, as text. On the way in; a request cites by `lagrum`."""
    contract: ContractId | None = None
    """What carries it; None where nothing is carried."""
    kind: str | None = None
    """The kind of information that is carried."""
    shared: frozenset[str] = frozenset()
    """Fields that others get too. What is forbidden among them is taken away; for this partner alone it denies."""
    silent: frozenset[str] = frozenset()
    """Fields that are there and say nothing: empty, or no letter and no digit."""
    missing: tuple[str, ...] = ()
    """Mandatory inputs that were not given, by the names they have in files: `partner.orgNr`."""
    invalid: tuple[str, ...] = ()
    """Inputs that were given but are no such thing: no day, none of the accepted words. They are None above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one gate said."""

    gate: str
    """`5 partner`: the number it has in `gates`, and its name."""
    result: str
    """`pass`, `deny`, `refer`, or `-` where the gate has nothing to ask of such a request."""
    reasons: tuple[str, ...] = ()


class Verdict(NamedTuple):
    """The answer, with every gate's result up to the one that denied. A tuple: one is made for every request."""

    outcome: str
    reasons: tuple[str, ...]
    granted: frozenset[str]
    withheld: Mapping[str, str]
    """Field -> reason."""
    obligations: tuple[str, ...]
    policy: str
    lagrum: tuple[str, ...]
    basis: str | None
    quarantined: bool
    """A forbidden category has come: the message is to be sealed apart."""
    gates: tuple[Judged, ...]
    decision: str
    """The decision's id: follows from policy, request and day, so the same question gets the same."""
    decided_at: datetime
    missing: tuple[str, ...] = ()
    """The request's own: what INPUT_MISSING is about."""
    invalid: tuple[str, ...] = ()
    """The request's own: what INPUT_INVALID is about."""
