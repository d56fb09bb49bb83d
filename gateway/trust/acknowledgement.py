"""A partner's receipt for what we sent: read strictly, and held to what it must be about.

It has the format of our own (`schemas/receipt.xsd`, `trust/receipt.py`) and comes as the signed payload of an answer.
Every element stands in its one place and says what the schema lets it say; anything more, less or else is no receipt.
What makes it a proof is two things in it: the id of our message, and the digest of the content that the partner has. A
receipt with another of either is genuine, but not about this.

Positions and codes of its outcomes are kept, as parts. `Contract` and the leaves are the partner's own names of things,
and nothing is judged by them.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from gateway import codes, endings
from gateway.dispatch import Finding, Part, Result
from gateway.errors import ContractError, UncertainError
from gateway.message import Digest, LeafHash, Outcome, RecordOutcome
from gateway.soap import names
from gateway.trust.receipt import ACTION, NAMESPACE

if TYPE_CHECKING:
    from lxml.etree import _Element

__all__ = ["ACTION", "MOST", "ROOT", "read"]

MOST: Final = 5_000
"""Outcomes or leaves: as many as records that may come in beside each other (`adapters.registry`)."""
_NS: Final = f"{{{NAMESPACE}}}"
ROOT: Final = f"{_NS}Receipt"
_PARTS: Final = ("MessageId", "Digest", "Contract", "ReceivedAt", "AcceptedAt", "Decision", "Outcomes", "Leaves")
_HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]00:00)", re.ASCII)
_POSITION: Final = re.compile(r"\+?0*[1-9]\d{0,8}", re.ASCII)
_CODE: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_LEAF: Final = 32
_SPACE: Final = " \t\r\n"
_FOUND: Final = {Outcome.PERMIT: Finding.DONE, Outcome.REFER: Finding.DONE, Outcome.DENY: Finding.REFUSED}
"""REFER is taken in, and waits there for a person: the code tells."""


def read(payload: _Element, *, message_id: str, digest: Digest) -> Result:
    """Return what a verified receipt says of our message.

    Args:
        payload: The one child of the signed Body.
        message_id: Of the message that it must be about.
        digest: Of that message's content.

    Raises:
        ContractError: CONTRACT_UNKNOWN or CONTRACT_SCHEMA, it is no receipt; CONTRACT_CONTENT, it contradicts itself.
        UncertainError: OTHER, it is about another message or other content.
    """
    said = told(payload)
    if said.message_id != message_id:
        raise UncertainError(endings.OTHER, "the receipt is about another message")
    if said.digest != digest:
        raise UncertainError(endings.OTHER, "the receipt is about other content")
    parts = [
        Part(name=str(one.position), finding=_FOUND[one.outcome], code=one.code if _CODE.fullmatch(one.code) else None)
        for one in said.outcomes
    ]
    return _result(parts, whole=said.whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everything that a receipt says."""

    message_id: str
    digest: str
    contract: str
    received_at: datetime
    accepted_at: datetime
    whole: bool
    """Its Decision: every record was taken in."""
    outcomes: tuple[RecordOutcome, ...]
    leaves: tuple[LeafHash, ...]


def told(payload: _Element) -> Told:
    """Read a receipt: the partner's, or our own as the partner holds it.

    Args:
        payload: The Receipt element, signed.

    Raises:
        ContractError: CONTRACT_UNKNOWN or CONTRACT_SCHEMA, it is no receipt; CONTRACT_CONTENT, it contradicts itself.
    """
    if payload.tag != ROOT:
        raise ContractError(codes.CONTRACT_UNKNOWN, "the answer is no Receipt")
    about, stated, contract, received, accepted, decision, outcomes, leaves = _children(payload)
    said = Told(
        message_id=_text(about, collapse=False),
        digest=_digest(stated),
        contract=_text(contract, collapse=False),
        received_at=_time(received),
        accepted_at=_time(accepted),
        whole=_decision(decision),
        outcomes=tuple(_outcomes(outcomes)),
        leaves=tuple(_leaves(leaves)),
    )
    if said.whole != all(one.outcome is Outcome.PERMIT for one in said.outcomes):
        raise ContractError(codes.CONTRACT_CONTENT, "Decision and Outcomes contradict each other")
    return said


