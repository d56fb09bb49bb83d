"""Algorithms, transforms and ways to name a key that XML Signature knows and the profile does not take.

All signatures here are right: a verifier that did what they ask would accept them.
"""

from __future__ import annotations

import base64

from lxml import etree

from gateway import codes
from tests import forge
from tests.attacks.catalogue import Scene, add, bent_signature, find, rejected
from tests.forge import DS, WSSE

# --- algorithms -------------------------------------------------------------------------------------------------------


def _digested(scene: Scene, algorithm: str) -> bytes:
    envelope = forge.build(scene.recipe())
    refs = forge.references(envelope, digest=algorithm)
    return forge.sign(envelope, scene.signer("skatteverket"), refs=refs).bytes()


for _name, _value in {"sha1": forge.SHA1, "md5": forge.MD5, "sha512": forge.SHA512, "unknown": "urn:x:none"}.items():
    add(
        f"digest-{_name}",
        codes.SIG_ALGORITHM,
        f"The digests are {_name.upper()}, and right.",
        lambda scene, algorithm=_value: _digested(scene, algorithm),
    )


def _method(scene: Scene, method: str, key: str = "rsa-sign") -> bytes:
    credential = scene.credentials[f"skatteverket-{key}"]
    return forge.sign(forge.build(scene.recipe(credential=credential)), credential, method=method).bytes()


for _name, _value, _key in (
    ("rsa-sha1", forge.RSA_SHA1, "rsa-sign"),
    ("rsa-sha512", forge.RSA_SHA512, "rsa-sign"),
    ("rsa-pss", forge.RSA_PSS, "rsa-sign"),
    ("ecdsa-sha1", forge.ECDSA_SHA1, "sign"),
    ("hmac-with-public-key", forge.HMAC_SHA256, "rsa-sign"),
    ("unknown", "urn:x:none", "rsa-sign"),
):
    add(
        f"method-{_name}",
        codes.SIG_ALGORITHM,
        f"The signature method is {_name}.",
        lambda scene, method=_value, key=_key: _method(scene, method, key),
    )


def _mislabelled(scene: Scene, key: str, label: str) -> bytes:
    credential = scene.credentials[f"skatteverket-{key}"]
    envelope = forge.signed(scene.recipe(credential=credential))
    find(envelope, "SignatureMethod").set("Algorithm", label)
    return envelope.bytes()


for _name, _key, _value in (
    ("rsa-called-ecdsa", "rsa-sign", forge.ECDSA_SHA256),
    ("ecdsa-called-rsa", "sign", forge.RSA_SHA256),
    ("rsa-called-ed25519", "rsa-sign", forge.ED25519),
):
    add(
        f"method-{_name}",
        codes.SIG_KEY,
        f"The method is of another kind than the key in the certificate: {_name}.",
        lambda scene, key=_key, label=_value: _mislabelled(scene, key, label),
    )

for _name, _value in {
    "inclusive": forge.INC,
    "inclusive-1.1": forge.INC_11,
    "inclusive-comments": forge.INC_COMMENTS,
    "exclusive-comments": forge.EXC_COMMENTS,
    "unknown": "urn:x:none",
}.items():
    add(
        f"signed-info-c14n-{_name}",
        codes.SIG_ALGORITHM,
        f"SignedInfo is canonicalised by {_name}.",
        lambda scene, c14n=_value: bent_signature(scene, c14n=c14n).bytes(),
    )


def _transformed(scene: Scene, transforms: tuple[str, ...]) -> bytes:
    envelope = forge.build(scene.recipe())
    refs = [*forge.references(envelope, ("Timestamp", "MessageID", "To"))]
    refs += forge.references(envelope, ("Body",), transforms=transforms)
    return forge.sign(envelope, scene.signer("skatteverket"), refs=refs).bytes()


for _name, _chain in {
    "none": (),
    "inclusive": (forge.INC,),
    "inclusive-comments": (forge.INC_COMMENTS,),
    "exclusive-comments": (forge.EXC_COMMENTS,),
    "exclusive-twice": (forge.EXC, forge.EXC),
    "enveloped": (forge.ENVELOPED,),
    "enveloped-exclusive": (forge.ENVELOPED, forge.EXC),
    "xpath-exclusive": (forge.XPATH, forge.EXC),
    "xslt-exclusive": (forge.XSLT, forge.EXC),
    "xslt": (forge.XSLT,),
    "unknown": ("urn:x:none",),
    "str-transform": (
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform",
    ),
    "chain-of-forty": (forge.EXC,) * 40,
}.items():
    add(
        f"transform-{_name}",
        codes.SIG_TRANSFORM,
        f"Body's transforms are: {_name}.",
        lambda scene, chain=_chain: _transformed(scene, chain),
    )


@rejected(
    codes.SIG_TRANSFORM, "The base64 transform digests Body's decoded text, so its elements are not signed at all."
)
def transform_base64(scene: Scene) -> bytes:
    envelope = forge.build(scene.recipe(payload='<x xmlns="urn:example:alien">QUFBQQ==</x>'))
    refs = forge.references(envelope, ("Timestamp", "MessageID", "To"))
    refs += forge.references(envelope, ("Body",), transforms=(forge.AS_BASE64,))
    return forge.sign(envelope, scene.signer("skatteverket"), refs=refs).bytes()


