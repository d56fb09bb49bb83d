"""Employers' notice of sickness: `SkickaAnmalanFranArbetsgivare`, an XML document carried as base64.

Lag (1991:1047) om sjuklön 12 §: who is sick, and from which day. When the sick-pay period ends and whom to ask are FK's
questions to the employer (SFB 110 kap. 14 §). An employer is one of a class, so nothing but its certificate says for
whom it may speak: the organisation in the notice must be the signer's. The order below is the order of trust:

1. decode the exact bytes;
2. verify the signature (underskrift) over them with the signer's own key, before anything in them is read;
3. parse them as strictly as an envelope, and hold them to their schema;
4. compare the organisation, then read.

That a person is sick follows from the message itself: its days are FRANVARO, and no diagnosis has a place here.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from gateway import codes
from gateway.adapters import dates, persons
from gateway.adapters.contract import Contract, Occasion, Sender
from gateway.adapters.elements import Table, held, names, need, parts, rows, specs, text, within
from gateway.config import Limits
from gateway.errors import ContractError, MalformedError
from gateway.message import Category, ContractId, Record, Shape, Value
from gateway.soap import xml

if TYPE_CHECKING:
    from lxml.etree import _Element

_NAMESPACE = "urn:shs:emottagning:SkickaAnmalanFranArbetsgivare:1"
_NS = f"{{{_NAMESPACE}}}"
_NOTICE = "{urn:forsakringskassan:utbyte:sjukanmalan:1}"

_LIMITS = Limits(body=64 * 1024, depth=16, elements=200, attributes=200, element_attributes=16, text=16 * 1024)
"""A notice is ten elements; the schema's longest text is 2,000 characters."""

_KNOWN = frozenset(
    _NOTICE + tag
    for tag in (
        *("organisationsnummer", "personnummer", "forstaSjukdag", "sjuklonePeriodSlut", "kontaktperson", "fritext"),
    )
)
_CONTACT: Table = {_NOTICE + name: (name, str) for name in ("namn", "telefon", "epost")}
_FREE: Table = {_NOTICE + "fritext": ("fritext", str)}
_FIELDS = {
    **specs(Category.ARBETE, "arbetsgivare", locating=True),
    **specs(Category.FRANVARO, "forstaSjukdag", "sjuklonePeriodSlut", shape=Shape.DAY),
    **specs(Category.KONTAKT, "kontaktperson", locating=True, shape=rows(_CONTACT)),
    **specs(Category.FRITEXT, "fritext"),
}


def _read(payload: _Element, occasion: Occasion) -> tuple[Record, ...]:
    exact = _decoded(text(need(payload, _NS + "anmalanfranarbetsgivare")))
    signature = _signature(payload)
    if occasion.sender is not None:
        _verify(exact, signature, occasion.sender)
    notice = _opened(exact)
    occasion.keeps(notice)
    children = parts(notice)
    organisation = text(children[_NOTICE + "organisationsnummer"])[-10:]
    if occasion.sender is not None and organisation != occasion.sender.organisation:
        raise ContractError(codes.CONTRACT_SENDER, "organisationsnummer in the notice is not the signer's")
    return (_record(children, organisation),)


