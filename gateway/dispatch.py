"""Ids, and the forms a dispatch takes on its way out (standard library only).

One of Försäkringskassan's own systems gives a `Command`: send this, or ask that, about one person. Every recipient gets
a dispatch of its own, with fields, leaves and a life of its own (`outbound/states.py`). A dispatch walks in a straight
line (`outbound/path.py`); only the step named in a form's docstring may construct it (checked by `tests/architecture`):

    Command -> Queued -> Permitted -> Composed -> Signed -> Answered -> Delivered

From `Permitted` on no field can be reached that a legal basis does not allow for this recipient. From `Composed` on id
and content stand for good: every attempt says the same under the same id, so a partner that had it knows it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NewType

from gateway.message import (
    ContractId,
    Decision,
    Digest,
    Event,
    Leaf,
    Learned,
    MessageId,
    OrganisationNumber,
    PartnerId,
    Person,
    Provenance,
    Pseudonym,
    Record,
    Sealed,
    SoapVersion,
    Value,
)
from gateway.review import Opening

AskerId = NewType("AskerId", str)
"""One of Försäkringskassan's own systems, as in `config/askers.toml`: `rehabilitering`."""
CommandId = NewType("CommandId", str)
"""Given by the asker and unique for it: the same id is the same command. Holds no personal data."""
DispatchId = NewType("DispatchId", str)
"""`urn:uuid:…`, derived from asker, command and recipient: the `wsa:MessageID` of every attempt."""


class Interaction(StrEnum):
    """What goes out. Both are disclosures: a question tells the partner that the person has a case here."""

    SEND = "send"
    """One way; the partner's signed receipt comes back."""
    ASK = "ask"
    """A question; the partner's signed answer comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days, both ends included."""

    first: date
    last: date

    def within(self, other: Period) -> bool:
        """Tell whether all of it lies in the other."""
        return other.first <= self.first and self.last <= other.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The case here that the command is for: what proves that we need it (JO 2031-2015)."""

    reference: str
    """Opaque; holds no personal data."""
    benefit: str
    period: Period
    """What the case is about: a question may not reach outside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The person's consent, where the law asks for it (SFB 30 kap. 10 §; OSL 12 kap. 2 §)."""

    reference: str
    recipients: frozenset[str]
    """The types of partner that it covers."""
    until: date
    """The last day that it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who gets it, and what only this one gets."""

    position: int
    """From 1, in the command's order."""
    partner: PartnerId
    organisation: OrganisationNumber | None
    """Which of a class of partners (employers, kommuner); None for a named agency."""
    basis: str
    """The row below `config/law/bases` that the asker relies on for this recipient."""
    fields: Mapping[str, Value] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What one of our own systems wants sent or asked. Made by `outbound.commands.read`."""

    id: CommandId
    asker: AskerId
    contract: ContractId
    purpose: str
    """Closed list, SFB 114 kap. 8-10 §§."""
    case: Case
    person: Person
    period: Period | None
    """What a question is about; None for what asks nothing of a period."""
    fields: Mapping[str, Value] = field(repr=False)
    """What every recipient gets, as far as its own basis allows."""
    recipients: tuple[Recipient, ...]
    consent: Consent | None
    suspicion: str | None
    """Reference to the written reasons for suspecting a wrong payment, where a basis needs them."""
    at: datetime
    """When it was made, UTC."""
    expires: datetime
    """After this nothing is begun any more, and the asker is told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """One recipient's part of a command that is ours now. Made by `outbound.commands.queue`."""

    dispatch: DispatchId
    command: Command
    recipient: Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """What we tell the partner of purpose and law. Written from the decision, never by the asker."""

    purpose: str
    """In words, as the basis has it: `Handläggning av ärende om aktivitetsstöd`."""
    lagrum: str
    """`9 kap. 1 § förordningen (2017:819)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What purpose and legal basis let this recipient have. Made by `privacy.disclosure.permit`."""

    queued: Queued
    decision: Decision
    """PERMIT; its fields are all that may go out. REFER and DENY are raised (`disclosure.Stopped`)."""
    citation: Citation
    policy: str
    """Hex SHA-256 of the exact law and bases that decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What a contract's module may know: nothing that was withheld is in it. Made by `outbound.path`."""

    dispatch: DispatchId
    person: Person
    fields: Mapping[str, Value] = field(repr=False)
    period: Period | None
    citation: Citation
    sender: OrganisationNumber
    """Försäkringskassan's own: 2021005521."""
    reference: str
    """What the partner may quote: the dispatch's id, never the case."""
    made: datetime
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the partner's `[[endpoint]]` says for its contracts: an order number, for one. Nothing personal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """Content that stands for good, and the leaf that says we mean to disclose it. Made by `outbound.path`.

    It is committed with its leaf before a byte leaves: the intent of design section 2. Later attempts have it from the
    store again, the same to the byte.
    """

    queued: Queued
    parcel: Parcel
    payload: bytes = field(repr=False)
    """The one child of `soap:Body`, in exclusive canonical form, UTF-8."""
    digest: Digest
    version: SoapVersion
    action: str
    intent: Leaf = field(repr=False)
    sealed: Sealed = field(repr=False)
    """The payload and the intent's hidden record."""
    pseudonym: Pseudonym


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One attempt's envelope: fresh Timestamp and signature, the same id and content. Made by `outbound.path.sign`."""

    composed: Composed
    to: str
    """The address, signed as `wsa:To`."""
    envelope: bytes = field(repr=False)
    content_type: str
    message_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back over HTTP, unjudged. Made by `transport.courier`."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    """At most the endpoint's limit."""
    peer: bytes = field(repr=False)
    """The far side's certificate in DER, as TLS verified it."""
    at: datetime
    retry_after: timedelta | None = None


