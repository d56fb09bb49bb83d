"""Verification: digests, keys, sender, freshness, identity; foreign signers; and that nothing else escapes."""

import hashlib
import threading
from datetime import UTC, datetime, timedelta

import pytest
import xmlsec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from zeep.wsse.signature import BinarySignature

from gateway import codes
from gateway.config import Limits
from gateway.errors import GatewayError, RejectedError, UntrustedError
from gateway.message import SoapVersion
from gateway.soap import names, xml
from gateway.trust import pki, signature
from tests import forge
from tests.effort import effort
from tests.forge import DS, ID
from tests.unit.trust.office import PAYLOAD, Office

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def office(country, trust) -> Office:
    return Office(country=country, trust=trust, now=country.now)


def first(envelope: forge.Envelope, local: str) -> etree._Element:
    return next(envelope.root.iter(f"{{{DS}}}{local}"))


# --- what comes out ---


def test_the_facts_are_those_that_were_signed(office):
    data = office.signed(message_id=" urn:uuid:1\n", to="urn:to", action="urn:a&b", version=forge.SOAP_12)
    verified = office.verify(data)
    made = verified.provenance
    assert (made.partner, made.organisation, made.contract) == ("skatteverket", "2021005448", "skatteverket/x")
    assert (made.message_id, made.action, made.version) == ("urn:uuid:1", "urn:a&b", SoapVersion.SOAP_12)
    assert (made.created, made.received_at) == (office.now, office.now)
    assert made.digest == hashlib.sha256(xml.canonical(etree.fromstring(PAYLOAD))).hexdigest()
    assert made.signer == hashlib.sha256(office.credential().der).hexdigest()
    assert (verified.certificate, verified.evidence) == (office.credential().der, data)


WSA_2004 = "http://schemas.xmlsoap.org/ws/2004/08/addressing"


def relating(*said, namespace=forge.WSA, **attributes):
    """Return what puts RelatesTo headers into an envelope before it is signed."""

    def before(envelope):
        for number, text in enumerate(said):
            name = "RelatesTo" if number == 0 else f"RelatesTo{number}"
            block = etree.SubElement(envelope.header, f"{{{namespace}}}RelatesTo", {ID: name, **attributes})
            block.text = text

    return before


@pytest.mark.parametrize("attributes", [{}, {"RelationshipType": f"{forge.WSA}/reply"}])
def test_the_message_that_is_answered_is_a_fact_where_it_was_signed(office, attributes):
    data = office.signed(before=relating(" urn:uuid:9\n", **attributes), parts=forge.ANSWER)
    assert office.verify(data).provenance.relates_to == "urn:uuid:9"


def test_the_older_namespace_of_addressing_relates_too(office):
    made = forge.build(office.recipe())
    relating("urn:uuid:9", namespace=WSA_2004)(made)
    block = made.header.find(f"{{{WSA_2004}}}RelatesTo")
    refs = [*forge.references(made), forge.Reference(element=block, uri="#RelatesTo")]
    forge.sign(made, office.credential(), refs=refs)
    assert office.verify(made.bytes()).provenance.relates_to == "urn:uuid:9"


@pytest.mark.parametrize(
    ("before", "parts"),
    [
        (relating("urn:uuid:9"), forge.PARTS),
        (relating("urn:uuid:9", "urn:uuid:9"), forge.ANSWER),
        (relating("urn:uuid:9", RelationshipType="urn:other"), forge.ANSWER),
        (relating("urn:uuid:<9>"), forge.ANSWER),
        (relating(""), forge.ANSWER),
        (relating("x" * 257), forge.ANSWER),
    ],
    ids=["unsigned", "two", "another relation", "no address", "empty", "too long"],
)
def test_what_else_stands_in_relates_to_is_no_fact_and_refuses_nothing(office, before, parts):
    assert office.verify(office.signed(before=before, parts=parts)).provenance.relates_to is None


def test_elements_in_relates_to_are_no_fact(office):
    def before(envelope):
        relating("urn:uuid:9")(envelope)
        etree.SubElement(envelope.part("RelatesTo"), "x")

    assert office.verify(office.signed(before=before, parts=forge.ANSWER)).provenance.relates_to is None