def _result(parts: Sequence[Part], *, whole: bool) -> Result:
    """Sum the parts up. That it has the message, and may have none of it, is a refusal."""
    finding = Finding.DONE if whole else Finding.PARTIAL
    if parts and all(part.finding is Finding.REFUSED for part in parts):
        return Result(finding=Finding.REFUSED, code=parts[0].code, parts=tuple(parts))
    return Result(finding=finding, parts=tuple(parts))


def _children(payload: _Element) -> list[_Element]:
    _plain(payload)
    children = list(payload)
    if [child.tag for child in children] != [_NS + name for name in _PARTS]:
        raise _wrong("Receipt", "has other elements, or in another order")
    return children


def _plain(element: _Element, keys: Sequence[str] = ()) -> None:
    """Hold an element to its attributes, and to no text between its children."""
    if sorted(element.keys()) != sorted(keys):
        raise _wrong(names.local(element), "has other attributes")
    if len(element) and any((text or "").strip(_SPACE) for text in (element.text, *(one.tail for one in element))):
        raise _wrong(names.local(element), "has text between elements")


def _text(element: _Element, *keys: str, collapse: bool = True) -> str:
    _plain(element, keys)
    if len(element):
        raise _wrong(names.local(element), "has elements in it")
    text = element.text or ""
    return text.strip(_SPACE) if collapse else text


def _digest(element: _Element) -> str:
    text = _text(element, "algorithm", collapse=False)
    if element.get("algorithm") != names.SHA256 or not _HEX.fullmatch(text):
        raise _wrong("Digest", "is no SHA-256 in lower-case hex")
    return text


def _time(element: _Element) -> datetime:
    """Hold a time to xs:dateTime in UTC. When the partner took it is the partner's to say: nothing is judged by it."""
    text = _text(element)
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise _wrong(names.local(element), "is no time in UTC")


def _decision(element: _Element) -> bool:
    text = _text(element)
    if text not in {"ACCEPTED", "PARTIAL"}:
        raise _wrong("Decision", "is neither ACCEPTED nor PARTIAL")
    return text == "ACCEPTED"


def _outcomes(element: _Element) -> Iterator[RecordOutcome]:
    seen: set[int] = set()
    for one in _listed(element, "Outcome"):
        if _text(one, "position", "result", "code"):
            raise _wrong("Outcome", "is not empty")
        written, result = one.get("position", "").strip(_SPACE), one.get("result", "").strip(_SPACE)
        if not _POSITION.fullmatch(written) or result not in set(Outcome):
            raise _wrong("Outcome", "position or result")
        position = int(written)
        if position in seen:
            raise ContractError(codes.CONTRACT_CONTENT, "Outcomes: a position stands twice")
        seen.add(position)
        yield RecordOutcome(position=position, outcome=Outcome(result), code=one.get("code", ""))


def _leaves(element: _Element) -> Iterator[LeafHash]:
    for one in _listed(element, "Leaf"):
        try:
            content = binascii.a2b_base64("".join(_text(one).split()), strict_mode=True)
        except ValueError:
            content = b""
        if len(content) != _LEAF:
            raise _wrong("Leaf", "is no hash of 32 bytes in base64")
        yield LeafHash(content)


def _listed(element: _Element, name: str) -> list[_Element]:
    _plain(element)
    children = list(element)
    if len(element) == 0 and (element.text or "").strip(_SPACE):
        raise _wrong(names.local(element), "has text in it")
    if len(children) > MOST or any(child.tag != _NS + name for child in children):
        raise _wrong(names.local(element), f"has anything but at most {MOST} {name}")
    return children


def _wrong(place: str, what: str) -> ContractError:
    """Return the error of a receipt that breaks its schema. `place` is a name of the schema or the element's own."""
    return ContractError(codes.CONTRACT_SCHEMA, f"{place}: {what}")
