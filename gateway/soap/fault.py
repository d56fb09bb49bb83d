"""What a sender is told when a message is stopped: code, fixed texts, message id; never anything else of the message.

SOAP 1.1 section 4.4 and SOAP 1.2 part 1 section 5.4. The detail has our own `Fault` element (`schemas/fault.xsd`), and
before it, where the contract has one, the contract's own typed element: JAX-WS clients choose their exception by the
first. The text is canonical by construction, so that a fault can be compared and archived as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from gateway import codes
from gateway.codes import Code, Mender, Step
from gateway.message import SoapVersion
from gateway.soap.xml import escape, escape_attribute

NAMESPACE: Final = "urn:forsakringskassan:utbyte:fault:1"
MEDIA: Final = {
    SoapVersion.SOAP_11: "text/xml; charset=utf-8",
    SoapVersion.SOAP_12: "application/soap+xml; charset=utf-8",
}

HTTP: Final = {
    codes.METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    codes.PATH: HTTPStatus.NOT_FOUND,
    codes.CONTENT_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    codes.CONTENT_ENCODING: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    codes.MULTIPART: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    codes.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    codes.SLOW: HTTPStatus.REQUEST_TIMEOUT,
}
"""The HTTP status of what is wrong with HTTP itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault, ready for HTTP."""

    status: int
    content_type: str
    body: bytes


def fault(
    code: Code, *, version: SoapVersion, message_id: str | None, reference: str | None, detail: str | None = None
) -> Fault:
    """Compose the fault that tells `code`.

    Args:
        code: What is wrong.
        version: The SOAP version the sender speaks.
        message_id: The message's id, where it is known.
        reference: What to quote when calling us: the number of the refusal, never of a person.
        detail: Clark name of the contract's own fault element, with one child `message`.
    """
    # The document has one namespace a prefix: canonical form declares each where it is first used.
    inner = _typed(detail, code) + _own(code, message_id, reference)
    compose = _fault_11 if version is SoapVersion.SOAP_11 else _fault_12
    text = (
        f'<soap:Envelope xmlns:soap="{version}"><soap:Body><soap:Fault>'
        f"{compose(code, inner)}</soap:Fault></soap:Body></soap:Envelope>"
    )
    return Fault(status=_status(code, version), content_type=MEDIA[version], body=text.encode())


def _status(code: Code, version: SoapVersion) -> int:
    """Return the HTTP status: of HTTP's own where HTTP was at fault, else as the SOAP bindings have it.

    SOAP 1.1 section 6.2: 500 for every fault. SOAP 1.2 part 2 table 20: 400 for Sender, 500 for the others.
    """
    if code.mender is Mender.GATEWAY:
        return HTTPStatus.SERVICE_UNAVAILABLE
    if code in HTTP:
        return HTTP[code]
    if code.step is Step.ADMIT:
        return HTTPStatus.FORBIDDEN
    if code.step is Step.RECEIVE or (version is SoapVersion.SOAP_12 and _name(code, version) == "Sender"):
        return HTTPStatus.BAD_REQUEST
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _name(code: Code, version: SoapVersion) -> str:
    if code is codes.SOAP_VERSION:
        return "VersionMismatch"
    if code is codes.SOAP_MUST_UNDERSTAND:
        return "MustUnderstand"
    ours = code.mender is Mender.GATEWAY
    if version is SoapVersion.SOAP_11:
        return "Server" if ours else "Client"
    return "Receiver" if ours else "Sender"


def _fault_11(code: Code, detail: str) -> str:
    return (
        f"<faultcode>soap:{_name(code, SoapVersion.SOAP_11)}</faultcode>"
        f'<faultstring xml:lang="sv">{escape(code.swedish)}</faultstring><detail>{detail}</detail>'
    )


def _fault_12(code: Code, detail: str) -> str:
    return (
        f"<soap:Code><soap:Value>soap:{_name(code, SoapVersion.SOAP_12)}</soap:Value></soap:Code>"
        f'<soap:Reason><soap:Text xml:lang="sv">{escape(code.swedish)}</soap:Text>'
        f'<soap:Text xml:lang="en">{escape(code.english)}</soap:Text></soap:Reason>'
        f"<soap:Detail>{detail}</soap:Detail>"
    )


def _own(code: Code, message_id: str | None, reference: str | None) -> str:
    parts = {
        "Code": code.name,
        "Step": code.step,
        "Mender": code.mender,
        "Resend": "true" if code.resend else "false",
        "MessageId": message_id,
        "Reference": reference,
        "TextSv": code.swedish,
        "TextEn": code.english,
    }
    content = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items() if text is not None)
    return f'<Fault xmlns="{NAMESPACE}">{content}</Fault>'


def _typed(name: str | None, code: Code) -> str:
    if name is None:
        return ""
    namespace, _, local = name[1:].partition("}")
    text = escape(f"{code.name}: {code.swedish}")
    return f'<{local} xmlns="{escape_attribute(namespace)}"><message>{text}</message></{local}>'
