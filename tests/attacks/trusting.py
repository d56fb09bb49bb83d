"""Who signs, when, and from where: certificates, times, and peers that are not who signed."""

from __future__ import annotations

import base64

from lxml import etree

from gateway import codes
from tests import forge, payloads
from tests.attacks.catalogue import Scene, Sent, accepted, add, rejected
from tests.forge import ID, WSU

SJUKANMALAN = "arbetsgivare/sjukanmalan"

# --- certificates -----------------------------------------------------------------------------------------------------

for _name, _code, _told in (
    ("expired", codes.CERT_EXPIRED, "has expired"),
    ("not-yet-valid", codes.CERT_NOT_YET_VALID, "is not valid yet"),
    ("revoked", codes.CERT_REVOKED, "is revoked"),
    ("stranger", codes.CERT_CHAIN, "is issued by an authority that nobody has configured"),
    ("lookalike", codes.CERT_CHAIN, "is issued by an authority with the right name and another key"),
    ("self-signed", codes.CERT_CHAIN, "is self-signed"),
    ("issued-by-signer", codes.CERT_CHAIN, "is issued by the partner's own signing certificate, which is no authority"),
    ("server-only", codes.CERT_USAGE, "is for TLS servers only (ExtendedKeyUsage)"),
    ("no-signing", codes.CERT_USAGE, "may not sign (KeyUsage has keyEncipherment only)"),
    ("authority", codes.CERT_USAGE, "is an authority's"),
    ("rsa-1024", codes.SIG_KEY, "has an RSA key of 1024 bits"),
    ("p384", codes.SIG_KEY, "has a key on P-384"),
    ("other-organisation", codes.CERT_SUBJECT, "names another organisation under the same authority"),
    ("no-organisation", codes.CERT_SUBJECT, "names no organisation number"),
    ("two-organisations", codes.CERT_SUBJECT, "names two organisation numbers"),
):
    add(
        f"certificate-{_name}",
        _code,
        f"The signature is right, and the signing certificate {_told}.",
        lambda scene, who=_name: scene.signed(credential=scene.credentials[f"bad-{who}"]).bytes(),
    )


def _token(scene: Scene, text: str) -> bytes:
    envelope = scene.signed()
    envelope.token.text = text
    return envelope.bytes()


def _der(scene: Scene) -> bytes:
    return scene.signer("skatteverket").der


for _name, _make, _told in (
    ("empty", lambda _: "", "empty"),
    ("not-base64", lambda _: "*** no base64 ***", "not base64"),
    ("not-a-certificate", lambda _: base64.b64encode(b"no certificate").decode(), "not a certificate"),
    ("truncated", lambda scene: base64.b64encode(_der(scene)[:-40]).decode(), "cut short"),
    ("trailing-byte", lambda scene: base64.b64encode(_der(scene) + b"\0").decode(), "followed by a byte"),
    ("twice", lambda scene: base64.b64encode(_der(scene) * 2).decode(), "there twice"),
    (
        "pem",
        lambda scene: base64.b64encode(scene.signer("skatteverket").pem).decode(),
        "PEM where DER is agreed",
    ),
):
    add(
        f"token-{_name}",
        codes.CERT_FORMAT,
        f"The certificate in the token is {_told}.",
        lambda scene, make=_make: _token(scene, make(scene)),
    )


def _typed(scene: Scene, attribute: str, value: str | None) -> bytes:
    envelope = scene.signed()
    envelope.token.attrib.pop(attribute)
    if value is not None:
        envelope.token.set(attribute, value)
    return envelope.bytes()


for _name, _attribute, _value in (
    ("pkcs7", "ValueType", f"{forge._OASIS}x509-token-profile-1.0#PKCS7"),
    ("pki-path", "ValueType", f"{forge._OASIS}x509-token-profile-1.0#X509PKIPathv1"),
    ("no-value-type", "ValueType", None),
    ("hex", "EncodingType", f"{forge._OASIS}soap-message-security-1.0#HexBinary"),
):
    add(
        f"token-type-{_name}",
        codes.SIG_STRUCTURE,
        f"The token says of itself that it is {_name}.",
        lambda scene, attribute=_attribute, value=_value: _typed(scene, attribute, value),
    )