def test_a_message_without_an_id_is_known_by_its_digest(office):
    made = office.verify(office.signed(message_id=None)).provenance
    assert made.message_id == f"urn:sha256:{made.digest}"
    assert made.action is None


def test_nothing_but_the_payload_can_be_reached_from_the_payload(office):
    payload = office.verify(office.signed()).payload
    assert payload.getparent() is None
    assert payload.getroottree().getroot() is payload
    assert payload.xpath("/*")[0].tag == "{urn:test:post}Post"


def test_comments_inside_what_is_signed_do_not_cut_text_short(office):
    data = office.signed(after=lambda e: e.body[0][0].insert(0, etree.Comment("c")))
    data = data.replace("värde".encode(), b"v<!-- -->\xc3\xa4rde")
    assert office.verify(data).payload[0].text == "värde"


def test_the_older_addressing_is_read_too(office):
    older = forge.WSA.replace("http://www.w3.org/2005/08/addressing", names.WSA_2004)

    def before(envelope):
        block = etree.SubElement(envelope.header, f"{{{older}}}MessageID", {ID: "old"})
        block.text = "uuid:old"

    recipe = office.recipe(message_id=None)
    made = forge.build(recipe)
    before(made)
    refs = [*forge.references(made), forge.Reference(element=made.header[-1], uri="#old")]
    forge.sign(made, recipe.credential, refs=refs)
    assert office.verify(made.bytes()).provenance.message_id == "uuid:old"


# --- identity ---


def test_the_digest_is_the_same_however_the_envelope_is_written(office):
    payload = (
        '<q:Post xmlns:q="urn:test:post" xmlns:soap="urn:other"><soap:Rad/> <q:Rad wsu="1">a:b soap:x</q:Rad></q:Post>'
    )
    plain = hashlib.sha256(xml.canonical(etree.fromstring(payload))).hexdigest()

    def space(envelope):
        envelope.body.text = "\r\n  "
        envelope.body[0].tail = "\t"

    messages = [
        office.signed(payload=payload),
        office.signed(payload=payload, version=forge.SOAP_12),
        office.signed(payload=payload, before=space),
        office.signed(payload=payload, before=lambda e: e.body.set(ID, "other-id")),
        office.signed(payload=payload, before=lambda e: e.body.set("extra", 'a > b "c" <')),
        office.signed(payload=payload, options={"prefixes": "q nothing"}),
        office.signed(payload=payload).replace(b"UTF-8'?>", b"UTF-8'?><!-- c -->"),
    ]
    assert {office.verify(message).provenance.digest for message in messages} == {plain}


@pytest.mark.parametrize("prefixes", [None, "q", "#default q", "nothing"])
@pytest.mark.parametrize(
    "payload",
    [
        '<Post xmlns="urn:x"/>',
        "<Post/>",
        '<q:Post xmlns:q="urn:x" t="q:y"/>',
        f'<soap:Post xmlns:soap="{forge.SOAP_11}"><soap:a/></soap:Post>',
        f'<soap:Post xmlns:soap="{forge.SOAP_11}"><soap:a xmlns:soap="urn:z"/></soap:Post>',
        f'<wsu:Post xmlns:wsu="{forge.WSU}" wsu:Id="p"/>',
        "<Post>soap: wsu: q:</Post>",
    ],
)
def test_the_digest_is_of_the_payload_by_itself_whatever_the_body_declares(office, payload, prefixes):
    """Declarations that only Body carries are the envelope's business, unless the payload's names need them."""
    verified = office.verify(office.signed(payload=payload, options={"prefixes": prefixes}))
    assert verified.provenance.digest == hashlib.sha256(xml.canonical(etree.fromstring(payload))).hexdigest()
    assert xml.canonical(verified.payload) == xml.canonical(etree.fromstring(payload))


