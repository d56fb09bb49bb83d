"""Values that are wrong, or right in an odd form; and honest messages in every form that must be taken."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from gateway import codes
from tests import forge
from tests.attacks.catalogue import Scene, Sent, accepted, add, bent_signature, find, rejected
from tests.forge import DS, WSU

# --- values -----------------------------------------------------------------------------------------------------------


def _with_value(scene: Scene, local: str, change: object) -> bytes:
    envelope = scene.signed()
    node = find(envelope, local)
    node.text = change(node.text)  # type: ignore[operator]
    return envelope.bytes()


def _flip(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(bytes(raw)).decode()


def _loose(text: str) -> str:
    """Set bits that padding hides: another text, the same bytes to a lax decoder (RFC 4648 section 3.5)."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    stem = text.rstrip("=")
    last = alphabet[alphabet.index(stem[-1]) | (1 if text.endswith("=") and not text.endswith("==") else 7)]
    return stem[:-1] + last + text[len(stem) :]


for _name, _change, _told in (
    ("flipped", _flip, "one bit is flipped"),
    ("empty", lambda _: "", "it is empty"),
    ("truncated", lambda text: text[:40], "it is cut short"),
    ("doubled", lambda text: text.rstrip("=") * 2, "it stands there twice"),
    ("junk", lambda text: f"{text[:10]}*!{text[10:]}", "it has characters that base64 does not have"),
    ("url-alphabet", lambda text: f"-_{text[2:]}", "it is in the alphabet for URLs"),
    ("no-padding", lambda text: text.rstrip("="), "its padding is missing"),
    ("padding-inside", lambda text: f"{text[:8]}=={text[8:]}", "there is padding in the middle"),
    ("letter-beyond-ascii", lambda text: f"{text[:8]}\u0410{text[9:]}", "a Cyrillic letter stands in it"),
):
    add(
        f"signature-value-{_name}",
        codes.SIG_VALUE,
        f"SignatureValue: {_told}.",
        lambda scene, change=_change: _with_value(scene, "SignatureValue", change),
    )
    add(
        f"digest-value-{_name}",
        codes.SIG_DIGEST,
        f"DigestValue of the first Reference: {_told}, and SignedInfo is signed with that.",
        lambda scene, change=_change: _with_digest(scene, change),
    )


def _with_digest(scene: Scene, change: object) -> bytes:
    def bend(info: etree._Element) -> None:
        node = next(info.iter(f"{{{DS}}}DigestValue"))
        node.text = change(node.text)  # type: ignore[operator]

    return bent_signature(scene, bend=bend).bytes()


@rejected(codes.SIG_DIGEST, "DigestValue has bits set which the padding hides: the same digest to a lax decoder.")
def digest_value_not_canonical(scene: Scene) -> bytes:
    return _with_digest(scene, _loose)


@rejected(codes.SIG_DIGEST, "Body was changed after signing.")
def body_changed(scene: Scene) -> bytes:
    return scene.signed().bytes().replace(b"Testgatan", b"Annangatan", 1)