@rejected(codes.SIG_KEY_INFO, "The token has no id for KeyInfo to point to.")
def token_without_id(scene: Scene) -> bytes:
    envelope = scene.signed()
    envelope.token.attrib.pop(ID)
    return envelope.bytes()


@accepted("The partner signs with its new certificate while the old one still holds.")
def new_certificate_beside_old(scene: Scene) -> bytes:
    return scene.signed(credential=scene.credentials["skatteverket-new-sign"]).bytes()


# --- peers ------------------------------------------------------------------------------------------------------------


@rejected(codes.SIGNER_PEER, "One employer's TLS certificate carries a message that another employer signed.")
def peer_is_other_employer(scene: Scene) -> Sent:
    return Sent(body=scene.signed(SJUKANMALAN).bytes(), contract=SJUKANMALAN, peer="arbetsgivare-b-tls")


@rejected(codes.CERT_SUBJECT, "Skatteverket's TLS certificate carries a message that Arbetsförmedlingen signed.")
def signed_by_other_agency(scene: Scene) -> bytes:
    return scene.signed(credential=scene.signer("arbetsformedlingen")).bytes()


@rejected(codes.CERT_CHAIN, "An employer signs as Skatteverket.")
def signed_by_employer_as_agency(scene: Scene) -> bytes:
    return scene.signed(credential=scene.signer("arbetsgivare")).bytes()


@rejected(codes.PEER_CONTRACT, "Arbetsförmedlingen connects to an address of Skatteverket's.")
def peer_at_other_address(scene: Scene) -> Sent:
    return Sent(body=scene.signed().bytes(), peer="arbetsformedlingen-tls")


@rejected(codes.PEER_UNKNOWN, "The peer's certificate is from an authority that nobody has configured.")
def peer_stranger(scene: Scene) -> Sent:
    return Sent(body=scene.signed().bytes(), peer="stranger-tls")


@rejected(codes.PEER_MISSING, "There is no peer certificate.")
def peer_missing(scene: Scene) -> Sent:
    return Sent(body=scene.signed().bytes(), peer="none")


@rejected(codes.CONTRACT_SENDER, "An employer speaks for another organisation than its certificate names.")
def employer_speaks_for_other(scene: Scene) -> Sent:
    other = payloads.sjukanmalan(
        signer=scene.signer("arbetsgivare"), organisation=payloads.ORGANISATIONS["arbetsgivare-b"]
    )
    return Sent(body=scene.signed(SJUKANMALAN, payload=other).bytes(), contract=SJUKANMALAN)


# --- time -------------------------------------------------------------------------------------------------------------


def _at(created: str | None, expires: str | None) -> object:
    def make(scene: Scene) -> bytes:
        return scene.signed(created=created or "", expires=expires or "").bytes()

    return make