def _decoded(written: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(written.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        raise ContractError(codes.CONTRACT_PAYLOAD, "anmalanfranarbetsgivare is not base64") from None


def _signature(payload: _Element) -> bytes:
    """Return the employer's one signature. An ASSISTENT's is of another contract and is not relied upon."""
    own = [one for one in payload.iterfind(_NS + "underskrift") if text(need(one, _NS + "signaturtyp")) == "ANORDNARE"]
    if len(own) != 1:
        raise ContractError(codes.CONTRACT_PAYLOAD_SIGNATURE, "exactly one underskrift must be of type ANORDNARE")
    return _decoded(text(need(own[0], _NS + "signatur")))


def _verify(exact: bytes, signature: bytes, sender: Sender) -> None:
    """Raise ContractError (CONTRACT_PAYLOAD_SIGNATURE) unless the message's signer signed these very bytes.

    RSA PKCS#1 v1.5 or ECDSA P-256 (DER), both over SHA-256, or Ed25519: as in the message's own signature.
    """
    try:
        match x509.load_der_x509_certificate(sender.certificate).public_key():
            case rsa.RSAPublicKey() as key:
                key.verify(signature, exact, padding.PKCS1v15(), hashes.SHA256())
            case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()) as key:
                key.verify(signature, exact, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PublicKey() as key:
                key.verify(signature, exact)
            case _:
                raise ContractError(codes.CONTRACT_PAYLOAD_SIGNATURE, "a key of another kind")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        raise ContractError(codes.CONTRACT_PAYLOAD_SIGNATURE, "signatur over anmalanfranarbetsgivare") from None


def _opened(exact: bytes) -> _Element:
    """Parse the notice as strictly as an envelope; the parser leaves out comments, so none cuts a value short."""
    try:
        notice = xml.parse(exact, _LIMITS)
    except MalformedError as error:
        raise ContractError(codes.CONTRACT_PAYLOAD, error.code.name) from None
    if notice.tag != _NOTICE + "Anmalan":
        raise ContractError(codes.CONTRACT_PAYLOAD, "the root element is not Anmalan")
    return notice


def _record(children: Mapping[str, _Element], organisation: str) -> Record:
    first, last = (dates.day(text(children[_NOTICE + n]), n) for n in ("forstaSjukdag", "sjuklonePeriodSlut"))
    if last < first:
        raise ContractError(codes.CONTRACT_CONTENT, "sjuklonePeriodSlut is before forstaSjukdag")
    fields: dict[str, Value] = {
        "arbetsgivare": organisation,
        "forstaSjukdag": first.isoformat(),
        "sjuklonePeriodSlut": last.isoformat(),
        "kontaktperson": (within(children[_NOTICE + "kontaktperson"], _CONTACT),),
    }
    fields |= held(children, _FREE)
    unknown = (name for tag, child in children.items() if tag not in _KNOWN for name in names(child))
    return Record(
        position=1,
        kind="sjukanmalan",
        person=persons.read(text(children[_NOTICE + "personnummer"]), on=first),
        fields=fields,
        period_from=first,
        extensions=tuple(dict.fromkeys(unknown)),
    )


_MESSAGE_ID = re.compile(r"<(?:\w+:)?MessageId(?: [^>]*)?>([^<]+)</")


def _answer(receipt: str) -> str:
    """Wrap the receipt in the contract's answer, canonical as it stands. The tx-id is the message's own identity."""
    found = _MESSAGE_ID.search(receipt)
    tx_id = found[1] if found else f"urn:sha256:{hashlib.sha256(receipt.encode()).hexdigest()}"
    return (
        f'<ns0:SkickaAnmalanFranArbetsgivareResponse xmlns:ns0="{_NAMESPACE}"><ns0:tx-id>{tx_id}</ns0:tx-id>'
        f"{receipt}</ns0:SkickaAnmalanFranArbetsgivareResponse>"
    )


CONTRACT = Contract(
    id=ContractId("arbetsgivare/sjukanmalan"),
    version="1.0",
    root=_NS + "SkickaAnmalanFranArbetsgivare",
    schema="arbetsgivare/sjukanmalan.xsd",
    actions=frozenset({f"{_NAMESPACE.replace(':1', 'Responder:1')}:SkickaAnmalanFranArbetsgivare"}),
    kinds={"sjukanmalan": _FIELDS},
    read=_read,
    answer=_answer,
    faults={
        codes.CONTRACT_SCHEMA.name: _NS + "XmlValidationError",
        codes.CONTRACT_CONTENT.name: _NS + "XmlValidationError",
        codes.CONTRACT_PAYLOAD.name: _NS + "XmlValidationError",
        codes.CONTRACT_PAYLOAD_SIGNATURE.name: _NS + "SignatureValidationError",
    },
)
