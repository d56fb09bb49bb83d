"""What a signature covers, where it and its parts stand, and what its references point to.

Where a case needs the partner's key, the key is used: the profile must refuse what the partner itself, or whoever sits
in its software, can produce. XML Signature 1.1, WS-Security 1.1.1, X.509 certificate token profile 1.1.1.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from lxml import etree

from gateway import codes
from tests import forge
from tests.attacks.catalogue import Scene, add, bent_signature, find, rejected
from tests.forge import DS, ID, WSSE, Envelope, Reference

ALIEN = "urn:example:alien"

# --- what is covered --------------------------------------------------------------------------------------------------


def _without(scene: Scene, part: str) -> bytes:
    recipe = scene.recipe(action="urn:example:action") if part == "Action" else scene.recipe()
    envelope = forge.build(recipe)
    refs = forge.references(envelope, [name for name in forge.PARTS if name != part])
    return forge.sign(envelope, recipe.credential, refs=refs).bytes()


for _part in forge.PARTS:
    add(
        f"signature-omits-{_part.lower()}",
        codes.SIG_COVERAGE,
        f"The signature is right and covers everything but {_part}.",
        lambda scene, part=_part: _without(scene, part),
    )


@rejected(codes.SIG_MISSING, "There is no Security header.")
def unsigned_without_security(scene: Scene) -> bytes:
    envelope = forge.build(scene.recipe())
    envelope.header.remove(envelope.security)
    return envelope.bytes()


@rejected(codes.SIG_MISSING, "There is no Header at all.")
def unsigned_without_header(scene: Scene) -> bytes:
    envelope = forge.build(scene.recipe())
    envelope.root.remove(envelope.header)
    return envelope.bytes()


@rejected(codes.SIG_MISSING, "The Security header has token and timestamp, and no Signature.")
def signature_stripped(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.security.remove(envelope.signature)
    return envelope.bytes()


@rejected(codes.SIG_MISSING, "The Security header stands in the namespace of a draft.")
def security_of_draft_namespace(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.security.tag = "{http://schemas.xmlsoap.org/ws/2002/12/secext}Security"
    envelope.security.attrib.pop(f"{{{envelope.version}}}mustUnderstand")
    return envelope.bytes()


@rejected(codes.SIG_STRUCTURE, "The Signature has no Reference: it signs nothing.")
def signature_without_references(scene: Scene) -> bytes:
    return bent_signature(scene, parts=()).bytes()


@rejected(codes.SIG_COVERAGE, "Only the BinarySecurityToken and the Timestamp are signed.")
def signature_covers_token_only(scene: Scene) -> bytes:
    return bent_signature(scene, parts=("BinarySecurityToken", "Timestamp")).bytes()


@rejected(codes.SIG_REFERENCE, "What stands in Body is signed, and Body is not.")
def signature_covers_payload_not_body(scene: Scene) -> bytes:
    envelope = forge.build(scene.recipe())
    envelope.body.attrib.pop(ID)
    envelope.body[0].set(ID, "Payload")
    refs = forge.references(envelope, ("Timestamp", "MessageID", "To"))
    refs.append(Reference(element=envelope.body[0], uri="#Payload"))
    return forge.sign(envelope, scene.signer("skatteverket"), refs=refs).bytes()


@rejected(
    codes.SIG_REFERENCE, "The whole Envelope is signed with the enveloped-signature transform (as XML-DSig does)."
)
def signature_covers_envelope(scene: Scene) -> bytes:
    envelope = forge.build(scene.recipe())
    envelope.root.set(ID, "Envelope")
    refs = [Reference(element=envelope.root, uri="#Envelope", transforms=(forge.ENVELOPED, forge.EXC))]
    return forge.sign(envelope, scene.signer("skatteverket"), refs=refs).bytes()


@rejected(codes.SIG_REFERENCE, "An unknown header is signed too.")
def signature_covers_unknown_header(scene: Scene) -> bytes:
    envelope = forge.build(scene.recipe())
    alien = etree.SubElement(envelope.header, f"{{{ALIEN}}}Header", {ID: "Alien"})
    refs = [*forge.references(envelope), Reference(element=alien, uri="#Alien")]
    return forge.sign(envelope, scene.signer("skatteverket"), refs=refs).bytes()


@rejected(codes.SIG_REFERENCE, "Body is referred to twice.")
def body_referred_to_twice(scene: Scene) -> bytes:
    return bent_signature(scene, parts=(*forge.PARTS, "Body")).bytes()


@rejected(
    codes.SIG_REFERENCE, "A thousand references to Body make the verifier digest it a thousand times.", stored=False
)
def a_thousand_references(scene: Scene) -> bytes:
    return bent_signature(scene, parts=(*forge.PARTS, *["Body"] * 1000)).bytes()


# --- references -------------------------------------------------------------------------------------------------------

_URIS = {
    "empty": ("", "the whole document"),
    "fragment-empty": ("#", "an empty fragment"),
    "http": ("http://attacker.example/body.xml", "another machine"),
    "http-fragment": ("http://attacker.example/body.xml#Body", "a fragment on another machine"),
    "file": ("file:///etc/passwd", "a local file"),
    "attachment": ("cid:body@attacker.example", "an attachment"),
    "xpointer-root": ("#xpointer(/)", "the whole document, with comments"),
    "xpointer-id": ("#xpointer(id('Body'))", "Body by XPointer"),
    "unknown": ("#Nobody", "an id that no element has"),
    "space": ("# Body", "an id with a space before it"),
    "percent": ("#%42ody", "an id in percent-encoding"),
    "case": ("#body", "an id in other case"),
    "xpath-injection": ("#x' or @*='Body", "an id that breaks out of a quoted XPath"),
    "relative": ("body.xml#Body", "a fragment of another document"),
}


def _uri(scene: Scene, uri: str | None) -> bytes:
    def bend(info: etree._Element) -> None:
        reference = next(node for node in info.iter(f"{{{DS}}}Reference") if node.get("URI") == "#Body")
        reference.attrib.pop("URI")
        if uri is not None:
            reference.set("URI", uri)

    return bent_signature(scene, bend=bend).bytes()


for _name, (_value, _told) in _URIS.items():
    add(
        f"reference-uri-{_name}",
        codes.SIG_REFERENCE,
        f"The Reference that should point to Body points to {_told}.",
        lambda scene, uri=_value: _uri(scene, uri),
    )
add(
    "reference-uri-missing",
    codes.SIG_REFERENCE,
    "The Reference that should point to Body has no URI: the application is to know what it means.",
    lambda scene: _uri(scene, None),
)


@rejected(
    codes.SIG_REFERENCE, "A Manifest in a header lists Body; the signature covers the Manifest, not what it lists."
)
def body_by_manifest_in_header(scene: Scene) -> bytes:
    return _manifest(scene, lambda envelope: envelope.header)


@rejected(codes.SIG_STRUCTURE, "A Manifest in the Signature lists Body; the signature covers the Manifest only.")
def body_by_manifest_in_signature(scene: Scene) -> bytes:
    return _manifest(scene, lambda envelope: envelope.signature)


def _manifest(scene: Scene, place: Callable[[Envelope], etree._Element]) -> bytes:
    envelope = forge.build(scene.recipe())
    manifest = etree.Element(f"{{{DS}}}Manifest", {"Id": "Manifest"}, nsmap={"ds": DS})
    forge._refer(manifest, forge.references(envelope, ("Body",))[0])
    holder = etree.SubElement(envelope.security, f"{{{DS}}}Object")
    holder.append(manifest)
    refs = [*forge.references(envelope, ("Timestamp", "MessageID", "To")), Reference(element=manifest, uri="#Manifest")]
    forge.sign(envelope, scene.signer("skatteverket"), refs=refs)
    envelope.security.remove(holder)
    place(envelope).append(holder)
    return envelope.bytes()


def _identified(scene: Scene, name: str) -> bytes:
    envelope = forge.build(scene.recipe())
    envelope.body.set(name, envelope.body.attrib.pop(ID))
    return forge.sign(envelope, scene.signer("skatteverket")).bytes()


for _flavour, _attribute in {"plain-id": "Id", "upper-id": "ID", "xml-id": f"{{{forge.XML}}}id"}.items():
    add(
        f"body-identified-by-{_flavour}",
        codes.SIG_REFERENCE,
        f"Body carries its id as {_flavour}, where WS-Security has wsu:Id (WSS 1.1.1 section 4.2).",
        lambda scene, name=_attribute: _identified(scene, name),
    )


@rejected(codes.XML_DUPLICATE_ID, "Timestamp and Body have the same wsu:Id.")
def duplicate_id_timestamp_and_body(scene: Scene) -> bytes:
    envelope = forge.build(scene.recipe())
    envelope.timestamp.set(ID, "Body")
    return forge.sign(envelope, scene.signer("skatteverket")).bytes()


@rejected(codes.XML_DUPLICATE_ID, "The token has Body's id, in the plain Id attribute.")
def duplicate_id_mixed_flavours(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.signature.set("Id", "Body")
    return envelope.bytes()


# --- structure --------------------------------------------------------------------------------------------------------


@rejected(codes.SIG_STRUCTURE, "Two Signatures, both of them right.")
def two_signatures(scene: Scene) -> bytes:
    envelope = scene.signed()
    return forge.sign(envelope, scene.signer("skatteverket")).bytes()


@rejected(codes.SIG_STRUCTURE, "A second Signature stands in a ds:Object of the first.")
def signature_in_object(scene: Scene) -> bytes:
    envelope = scene.signed()
    inner = copy.deepcopy(envelope.signature)
    etree.SubElement(envelope.signature, f"{{{DS}}}Object").append(inner)
    return envelope.bytes()


@rejected(codes.SIG_STRUCTURE, "The Signature has an empty ds:Object.")
def signature_with_object(scene: Scene) -> bytes:
    envelope = scene.signed()
    etree.SubElement(envelope.signature, f"{{{DS}}}Object")
    return envelope.bytes()


@rejected(codes.SIG_STRUCTURE, "Two BinarySecurityTokens.")
def two_tokens(scene: Scene) -> bytes:
    envelope = scene.signed()
    second = copy.deepcopy(envelope.token)
    second.set(ID, "X509-2")
    envelope.token.addnext(second)
    return envelope.bytes()


@rejected(codes.SIG_STRUCTURE, "No BinarySecurityToken.")
def no_token(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.security.remove(envelope.token)
    return envelope.bytes()


@rejected(codes.SIG_STRUCTURE, "The token stands in the Header beside Security.")
def token_outside_security(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.header.append(envelope.token)
    return envelope.bytes()


@rejected(codes.SIG_STRUCTURE, "No Timestamp, and the signature does not miss it.")
def no_timestamp(scene: Scene) -> bytes:
    envelope = forge.build(scene.recipe())
    envelope.security.remove(envelope.timestamp)
    refs = forge.references(envelope, ("Body", "MessageID", "To"))
    return forge.sign(envelope, scene.signer("skatteverket"), refs=refs).bytes()


@rejected(codes.SIG_STRUCTURE, "Security carries a password token too.")
def username_token_beside(scene: Scene) -> bytes:
    envelope = scene.signed()
    token = etree.SubElement(envelope.security, f"{{{WSSE}}}UsernameToken")
    etree.SubElement(token, f"{{{WSSE}}}Username").text = "admin"
    return envelope.bytes()


@rejected(codes.SIG_STRUCTURE, "Part of the Security header is encrypted.")
def encrypted_key_beside(scene: Scene) -> bytes:
    envelope = scene.signed()
    etree.SubElement(envelope.security, "{http://www.w3.org/2001/04/xmlenc#}EncryptedKey")
    return envelope.bytes()


def _doubled(scene: Scene, local: str) -> bytes:
    envelope = scene.signed()
    node = find(envelope, local)
    node.addnext(copy.deepcopy(node))
    return envelope.bytes()


def _dropped(scene: Scene, local: str) -> bytes:
    envelope = scene.signed()
    node = find(envelope, local)
    node.getparent().remove(node)
    return envelope.bytes()


_ABSENT = {"KeyInfo": codes.SIG_KEY_INFO, "Transforms": codes.SIG_TRANSFORM}

for _name, _code in {
    "SignedInfo": codes.SIG_STRUCTURE,
    "SignatureValue": codes.SIG_STRUCTURE,
    "KeyInfo": codes.SIG_STRUCTURE,
    "SignatureMethod": codes.SIG_STRUCTURE,
    "CanonicalizationMethod": codes.SIG_STRUCTURE,
    "DigestMethod": codes.SIG_STRUCTURE,
    "DigestValue": codes.SIG_STRUCTURE,
    "Transforms": codes.SIG_STRUCTURE,
}.items():
    for _verb, _how, _tells in (("doubled", _doubled, "stands twice"), ("dropped", _dropped, "is missing")):
        add(
            f"{_name.lower()}-{_verb}",
            _ABSENT.get(_name, _code) if _verb == "dropped" else _code,
            f"{_name} {_tells}.",
            lambda scene, how=_how, local=_name: how(scene, local),
        )


@rejected(codes.SIG_STRUCTURE, "SignatureValue stands before SignedInfo.")
def signature_children_out_of_order(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.signature.insert(0, find(envelope, "SignatureValue"))
    return envelope.bytes()


@rejected(codes.SIG_STRUCTURE, "SignedInfo has an element of an unknown namespace.")
def signed_info_with_alien(scene: Scene) -> bytes:
    return bent_signature(scene, bend=lambda info: etree.SubElement(info, f"{{{ALIEN}}}More").clear()).bytes()


@rejected(codes.SIG_MISSING, "The Signature is in a namespace that only looks like XML Signature's.")
def signature_of_lookalike_namespace(scene: Scene) -> bytes:
    data = scene.signed().bytes()
    return data.replace(b'"http://www.w3.org/2000/09/xmldsig#"', b'"http://www.w3.org/2000/09/xmldsig"')