_C, _E = "2026-01-15T10:00:00Z", "2026-01-15T10:05:00Z"
for _name, _code, _created, _expires, _told in (
    ("stale", codes.TIME_STALE, "2026-01-15T09:40:00Z", "2026-01-15T09:45:00Z", "expired a quarter of an hour ago"),
    (
        "long-lived",
        codes.TIME_STALE,
        "2026-01-14T10:00:00Z",
        "2036-01-14T10:00:00Z",
        "was created a day ago, for years",
    ),
    ("expired-early", codes.TIME_STALE, "2026-01-15T09:58:30Z", "2026-01-15T09:58:40Z", "is young and has expired"),
    ("future", codes.TIME_FUTURE, "2026-01-15T10:20:00Z", "2026-01-15T10:25:00Z", "was created in twenty minutes"),
    ("no-expires", codes.TIME_FORMAT, _C, None, "has no Expires"),
    ("no-created", codes.TIME_FORMAT, None, _E, "has no Created"),
    ("empty", codes.TIME_FORMAT, None, None, "is empty"),
    ("reversed", codes.TIME_FORMAT, _C, "2026-01-15T09:59:59Z", "expires before it was created"),
    ("zoneless", codes.TIME_FORMAT, "2026-01-15T10:00:00", "2026-01-15T10:05:00", "has no time zone"),
    ("offset", codes.TIME_FORMAT, "2026-01-15T11:00:00+01:00", "2026-01-15T11:05:00+01:00", "is not in UTC"),
    ("date-only", codes.TIME_FORMAT, "2026-01-15", "2026-01-16", "has dates for times"),
    ("impossible", codes.TIME_FORMAT, "2026-02-30T10:00:00Z", "2026-02-30T10:05:00Z", "has a day that does not exist"),
    ("hour-24", codes.TIME_FORMAT, "2026-01-15T24:00:00Z", "2026-01-15T24:05:00Z", "has an hour that does not exist"),
    ("leap-second", codes.TIME_FORMAT, "2026-01-15T09:59:60Z", _E, "has a leap second (WSS 1.1.1 section 10)"),
    ("year-10000", codes.TIME_FORMAT, _C, "10000-01-01T00:00:00Z", "expires beyond the year 9999"),
    ("basic-format", codes.TIME_FORMAT, "20260115T100000Z", "20260115T100500Z", "is in ISO 8601's basic format"),
    ("week-date", codes.TIME_FORMAT, "2026-W03-4T10:00:00Z", _E, "has a week for a date"),
    (
        "foreign-digits",
        codes.TIME_FORMAT,
        "2026-01-15T10:00:00Z".translate({48 + n: 0x660 + n for n in range(10)}),
        _E,
        "is written in Arabic-Indic digits",
    ),
    ("lower-case", codes.TIME_FORMAT, "2026-01-15t10:00:00z", _E, "is written with small letters"),
    ("blank-separator", codes.TIME_FORMAT, "2026-01-15 10:00:00Z", _E, "has a space for the T"),
    ("words", codes.TIME_FORMAT, "now", "later", "is words"),
    ("huge-fraction", codes.TIME_FORMAT, f"2026-01-15T10:00:00.{'9' * 5000}Z", _E, "has five thousand decimals"),
):
    add(f"timestamp-{_name}", _code, f"The signed Timestamp {_told}.", _at(_created, _expires))  # type: ignore[arg-type]

for _name, _created, _expires, _told in (
    ("fraction", "2026-01-15T09:59:59.123Z", "2026-01-15T10:04:59.123Z", "has milliseconds (Java)"),
    ("seven-decimals", "2026-01-15T09:59:59.1234567Z", "2026-01-15T10:04:59.1234567Z", "has seven decimals (.NET)"),
    ("skewed", "2026-01-15T10:00:45Z", "2026-01-15T10:05:45Z", "comes from a clock 45 seconds ahead"),
    ("four-minutes-old", "2026-01-15T09:56:00Z", "2026-01-15T10:01:00Z", "is four minutes old"),
):
    add(f"timestamp-{_name}", None, f"The signed Timestamp {_told}.", _at(_created, _expires))  # type: ignore[arg-type]


def _bent(scene: Scene, bend: object) -> bytes:
    envelope = forge.build(scene.recipe())
    bend(envelope.timestamp)  # type: ignore[operator]
    return forge.sign(envelope, scene.signer("skatteverket")).bytes()


def _append(tag: str, text: str) -> object:
    return lambda timestamp: etree.SubElement(timestamp, tag).__setattr__("text", text)


for _name, _bend, _told in (
    ("two-created", _append(f"{{{WSU}}}Created", _C), "has two Created"),
    ("two-expires", _append(f"{{{WSU}}}Expires", "2036-01-01T00:00:00Z"), "has two Expires"),
    ("alien-child", _append("{urn:example:alien}More", "x"), "has an unknown child"),
    ("swapped", lambda timestamp: timestamp.append(timestamp[0]), "has Expires before Created (section 10)"),
    ("text", lambda timestamp: timestamp.__setattr__("text", "x"), "has text of its own"),
    ("child-in-created", lambda timestamp: etree.SubElement(timestamp[0], "x").clear(), "has an element in Created"),
):
    add(
        f"timestamp-{_name}",
        codes.TIME_FORMAT,
        f"The signed Timestamp {_told}.",
        lambda scene, bend=_bend: _bent(scene, bend),
    )
