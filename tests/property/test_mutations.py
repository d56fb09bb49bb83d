"""Whatever is done to a message on its way, it is refused or read the same, and no error but our own escapes."""

from __future__ import annotations

import base64
import random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.errors import GatewayError
from gateway.inbound import path
from gateway.message import ContractId, Ready, Received, Refusal
from tests import forge, payloads
from tests.attacks.catalogue import NOW
from tests.effort import EFFORT, effort

CONTRACTS = (
    "skatteverket/folkbokforing",
    "skatteverket/arbetsgivardeklaration",
    "arbetsformedlingen/ersattningsstod",
    "arbetsgivare/sjukanmalan",
)


def _received(land, body: bytes, contract: str, content_type: str = "text/xml; charset=utf-8") -> Received:
    scene, _ = land
    peer = scene.credentials[f"{contract.partition('/')[0]}-tls"].der
    return Received(body=body, content_type=content_type, contract=ContractId(contract), peer=peer, at=NOW)


def _prepare(land, body: bytes, contract: str, content_type: str = "text/xml; charset=utf-8") -> Ready | Refusal:
    return path.prepare(_received(land, body, contract, content_type), land[1])


def _read(ready: Ready) -> tuple[object, ...]:
    """Return everything that was understood, without salts and times of our own."""
    source = ready.provenance
    said = [orjson.loads(event.body) for event in ready.events]
    for event in said:
        del event["auditleaf"]
    return (source.message_id, source.digest, source.created, source.action, source.signer, ready.outcomes, said)


def _same_or_refused(land, body: bytes, contract: str, honest: tuple[object, ...]) -> bool:
    try:
        result = _prepare(land, body, contract)
    except GatewayError:
        return False
    if isinstance(result, Refusal):
        return False
    assert _read(result) == honest
    return True


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(land, contract):
    scene, _ = land
    body = scene.signed(contract).bytes()
    honest = _read(_prepare(land, body, contract))
    chance = random.Random(contract)  # noqa: S311  # to be repeated
    accepted = 0
    for place in range(len(body)):
        bits = range(8) if EFFORT > 1 else [chance.randrange(8)]
        for bit in bits:
            flipped = bytearray(body)
            flipped[place] ^= 1 << bit
            accepted += _same_or_refused(land, bytes(flipped), contract, honest)
    # What may change is little: names of unused prefixes, white space between headers, case of the declaration.
    assert accepted < len(body) / 20


_TOKENS = [
    *(
        b"<",
        b">",
        b"/>",
        b"</",
        b"&",
        b"&#0;",
        b"&lt;",
        b"]]>",
        b"<![CDATA[",
        b"<!--",
        b"-->",
        b"<?x?>",
        b"\0",
        b"\xff",
    ),
    *(b'"', b"'", b"=", b" ", b"\r\n", b"\xef\xbb\xbf", b"<!DOCTYPE x>", b"<!ENTITY", b'Id="Body"', b"xmlns=''"),
    *(b"wsu:Id='Body'", b"xml:id='Body'", b"<soap:Body/>", b"<soap:Header/>", b"xmlns:soap='urn:x'", b"URI=''"),
    *(b"<wsu:Timestamp/>", b"<ds:Signature/>", b"<a xmlns='../x'/>", b"%s%n", b"\xed\xa0\x80", b"\xc0\x80"),
]


