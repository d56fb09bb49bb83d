"""Envelopes that are none, headers that must be understood, and Content-Types that say something else."""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from gateway import codes
from tests import forge
from tests.attacks.catalogue import Scene, Sent, add
from tests.forge import SOAP_11, SOAP_12, WSA

ALIEN = "urn:example:alien"


def _enveloped(change: Callable[[forge.Envelope], object], version: str = SOAP_11) -> Callable[[Scene], Sent]:
    def make(scene: Scene) -> Sent:
        envelope = scene.signed(version=version)
        change(envelope)
        return Sent(body=envelope.bytes(), content_type=forge.content_type(version))

    return make


def _header(tag: str, **attributes: str) -> Callable[[forge.Envelope], object]:
    return lambda envelope: etree.SubElement(envelope.header, tag, attributes)


_11, _12 = f"{{{SOAP_11}}}", f"{{{SOAP_12}}}"
for _name, _code, _change, _told in (
    ("no-body", codes.SOAP_ENVELOPE, lambda e: e.root.remove(e.body), "There is no Body"),
    (
        "two-headers",
        codes.SOAP_ENVELOPE,
        lambda e: e.root.insert(0, etree.Element(e.header.tag)),
        "There are two Headers",
    ),
    ("body-before-header", codes.SOAP_ENVELOPE, lambda e: e.root.append(e.header), "Body stands before Header"),
    ("text-in-envelope", codes.SOAP_ENVELOPE, lambda e: setattr(e.header, "tail", "text"), "Text stands in Envelope"),
    ("alien-in-envelope", codes.SOAP_ENVELOPE, lambda e: etree.SubElement(e.root, f"{{{ALIEN}}}x"), "A third child"),
    ("empty-body", codes.SOAP_BODY, lambda e: e.body.remove(e.body[0]), "Body is empty"),
    ("two-payloads", codes.SOAP_BODY, lambda e: etree.SubElement(e.body, "x"), "Body has two children"),
    ("text-in-body", codes.SOAP_BODY, lambda e: setattr(e.body[0], "tail", "text"), "Body has text beside its child"),
    (
        "root-not-envelope",
        codes.SOAP_ENVELOPE,
        lambda e: setattr(e.root, "tag", f"{_11}Envelop"),
        "The root is no Envelope",
    ),
    (
        "root-no-namespace",
        codes.SOAP_VERSION,
        lambda e: setattr(e.root, "tag", "Envelope"),
        "Envelope has no namespace",
    ),
    (
        "root-future-version",
        codes.SOAP_VERSION,
        lambda e: setattr(e.root, "tag", "{http://www.w3.org/2099/soap-envelope}Envelope"),
        "Envelope is of a version to come",
    ),
    (
        "must-understand-unknown",
        codes.SOAP_MUST_UNDERSTAND,
        _header(f"{{{ALIEN}}}Demand", **{f"{_11}mustUnderstand": "1"}),
        "An unknown header must be understood",
    ),
    (
        "must-understand-true",
        codes.SOAP_MUST_UNDERSTAND,
        _header(f"{{{ALIEN}}}Demand", **{f"{_11}mustUnderstand": " true "}),
        "An unknown header must be understood, written as a boolean",
    ),
    (
        "must-understand-next",
        codes.SOAP_MUST_UNDERSTAND,
        _header(
            f"{{{ALIEN}}}Demand",
            **{f"{_11}mustUnderstand": "1", f"{_11}actor": "http://schemas.xmlsoap.org/soap/actor/next"},
        ),
        "An unknown header for the next actor, which we are, must be understood",
    ),
):
    add(_name, _code, f"{_told}.", _enveloped(_change))

add(
    "must-understand-soap12-ultimate",
    codes.SOAP_MUST_UNDERSTAND,
    "An unknown header for the ultimate receiver must be understood (SOAP 1.2).",
    _enveloped(
        _header(
            f"{{{ALIEN}}}Demand",
            **{
                f"{_12}mustUnderstand": "true",
                f"{_12}role": "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
            },
        ),
        SOAP_12,
    ),
)
for _name, _change, _version, _told in (
    (
        "must-understand-other-actor",
        _header(f"{{{ALIEN}}}Demand", **{f"{_11}mustUnderstand": "1", f"{_11}actor": "urn:example:other"}),
        SOAP_11,
        "An unknown header that somebody else must understand",
    ),
    (
        "must-understand-false",
        _header(f"{{{ALIEN}}}Demand", **{f"{_11}mustUnderstand": "0"}),
        SOAP_11,
        "An unknown header that need not be understood",
    ),
    (
        "must-understand-none-role",
        _header(
            f"{{{ALIEN}}}Demand",
            **{f"{_12}mustUnderstand": "1", f"{_12}role": "http://www.w3.org/2003/05/soap-envelope/role/none"},
        ),
        SOAP_12,
        "An unknown header that nobody is to understand",
    ),
):
    add(_name, None, f"{_told}.", _enveloped(_change, _version))


for _name, _version, _type in (
    ("soap11-as-soap12", SOAP_11, "application/soap+xml; charset=utf-8"),
    ("soap12-as-soap11", SOAP_12, "text/xml; charset=utf-8"),
):
    add(
        f"content-type-{_name}",
        codes.SOAP_VERSION,
        f"The envelope's version contradicts the Content-Type: {_name}.",
        lambda scene, version=_version, kind=_type: Sent(body=scene.signed(version=version).bytes(), content_type=kind),
    )

for _name, _code, _type in (
    ("mtom", codes.MULTIPART, 'multipart/related; type="application/xop+xml"; boundary=x; start="<a>"'),
    ("attachments", codes.MULTIPART, "multipart/related; type=text/xml; boundary=x"),
    ("form-data", codes.MULTIPART, "multipart/form-data; boundary=x"),
    ("json", codes.CONTENT_TYPE, "application/json"),
    ("form", codes.CONTENT_TYPE, "application/x-www-form-urlencoded"),
    ("plain", codes.CONTENT_TYPE, "text/plain"),
    ("octets", codes.CONTENT_TYPE, "application/octet-stream"),
    ("none", codes.CONTENT_TYPE, ""),
    ("lookalike", codes.CONTENT_TYPE, "text/xml-external-parsed-entity"),
    ("xop", codes.CONTENT_TYPE, "application/xop+xml"),
):
    add(
        f"content-type-{_name}",
        _code,
        f"The Content-Type is {_type or 'missing'}.",
        lambda scene, kind=_type: Sent(body=scene.signed().bytes(), content_type=kind),
    )

add(
    "empty",
    codes.XML_SYNTAX,
    "The message has no bytes (the front refuses it before, as GW-HTTP-EMPTY).",
    lambda _: b"",
)
add(
    "content-type-upper-case",
    None,
    "The Content-Type is written in capitals, with a quoted charset.",
    lambda scene: Sent(body=scene.signed().bytes(), content_type='TEXT/XML;Charset="UTF-8"'),
)
add(
    "content-type-action",
    None,
    "The Content-Type of SOAP 1.2 carries the action.",
    lambda scene: Sent(
        body=scene.signed(version=SOAP_12).bytes(),
        content_type='application/soap+xml; charset=utf-8; action="urn:x;y=z"',
    ),
)
add(
    "addressing-alien",
    None,
    "Headers that we do not know and need not understand, unsigned.",
    _enveloped(lambda e: etree.SubElement(e.header, f"{{{WSA}}}FaultTo").clear()),
)
