"""Ids, and the forms a message takes on its way in (standard library only).

Each step of `inbound/path.py` takes the previous form and returns the next, so a forgotten step is a type error; only
the step named in a form's docstring may construct it (checked by `tests/architecture`):

    Received -> Admitted -> Parsed -> Verified -> Valid -> Permitted -> Ready -> Accepted -> Receipt

What cannot be trusted is left behind: from `Verified` on nothing unsigned can be reached, from `Valid` on no XML, and
from `Permitted` on no field that a legal basis does not allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NewType

from gateway.errors import RejectedError
from gateway.review import NOTHING, Answered, Opening
from gateway.trail import Trail

if TYPE_CHECKING:
    from lxml.etree import _Element

PartnerId = NewType("PartnerId", str)
"""A named agency or a class of partners, as in `config/partners/<id>.toml`: `skatteverket`."""
ContractId = NewType("ContractId", str)
"""`<partner>/<contract>`, as in the address and in `schemas/`: `skatteverket/folkbokforing`."""
OrganisationNumber = NewType("OrganisationNumber", str)
"""Ten digits, no hyphen, no leading 16: `2021005448`."""
MessageId = NewType("MessageId", str)
"""The signed `wsa:MessageID`, else `urn:sha256:<digest>`. Unique per sender, not globally."""
Digest = NewType("Digest", str)
"""Lower-case hex SHA-256 of the exclusive canonical form of what stands inside `soap:Body`, with the PrefixList
that its Reference has, if any."""
Fingerprint = NewType("Fingerprint", str)
"""Lower-case hex SHA-256 of a certificate's DER."""
EventId = NewType("EventId", str)
"""Derived from sender, message id and position: the same on every attempt."""
Pseudonym = NewType("Pseudonym", str)
"""Keyed hash of a person's number: what logs, queues and indexes may hold."""
LeafHash = NewType("LeafHash", bytes)
"""RFC 6962 section 2.1 leaf hash, 32 bytes."""

Value = str | int | bool | None | tuple[Mapping[str, "Value"], ...]
"""What a named field may hold. Dates and decimals stay text as the partner wrote them; no floats."""


def says(value: Value) -> bool:
    """Say whether a value says anything: a text with a letter or a digit, a number, a truth value, a row that does."""
    match value:
        case None:
            return False
        case str():
            return any(map(str.isalnum, value))
        case tuple():
            return any(says(inner) for row in value for inner in row.values())
        case _:
            return True


class SoapVersion(StrEnum):
    """The envelope's namespace (SOAP 1.1 section 3; SOAP 1.2 part 1 section 5)."""

    SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
    SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"


class Category(StrEnum):
    """What kind of personal data a field holds (GDPR art. 4, 9 and 10)."""

    IDENTITET = "identitet"
    KONTAKT = "kontakt"
    EKONOMI = "ekonomi"
    FAMILJ = "familj"
    FRANVARO = "franvaro"
    ARBETE = "arbete"
    HALSA = "halsa"
    KANSLIG = "kanslig"
    BROTT = "brott"
    FRITEXT = "fritext"
    ARENDE = "arende"


class NumberKind(StrEnum):
    """Folkbokföringslag (1991:481) 18 §; lag (2022:1697) om samordningsnummer."""

    PERSONNUMMER = "personnummer"
    SAMORDNINGSNUMMER = "samordningsnummer"
    OTHER = "annat"


class Protection(StrEnum):
    """Protected identity: OSL 22 kap. 1 § (sekretessmarkering), folkbokföringslagen 16 § (skyddad folkbokföring)."""

    NONE = "ingen"
    SEKRETESSMARKERING = "sekretessmarkering"
    SKYDDAD_FOLKBOKFORING = "skyddad_folkbokforing"
    UNKNOWN = "okand"


class Outcome(StrEnum):
    """What the law says of one record. REFER never releases by itself."""

    PERMIT = "PERMIT"
    DENY = "DENY"
    REFER = "REFER"


class Shape(StrEnum):
    """What a single value looks like: consumers' schemas are made from it."""

    TEXT = "text"
    WHOLE = "whole"
    TRUTH = "truth"
    DAY = "day"
    """`2026-01-31`."""
    MONTH = "month"
    """`2026-01`."""
    REDUCED = "reduced"
    """A day as far as it is known: `2003-02-17`, `2003-02`, `2003`; eight digits where no calendar has it."""
    MOMENT = "moment"
    """To the minute or second, with its zone (RFC 3339): `2026-03-10T09:00+01:00`."""


