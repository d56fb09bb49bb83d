"""Stacks that others wrote and this gateway agree on what is signed, in both directions."""

from __future__ import annotations

import base64

import pytest
from lxml import etree

from gateway.inbound import path
from gateway.message import ContractId, Ready, Received, Refusal, SoapVersion
from gateway.trust import signing
from tests import forge, payloads
from tests.attacks.catalogue import FOLKBOKFORING, NOW
from tests.differential.oracles import ORACLES, SIGNXML, XMLSEC, XMLSEC1, ZEEP, DisagreementError, Oracle, need_command
from tests.forge import SOAP_11, SOAP_12

SHAPES = {
    "plain": payloads.folkbokforing(),
    "large": payloads.folkbokforing(*[payloads.post(one) for one in payloads.PERSONS * 30]),
    "letters": payloads.folkbokforing(efternamn="Åäö éñ 漢字 \U0001d518 &lt;&amp;&gt; &#xD; &quot;"),
    "blank": payloads.folkbokforing().replace("><", ">\n  <"),
    "comments": payloads.folkbokforing().replace("Testgatan", "Test<!-- x -->gatan<!-- y -->"),
    "cdata": payloads.folkbokforing(gata="<![CDATA[1 < 2 & 3]]>"),
    "attributes": payloads.folkbokforing().replace("<Fornamn>", '<Fornamn   styrkt = "J" >'),
    "prefixed": payloads.arbetsgivardeklaration(),
    "schema-location": payloads.arbetsgivardeklaration().replace(
        "<Skatteverket ",
        '<Skatteverket xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:a http://b/c" ',
    ),
}
KEYS = {"rsa": "skatteverket-rsa-sign", "p256": "skatteverket-sign"}


def _contract(payload: str) -> str:
    return FOLKBOKFORING if payload.startswith("<Navet") else "skatteverket/arbetsgivardeklaration"


def _recipe(country, shape: str, version: str, key: str, oracle: Oracle):
    scene, _ = country
    payload = SHAPES[shape]
    recipe = scene.recipe(_contract(payload), payload=payload, version=version, credential=scene.credentials[KEYS[key]])
    # zeep signs Body and Timestamp only, so its users' messages have no addressing headers.
    return recipe.but(message_id=None, to=None) if oracle is ZEEP else recipe


def _prepare(country, data: bytes, version: str, contract: str) -> Ready | Refusal:
    scene, by = country
    received = Received(
        body=data,
        content_type=forge.content_type(version, None),
        contract=ContractId(contract),
        peer=scene.credentials["skatteverket-tls"].der,
        at=NOW,
    )
    return path.prepare(received, by)


def _cases():
    for oracle in ORACLES:
        for key in KEYS:
            if oracle.rsa_only and key != "rsa":
                continue
            for version in (SOAP_11, SOAP_12):
                shapes = SHAPES if oracle in (XMLSEC, SIGNXML) else ("plain", "letters", "prefixed")
                for shape in shapes:
                    name = f"{oracle.name}-{key}-soap{'11' if version == SOAP_11 else '12'}-{shape}"
                    yield pytest.param(oracle, key, version, shape, id=name)


@pytest.mark.parametrize(("oracle", "key", "version", "shape"), list(_cases()))
def test_what_another_stack_signed_is_accepted_and_once_changed_refused(country, oracle, key, version, shape) -> None:
    if oracle is XMLSEC1:
        need_command()
    recipe = _recipe(country, shape, version, key, oracle)
    data = oracle.sign(recipe)
    contract = _contract(recipe.payload)
    result = _prepare(country, data, version, contract)
    assert isinstance(result, Ready), result.error
    expected = forge.digest(forge.SHA256, forge.canonical(etree.fromstring(recipe.payload.encode()))).hex()
    assert result.provenance.digest == expected
    for old, new in ((b"Test", b"Tost"), (b"2026-01-15T10:05", b"2026-01-15T10:06")):
        changed = data.replace(old, new)
        assert changed != data
        refused = _prepare(country, changed, version, contract)
        assert isinstance(refused, Refusal)
        assert refused.error.code.name == "GW-SIG-DIGEST"
        with pytest.raises(DisagreementError):
            oracle.verify(changed)


def _texts(shape: str) -> str:
    """Return a payload in its canonical form, as `signing.sign` wants it."""
    return forge.canonical(etree.fromstring(SHAPES[shape].encode())).decode()