@st.composite
def mutations(draw):
    """Draw a function that spoils bytes: deletes, repeats, moves, swaps, inserts."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(("delete", "repeat", "move", "token", "byte", "truncate")),
                st.floats(0, 1),
                st.floats(0, 1),
                st.integers(0, 64),
                st.sampled_from(_TOKENS),
            ),
            min_size=1,
            max_size=4,
        )
    )

    def spoil(body: bytes) -> bytes:
        for how, first, second, width, token in steps:
            at, to = int(first * len(body)), int(second * len(body))
            part = body[at : at + width]
            match how:
                case "delete":
                    body = body[:at] + body[at + width :]
                case "repeat":
                    body = body[:to] + part + body[to:]
                case "move":
                    rest = body[:at] + body[at + width :]
                    body = rest[:to] + part + rest[to:]
                case "token":
                    body = body[:at] + token + body[at:]
                case "byte":
                    body = body[:at] + bytes([width * 4 % 256]) + body[at + 1 :]
                case "truncate":
                    body = body[:at]
        return body

    return spoil


@pytest.mark.parametrize("contract", CONTRACTS)
def test_spoilt_bytes_are_refused_or_change_nothing(land, contract):
    scene, _ = land
    body = scene.signed(contract).bytes()
    honest = _read(_prepare(land, body, contract))

    @effort(400)
    @given(mutations())
    def search(spoil):
        _same_or_refused(land, spoil(body), contract, honest)

    search()


@pytest.mark.parametrize("contract", CONTRACTS)
def test_elements_moved_about_are_refused_or_change_nothing(land, contract):
    """Spoil the tree and not the bytes: what comes out is well formed, and gets far into the verification."""
    scene, _ = land
    body = scene.signed(contract).bytes()
    honest = _read(_prepare(land, body, contract))
    size = len(list(etree.fromstring(body).iter()))
    places = st.integers(0, size - 1)
    ways = st.sampled_from(("move", "copy", "delete", "wrap", "rename", "text", "tail", "swap", "attributes"))

    @effort(400)
    @given(st.lists(st.tuples(ways, places, places), min_size=1, max_size=3))
    def search(steps):
        root = etree.fromstring(body)
        for way, one, other in steps:
            _bend(root, way, one, other)
        _same_or_refused(land, etree.tostring(root), contract, honest)

    search()


def _bend(root: etree._Element, way: str, one: int, other: int) -> None:  # noqa: C901  # a list of ways
    nodes = list(root.iter())
    node, target = nodes[one % len(nodes)], nodes[other % len(nodes)]
    parent = node.getparent()
    if parent is None or target in node.iter():
        return
    match way:
        case "move":
            target.append(node)
        case "copy":
            target.append(etree.fromstring(etree.tostring(node, with_tail=False)))
        case "delete":
            parent.remove(node)
        case "wrap":
            wrapper = etree.Element("{urn:example:alien}Wrapper")
            parent.replace(node, wrapper)
            wrapper.append(node)
        case "rename":
            node.tag = target.tag
        case "text":
            node.text = (node.text or "") + "x"
        case "tail":
            node.tail = (node.tail or "") + "x"
        case "swap":
            node.text, target.text = target.text, node.text
        case "attributes":
            for name, value in target.attrib.items():
                node.set(name, value)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_nothing_but_our_own_errors_escapes_for_well_signed_nonsense(land, contract):
    """The partner itself signs a payload that is spoilt: now every step behind the signature sees it."""
    scene, _ = land
    payload = scene.recipe(contract).payload
    size = len(list(etree.fromstring(payload).iter()))
    places = st.integers(0, size - 1)
    ways = st.sampled_from(("copy", "delete", "rename", "text", "value", "attributes", "swap"))
    values = st.one_of(
        st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30),
        st.sampled_from(("", "0", "-1", "999999999999999999999", "1e9", "2026-13-45", "NaN", "199202232386", "true")),
    )

    @effort(300)
    @given(st.lists(st.tuples(ways, places, places, values), min_size=1, max_size=4))
    def search(steps):
        root = etree.fromstring(payload)
        for way, one, other, value in steps:
            if way == "value":
                nodes = list(root.iter())
                nodes[one % len(nodes)].text = _xml_text(value)
            else:
                _bend(root, way, one, other)
        spoilt = etree.tostring(root, encoding="unicode")
        body = scene.signed(contract, payload=spoilt).bytes()
        result = _prepare(land, body, contract)
        if isinstance(result, Ready):
            _canonical_events(result)

    search()


def _xml_text(value: str) -> str:
    return "".join(letter for letter in value if letter.isprintable() and letter not in "\ufffe\uffff")


def _canonical_events(ready: Ready) -> None:
    for event in ready.events:
        assert orjson.dumps(orjson.loads(event.body), option=orjson.OPT_SORT_KEYS) == event.body


@effort(300)
@given(inside=st.binary(max_size=200), signature=st.binary(max_size=80))
def test_any_notice_and_any_signature_of_it_is_judged_and_nothing_escapes(land, inside, signature):
    scene, _ = land
    contract = "arbetsgivare/sjukanmalan"
    signer = scene.signer("arbetsgivare")
    for proof in (signature, None):
        payload = payloads.sjukanmalan(signer=signer, inside=inside, signature=proof)
        result = _prepare(land, scene.signed(contract, payload=payload).bytes(), contract)
        assert isinstance(result, Refusal)


@effort(300)
@given(body=st.binary(max_size=300), content_type=st.text(max_size=60))
def test_any_bytes_with_any_content_type_are_refused_by_our_own_errors(land, body, content_type):
    for kind in (content_type, "text/xml", "application/soap+xml; charset=utf-16"):
        assert isinstance(_prepare(land, body, CONTRACTS[0], kind), Refusal)


@effort(200)
@given(der=st.binary(max_size=400), place=st.floats(0, 1), value=st.integers(0, 255))
def test_any_peer_certificate_is_judged_by_our_own_errors(land, der, place, value):
    scene, by = land
    honest = scene.credentials["skatteverket-tls"].der
    at = int(place * (len(honest) - 1))
    for peer in (der, honest[:at] + bytes([value]) + honest[at + 1 :]):
        if peer == honest:
            continue
        received = Received(body=b"", content_type="text/xml", contract=ContractId(CONTRACTS[0]), peer=peer, at=NOW)
        with pytest.raises(GatewayError):
            path.prepare(received, by)


@effort(150)
@given(place=st.floats(0, 1), value=st.integers(0, 255))
def test_any_changed_signing_certificate_is_refused(land, place, value):
    scene, _ = land
    envelope = scene.signed()
    der = base64.b64decode(envelope.token.text)
    at = int(place * (len(der) - 1))
    changed = der[:at] + bytes([value]) + der[at + 1 :]
    envelope.token.text = base64.b64encode(changed).decode()
    result = _prepare(land, envelope.bytes(), CONTRACTS[0])
    assert isinstance(result, Refusal) == (changed != der)


@effort(200)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_signed_time_is_judged_by_our_own_errors(land, created, expires):
    scene, _ = land
    envelope = forge.build(scene.recipe())
    for node, value in zip(envelope.timestamp, (created, expires), strict=True):
        node.text = _xml_text(value)
    forge.sign(envelope, scene.signer("skatteverket"))
    result = _prepare(land, envelope.bytes(), CONTRACTS[0])
    assert isinstance(result, Refusal)
    assert result.error.code.name == "GW-TIME-FORMAT"
