"""Signature wrapping: what was signed is carried along, and something else stands where it is read.

McIntosh and Austel, "XML signature element wrapping attacks and countermeasures" (2005); Somorovsky et al., "On
breaking SAML" (2012). Every place a signed part can be hidden in is tried with every id its replacement can have.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from lxml import etree

from gateway import codes
from tests import forge
from tests.attacks.catalogue import Scene, Sent, add, rejected
from tests.forge import DS, ID, WSA, WSSE, WSU, XML, Envelope

ALIEN = "urn:example:alien"
WSA_2004 = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
Place = Callable[[Envelope], etree._Element]


def _replacement(envelope: Envelope, payload: str, identity: tuple[str, str] | None) -> etree._Element:
    evil = etree.Element(envelope.body.tag, nsmap={"wsu": WSU})
    if identity is not None:
        evil.set(*identity)
    evil.append(etree.fromstring(payload))
    return evil


def _wrapped(scene: Scene, place: Place, identity: tuple[str, str] | None) -> bytes:
    envelope = scene.signed()
    original = envelope.body
    evil = _replacement(envelope, scene.evil(), identity)
    envelope.root.replace(original, evil)
    envelope.body = evil
    place(envelope).append(original)
    return envelope.bytes()


def _sub(parent: etree._Element, tag: str = f"{{{ALIEN}}}Wrapper") -> etree._Element:
    return etree.SubElement(parent, tag)


def _first(parent: etree._Element) -> etree._Element:
    wrapper = etree.Element(f"{{{ALIEN}}}Wrapper")
    parent.insert(0, wrapper)
    return wrapper


_PLACES: dict[str, tuple[Place, codes.Code, str]] = {
    "header": (lambda e: e.header, codes.SIG_REFERENCE, "straight into the Header"),
    "unknown-header": (lambda e: _sub(e.header), codes.SIG_REFERENCE, "into an unknown header"),
    "unknown-first-header": (lambda e: _first(e.header), codes.SIG_REFERENCE, "into an unknown header before all"),
    "deep-header": (lambda e: _sub(_sub(_sub(e.header))), codes.SIG_REFERENCE, "three levels under an unknown header"),
    "envelope-in-header": (
        lambda e: _sub(_sub(e.header), e.root.tag),
        codes.SIG_REFERENCE,
        "into a second Envelope in a header, so that its parent's name is right",
    ),
    "security": (lambda e: e.security, codes.SIG_STRUCTURE, "into the Security header"),
    "unknown-in-security": (lambda e: _sub(e.security), codes.SIG_STRUCTURE, "into an unknown child of Security"),
    "token": (lambda e: e.token, codes.SIG_REFERENCE, "into the BinarySecurityToken"),
    "signature-object": (
        lambda e: _sub(e.signature, f"{{{DS}}}Object"),
        codes.SIG_STRUCTURE,
        "into a ds:Object of the signature, where XML Signature allows anything",
    ),
    "signature": (lambda e: e.signature, codes.SIG_STRUCTURE, "straight into the Signature"),
    "key-info": (lambda e: e.signature.find(f"{{{DS}}}KeyInfo"), codes.SIG_KEY_INFO, "into KeyInfo"),
    "evil-body": (lambda e: e.body, codes.SOAP_BODY, "into the new Body, beside the new content"),
    "evil-payload": (lambda e: e.body[0], codes.SIG_REFERENCE, "deep into the new Body's content"),
    "envelope": (lambda e: e.root, codes.SOAP_ENVELOPE, "after the new Body: two Bodies"),
    "unknown-in-envelope": (lambda e: _sub(e.root), codes.SOAP_ENVELOPE, "into an unknown element after the Body"),
    "unknown-first-in-envelope": (
        lambda e: _first(e.root),
        codes.SOAP_ENVELOPE,
        "into an unknown element before the Header",
    ),
    "second-header": (
        lambda e: _sub(e.root, e.header.tag),
        codes.SOAP_ENVELOPE,
        "into a second Header after the Body",
    ),
}
_IDENTITIES: dict[str, tuple[tuple[str, str] | None, str]] = {
    "no-id": (None, "and the new Body has no id"),
    "other-id": ((ID, "Body2"), "and the new Body has an id of its own"),
    "same-id": ((ID, "Body"), "and the new Body has the same id"),
}


_FIRST = (codes.SOAP_ENVELOPE, codes.SOAP_BODY)
"""Found before ids are compared."""


def _families() -> None:
    for place, (where, code, told) in _PLACES.items():
        for identity, (value, tells) in _IDENTITIES.items():
            verdict = codes.XML_DUPLICATE_ID if identity == "same-id" and code not in _FIRST else code
            add(
                f"body-moved-to-{place}-{identity}",
                verdict,
                f"The signed Body is moved {told}, {tells}.",
                lambda scene, where=where, value=value: _wrapped(scene, where, value),
            )
    for flavour, attribute in {"plain-id": "Id", "upper-id": "ID", "lower-id": "id", "xml-id": f"{{{XML}}}id"}.items():
        add(
            f"body-moved-to-header-same-{flavour}",
            codes.SIG_REFERENCE if attribute == "id" else codes.XML_DUPLICATE_ID,
            f"The signed Body is moved into the Header, and the new Body has the same value in {flavour.upper()}.",
            lambda scene, name=attribute: _wrapped(scene, _PLACES["unknown-header"][0], (name, "Body")),
        )


_families()


@rejected(codes.SOAP_ENVELOPE, "An unsigned Body stands before the signed one.")
def two_bodies_unsigned_first(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.body.addprevious(_replacement(envelope, scene.evil(), None))
    return envelope.bytes()


@rejected(codes.SOAP_ENVELOPE, "A Body of the other SOAP version stands before the signed one.")
def body_of_other_version_first(scene: Scene) -> bytes:
    envelope = scene.signed()
    evil = _replacement(envelope, scene.evil(), None)
    evil.tag = f"{{{forge.SOAP_12}}}Body"
    envelope.body.addprevious(evil)
    return envelope.bytes()


@rejected(codes.SIG_REFERENCE, "The new Body holds the whole signed Body as its one child.")
def body_as_only_child_of_new_body(scene: Scene) -> bytes:
    envelope = scene.signed()
    outer = etree.Element(envelope.body.tag)
    envelope.root.replace(envelope.body, outer)
    outer.append(envelope.body)
    return envelope.bytes()


@rejected(codes.SIG_REFERENCE, "A whole new Envelope is put around the signed one, which becomes a header.")
def envelope_in_header_of_new_envelope(scene: Scene) -> bytes:
    envelope = scene.signed()
    outer = forge.build(scene.recipe(payload=scene.evil()))
    outer.header.remove(outer.security)
    security = copy.deepcopy(envelope.security)
    envelope.header.remove(envelope.security)
    outer.header.append(security)
    for part in [*outer.header, outer.body]:
        part.attrib.pop(ID, None)
    _sub(outer.header).append(envelope.root)
    return outer.bytes()


@rejected(codes.SIG_MISSING, "The Security header with everything in it stands in the Body, not in the Header.")
def security_in_body(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.body[0].append(envelope.security)
    return envelope.bytes()


@rejected(codes.SIG_MISSING, "The Security header stands inside an unknown header.")
def security_under_unknown_header(scene: Scene) -> bytes:
    envelope = scene.signed()
    _sub(envelope.header).append(envelope.security)
    return envelope.bytes()


@rejected(codes.SIG_MISSING, "The Signature stands in the Header, outside the Security header.")
def signature_outside_security(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.header.append(envelope.signature)
    return envelope.bytes()


@rejected(codes.SIG_MISSING, "The Signature stands inside an unknown child of Security.")
def signature_nested_in_security(scene: Scene) -> bytes:
    envelope = scene.signed()
    _sub(envelope.security).append(envelope.signature)
    return envelope.bytes()


# --- Timestamp --------------------------------------------------------------------------------------------------------


def _fresh(scene: Scene, identity: str | None) -> tuple[Envelope, etree._Element]:
    """Take a signed message that is long out of date, and a new timestamp for it."""
    old = scene.recipe(created="2026-01-14T10:00:00Z", expires="2026-01-14T10:05:00Z")
    envelope = forge.signed(old)
    fresh = copy.deepcopy(forge.build(scene.recipe()).timestamp)
    fresh.attrib.pop(ID)
    if identity is not None:
        fresh.set(ID, identity)
    envelope.security.replace(envelope.timestamp, fresh)
    return envelope, fresh


def _timestamp_moved(scene: Scene, place: Place, identity: str | None) -> bytes:
    envelope, _ = _fresh(scene, identity)
    place(envelope).append(envelope.timestamp)
    return envelope.bytes()


def _timestamps() -> None:
    places = {
        "unknown-header": (lambda e: _sub(e.header), codes.SIG_REFERENCE),
        "header": (lambda e: e.header, codes.SIG_REFERENCE),
        "security": (lambda e: e.security, codes.SIG_STRUCTURE),
        "signature-object": (lambda e: _sub(e.signature, f"{{{DS}}}Object"), codes.SIG_STRUCTURE),
        "unknown-in-security": (lambda e: _sub(e.security), codes.SIG_STRUCTURE),
    }
    for place, (where, code) in places.items():
        for identity in (None, "TS2", "TS"):
            named = {None: "no-id", "TS2": "other-id", "TS": "same-id"}[identity]
            add(
                f"timestamp-moved-to-{place}-{named}",
                codes.XML_DUPLICATE_ID if identity == "TS" else code,
                f"A stale message is freshened: its signed Timestamp is hidden ({place}, {named}) behind a new one.",
                lambda scene, where=where, identity=identity: _timestamp_moved(scene, where, identity),
            )


_timestamps()


@rejected(codes.SIG_STRUCTURE, "A second, unsigned Timestamp stands before the signed one.")
def two_timestamps(scene: Scene) -> bytes:
    envelope, fresh = _fresh(scene, None)
    fresh.addnext(envelope.timestamp)
    return envelope.bytes()


# --- addressing -------------------------------------------------------------------------------------------------------


def _addressing(scene: Scene, local: str, value: str) -> tuple[Envelope, etree._Element]:
    envelope = scene.signed()
    original = envelope.part(local)
    evil = copy.deepcopy(original)
    evil.attrib.pop(ID)
    evil.text = value
    envelope.header.replace(original, evil)
    return envelope, original


@rejected(codes.SIG_REFERENCE, "The signed MessageID is hidden in a header, and a new one makes a replay look new.")
def message_id_moved_to_unknown_header(scene: Scene) -> bytes:
    envelope, original = _addressing(scene, "MessageID", "urn:uuid:00000000-0000-4000-8000-000000000001")
    _sub(envelope.header).append(original)
    return envelope.bytes()


@rejected(codes.SIG_ADDRESSING, "Two MessageIDs: an unsigned one before the signed.")
def two_message_ids_unsigned_first(scene: Scene) -> bytes:
    envelope, original = _addressing(scene, "MessageID", "urn:uuid:00000000-0000-4000-8000-000000000001")
    envelope.header.append(original)
    return envelope.bytes()


@rejected(codes.SIG_ADDRESSING, "Two MessageIDs: an unsigned one after the signed.")
def two_message_ids_unsigned_last(scene: Scene) -> bytes:
    envelope = scene.signed()
    etree.SubElement(envelope.header, f"{{{WSA}}}MessageID").text = "urn:uuid:1"
    return envelope.bytes()


@rejected(codes.SIG_COVERAGE, "An unsigned MessageID was added where none was signed.")
def unsigned_message_id_added(scene: Scene) -> bytes:
    envelope = scene.signed(message_id=None)
    etree.SubElement(envelope.header, f"{{{WSA}}}MessageID").text = "urn:uuid:1"
    return envelope.bytes()


@rejected(
    codes.SIG_COVERAGE, "The same in the older WS-Addressing: an unsigned MessageID was added where none was signed."
)
def unsigned_message_id_of_2004_added(scene: Scene) -> bytes:
    envelope = scene.signed(message_id=None)
    etree.SubElement(envelope.header, f"{{{WSA_2004}}}MessageID").text = "urn:uuid:1"
    return envelope.bytes()


@rejected(codes.SIG_ADDRESSING, "A second, unsigned MessageID of the older WS-Addressing stands first.")
def two_message_ids_of_two_versions(scene: Scene) -> bytes:
    envelope = scene.signed()
    evil = etree.Element(f"{{{WSA_2004}}}MessageID")
    evil.text = "urn:uuid:1"
    envelope.header.insert(0, evil)
    return envelope.bytes()


@rejected(codes.SIG_STRUCTURE, "A second Security header without actor, unsigned, stands first.")
def two_security_headers_empty_first(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.header.insert(0, etree.Element(f"{{{WSSE}}}Security"))
    return envelope.bytes()


def _second_security(scene: Scene, attribute: str, value: str, version: str) -> Sent:
    envelope = scene.signed(version=version)
    second = copy.deepcopy(envelope.security)
    second.attrib.pop(f"{{{version}}}mustUnderstand")
    second.set(f"{{{version}}}{attribute}", value)
    for node in second.iter():
        if node.get(ID):
            node.set(ID, f"{node.get(ID)}-2")
    envelope.header.insert(0, second)
    return Sent(body=envelope.bytes(), content_type=forge.content_type(version))


@rejected(codes.SIG_STRUCTURE, "A second Security header is for another actor (SOAP 1.1): still one too many.")
def two_security_headers_actor(scene: Scene) -> Sent:
    return _second_security(scene, "actor", "urn:example:other", forge.SOAP_11)


@rejected(codes.SIG_STRUCTURE, "A second Security header is for another role (SOAP 1.2): still one too many.")
def two_security_headers_role(scene: Scene) -> Sent:
    return _second_security(scene, "role", "urn:example:other", forge.SOAP_12)


@rejected(codes.SIG_STRUCTURE, "A second Security header is for the next actor.")
def two_security_headers_next(scene: Scene) -> Sent:
    return _second_security(scene, "actor", "http://schemas.xmlsoap.org/soap/actor/next", forge.SOAP_11)