def _own(credential, version: str, shape: str) -> bytes:
    return signing.sign(
        _texts(shape),
        key=signing.SigningKey(key=credential.key, certificate=credential.der),
        version=SoapVersion(version),
        created=NOW,
        expires=NOW.replace(minute=5),
        message_id="urn:uuid:1",
        to="https://a/?b=c&d",
        action="urn:a",
        relates_to="urn:uuid:0",
    )


@pytest.mark.parametrize(
    ("oracle", "shape"),
    [
        pytest.param(oracle, shape, id=f"{oracle.name}-{shape}")
        for oracle in (XMLSEC, SIGNXML, XMLSEC1)
        for shape in (("plain", "letters") if oracle is XMLSEC1 else SHAPES)
    ],
)
@pytest.mark.parametrize("version", [SOAP_11, SOAP_12], ids=["soap11", "soap12"])
@pytest.mark.parametrize("key", KEYS)
def test_what_we_signed_another_stack_accepts_and_once_changed_refuses(country, oracle, key, version, shape) -> None:
    if oracle is XMLSEC1:
        need_command()
    scene, _ = country
    data = _own(scene.credentials[KEYS[key]], version, shape)
    oracle.verify(data)
    with pytest.raises(DisagreementError):
        oracle.verify(data.replace(b"Test", b"Tost"))


@pytest.mark.parametrize("key", [*KEYS, "ed25519"])
@pytest.mark.parametrize("version", [SOAP_11, SOAP_12], ids=["soap11", "soap12"])
def test_sign_element_signs_what_another_stack_built(country, key, version) -> None:
    scene, _ = country
    credential = scene.credentials[KEYS.get(key, "skatteverket-ed25519-sign")]
    envelope = forge.build(scene.recipe(version=version))
    envelope.header.remove(envelope.security)
    own = signing.SigningKey(key=credential.key, certificate=credential.der)
    signing.sign_element(envelope.root, key=own, created=NOW, expires=NOW.replace(minute=5))
    data = envelope.bytes()
    if key != "ed25519":  # neither oracle knows it
        XMLSEC.verify(data)
        SIGNXML.verify(data)
    assert isinstance(_prepare(country, data, version, FOLKBOKFORING), Ready)


def test_the_parts_we_write_are_canonical_as_they_stand(country) -> None:
    """So that what is digested as text is what every other stack digests as a tree."""
    scene, _ = country
    for shape in SHAPES:
        data = _own(scene.signer("skatteverket"), SOAP_11, shape)
        root = etree.fromstring(data)
        for node in root.iter():
            if node.get(forge.ID) or node.tag == f"{{{forge.DS}}}SignedInfo":
                assert forge.canonical(node) in data


@pytest.mark.parametrize("vector", ["sha1", "body", "timestamp"])
def test_what_others_accept_and_the_profile_does_not(country, vector) -> None:
    """The oracles check digests and value only: here the profile must say no where they say yes."""
    scene, _ = country
    credential = scene.credentials["skatteverket-rsa-sign"]
    envelope = forge.build(scene.recipe(credential=credential))
    parts = [part for part in forge.PARTS if part.lower() != vector]
    refs = forge.references(envelope, parts, digest=forge.SHA1 if vector == "sha1" else forge.SHA256)
    data = forge.sign(envelope, credential, refs=refs).bytes()
    XMLSEC.verify(data)
    refused = _prepare(country, data, SOAP_11, FOLKBOKFORING)
    assert isinstance(refused, Refusal)
    assert refused.error.code.name == ("GW-SIG-ALGORITHM" if vector == "sha1" else "GW-SIG-COVERAGE")


def test_a_bit_of_the_signature_value_matters_to_all(country) -> None:
    scene, _ = country
    for key in KEYS.values():
        envelope = scene.signed(credential=scene.credentials[key])
        node = next(envelope.signature.iter(f"{{{forge.DS}}}SignatureValue"))
        raw = bytearray(base64.b64decode(node.text))
        raw[-1] ^= 1
        node.text = base64.b64encode(raw).decode()
        data = envelope.bytes()
        refused = _prepare(country, data, SOAP_11, FOLKBOKFORING)
        assert isinstance(refused, Refusal)
        assert refused.error.code.name == "GW-SIG-VALUE"
        for oracle in (XMLSEC, SIGNXML):
            with pytest.raises(DisagreementError):
                oracle.verify(data)
