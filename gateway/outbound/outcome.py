"""What an attempt came to, in one model for all partners' ways of saying that something is wrong.

Connections break, proxies answer with pages, services say no in faults, in typed details of faults, or in an HTTP 200
that holds an error; and some answers are partial. All of it becomes one of four, by one question: has it happened?

    certainly not, and may later           PostponedError   the same id later
    perhaps                                UncertainError   the same id again, which a partner that had it knows
    no, and the same content never will    RefusedError     the end
    yes, by a verified answer              the answer's `Result`

The rows are tried in this order, and what is in no row is uncertain: a wrong "not happened" would tell twice what may
be told once, and a wrong "never" would lose it.

1. How the connection broke (`broken`).
2. An HTTP status that decides by itself, whatever the body (`by_status`): the message never came to an application, or
   somebody on the way lost sight of it.
3. No SOAP envelope: a page, a JSON object, nothing (`garbled`).
4. A fault (`by_fault`). It needs no signature (few sign them, and TLS has proven who speaks): all it can end is our
   trying. The contract's typed detail first; then our own format (`schemas/fault.xsd`); then WS-Security's (WSS 1.1.1
   section 12): refused at the door, before anyone looked at what it says; then the code. But where the fault stands
   under the `wsa:Action` of the answer, the service had answered and what came after that failed: no code is believed.
5. A verified answer (`by_result`).

The partner's own code is kept if it is nothing but a code; its texts never are, for they may tell of a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, assert_never

from gateway import endings
from gateway.adapters.outgoing import own_code
from gateway.codes import Code, Step
from gateway.dispatch import Break, Broken, Finding, Result
from gateway.errors import DeliveryError, GatewayError, PostponedError, RefusedError, RejectedError, UncertainError
from gateway.message import SoapVersion
from gateway.outbound.states import Happening
from gateway.soap import names
from gateway.soap.fault import NAMESPACE

if TYPE_CHECKING:
    from lxml.etree import _Element

Typed = Callable[["_Element | None", str, int], Result | None]
"""A contract's own reading of a fault (`adapters.outgoing.Outgoing.fault`)."""


@dataclass(frozen=True, slots=True)
class Row:
    """What is said of one thing that can happen."""

    error: type[PostponedError | UncertainError | RefusedError]
    code: Code

    def __call__(self, detail: str = "", *, partner_code: str | None = None) -> DeliveryError:
        """Return the error."""
        return self.error(self.code, detail, partner_code=partner_code)


BROKEN: Final[Mapping[Break, Row]] = {
    Break.UNREACHABLE: Row(PostponedError, endings.UNREACHABLE),
    Break.UNTRUSTED: Row(PostponedError, endings.UNTRUSTED),
    Break.LOST: Row(UncertainError, endings.LOST),
    Break.TOO_LARGE: Row(UncertainError, endings.TOO_LARGE),
}
_ADDRESS: Final = Row(PostponedError, endings.ADDRESS)
_BUSY: Final = Row(PostponedError, endings.BUSY)
_LOST: Final = Row(UncertainError, endings.LOST)
_GARBLED: Final = Row(UncertainError, endings.GARBLED)
_FAULT: Final = Row(UncertainError, endings.FAULT)
_REFUSED: Final = Row(RefusedError, endings.REFUSED)

STATUSES: Final[Mapping[int, Row]] = {
    **dict.fromkeys(range(300, 400), _ADDRESS),  # no redirect is followed
    HTTPStatus.UNAUTHORIZED: _ADDRESS,
    HTTPStatus.FORBIDDEN: _ADDRESS,
    HTTPStatus.NOT_FOUND: _ADDRESS,
    HTTPStatus.METHOD_NOT_ALLOWED: _ADDRESS,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: _ADDRESS,
    HTTPStatus.GONE: _ADDRESS,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: _ADDRESS,
    HTTPStatus.MISDIRECTED_REQUEST: _ADDRESS,
    HTTPStatus.REQUEST_TIMEOUT: _BUSY,  # RFC 9110 section 15.5.9: it did not get the whole request
    HTTPStatus.TOO_MANY_REQUESTS: _BUSY,
    HTTPStatus.SERVICE_UNAVAILABLE: _BUSY,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _REFUSED,
    HTTPStatus.BAD_GATEWAY: _LOST,
    HTTPStatus.GATEWAY_TIMEOUT: _LOST,
}
"""What decides by itself. For all else the body is read."""

_DOOR: Final = frozenset(
    {
        *("UnsupportedSecurityToken", "UnsupportedAlgorithm", "InvalidSecurity", "InvalidSecurityToken"),
        *("FailedAuthentication", "FailedCheck", "SecurityTokenUnavailable", "MessageExpired"),
    }
)
"""WSS 1.1.1 section 12: it is mended by a certificate or a clock, and then the same content passes."""
_AT_THE_DOOR: Final = frozenset({Step.ADMIT, Step.VERIFY})
"""The same, in our own format."""
FAULTS: Final[Mapping[str, Row]] = {
    **dict.fromkeys(_DOOR, _BUSY),
    "Client": _REFUSED,  # SOAP 1.1 section 4.4.1
    "Sender": _REFUSED,  # SOAP 1.2 part 1 section 5.4.6
    "VersionMismatch": _REFUSED,
    "MustUnderstand": _REFUSED,
    "DataEncodingUnknown": _REFUSED,
    "Server": _FAULT,
    "Receiver": _FAULT,
}
"""By local name: the code, or for SOAP 1.2 its subcode before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A SOAP fault of either version, without its texts."""

    code: str
    """Local name as written: `Client`, `Client.Authentication`, `Receiver`, or the partner's own."""
    subcode: str | None
    detail: _Element | None


