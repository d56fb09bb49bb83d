"""The mailbox's own contract: what a partner asks of it, and what it is answered (`schemas/forsakringskassan`).

It is no contract for messages: nothing in it is about a person, so it has neither records nor bases, and no `CONTRACT`
for the registry to find. A request is held to the schema all the same; answers are written as canonical text.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from gateway import codes
from gateway.adapters.registry import Registry
from gateway.dispatch import DispatchId
from gateway.errors import ContractError
from gateway.message import ContractId, Digest, LeafHash, PartnerId, Verified
from gateway.soap import names
from gateway.soap.xml import escape
from gateway.trust.signing import instant

if TYPE_CHECKING:
    from lxml.etree import _Element

NAME: Final = "brevlada"
"""What stands for a contract in the address of a partner's mailbox."""
SCHEMA: Final = "forsakringskassan/brevlada.xsd"
NAMESPACE: Final = "urn:forsakringskassan:utbyte:brevlada:1"
MOST: Final = 100
"""Messages in one list."""
_NS: Final = f"{{{NAMESPACE}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What waits for us?"""

    after: DispatchId | None = None
    """The last of the page before."""
    limit: int = MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """Give us this."""

    id: DispatchId


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledging:
    """We have this: the digest tells that what we sent has been read."""

    id: DispatchId
    digest: Digest


Request = Listing | Fetching | Acknowledging


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One message in a mailbox. Names no person."""

    id: DispatchId
    contract: ContractId
    deposited_at: datetime
    expires_at: datetime
    fetched_at: datetime | None
    """The first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of what waits, oldest first."""

    messages: tuple[Waiting, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The exact envelope that was laid in the mailbox."""

    partner: PartnerId
    """Whose mailbox it is in."""
    id: DispatchId
    content_type: str
    envelope: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The facts of the first acknowledgement: the same however often it is repeated."""

    partner: PartnerId
    id: DispatchId
    digest: Digest
    at: datetime
    leaf: LeafHash
    """Of the dispatch's end, in the log."""


Told = Page | Fetched | Acknowledged


def address(partner: PartnerId) -> ContractId:
    """Return what the address of a partner's mailbox names."""
    return ContractId(f"{partner}/{NAME}")


def read(verified: Verified, registry: Registry) -> Request:
    """Return what a partner asks.

    Raises ContractError: CONTRACT_UNKNOWN, CONTRACT_ACTION, CONTRACT_SCHEMA.
    """
    payload, action = verified.payload, verified.provenance.action
    asked = str(payload.tag).removeprefix(_NS)
    if asked not in _READERS:
        raise ContractError(codes.CONTRACT_UNKNOWN, f"taken here: {', '.join(_READERS)}")
    if action not in {None, f"{NAMESPACE}:{asked}"}:
        raise ContractError(codes.CONTRACT_ACTION)
    registry.keep(SCHEMA, payload)
    return _READERS[asked](payload)


def answer(told: Told) -> tuple[str, str]:
    """Return the element that answers, in canonical form, and its `wsa:Action`."""
    match told:
        case Page():
            return _answer("ListMessages", f"{_messages(told.messages)}<More>{'true' if told.more else 'false'}</More>")
        case Fetched():
            envelope = b64encode(told.envelope).decode("ascii")
            inside = f"<ContentType>{escape(told.content_type)}</ContentType><Envelope>{envelope}</Envelope>"
            return _answer("FetchMessage", _id(told.id) + inside)
        case Acknowledged():
            leaf = b64encode(told.leaf).decode("ascii")
            at = f"<AcknowledgedAt>{instant(told.at)}</AcknowledgedAt>"
            return _answer("AcknowledgeMessage", f"{_id(told.id)}{_digest(told.digest)}{at}<Leaf>{leaf}</Leaf>")


def _listing(payload: _Element) -> Listing:
    after, limit = payload.findtext(f"{_NS}After"), payload.findtext(f"{_NS}Limit")
    return Listing(
        after=None if after is None else DispatchId(after), limit=MOST if limit is None else int(limit.strip())
    )


def _fetching(payload: _Element) -> Fetching:
    return Fetching(id=DispatchId(payload.findtext(f"{_NS}Id", "")))


def _acknowledging(payload: _Element) -> Acknowledging:
    return Acknowledging(
        id=DispatchId(payload.findtext(f"{_NS}Id", "")), digest=Digest(payload.findtext(f"{_NS}Digest", ""))
    )


_READERS: Final[Mapping[str, Callable[[_Element], Request]]] = {
    "ListMessages": _listing,
    "FetchMessage": _fetching,
    "AcknowledgeMessage": _acknowledging,
}


def _answer(asked: str, inside: str) -> tuple[str, str]:
    return f'<{asked}Response xmlns="{NAMESPACE}">{inside}</{asked}Response>', f"{NAMESPACE}:{asked}Response"


def _messages(messages: Sequence[Waiting]) -> str:
    return "".join(
        f"<Message>{_id(one.id)}<Contract>{escape(one.contract)}</Contract>"
        f"<DepositedAt>{instant(one.deposited_at)}</DepositedAt><ExpiresAt>{instant(one.expires_at)}</ExpiresAt>"
        f"{'' if one.fetched_at is None else f'<FetchedAt>{instant(one.fetched_at)}</FetchedAt>'}</Message>"
        for one in messages
    )


def _id(dispatch: DispatchId) -> str:
    return f"<Id>{escape(dispatch)}</Id>"


def _digest(digest: Digest) -> str:
    return f'<Digest algorithm="{names.SHA256}">{digest}</Digest>'
