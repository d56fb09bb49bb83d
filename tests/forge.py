"""A signing stack of its own, which signs what it is told to: the hand behind vectors, attacks and worlds.

It shares no line with the gateway. An `Envelope` is a tree that an attack may bend between any two of the steps
build -> sign -> serialise; `sign` honours any algorithm, transform, reference and KeyInfo asked for, so that what a
verifier refuses, it refuses for what it is and not because the signature happens to be broken too.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from gateway.trust.issuing import Issued as Credential
from gateway.trust.issuing import PrivateKey

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://www.w3.org/2005/08/addressing"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = f"{_OASIS}wssecurity-secext-1.0.xsd"
WSU = f"{_OASIS}wssecurity-utility-1.0.xsd"
X509 = f"{_OASIS}x509-token-profile-1.0#X509v3"
BASE64 = f"{_OASIS}soap-message-security-1.0#Base64Binary"
DS = "http://www.w3.org/2000/09/xmldsig#"
XML = "http://www.w3.org/XML/1998/namespace"

EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
EXC_COMMENTS = f"{EXC}WithComments"
INC = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
INC_COMMENTS = f"{INC}#WithComments"
INC_11 = "http://www.w3.org/2006/12/xml-c14n11"
ENVELOPED = f"{DS}enveloped-signature"
AS_BASE64 = f"{DS}base64"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"

SHA1 = f"{DS}sha1"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"
SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
MD5 = "http://www.w3.org/2001/04/xmldsig-more#md5"
_DIGESTS = {SHA1: "sha1", SHA256: "sha256", SHA384: "sha384", SHA512: "sha512", MD5: "md5"}

RSA_SHA1 = f"{DS}rsa-sha1"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA512 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
RSA_PSS = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"
ECDSA_SHA1 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
ED25519 = "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519"
HMAC_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"

ID = f"{{{WSU}}}Id"
PARTS = ("Timestamp", "Body", "MessageID", "To", "Action")
ANSWER = (*PARTS, "RelatesTo")


def content_type(version: str, charset: str | None = "utf-8") -> str:
    kind = "text/xml" if version == SOAP_11 else "application/soap+xml"
    return kind if charset is None else f"{kind}; charset={charset}"


def stamp(at: datetime) -> str:
    """Write a time as WSS 1.1.1 section 10 has it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True, kw_only=True)
class Envelope:
    """A tree under construction; the named parts stay reachable when an attack has moved them."""

    version: str
    root: etree._Element
    header: etree._Element
    security: etree._Element
    token: etree._Element
    timestamp: etree._Element
    body: etree._Element
    signature: etree._Element

    def part(self, local: str) -> etree._Element:
        """Return Body, Timestamp, BinarySecurityToken or an addressing header."""
        known = {"Body": self.body, "Timestamp": self.timestamp, "BinarySecurityToken": self.token}
        found = known.get(local)
        return found if found is not None else self.header.find(f"{{{WSA}}}{local}")

    def bytes(self, *, encoding: str = "UTF-8", declaration: bool = True) -> bytes:
        return etree.tostring(self.root, encoding=encoding, xml_declaration=declaration)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What one ds:Reference says, and what is digested for it."""

    element: etree._Element
    uri: str
    transforms: tuple[str, ...] = (EXC,)
    digest: str = SHA256
    prefixes: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How an honest message is made; an attack replaces what it needs."""

    payload: str
    credential: Credential
    now: datetime
    message_id: str | None
    version: str = SOAP_11
    to: str | None = "https://gateway.example/soap"
    action: str | None = None
    relates_to: str | None = None
    created: str | None = None
    expires: str | None = None
    id_name: str = ID

    def but(self, **changes: object) -> Recipe:
        return replace(self, **changes)  # type: ignore[arg-type]


def element(tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    made = etree.Element(tag, attributes)
    made.text = text
    return made


def build(recipe: Recipe) -> Envelope:
    """Build the unsigned envelope, with token and timestamp in place."""
    prefix = "soap" if recipe.version == SOAP_11 else "env"
    root = etree.Element(f"{{{recipe.version}}}Envelope", nsmap={prefix: recipe.version})
    header = etree.SubElement(root, f"{{{recipe.version}}}Header")
    said = {"MessageID": recipe.message_id, "To": recipe.to, "Action": recipe.action, "RelatesTo": recipe.relates_to}
    for local, value in said.items():
        if value is not None:
            made = etree.SubElement(
                header, f"{{{WSA}}}{local}", {recipe.id_name: local}, nsmap={"wsa": WSA, "wsu": WSU}
            )
            made.text = value
    security = etree.SubElement(header, f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU})
    security.set(f"{{{recipe.version}}}mustUnderstand", "1" if recipe.version == SOAP_11 else "true")
    token = etree.SubElement(
        security, f"{{{WSSE}}}BinarySecurityToken", {"EncodingType": BASE64, "ValueType": X509, ID: "X509"}
    )
    token.text = base64.b64encode(recipe.credential.der).decode()
    _timestamp(security, recipe)
    body = etree.SubElement(root, f"{{{recipe.version}}}Body", {recipe.id_name: "Body"}, nsmap={"wsu": WSU})
    body.text = _HERE
    # As text: a subtree that is moved into another loses declarations that seem to be there already.
    return opened(etree.tostring(root, encoding="unicode").replace(_HERE, recipe.payload))