def broken(attempt: Broken) -> DeliveryError:
    """Return what a broken connection means."""
    return BROKEN[attempt.how](attempt.detail)


def by_status(status: int, fault: Fault | None = None) -> DeliveryError | None:
    """Return what the HTTP status means by itself, None where the body has to be read.

    `fault` is what stood in the body, if it could be read: only its code is kept.
    """
    row = STATUSES.get(status)
    if row is None:
        return None
    code = None if fault is None else _said(fault)
    if code is None and row is _REFUSED:
        code = f"HTTP-{status}"
    return row(f"HTTP {status}", partner_code=code)


def garbled(status: int, why: GatewayError) -> DeliveryError:
    """Return what a body that is no envelope means: nobody knows who wrote it, and what happened before."""
    return _GARBLED(f"HTTP {status}: {why.code.name} {why.detail}".rstrip())


def succeeded(status: int) -> bool:
    """Tell whether HTTP says that all is well."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def unexpected(status: int) -> DeliveryError:
    """Return what an envelope without a fault means that came with a status of failure."""
    return _FAULT(f"HTTP {status} with an answer that is no fault")


def fault(payload: _Element, version: SoapVersion) -> Fault | None:
    """Read the one child of Body as a fault, None where it is none. SOAP 1.1 section 4.4; 1.2 part 1 section 5.4."""
    if payload.tag != f"{{{version}}}Fault":
        return None
    children = {names.local(child): child for child in payload}
    if version is SoapVersion.SOAP_11:
        return Fault(code=_local(children.get("faultcode")), subcode=None, detail=children.get("detail"))
    code = children.get("Code")
    inner = {} if code is None else {names.local(child): child for child in code}
    subcode = inner.get("Subcode")
    first = None if subcode is None or not len(subcode) else _local(subcode[0])
    return Fault(code=_local(inner.get("Value")), subcode=first, detail=children.get("Detail"))


def by_fault(told: Fault, status: int, typed: Typed, *, answered: bool = False) -> DeliveryError:
    """Return what a fault means.

    Args:
        told: The fault.
        status: Of HTTP.
        typed: The contract's own reading of its detail.
        answered: Whether it stands under the action of an answer. Apache CXF says Client of a message that it has
            processed, when it then cannot sign what it answers.
    """
    try:
        own = typed(told.detail, told.code, status) or _ours(told)
    except RejectedError:  # nobody has proven that it is genuine: what cannot be read in it is just not there
        own = _ours(told)
    if own is not None:
        return _by_typed(own, told)
    if answered:
        return _FAULT("a fault under an answer's action", partner_code=_said(told))
    said = (told.subcode or "", told.code, told.code.partition(".")[0])
    row = next((FAULTS[name] for name in said if name in FAULTS), _FAULT)
    return row("a fault", partner_code=_said(told))


def by_result(result: Result) -> DeliveryError | None:
    """Return what a verified answer's result means where it is no answer after all; None where it is one."""
    match result.finding:
        case Finding.REFUSED:
            return _REFUSED("in a verified answer", partner_code=own_code(result.code))
        case Finding.TEMPORARY:
            return _BUSY("in a verified answer", partner_code=own_code(result.code))
        case Finding.UNCLEAR:
            return _FAULT("in a verified answer", partner_code=own_code(result.code))
        case Finding.DONE | Finding.NOT_FOUND | Finding.PARTIAL:
            return None
        case _:
            assert_never(result.finding)


def cleaned(result: Result) -> Result:
    """Return the result with nothing in its codes but codes, and nothing in the names of its parts but names."""
    parts = tuple(replace(part, name=own_code(part.name) or "-", code=own_code(part.code)) for part in result.parts)
    return replace(result, code=own_code(result.code), parts=parts)


def happening(error: GatewayError) -> Happening | None:
    """Return what happens to a dispatch whose attempt ended in this; None where it is our own trouble.

    What a verified answer is refused for (`RejectedError`: contract, purpose) spoils it.
    """
    match error:
        case RefusedError():
            return Happening.REFUSE
        case PostponedError():
            return Happening.POSTPONE
        case UncertainError():
            return Happening.LOSE
        case RejectedError():
            return Happening.SPOIL
        case _:
            return None


def _by_typed(own: Result, told: Fault) -> DeliveryError:
    """A fault proves no delivery: at most it ends the trying."""
    code = own_code(own.code) or _said(told)
    match own.finding:
        case Finding.REFUSED | Finding.NOT_FOUND:
            return _REFUSED("a typed fault", partner_code=code)
        case Finding.TEMPORARY:
            return _BUSY("a typed fault", partner_code=code)
        case Finding.DONE | Finding.PARTIAL | Finding.UNCLEAR:
            return _FAULT("a typed fault", partner_code=code)
        case _:
            assert_never(own.finding)


def _ours(told: Fault) -> Result | None:
    """Read a detail in the format that we answer in ourselves (`schemas/fault.xsd`): it says whether to resend."""
    own = None if told.detail is None else told.detail.find(f"{{{NAMESPACE}}}Fault")
    if own is None:
        return None
    said = {names.local(child): (child.text or "").strip() for child in own}
    code = own_code(said.get("Code"))
    finding = {"true": Finding.TEMPORARY, "false": Finding.REFUSED}.get(said.get("Resend", ""))
    if code is None or finding is None:
        return None
    return Result(finding=Finding.TEMPORARY if said.get("Step") in _AT_THE_DOOR else finding, code=code)


def _said(told: Fault) -> str | None:
    return own_code(told.subcode) or own_code(told.code)


def _local(element: _Element | None) -> str:
    """Return the local part of a QName. Prefixes are as often wrong as right, and the names are told apart without."""
    return "" if element is None else (element.text or "").strip().rpartition(":")[2]