def rebuilt(root: etree._Element) -> forge.Envelope:
    """Return an unsigned envelope whose parts are those of another tree."""
    return forge.Envelope(
        version=forge.SOAP_11,
        root=root,
        header=root[0],
        security=root[0].find(f"{{{forge.WSSE}}}Security"),
        token=next(root.iter(f"{{{forge.WSSE}}}BinarySecurityToken")),
        timestamp=next(root.iter(f"{{{forge.WSU}}}Timestamp")),
        body=root[-1],
        signature=root,
    )


def test_an_envelope_in_the_default_namespace_gives_the_same_digest(office):
    data = office.signed(payload="<Post><a/></Post>")
    expected = office.verify(data).provenance.digest
    made = forge.build(office.recipe(payload="<Post><a/></Post>"))
    text = etree.tostring(made.root).decode()
    text = text.replace("xmlns:soap=", "xmlns=").replace("<soap:", "<").replace("</soap:", "</")
    text = text.replace(' soap:mustUnderstand="1"', "").replace("<Post>", '<Post xmlns="">')
    again = forge.sign(rebuilt(etree.fromstring(text.encode())), office.credential())
    assert office.verify(again.bytes()).provenance.digest == expected


def bound(office: Office, namespace: str, prefixes: str | None) -> bytes:
    """Sign a payload whose xsi:type has its prefix bound on the Envelope."""
    recipe = office.recipe(payload='<a type="t:x"/>')
    made = forge.build(recipe)
    root = etree.fromstring(
        made.bytes().replace(b"<soap:Envelope ", b'<soap:Envelope xmlns:t="%b" ' % namespace.encode(), 1)
    )
    again = rebuilt(root)
    forge.sign(again, recipe.credential, refs=forge.references(again, prefixes=prefixes))
    return again.bytes()


def test_what_a_prefix_list_binds_is_kept_and_what_nobody_signed_is_not(office):
    one, other = (office.verify(bound(office, f"urn:{n}", "t")) for n in (1, 2))
    assert (one.payload.nsmap, other.payload.nsmap) == ({"t": "urn:1"}, {"t": "urn:2"})
    assert one.provenance.digest != other.provenance.digest
    assert office.verify(bound(office, "urn:1", None)).payload.nsmap == {}


def test_another_payload_is_another_digest(office):
    one, other = (office.verify(office.signed(payload=f"<a>{n}</a>")).provenance.digest for n in (1, 2))
    assert one != other


@pytest.mark.parametrize("value", ["", " ", "a b", "å", 'a"b', "a<b", "a" * 257, "a\u0085b"])
def test_a_message_id_that_is_no_address_is_refused(office, value):
    assert office.refused(office.signed(message_id=value)) is codes.SIG_ADDRESSING


def test_a_message_id_of_256_characters_is_taken(office):
    value = "urn:" + "~" * 252
    assert office.verify(office.signed(message_id=value)).provenance.message_id == value


def test_an_addressing_header_with_elements_in_it_is_refused(office):
    def before(envelope):
        etree.SubElement(envelope.part("MessageID"), "x")

    assert office.refused(office.signed(before=before)) is codes.SIG_ADDRESSING


# --- digests and signature ---


@pytest.mark.parametrize("part", ["Body", "Timestamp", "MessageID", "To", "Action", "BinarySecurityToken"])
def test_whatever_is_signed_cannot_be_changed(office, part):
    parts = (*forge.PARTS, "BinarySecurityToken")

    def after(envelope):
        envelope.part(part).text = "x" + (envelope.part(part).text or "")

    data = office.signed(parts=parts, after=after, to="urn:to", action="urn:a")
    assert office.refused(data) in (codes.SOAP_BODY if part == "Body" else codes.SIG_DIGEST, codes.CERT_FORMAT)


def test_a_wrong_digest_tells_which_reference(office):
    data = office.signed(after=lambda e: e.body[0].set("x", "y"))
    with pytest.raises(UntrustedError) as caught:
        office.verify(data)
    assert (caught.value.code, caught.value.detail) == (codes.SIG_DIGEST, "reference 2")


def test_signed_info_that_was_changed_is_refused(office):
    def after(envelope):
        envelope.body[0].set("x", "y")
        value = hashlib.sha256(forge.canonical(envelope.body)).digest()
        values = list(envelope.root.iter(f"{{{DS}}}DigestValue"))
        values[1].text = forge.base64.b64encode(value).decode()

    assert office.refused(office.signed(after=after)) is codes.SIG_VALUE