@rejected(codes.SIG_TRANSFORM, "The one transform carries an XPath as well.")
def transform_exclusive_with_xpath(scene: Scene) -> bytes:
    def bend(info: etree._Element) -> None:
        etree.SubElement(next(info.iter(f"{{{DS}}}Transform")), f"{{{DS}}}XPath").text = "true()"

    return bent_signature(scene, bend=bend).bytes()


# --- KeyInfo ----------------------------------------------------------------------------------------------------------


def _key_info(*children: etree._Element) -> etree._Element:
    info = etree.Element(f"{{{DS}}}KeyInfo", nsmap={"ds": DS, "wsse": WSSE})
    info.extend(children)
    return info


def _with_key_info(scene: Scene, make: object) -> bytes:
    return bent_signature(scene, key_info=make).bytes()


def _x509_data(scene: Scene) -> etree._Element:
    data = etree.Element(f"{{{DS}}}X509Data")
    etree.SubElement(data, f"{{{DS}}}X509Certificate").text = base64.b64encode(
        scene.signer("skatteverket").der
    ).decode()
    return data


def _key_value() -> etree._Element:
    value = etree.Element(f"{{{DS}}}KeyValue")
    rsa = etree.SubElement(value, f"{{{DS}}}RSAKeyValue")
    etree.SubElement(rsa, f"{{{DS}}}Modulus").text = "AQAB"
    etree.SubElement(rsa, f"{{{DS}}}Exponent").text = "AQAB"
    return value


def _named() -> etree._Element:
    return forge.element(f"{{{DS}}}KeyName", "skatteverket")


def _retrieval() -> etree._Element:
    return forge.element(f"{{{DS}}}RetrievalMethod", URI="http://attacker.example/key", Type=f"{DS}X509Data")


def _token_reference(*children: etree._Element) -> etree._Element:
    made = etree.Element(f"{{{WSSE}}}SecurityTokenReference", nsmap={"wsse": WSSE})
    made.extend(children)
    return made


def _key_identifier() -> etree._Element:
    return _token_reference(forge.element(f"{{{WSSE}}}KeyIdentifier", "AAAA"))


def _embedded(scene: Scene) -> etree._Element:
    embedded = etree.Element(f"{{{WSSE}}}Embedded")
    token = etree.SubElement(
        embedded, f"{{{WSSE}}}BinarySecurityToken", ValueType=forge.X509, EncodingType=forge.BASE64
    )
    token.text = base64.b64encode(scene.signer("skatteverket").der).decode()
    return _token_reference(embedded)


def _reference(uri: str) -> etree._Element:
    return _token_reference(forge.element(f"{{{WSSE}}}Reference", URI=uri, ValueType=forge.X509))


for _name, _make, _told in (
    ("x509-data", lambda scene: _key_info(_x509_data(scene)), "X509Data with the certificate"),
    ("key-value", lambda _: _key_info(_key_value()), "a bare KeyValue: any key at all"),
    ("key-name", lambda _: _key_info(_named()), "a KeyName"),
    ("retrieval-method", lambda _: _key_info(_retrieval()), "a RetrievalMethod to another machine"),
    ("key-identifier", lambda _: _key_info(_key_identifier()), "a KeyIdentifier"),
    ("embedded", lambda scene: _key_info(_embedded(scene)), "an embedded token"),
    ("empty", lambda _: _key_info(), "nothing"),
    ("empty-token-reference", lambda _: _key_info(_token_reference()), "an empty SecurityTokenReference"),
    (
        "two-token-references",
        lambda _: _key_info(_reference("#X509"), _reference("#X509")),
        "two SecurityTokenReferences",
    ),
    (
        "token-and-key-value",
        lambda _: _key_info(_reference("#X509"), _key_value()),
        "the right reference and a KeyValue",
    ),
    (
        "key-value-and-token",
        lambda _: _key_info(_key_value(), _reference("#X509")),
        "a KeyValue and the right reference",
    ),
    ("points-to-body", lambda _: _key_info(_reference("#Body")), "a reference to Body"),
    ("points-to-timestamp", lambda _: _key_info(_reference("#TS")), "a reference to the Timestamp"),
    ("points-nowhere", lambda _: _key_info(_reference("#Nobody")), "a reference to an id that no element has"),
    (
        "points-outside",
        lambda _: _key_info(_reference("http://attacker.example/#X509")),
        "a reference to another machine",
    ),
    ("points-empty", lambda _: _key_info(_reference("")), "a reference to the whole document"),
):
    add(
        f"keyinfo-{_name}",
        codes.SIG_KEY_INFO,
        f"KeyInfo holds {_told}.",
        lambda scene, make=_make: _with_key_info(scene, lambda: make(scene)),
    )


@rejected(codes.SIG_KEY_INFO, "The SecurityTokenReference holds two References, the first to the right token.")
def keyinfo_two_references(scene: Scene) -> bytes:
    both = _token_reference(
        forge.element(f"{{{WSSE}}}Reference", URI="#X509", ValueType=forge.X509),
        forge.element(f"{{{WSSE}}}Reference", URI="#X509", ValueType=forge.X509),
    )
    return _with_key_info(scene, lambda: _key_info(both))


@rejected(codes.SIG_KEY_INFO, "The Reference in KeyInfo says that the token is no X.509 certificate.")
def keyinfo_wrong_value_type(scene: Scene) -> bytes:
    other = forge.element(
        f"{{{WSSE}}}Reference", URI="#X509", ValueType=f"{forge._OASIS}x509-token-profile-1.0#X509PKIPathv1"
    )
    return _with_key_info(scene, lambda: _key_info(_token_reference(other)))