_HERE = "payload-goes-here"


def opened(text: str) -> Envelope:
    """Find the parts of an unsigned envelope of this module's making, in whatever prefixes it is written."""
    root = etree.fromstring(text.encode())
    version = etree.QName(root).namespace
    header = root.find(f"{{{version}}}Header")
    security = header.find(f"{{{WSSE}}}Security")
    return Envelope(
        version=version,
        root=root,
        header=header,
        security=security,
        token=security.find(f"{{{WSSE}}}BinarySecurityToken"),
        timestamp=security.find(f"{{{WSU}}}Timestamp"),
        body=root.find(f"{{{version}}}Body"),
        signature=etree.Element("unsigned"),
    )


def _timestamp(security: etree._Element, recipe: Recipe) -> etree._Element:
    timestamp = etree.SubElement(security, f"{{{WSU}}}Timestamp", {recipe.id_name: "TS"})
    times = {
        "Created": recipe.created if recipe.created is not None else stamp(recipe.now),
        "Expires": recipe.expires if recipe.expires is not None else stamp(recipe.now + timedelta(minutes=5)),
    }
    for local, value in times.items():
        if value:
            etree.SubElement(timestamp, f"{{{WSU}}}{local}").text = value
    return timestamp


def references(envelope: Envelope, parts: Sequence[str] = PARTS, **options: object) -> list[Reference]:
    """Make the references an honest sender makes: one to each part that is there."""
    made = []
    for local in parts:
        target = envelope.part(local)
        if target is not None:
            identity = next(value for name, value in target.items() if etree.QName(name).localname.lower() == "id")
            made.append(Reference(element=target, uri=f"#{identity}", **options))  # type: ignore[arg-type]
    return made


def sign(
    envelope: Envelope,
    credential: Credential,
    *,
    refs: Sequence[Reference] | None = None,
    c14n: str = EXC,
    c14n_prefixes: str | None = None,
    method: str | None = None,
    key_info: Callable[[], etree._Element | None] | None = None,
    bend: Callable[[etree._Element], None] | None = None,
    into: etree._Element | None = None,
) -> Envelope:
    """Sign in place. `bend` may change SignedInfo before it is signed; `into` is where the Signature is put."""
    parent = envelope.security if into is None else into
    signature = etree.SubElement(parent, f"{{{DS}}}Signature", nsmap={"ds": DS})
    info = etree.SubElement(signature, f"{{{DS}}}SignedInfo")
    method = method or method_of(credential.key)
    canonicalisation = etree.SubElement(info, f"{{{DS}}}CanonicalizationMethod", Algorithm=c14n)
    _prefixes(canonicalisation, c14n_prefixes)
    etree.SubElement(info, f"{{{DS}}}SignatureMethod", Algorithm=method)
    for reference in references(envelope) if refs is None else refs:
        _refer(info, reference)
    if bend is not None:
        bend(info)
    value = etree.SubElement(signature, f"{{{DS}}}SignatureValue")
    value.text = base64.b64encode(sign_bytes(credential.key, method, canonical(info, c14n, c14n_prefixes))).decode()
    made = (key_info or token_reference)()
    if made is not None:
        signature.append(made)
    envelope.signature = signature
    return envelope


def resign(envelope: Envelope, credential: Credential) -> Envelope:
    """Sign SignedInfo again as it stands now: for attacks that change it by hand."""
    info = envelope.signature.find(f"{{{DS}}}SignedInfo")
    method = info.find(f"{{{DS}}}SignatureMethod").get("Algorithm")
    value = sign_bytes(credential.key, method, canonical(info, EXC, None))
    envelope.signature.find(f"{{{DS}}}SignatureValue").text = base64.b64encode(value).decode()
    return envelope


def signed(recipe: Recipe) -> Envelope:
    """Make the honest signed message."""
    return sign(build(recipe), recipe.credential)


def answered(recipe: Recipe) -> Envelope:
    """Make an honest signed answer: what it answers is signed too."""
    envelope = build(recipe)
    return sign(envelope, recipe.credential, refs=references(envelope, ANSWER))