@rejected(codes.SIG_DIGEST, "Body's content was exchanged whole.")
def body_exchanged(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.body[:] = [etree.fromstring(scene.evil())]
    return envelope.bytes()


@rejected(codes.SIG_DIGEST, "An attribute was added to Body.")
def body_attribute_added(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.body.set("lang", "sv")
    return envelope.bytes()


@rejected(codes.SIG_DIGEST, "White space was added inside Body.")
def body_white_space_added(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.body.text = "\n"
    return envelope.bytes()


@rejected(codes.SIG_DIGEST, "Expires was moved a day ahead after signing.")
def timestamp_changed(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.timestamp.find(f"{{{WSU}}}Expires").text = "2026-01-16T10:05:00Z"
    return envelope.bytes()


@rejected(codes.SIG_DIGEST, "MessageID was changed after signing, so that a replay would look new.")
def message_id_changed(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.part("MessageID").text = "urn:uuid:00000000-0000-4000-8000-000000000001"
    return envelope.bytes()


@rejected(codes.SIG_VALUE, "Body was changed and its digest too, but SignedInfo was not signed again.")
def digest_recomputed_without_key(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.body[:] = [etree.fromstring(scene.evil())]
    reference = next(node for node in envelope.signature.iter(f"{{{DS}}}Reference") if node.get("URI") == "#Body")
    data = forge.canonical(envelope.body)
    reference.find(f"{{{DS}}}DigestValue").text = base64.b64encode(forge.digest(forge.SHA256, data)).decode()
    return envelope.bytes()


@rejected(codes.SIG_VALUE, "The message was signed by one key, and the token names another of the same partner.")
def token_exchanged(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.token.text = base64.b64encode(scene.credentials["skatteverket-new-sign"].der).decode()
    return envelope.bytes()


# --- ECDSA ------------------------------------------------------------------------------------------------------------


def _ecdsa(scene: Scene, make: object) -> bytes:
    envelope = scene.signed()
    node = find(envelope, "SignatureValue")
    node.text = base64.b64encode(make(base64.b64decode(node.text))).decode()  # type: ignore[operator]
    return envelope.bytes()


_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

for _name, _change, _told in (
    ("zero", lambda _: bytes(64), "r and s are both zero (CVE-2022-21449)"),
    ("r-zero", lambda raw: bytes(32) + raw[32:], "r is zero"),
    ("s-zero", lambda raw: raw[:32] + bytes(32), "s is zero"),
    ("order", lambda _: _ORDER.to_bytes(32, "big") * 2, "r and s are the order of the curve"),
    ("too-large", lambda _: b"\xff" * 64, "r and s are beyond the order of the curve"),
    ("too-short", lambda raw: raw[:63], "one byte is missing"),
    ("too-long", lambda raw: b"\0" + raw[:32] + b"\0" + raw[32:], "each number has a leading zero byte"),
    ("trailing", lambda raw: raw + b"\0", "a byte follows"),
):
    add(
        f"ecdsa-{_name}",
        codes.SIG_VALUE,
        f"ECDSA: {_told}.",
        lambda scene, change=_change: _ecdsa(scene, change),
    )


@rejected(
    codes.SIG_VALUE, "The ECDSA signature is DER, as most libraries make it, where XML Signature wants r and s raw."
)
def ecdsa_der(scene: Scene) -> bytes:
    envelope = scene.signed()
    key = scene.signer("skatteverket").key
    der = key.sign(forge.canonical(find(envelope, "SignedInfo")), ec.ECDSA(hashes.SHA256()))  # type: ignore[call-arg,arg-type]
    find(envelope, "SignatureValue").text = base64.b64encode(der).decode()
    return envelope.bytes()


# --- honest variants --------------------------------------------------------------------------------------------------


@accepted("SignatureValue, DigestValue and token are broken into lines, as base64 encoders do.")
def base64_in_lines(scene: Scene) -> bytes:
    def lines(text: str) -> str:
        return "\r\n".join(["", *(text[at : at + 64] for at in range(0, len(text), 64)), ""])

    def bend(info: etree._Element) -> None:
        for node in info.iter(f"{{{DS}}}DigestValue"):
            node.text = f"\n{node.text}\n"

    envelope = bent_signature(scene, bend=bend)
    for node in (find(envelope, "SignatureValue"), envelope.token):
        node.text = lines(node.text)
    return envelope.bytes()


@accepted("The transforms name InclusiveNamespaces, as WSS4J does by default.")
def inclusive_namespaces(scene: Scene) -> bytes:
    envelope = forge.build(scene.recipe())
    refs = forge.references(envelope, prefixes="soap wsu")
    credential = scene.signer("skatteverket")
    return forge.sign(envelope, credential, refs=refs, c14n_prefixes="soap").bytes()


@accepted("The token is signed too.")
def tokenbent_signature(scene: Scene) -> bytes:
    return bent_signature(scene, parts=(*forge.PARTS, "BinarySecurityToken")).bytes()


@accepted("The References stand in another order, and the Signature before the Timestamp.")
def other_order(scene: Scene) -> bytes:
    envelope = bent_signature(scene, parts=tuple(reversed(forge.PARTS)))
    envelope.security.insert(0, envelope.signature)
    return envelope.bytes()


@accepted("There is no addressing at all: the digest is the message's identity.")
def without_addressing(scene: Scene) -> bytes:
    return scene.signed(message_id=None, to=None).bytes()


@accepted("Every prefix is another, and the payload has none.")
def other_prefixes(scene: Scene) -> bytes:
    envelope = forge.build(scene.recipe())
    text = etree.tostring(envelope.root).decode()
    for old, new in (("soap", "S"), ("wsse", "a"), ("wsu", "b"), ("wsa", "c")):
        text = text.replace(f"xmlns:{old}=", f"xmlns:{new}=").replace(f"<{old}:", f"<{new}:")
        text = text.replace(f"</{old}:", f"</{new}:").replace(f" {old}:", f" {new}:")
    return forge.sign(forge.opened(text), scene.signer("skatteverket")).bytes()


for _name, _key in {"rsa": "rsa-sign", "p256": "sign", "ed25519": "ed25519-sign"}.items():
    for _version in (forge.SOAP_11, forge.SOAP_12):
        add(
            f"signed-{_name}-soap{'11' if _version == forge.SOAP_11 else '12'}",
            None,
            f"Signed with {_name}.",
            lambda scene, key=_key, version=_version: _plain(scene, key, version),
        )


def _plain(scene: Scene, key: str, version: str) -> Sent:
    credential = scene.credentials[f"skatteverket-{key}"]
    body = scene.signed(credential=credential, version=version).bytes()
    return Sent(body=body, content_type=forge.content_type(version))
