"""What came back, read as a partner would: nothing of the gateway's own verification is used here.

A receipt counts only if its signature holds under the gateway's known receipt certificate (XML Signature section 3.2):

1. Each reference's element is found by its `wsu:Id`; its exclusive canonical form has the digest that was signed.
2. The Body that the receipt stands in is among them.
3. The certificate's key signed the canonical form of SignedInfo.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from gateway import codes
from gateway.cli.demo.clients import Answer
from gateway.errors import DeliveryError

_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"
_RECEIPT = "{urn:forsakringskassan:utbyte:receipt:1}"
_FAULT = "{urn:forsakringskassan:utbyte:fault:1}"
_FIELD_BYTES = 32
"""ECDSA P-256: r and s of 32 bytes each, side by side (RFC 4050 section 3.3)."""


class WrongAnswerError(DeliveryError):
    """Neither a receipt with a true signature nor a fault of the gateway's."""

    def __init__(self, detail: str) -> None:
        """`detail` says what is wrong with it."""
        super().__init__(codes.INTERNAL, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipted:
    """A verified receipt."""

    message_id: str
    digest: str
    contract: str
    decision: str
    outcomes: tuple[tuple[int, str, str], ...]
    """Position, result and coarse code."""
    leaves: tuple[bytes, ...] = field(repr=False)

    @property
    def facts(self) -> tuple[object, ...]:
        """What a repetition must say again."""
        return (self.message_id, self.digest, self.contract, self.decision, self.outcomes, self.leaves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fault: the message was not received."""

    code: str
    step: str
    message_id: str | None


def read(answer: Answer, certificate: x509.Certificate) -> Receipted | Refused:
    """Read an answer.

    Raises:
        WrongAnswerError: what came back is neither; or the receipt's signature does not hold.
    """
    root = _root(answer.body, f"HTTP {answer.status}")
    fault = next(root.iter(f"{_FAULT}Fault"), None)
    if fault is not None:
        return Refused(
            code=fault.findtext(f"{_FAULT}Code", ""),
            step=fault.findtext(f"{_FAULT}Step", ""),
            message_id=fault.findtext(f"{_FAULT}MessageId"),
        )
    _verify(root, certificate)
    receipt = next(root[-1].iter(f"{_RECEIPT}Receipt"), None)
    if receipt is None:
        raise WrongAnswerError(f"HTTP {answer.status} with neither receipt nor fault")
    return _receipt(receipt)


def fault(content: bytes) -> str | None:
    """Return the code of a fault of the gateway's; None where it is none. Raises WrongAnswerError: it is no XML."""
    found = next(_root(content, "an answer").iter(f"{_FAULT}Fault"), None)
    return None if found is None else found.findtext(f"{_FAULT}Code", "")


def verified(content: bytes, certificate: x509.Certificate) -> etree._Element:
    """Return an envelope whose signature covers its Body. Raises WrongAnswerError."""
    root = _root(content, "an envelope")
    _verify(root, certificate)
    return root


def _root(content: bytes, what: str) -> etree._Element:
    try:
        return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        raise WrongAnswerError(f"{what} without XML") from None


def _receipt(element: etree._Element) -> Receipted:
    return Receipted(
        message_id=element.findtext(f"{_RECEIPT}MessageId", ""),
        digest=element.findtext(f"{_RECEIPT}Digest", ""),
        contract=element.findtext(f"{_RECEIPT}Contract", ""),
        decision=element.findtext(f"{_RECEIPT}Decision", ""),
        outcomes=tuple(
            (int(one.get("position", "0")), one.get("result", ""), one.get("code", ""))
            for one in element.iterfind(f"{_RECEIPT}Outcomes/{_RECEIPT}Outcome")
        ),
        leaves=tuple(b64decode(leaf.text or "") for leaf in element.iterfind(f"{_RECEIPT}Leaves/{_RECEIPT}Leaf")),
    )


def _verify(root: etree._Element, certificate: x509.Certificate) -> None:
    signature = next(root.iter(f"{_DS}Signature"), None)
    info = signature.find(f"{_DS}SignedInfo") if signature is not None else None
    if signature is None or info is None:
        raise WrongAnswerError("the answer is not signed")
    # 1. Digests.
    identified = {element.get(f"{_WSU}Id"): element for element in root.iter() if element.get(f"{_WSU}Id")}
    covered = []
    for reference in info.iterfind(f"{_DS}Reference"):
        target = identified.get(reference.get("URI", "").removeprefix("#"))
        if target is None:
            raise WrongAnswerError("the signature points to nothing")
        if hashlib.sha256(_canonical(target)).digest() != b64decode(reference.findtext(f"{_DS}DigestValue", "")):
            raise WrongAnswerError("a digest of the receipt's signature does not hold")
        covered.append(target)
    # 2. Body.
    if not any(target is root[-1] for target in covered):
        raise WrongAnswerError("the receipt's signature does not cover its Body")
    # 3. Signature.
    check(certificate, b64decode(signature.findtext(f"{_DS}SignatureValue", "")), _canonical(info))


def check(certificate: x509.Certificate, value: bytes, data: bytes) -> None:
    """Hold a signature value to what was signed. Raises WrongAnswerError."""
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            r, s = (int.from_bytes(part) for part in (value[:_FIELD_BYTES], value[_FIELD_BYTES:]))
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(value, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            raise WrongAnswerError("the receipt certificate has a key of another kind")
    except InvalidSignature:
        raise WrongAnswerError("the receipt's signature value does not hold") from None


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