def test_a_signature_of_another_key_is_refused(office):
    other = office.credential(pki.KeyKind.P256, common_name="other")
    recipe = office.recipe()
    made = forge.sign(forge.build(recipe), other)
    assert office.refused(made.bytes()) is codes.SIG_VALUE


@pytest.mark.parametrize("kind", [pki.KeyKind.RSA_2048, pki.KeyKind.P256, pki.KeyKind.ED25519])
def test_three_kinds_of_key_are_taken_and_their_signatures_held(office, kind):
    credential = office.credential(kind)
    assert office.verify(office.signed(credential=credential)).certificate == credential.der

    def after(envelope):
        value = first(envelope, "SignatureValue")
        raw = bytearray(forge.base64.b64decode(value.text))
        raw[5] ^= 1
        value.text = forge.base64.b64encode(bytes(raw)).decode()

    assert office.refused(office.signed(credential=credential, after=after)) is codes.SIG_VALUE


@pytest.mark.parametrize(
    "key",
    [rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP384R1())],  # noqa: S505  # to be refused
    ids=["RSA-1024", "P-384"],
)
def test_a_key_that_is_weak_or_of_another_kind_is_refused(office, key):
    assert office.refused(office.signed(credential=office.credential(key=key))) is codes.SIG_KEY


def test_an_rsa_key_so_large_that_using_it_is_an_attack_is_refused(office):
    """No such key is made here: one of 16384 bits takes minutes. A public key needs no private one."""
    key = rsa.RSAPublicNumbers(65537, (1 << 16383) + 1).public_key()
    form = signature.shape.read(office.parsed(office.signed(credential=office.credential(pki.KeyKind.RSA_2048))))
    with pytest.raises(UntrustedError) as caught:
        signature._signed(key, form)
    assert caught.value.code is codes.SIG_KEY


@pytest.mark.parametrize("method", [names.RSA_SHA256, names.ED25519])
def test_an_algorithm_that_does_not_fit_the_key_is_refused(office, method):
    data = office.signed(bend=lambda info: info[1].set("Algorithm", method))
    assert office.refused(data) is codes.SIG_KEY


@pytest.mark.parametrize("value", [b"", b"\0" * 64, b"\xff" * 64, b"\1" * 63, b"\1" * 65, b"0" * 4096])
def test_a_p256_signature_is_two_numbers_of_32_bytes(office, value):
    def after(envelope):
        first(envelope, "SignatureValue").text = forge.base64.b64encode(value).decode()

    assert office.refused(office.signed(after=after)) is codes.SIG_VALUE


# --- who ---


def test_a_signer_of_another_organisation_than_the_peer_is_refused(office):
    assert office.refused(office.signed(), organisation="2021002114") is codes.SIGNER_PEER


def test_a_signer_that_does_not_hold_for_the_partner_is_refused(office, country):
    other = country.demo.clients["arbetsformedlingen"].sign
    stranger = country.demo.clients["stranger"].sign
    assert office.refused(office.signed(credential=other)) is codes.CERT_SUBJECT
    assert office.refused(office.signed(credential=stranger)) is codes.CERT_CHAIN


def test_content_is_judged_before_the_certificate_and_the_signature_after(office, country):
    stranger = country.demo.clients["stranger"].sign
    changed = office.signed(credential=stranger, after=lambda e: e.body[0].set("x", "y"))
    assert office.refused(changed) is codes.SIG_DIGEST
    unsigned = office.signed(credential=stranger, after=lambda e: setattr(first(e, "SignatureValue"), "text", "AAAA"))
    assert office.refused(unsigned) is codes.CERT_CHAIN


# --- when ---

AGE, SKEW = Limits().message_age, Limits().clock_skew