Rows = Mapping[str, Shape]
"""A value of several rows, each with some of these names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One named field that a kind of information may have, as its contract declares it."""

    category: Category
    locating: bool = False
    """True where the field tells where a person may be found: withheld under protected identity (OSL 21 kap. 3 §)."""
    shape: Shape | Rows = Shape.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whose data a record is: twelve digits where the partner's form could be understood, else as written."""

    number: str
    kind: NumberKind
    check_digit_valid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One person and one kind of information: named fields, no XML. Made by adapters."""

    position: int
    """From 1, in document order: what a receipt calls the record."""
    kind: str
    """The information type, as the bases name it: `inkomst`, `franvaro`."""
    person: Person
    fields: Mapping[str, Value]
    period_from: date
    """First day the information is about: which version of the law applies."""
    protection: Protection | None = None
    """What the message itself says of the person's protection; None where the contract carries no marking."""
    stated_at: int = 0
    """When the partner says it changed, YYYYMMDDhhmmss; 0 where it does not say."""
    related: tuple[Person, ...] = ()
    """Other individuals the record names."""
    cited: tuple[str, ...] = ()
    """Legal bases and purposes the partner itself wrote, where its contract has such elements."""
    extensions: tuple[str, ...] = ()
    """Local names of elements that the contract does not know: never their values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A field that did not pass, and the stable reason."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Sticky: they follow the data, and a join keeps only what all its parts allow (SFB 114 kap. 8-11 §§)."""

    purposes: frozenset[str]
    benefits: frozenset[str] | None
    """The benefits whose handling may use the data; None where the law names none."""
    retention: str
    """The gallring rule: `SFB 114:15`."""
    no_onward: bool
    """True where the data may not leave FK again without a decision of its own."""
    collected_for: frozenset[str] = frozenset()
    """What every part of the data was collected for. Empty: nothing is known, and what asks for it is denied."""
    processed_for: frozenset[str] = frozenset()
    """What every part of it is or was processed for (SFB 114 kap. 11 §). To collect is to process."""
    bases: frozenset[str] = frozenset()
    """The bases by which its parts came in: the locks of all of them hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the gates were told of a record beside its fields' values: all that judging it again, years later, needs."""

    event: date
    """The first day the information is about."""
    fields: tuple[str, ...]
    """Names of all that came."""
    cited: tuple[str, ...]
    """What the partner itself cited."""
    unknown: tuple[str, ...]
    """Names of elements that the contract did not know."""
    answers: bool
    """Whether it answers a question of ours; what follows is the question's."""
    benefit: str | None = None
    consent: tuple[tuple[str, ...], date] | None = None
    """Types of partner that it covers, and the last day that it holds."""
    suspicion: bool = False
    decided: date | None = None
    """The Swedish day whose law it was judged by, where it was judged later than the day that it came."""
    released: bool = False
    """People had let the message out of quarantine: of it only what a basis names was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the law says of one record, and what of it may pass. Made by `privacy.purpose`."""

    record: int
    """The record's position."""
    kind: str
    person: Person
    outcome: Outcome
    quarantined: bool
    """True where the record carried a forbidden category: then the whole message is stopped and sealed apart."""
    reasons: tuple[str, ...]
    """Stable reason codes; empty when everything passed."""
    basis: str | None
    lagrum: tuple[str, ...]
    """`id@version` of every paragraph relied on."""
    fields: Mapping[str, Value]
    """Only what passed. Empty unless PERMIT."""
    withheld: tuple[Withheld, ...]
    protection: Protection
    learned: Protection | None
    """What is now known from the folkbokföring itself: the only source. None from anywhere else."""
    stated_at: int
    labels: Labels | None
    """None unless PERMIT."""
    facts: Facts | None = None
    """Of a record; what goes out has its command."""
    related: tuple[Person, ...] = ()
    """Whom else the record names."""
    answered: Answered = NOTHING
    """What people had said yes to when this was decided: it was set aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Bytes from a TLS peer at a time. Made by `transport` (and by `gateway check`)."""

    body: bytes
    content_type: str
    contract: ContractId
    """What the address named; proven only at `Valid`."""
    peer: bytes | None
    """The peer's certificate in DER, as TLS verified it."""
    at: datetime
    """Aware, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A TLS peer we know. Made by `trust.peer.admit`."""

    received: Received
    partner: PartnerId
    organisation: OrganisationNumber
    peer: Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """An envelope within limits; nothing in it is proven yet. Made by `soap.envelope.parse`."""

    admitted: Admitted
    version: SoapVersion
    root: _Element = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The proven facts of a message, which follow it to the end. Made by `trust.signature.verify`."""

    partner: PartnerId
    organisation: OrganisationNumber
    """The signer's: the only organisation the message may speak for."""
    contract: ContractId
    message_id: MessageId
    digest: Digest
    version: SoapVersion
    action: str | None
    """The signed `wsa:Action`, if any."""
    signer: Fingerprint
    created: datetime
    """The signed `wsu:Created`, UTC."""
    received_at: datetime
    relates_to: MessageId | None = None
    """The message that this one answers: the signed `wsa:RelatesTo`, where there is exactly one and it is plain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Only what was signed, by this partner, fresh. Made by `trust.signature.verify`."""

    provenance: Provenance
    payload: _Element = field(repr=False)
    """The one child of `soap:Body`, parsed again from the canonical bytes that were digested."""
    certificate: bytes = field(repr=False)
    """The signer's certificate in DER."""
    evidence: bytes = field(repr=False)
    """The exact bytes received: only to be sealed, never to be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Valid:
    """Contract found and its schema kept: named fields per person. Made by `adapters.registry.validate`."""

    provenance: Provenance
    version: str
    """The contract version that was kept."""
    records: tuple[Record, ...] = field(repr=False)
    evidence: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What purposes and legal bases allow. Made by `privacy.purpose.permit`."""

    provenance: Provenance
    decisions: tuple[Decision, ...] = field(repr=False)
    policy: str
    """Hex SHA-256 of the exact law and bases that decided."""
    evidence: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One entry of the audit log and the hidden record it commits to. Made by `audit.leaf`."""

    entry: bytes
    """Public, canonical JSON, holds a salted commitment and no personal data."""
    hash: LeafHash
    salt: bytes = field(repr=False)
    record: bytes = field(repr=False)
    """Canonical JSON (RFC 8785): to be sealed."""
    pseudonym: Pseudonym | None
    trail: Trail | None = field(default=None, repr=False, compare=False)
    """What may be known of it unopened: a function of the record. None on a leaf that is in the log already, or of the
    log of readings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """AES-256-GCM ciphertexts under one data key, itself wrapped by a key-encryption key. Made by `trust.sealing`."""

    key_id: str
    """Which key-encryption key wrapped the data key."""
    wrapped_key: bytes
    """Nonce (12 bytes) and wrapped data key. Destroying it is gallring."""
    evidence: bytes
    """Nonce (12 bytes) and the sealed exact bytes."""
    records: tuple[bytes, ...]
    """Nonce and sealed (salt, hidden record) per leaf, in the leaves' order; empty where it has been destroyed."""
    emptied: bool = False
    """The bytes that they were sealed beside have been destroyed by rule, and maybe some of the records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Why an event is sent again: the dead letter it was, and the operator's reason."""

    letter: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A CloudEvent, canonical JSON, and where it may go. Made by `events.compose`."""

    id: EventId
    type: str
    partition: Pseudonym
    """Events of one person stay in order."""
    queues: tuple[str, ...]
    """Every queue whose declared purposes the labels allow: at least one."""
    body: bytes = field(repr=False)
    replay: Replay | None = None
    """Set on a dead letter that goes out again: a new message under the same event id."""
    related: tuple[Pseudonym, ...] | None = ()
    """Whom else it names; None where nobody knows any more, as of a letter that came home from a broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOutcome:
    """What a receipt may tell of one record: by position, never by person number."""

    position: int
    outcome: Outcome
    code: str
    """Coarse: says nothing that reveals a protected identity or a case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A protection status as the folkbokföring stated it. An older statement never lifts a newer protection."""

    person: Pseudonym
    protection: Protection
    stated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Everything the journal commits, composed without IO. Made by `inbound.path.prepare`."""

    provenance: Provenance
    policy: str
    outcomes: tuple[RecordOutcome, ...]
    leaves: tuple[Leaf, ...] = field(repr=False)
    sealed: Sealed = field(repr=False)
    events: tuple[Event, ...] = field(repr=False)
    learned: tuple[Learned, ...] = field(repr=False)
    """What the folkbokföring says of protected identity, to be known from now on."""
    reviews: tuple[Opening, ...] = ()
    """One for each record that waits for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A message that was refused after its peer was known: one leaf, committed by itself. Made by `inbound.path`."""

    partner: PartnerId
    contract: ContractId
    error: RejectedError
    at: datetime
    leaf: Leaf = field(repr=False)
    sealed: Sealed = field(repr=False)
    """The refused bytes are sealed only when the message is quarantined; else the evidence is empty."""
    quarantined: bool
    review: Opening | None = None
    """Of what is quarantined: somebody must say what becomes of it."""
    provenance: Provenance | None = None
    """Of what is quarantined: the same may have been let in by people before, and is then accepted already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Committed: from here the message is ours. Made by `store.journal` (its rows are in `store.entries`)."""

    provenance: Provenance
    accepted_at: datetime
    outcomes: tuple[RecordOutcome, ...]
    leaves: tuple[LeafHash, ...]
    repeated: bool
    """True when the same message had been accepted before: these are then the first acceptance's facts."""
    number: int | None = None
    """The message's, in the store; None where that keeps none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What of a receipt cannot be composed again from the facts of the acceptance: that it was signed."""

    message: int | None
    """As `Accepted.number`."""
    at: datetime
    certificate: Fingerprint
    """Whose key signed."""
    value: bytes = field(repr=False)
    """The signature, in the form that XMLDSig gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Our signed answer. Made by `trust.receipt.sign`."""

    envelope: bytes
    content_type: str
    sign: Sign