class Break(StrEnum):
    """How an attempt ended without an HTTP answer. What comes before `LOST` is certain: no byte of the message left."""

    UNREACHABLE = "unreachable"
    """No connection: name, route, port, or it took too long."""
    UNTRUSTED = "untrusted"
    """TLS refused, by us or by them: certificate, host name, version."""
    LOST = "lost"
    """The connection ended or fell silent after the first byte of the message had left."""
    TOO_LARGE = "too_large"
    """The answer passed the endpoint's limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """An attempt without an HTTP answer. Made by `transport.courier`."""

    how: Break
    detail: str
    """For operators: the kind of failure, no content."""
    at: datetime


class Finding(StrEnum):
    """What a verified answer says happened, in one vocabulary for every partner's conventions."""

    DONE = "done"
    NOT_FOUND = "not_found"
    """Answered, and there is nothing: no error."""
    PARTIAL = "partial"
    """Some parts have data and some have errors."""
    REFUSED = "refused"
    """Final: the same content will be refused again."""
    TEMPORARY = "temporary"
    """The partner says that it did not happen, and may be tried again."""
    UNCLEAR = "unclear"
    """A typed fault with a code of the partner's own that does not say whether it happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of an answer that has several: a source, an item."""

    name: str
    finding: Finding
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a contract reads out of an answer or a fault. Made by adapters."""

    finding: Finding
    code: str | None = None
    """The partner's own code, as it wrote it: letters, digits and `._:-`, else None. Never its text."""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A verified answer to this very dispatch, by this partner, fresh. Made by `outbound.path.read`."""

    signed: Signed
    provenance: Provenance
    """Of the answer."""
    result: Result
    records: tuple[Record, ...] = field(repr=False)
    """What an `ask` was answered, read by the inbound adapters; empty for a receipt."""
    evidence: bytes = field(repr=False)
    """The exact bytes of the answer: only to be sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The end, as it is committed: leaves, sealed answer and events together. Made by `outbound.path.deliver`."""

    answered: Answered
    decisions: tuple[Decision, ...] = field(repr=False)
    """Of the answer's records, by the inbound bases."""
    leaves: tuple[Leaf, ...] = field(repr=False)
    """First the disclosure's end, then one for each record of the answer."""
    sealed: Sealed = field(repr=False)
    events: tuple[Event, ...] = field(repr=False)
    """The permitted records, and last the outcome for the asker."""
    learned: tuple[Learned, ...] = field(repr=False)
    reviews: tuple[Opening, ...] = ()
    """One for each record of the answer that waits for a person."""