@pytest.mark.parametrize(
    ("late", "code"),
    [
        (timedelta(0), None),
        (AGE, None),
        (AGE + SKEW, None),
        (AGE + SKEW + SECOND, codes.TIME_STALE),
        (-SKEW, None),
        (-SKEW - SECOND, codes.TIME_FUTURE),
        (timedelta(days=300), codes.TIME_STALE),
        (timedelta(days=-20), codes.TIME_FUTURE),
    ],
)
def test_a_message_is_taken_from_its_time_until_five_minutes_later_give_or_take_the_clock(office, late, code):
    data = office.signed(created=forge.stamp(office.now - late), expires="9999-12-31T23:59:59Z")
    if code is None:
        assert office.verify(data).provenance.created == office.now - late
    else:
        assert office.refused(data) is code


def test_a_message_past_its_own_expires_is_refused(office):
    created = forge.stamp(office.now - timedelta(seconds=100))
    for ago, taken in ((60, True), (61, False)):
        data = office.signed(created=created, expires=forge.stamp(office.now - timedelta(seconds=ago)))
        if taken:
            assert office.verify(data)
        else:
            assert office.refused(data) is codes.TIME_STALE


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-20T12:00:00Z",
        "2026-11-20T12:00:00.0Z",
        "2026-11-20T12:00:00.123456789Z",
        " 2026-11-20T12:00:00+00:00\n",
    ],
)
def test_a_time_may_be_written_as_utc_in_xs_datetime(office, written):
    made = office.verify(office.signed(created=written)).provenance.created
    assert made.replace(microsecond=0) == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert made.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-20T12:00:00",
        "2026-11-20T13:00:00+01:00",
        "2026-11-20 12:00:00Z",
        "2026-11-20",
        "2026-11-20T12:00Z",
        "20261120T120000Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T12:00:60Z",
        "2026-02-30T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "-2026-11-20T12:00:00Z",
        "2026-11-20T12:00:00,5Z",
        "2026-11-20T12:00:00.Z",
        "\uff12\uff10\uff12\uff16-11-20T12:00:00Z",
        "now",
    ],
)
@pytest.mark.parametrize("which", ["created", "expires"])
def test_a_time_written_otherwise_is_refused(office, written, which):
    assert office.refused(office.signed(**{which: written})) is codes.TIME_FORMAT


@pytest.mark.parametrize(
    "before",
    [
        lambda t: t.remove(t[0]),
        lambda t: t.remove(t[1]),
        lambda t: t.append(t[0]),
        lambda t: etree.SubElement(t, t[0].tag),
        lambda t: etree.SubElement(t[0], "x"),
        lambda t: t[0].set("ValueType", "x"),
        lambda t: setattr(t, "text", "x"),
        lambda t: setattr(t[0], "tail", "x"),
        lambda t: setattr(t[0], "tag", "Created"),
    ],
)
def test_a_timestamp_has_created_and_expires_in_that_order_and_nothing_else(office, before):
    assert office.refused(office.signed(before=lambda e: before(e.timestamp))) is codes.TIME_FORMAT


def test_expires_before_created_is_refused_and_at_the_same_time_is_not(office):
    now, before = forge.stamp(office.now), forge.stamp(office.now - SECOND)
    assert office.refused(office.signed(created=now, expires=before)) is codes.TIME_FORMAT
    assert office.verify(office.signed(created=now, expires=now))


# --- foreign signers ---


def stamped(office: Office) -> etree._Element:
    """Return an unsigned envelope with a Timestamp, as zeep's UsernameToken leaves it."""
    made = forge.build(office.recipe(message_id=None))
    made.security.remove(made.token)
    return made.root