def token_reference(uri: str = "#X509") -> etree._Element:
    """WSS X.509 token profile section 3.2.1: a SecurityTokenReference to the BinarySecurityToken."""
    info = etree.Element(f"{{{DS}}}KeyInfo", nsmap={"ds": DS})
    reference = etree.SubElement(info, f"{{{WSSE}}}SecurityTokenReference", nsmap={"wsse": WSSE})
    etree.SubElement(reference, f"{{{WSSE}}}Reference", URI=uri, ValueType=X509)
    return info


def _prefixes(parent: etree._Element, prefixes: str | None) -> None:
    if prefixes is not None:
        made = etree.SubElement(parent, f"{{{EXC}}}InclusiveNamespaces", nsmap={"ec": EXC})
        made.set("PrefixList", prefixes)


def _refer(info: etree._Element, reference: Reference) -> None:
    made = etree.SubElement(info, f"{{{DS}}}Reference", URI=reference.uri)
    if reference.transforms:
        transforms = etree.SubElement(made, f"{{{DS}}}Transforms")
        for algorithm in reference.transforms:
            transform = etree.SubElement(transforms, f"{{{DS}}}Transform", Algorithm=algorithm)
            _parameters(transform, algorithm)
            _prefixes(transform, reference.prefixes if algorithm == EXC else None)
    etree.SubElement(made, f"{{{DS}}}DigestMethod", Algorithm=reference.digest)
    data = transformed(reference.element, reference.transforms, reference.prefixes)
    etree.SubElement(made, f"{{{DS}}}DigestValue").text = base64.b64encode(digest(reference.digest, data)).decode()


_IDENTITY = (
    '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="@*|node()">'
    '<xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy></xsl:template></xsl:stylesheet>'
)


def _parameters(transform: etree._Element, algorithm: str) -> None:
    if algorithm == XPATH:
        etree.SubElement(transform, f"{{{DS}}}XPath").text = "true()"
    elif algorithm == XSLT:
        transform.append(etree.fromstring(_IDENTITY))


def transformed(target: etree._Element, transforms: Sequence[str], prefixes: str | None = None) -> bytes:
    """Return what an obliging verifier would digest. XPath and XSLT here are identities."""
    if AS_BASE64 in transforms:
        return base64.b64decode("".join(target.itertext()))
    node = target
    if ENVELOPED in transforms:
        node = copy.deepcopy(target)
        for signature in node.findall(f".//{{{DS}}}Signature"):
            signature.getparent().remove(signature)
    chosen = next((name for name in reversed(list(transforms)) if name in _CANONICAL), INC)
    return canonical(node, chosen, prefixes)


_CANONICAL = {EXC: (True, False), EXC_COMMENTS: (True, True), INC: (False, False), INC_COMMENTS: (False, True)}
_CANONICAL[INC_11] = (False, False)


def canonical(node: etree._Element, algorithm: str = EXC, prefixes: str | None = None) -> bytes:
    exclusive, comments = _CANONICAL.get(algorithm, (True, False))
    names = prefixes.split() if prefixes and exclusive else None
    return etree.tostring(
        node, method="c14n", exclusive=exclusive, with_comments=comments, inclusive_ns_prefixes=names, with_tail=False
    )


def digest(algorithm: str, data: bytes) -> bytes:
    return hashlib.new(_DIGESTS.get(algorithm, "sha256"), data, usedforsecurity=False).digest()


def method_of(key: PrivateKey) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return RSA_SHA256
    return ED25519 if isinstance(key, ed25519.Ed25519PrivateKey) else ECDSA_SHA256


def sign_bytes(key: PrivateKey, method: str, data: bytes) -> bytes:
    """Sign as the method says; HMAC takes the public key for its secret, as the classic confusion has it."""
    if method == HMAC_SHA256:
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hmac.digest(public, data, "sha256")
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return raw_ecdsa(key.sign(data, ec.ECDSA(_hash(method))), (key.key_size + 7) // 8)
    if method == RSA_PSS:
        return key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return key.sign(data, padding.PKCS1v15(), _hash(method))


def sign_content(key: PrivateKey, data: bytes) -> bytes:
    """Sign bytes outside XML: RSA PKCS#1 v1.5, ECDSA in DER, or Ed25519, over SHA-256."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
    return sign_bytes(key, method_of(key), data)


def _hash(method: str) -> hashes.HashAlgorithm:
    if method.endswith("sha1"):
        return hashes.SHA1()  # noqa: S303  # to be refused
    return hashes.SHA512() if method.endswith("sha512") else hashes.SHA256()


def raw_ecdsa(der: bytes, size: int = 32) -> bytes:
    """XML Signature 1.1 section 6.4.3: r and s side by side, not DER."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")