def test_what_zeep_signs_with_sha_256_is_taken(office, tmp_path):
    credential = office.credential(pki.KeyKind.RSA_2048)
    (tmp_path / "key.pem").write_bytes(credential.key_pem)
    (tmp_path / "certificate.pem").write_bytes(credential.pem)
    signer = BinarySignature(
        str(tmp_path / "key.pem"),
        str(tmp_path / "certificate.pem"),
        signature_method=xmlsec.Transform.RSA_SHA256,
        digest_method=xmlsec.Transform.SHA256,
    )
    root = stamped(office)
    signer.apply(root, {})
    assert office.verify(etree.tostring(root)).payload.tag == "{urn:test:post}Post"
    weak = stamped(office)
    BinarySignature(str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")).apply(weak, {})
    assert office.refused(etree.tostring(weak)) is codes.SIG_ALGORITHM


@pytest.mark.parametrize("prefixes", [None, "soap", "#default", "q #default wsu"])
@pytest.mark.parametrize("thread", [False, True])
def test_what_xmlsec_signs_is_taken_with_every_prefix_list(office, prefixes, thread):
    credential = office.credential(pki.KeyKind.RSA_2048)
    payload = '<q:Post xmlns:q="urn:q" xmlns="urn:d" t="q:x"><Rad> å &amp; &#13;<b xmlns=""/></Rad></q:Post>'
    made = forge.build(office.recipe(message_id=None, credential=credential, payload=payload))
    root = etree.fromstring(
        etree.tostring(made.root).replace(b":Envelope ", b':Envelope xmlns="urn:d" xmlns:q="urn:q" ', 1)
    )
    security = next(root.iter(f"{{{forge.WSSE}}}Security"))
    node = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256, ns="ds")
    security.append(node)
    for uri in ("#Body", "#TS"):
        reference = xmlsec.template.add_reference(node, xmlsec.Transform.SHA256, uri=uri)
        transform = xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
        if prefixes is not None:
            etree.SubElement(transform, f"{{{forge.EXC}}}InclusiveNamespaces", PrefixList=prefixes)
    node.append(forge.token_reference())
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(credential.key_pem, xmlsec.KeyFormat.PEM)
    context.register_id(root[-1], "Id", forge.WSU)
    context.register_id(security.find(f"{{{forge.WSU}}}Timestamp"), "Id", forge.WSU)
    context.sign(node)
    data = etree.tostring(root)
    seen = []
    if thread:
        worker = threading.Thread(target=lambda: seen.append(office.outcome(data)))
        worker.start()
        worker.join()
    else:
        seen.append(office.outcome(data))
    assert not isinstance(seen[0], GatewayError), seen[0]
    assert seen[0].payload.tag == "{urn:q}Post"


# --- nothing else escapes ---


@effort(400)
@given(data=st.data())
def test_any_flipped_bit_is_refused_or_leaves_what_was_signed_as_it_was(office, data):
    message = office.signed(to="urn:to", action="urn:a")
    honest = office.verify(message)
    place = data.draw(st.integers(0, len(message) - 1))
    bit = data.draw(st.integers(0, 7))
    bent = bytearray(message)
    bent[place] ^= 1 << bit
    outcome = office.outcome(bytes(bent))
    if isinstance(outcome, GatewayError):
        assert isinstance(outcome, RejectedError)
    else:
        assert outcome.provenance == honest.provenance
        assert xml.canonical(outcome.payload) == xml.canonical(honest.payload)


@effort(300)
@given(data=st.data())
def test_no_bending_of_the_tree_raises_anything_but_our_errors(office, data):
    """Elements dropped, doubled, moved, renamed and emptied, anywhere."""
    root = etree.fromstring(office.signed())
    nodes = list(root.iter())
    for _ in range(data.draw(st.integers(1, 3))):
        node = data.draw(st.sampled_from(nodes))
        how = data.draw(st.sampled_from(["drop", "double", "move", "rename", "empty", "attribute", "text"]))
        bend(node, how, data.draw(st.sampled_from(nodes)))
    outcome = office.outcome(etree.tostring(root))
    if isinstance(outcome, GatewayError):
        assert isinstance(outcome, RejectedError)
    else:
        assert xml.canonical(outcome.payload) == xml.canonical(etree.fromstring(PAYLOAD))


def bend(node: etree._Element, how: str, other: etree._Element) -> None:
    parent = node.getparent()
    if how == "rename":
        node.tag = other.tag
    elif how == "empty":
        node[:] = []
    elif how == "attribute":
        node.attrib.update(dict(other.attrib))
    elif how == "text":
        node.text = other.text
    elif parent is None:
        return
    elif how == "drop":
        parent.remove(node)
    elif how == "double":
        parent.append(etree.fromstring(etree.tostring(node)))
    elif node not in other.iterancestors() and node is not other:
        other.append(node)
