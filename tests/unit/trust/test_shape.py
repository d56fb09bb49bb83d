"""The fixed profile: each part in its one place, and nothing else."""

import base64
import copy

import pytest
from lxml import etree

from gateway import codes
from gateway.errors import UntrustedError
from gateway.trust import shape
from tests import forge
from tests.forge import DS, EXC, ID, WSA, WSSE, WSU
from tests.unit.trust.office import Office

ACTOR = "{http://schemas.xmlsoap.org/soap/envelope/}actor"


@pytest.fixture(scope="module")
def office(country, trust) -> Office:
    return Office(country=country, trust=trust, now=country.now)


def first(envelope: forge.Envelope, local: str, namespace: str = DS) -> etree._Element:
    return next(envelope.root.iter(f"{{{namespace}}}{local}"))


def sub(parent: etree._Element, tag: str = "{urn:x}x", **attributes: str) -> etree._Element:
    return etree.SubElement(parent, tag, attributes)


# --- the Security header ---


def test_the_honest_message_has_the_shape(office):
    form = shape.read(office.parsed(office.signed(to="urn:to", action="urn:a")))
    assert set(form.addressing) == {"MessageID", "To", "Action"}
    assert len(form.info.references) == 5
    assert form.certificate == office.credential().der


@pytest.mark.parametrize(
    "bend",
    [
        lambda e: e.root.remove(e.header),
        lambda e: e.header.remove(e.security),
        lambda e: e.security.remove(e.signature),
        lambda e: e.header.append(e.signature),
        lambda e: sub(e.header).append(e.security),
        lambda e: e.body[0].append(e.security),
    ],
)
def test_a_message_without_a_signature_in_place_is_not_signed(office, bend):
    assert office.refused(office.signed(after=bend)) is codes.SIG_MISSING


@pytest.mark.parametrize(
    "bend",
    [
        lambda e: e.header.append(copy.deepcopy(e.security)) or _strip_ids(e.header[-1]),
        lambda e: sub(e.header, f"{{{WSSE}}}Security"),
        lambda e: sub(e.header, f"{{{WSSE}}}Security").set(ACTOR, "urn:somebody:else"),
        lambda e: e.security.set(ACTOR, "urn:somebody:else"),
        lambda e: sub(e.security),
        lambda e: sub(
            e.security, "{http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd}SignatureConfirmation"
        ),
        lambda e: sub(e.security, f"{{{WSU}}}Timestamp"),
        lambda e: sub(e.security, f"{{{WSSE}}}BinarySecurityToken"),
        lambda e: sub(e.security, f"{{{DS}}}Signature"),
        lambda e: e.security.remove(e.token),
        lambda e: e.security.remove(e.timestamp),
        lambda e: e.header.append(e.timestamp),
        lambda e: sub(e.signature, f"{{{DS}}}Object"),
        lambda e: e.signature.set("Type", "x"),
        lambda e: e.token.set("ValueType", "x"),
        lambda e: e.token.set("EncodingType", "x"),
        lambda e: e.token.set("Other", "x"),
        lambda e: e.token.attrib.pop("ValueType"),
    ],
)
def test_a_security_header_with_anything_more_less_or_else_is_refused(office, bend):
    assert office.refused(office.signed(after=bend)) is codes.SIG_STRUCTURE


def _strip_ids(element):
    for node in element.iter():
        node.attrib.pop(ID, None)


@pytest.mark.parametrize(
    "bend",
    [
        lambda e: e.security.insert(0, e.signature),
        lambda e: e.security.append(e.timestamp),
        lambda e: e.security.set(ACTOR, "http://schemas.xmlsoap.org/soap/actor/next"),
        lambda e: e.security.set(ACTOR, ""),
        lambda e: e.token.attrib.pop("EncodingType"),
        lambda e: e.signature.set("Id", "SIG"),
        lambda e: first(e, "KeyInfo").set("Id", "KI"),
        lambda e: first(e, "SecurityTokenReference", WSSE).set(ID, "STR"),
        lambda e: e.signature.insert(0, etree.Comment("c")),
        lambda e: setattr(e.token, "text", "\n".join(e.token.text)),
        lambda e: setattr(first(e, "SignatureValue"), "text", "\n ".join(first(e, "SignatureValue").text)),
        lambda e: sub(e.header, "{urn:x}Unknown", Id="other"),
    ],
)
def test_what_other_stacks_write_and_changes_nothing_is_taken(office, bend):
    assert office.verify(office.signed(after=bend)).provenance.message_id == "urn:uuid:1"


# --- algorithms and transforms ---


@pytest.mark.parametrize("c14n", [forge.INC, forge.INC_COMMENTS, forge.INC_11, forge.EXC_COMMENTS, "urn:x"])
def test_only_exclusive_c14n_of_signed_info_is_taken(office, c14n):
    made = forge.build(office.recipe())
    forge.sign(made, office.credential(), c14n=c14n)
    assert office.refused(made.bytes()) is codes.SIG_ALGORITHM


@pytest.mark.parametrize(
    "method", [forge.RSA_SHA1, forge.RSA_SHA512, forge.RSA_PSS, forge.ECDSA_SHA1, forge.HMAC_SHA256, "urn:x", ""]
)
def test_only_three_signature_methods_are_taken(office, method):
    data = office.signed(bend=lambda info: info[1].set("Algorithm", method))
    assert office.refused(data) is codes.SIG_ALGORITHM


@pytest.mark.parametrize("digest", [forge.SHA1, forge.SHA384, forge.SHA512, forge.MD5])
def test_only_sha_256_digests_are_taken(office, digest):
    assert office.refused(office.signed(options={"digest": digest})) is codes.SIG_ALGORITHM


@pytest.mark.parametrize(
    "bend",
    [
        lambda info: sub(info[0]),
        lambda info: info[0].set("Other", "x"),
        lambda info: sub(info[1], f"{{{DS}}}HMACOutputLength"),
        lambda info: info[1].set("Other", "x"),
        lambda info: sub(info[2][1]),
        lambda info: info[2][1].set("Other", "x"),
    ],
)
def test_an_algorithm_takes_no_parameters(office, bend):
    assert office.refused(office.signed(bend=bend)) is codes.SIG_ALGORITHM


@pytest.mark.parametrize(
    "transforms",
    [(), (EXC, EXC), (forge.INC,), (forge.EXC_COMMENTS,), (forge.ENVELOPED, EXC), (forge.XPATH,), (forge.AS_BASE64,)],
)
def test_exactly_one_transform_and_that_exclusive_c14n(office, transforms):
    recipe = office.recipe()
    made = forge.build(recipe)
    refs = forge.references(made, ("Timestamp", "MessageID"))
    refs.append(forge.Reference(element=made.timestamp, uri="#Body", transforms=transforms))
    forge.sign(made, recipe.credential, refs=refs)
    assert office.refused(made.bytes()) is codes.SIG_TRANSFORM


@pytest.mark.parametrize(
    "prefixes", ["soap", "soap wsu", "p", "#default", "p #default soap nothing", " soap\n wsu ", "åäö _x x-1.2"]
)
def test_a_prefix_list_is_honoured(office, prefixes):
    data = office.signed(
        options={"prefixes": prefixes},
        payload='<Post xmlns="urn:test:post" xmlns:p="urn:p" type="p:t"/>',
    )
    assert office.verify(data).payload.tag == "{urn:test:post}Post"


@pytest.mark.parametrize("prefixes", ["1x", "a:b", "#other", "<", "\x85", " ".join(f"p{n}" for n in range(33))])
def test_a_prefix_list_that_is_none_is_refused(office, prefixes):
    def bend(info):
        sub(info[2][0][0], f"{{{EXC}}}InclusiveNamespaces", PrefixList=prefixes)

    assert office.refused(office.signed(bend=bend)) is codes.SIG_TRANSFORM


@pytest.mark.parametrize(
    "bend",
    [
        lambda info: sub(info[2][0][0]),
        lambda info: sub(info[2][0][0], f"{{{EXC}}}InclusiveNamespaces"),
        lambda info: sub(info[2][0][0], f"{{{EXC}}}InclusiveNamespaces", PrefixList="soap", Other="x"),
        lambda info: sub(sub(info[2][0][0], f"{{{EXC}}}InclusiveNamespaces", PrefixList="soap")),
        lambda info: [sub(info[2][0][0], f"{{{EXC}}}InclusiveNamespaces", PrefixList="soap") for _ in range(2)],
        lambda info: info[2][0][0].set("Other", "x"),
        lambda info: info[2][0].set("Other", "x"),
        lambda info: info[2].remove(info[2][0]),
    ],
)
def test_a_transform_with_anything_else_in_it_is_refused(office, bend):
    assert office.refused(office.signed(bend=bend)) is codes.SIG_TRANSFORM


# --- references ---


@pytest.mark.parametrize(
    "uri",
    ["", "#", "Body", "#body", "#xpointer(id('Body'))", "http://example.org/#Body", "#Nobody", "#%42ody", "cid:x"],
)
def test_a_reference_to_anything_but_an_id_in_place_is_refused(office, uri):
    data = office.signed(bend=lambda info: info[3].set("URI", uri))
    assert office.refused(data) is codes.SIG_REFERENCE


@pytest.mark.parametrize(
    "bend",
    [
        lambda info: info[3].attrib.pop("URI"),
        lambda info: info[3].set("Type", "http://www.w3.org/2000/09/xmldsig#Manifest"),
        lambda info: info.append(copy.deepcopy(info[3])),
        lambda info: [info.append(copy.deepcopy(info[3])) for _ in range(8)],
    ],
)
def test_a_reference_twice_typed_or_one_too_many_is_refused(office, bend):
    assert office.refused(office.signed(bend=bend)) is codes.SIG_REFERENCE


@pytest.mark.parametrize(
    "bend",
    [
        lambda info: [info.remove(reference) for reference in info[2:]],
        lambda info: info.append(info[0]),
        sub,
        lambda info: sub(info[2]),
        lambda info: info[2].append(info[2][0]),
        lambda info: info[2].remove(info[2][1]),
        lambda info: sub(info[2][2]),
        lambda info: info[2][2].set("Other", "x"),
        lambda info: info.set("Other", "x"),
    ],
)
def test_signed_info_with_anything_more_less_or_else_is_refused(office, bend):
    assert office.refused(office.signed(bend=bend)) is codes.SIG_STRUCTURE


def test_a_reference_to_every_part_that_may_be_signed_is_taken(office):
    def before(envelope):
        for name in ("ReplyTo", "From", "RelatesTo", "FaultTo"):
            block = etree.Element(f"{{{WSA}}}{name}", {ID: name})
            block.text = "x"
            envelope.header.append(block)

    data = office.signed(
        before=before,
        parts=(*forge.PARTS, "BinarySecurityToken", "ReplyTo", "From", "RelatesTo", "FaultTo"),
        to="urn:to",
        action="urn:a",
    )
    assert len(shape.read(office.parsed(data)).info.references) == 10
    assert office.verify(data).provenance.action == "urn:a"


@pytest.mark.parametrize("name", ["Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id"])
def test_only_a_wsu_id_can_be_pointed_to(office, name):
    assert office.refused(office.signed(id_name=name)) is codes.SIG_REFERENCE


def test_an_element_of_the_right_name_in_another_place_cannot_be_pointed_to(office):
    def hide(envelope):
        fake = etree.Element(envelope.body.tag)
        fake.append(etree.fromstring("<evil/>"))
        envelope.root.replace(envelope.body, fake)
        sub(envelope.header).append(envelope.body)

    assert office.refused(office.signed(after=hide)) is codes.SIG_REFERENCE


# --- coverage ---


@pytest.mark.parametrize("missing", forge.PARTS)
def test_what_must_be_signed_is(office, missing):
    parts = [part for part in forge.PARTS if part != missing]
    data = office.signed(parts=parts, to="urn:to", action="urn:a")
    with pytest.raises(UntrustedError) as caught:
        office.verify(data)
    assert (caught.value.code, caught.value.detail) == (codes.SIG_COVERAGE, missing)


@pytest.mark.parametrize("namespace", [WSA, "http://schemas.xmlsoap.org/ws/2004/08/addressing"])
@pytest.mark.parametrize("name", ["MessageID", "To", "Action"])
def test_an_unsigned_addressing_header_that_we_act_on_is_refused(office, namespace, name):
    data = office.signed(message_id=None, after=lambda e: sub(e.header, f"{{{namespace}}}{name}"))
    assert office.refused(data) is codes.SIG_COVERAGE


@pytest.mark.parametrize("name", ["ReplyTo", "From", "RelatesTo", "FaultTo"])
def test_an_addressing_header_that_we_do_not_act_on_may_be_unsigned(office, name):
    data = office.signed(after=lambda e: sub(e.header, f"{{{WSA}}}{name}"))
    assert office.verify(data).provenance.message_id == "urn:uuid:1"


@pytest.mark.parametrize("namespace", [WSA, "http://schemas.xmlsoap.org/ws/2004/08/addressing"])
def test_a_second_message_id_is_refused_in_either_namespace(office, namespace):
    data = office.signed(after=lambda e: sub(e.header, f"{{{namespace}}}MessageID"))
    assert office.refused(data) is codes.SIG_ADDRESSING


# --- KeyInfo ---


@pytest.mark.parametrize(
    "bend",
    [
        lambda e: e.signature.remove(first(e, "KeyInfo")),
        lambda e: first(e, "KeyInfo").remove(first(e, "KeyInfo")[0]),
        lambda e: sub(first(e, "KeyInfo"), f"{{{DS}}}X509Data"),
        lambda e: sub(first(e, "SecurityTokenReference", WSSE)),
        lambda e: sub(first(e, "Reference", WSSE)),
        lambda e: first(e, "SecurityTokenReference", WSSE).set("Usage", "x"),
        lambda e: first(e, "Reference", WSSE).set("URI", "#Body"),
        lambda e: first(e, "Reference", WSSE).set("URI", "X509"),
        lambda e: first(e, "Reference", WSSE).set("ValueType", "x"),
        lambda e: first(e, "Reference", WSSE).attrib.pop("ValueType"),
        lambda e: first(e, "Reference", WSSE).set("Other", "x"),
        lambda e: e.token.attrib.pop(ID),
    ],
)
def test_key_info_is_a_reference_to_the_token_and_nothing_else(office, bend):
    assert office.refused(office.signed(after=bend)) is codes.SIG_KEY_INFO


# --- values ---


@pytest.mark.parametrize("text", ["", "!", "AAA", "AAAA=", "å", "AB==", "AAAA\x85AAAA"])
def test_a_signature_value_that_is_not_base64_is_refused(office, text):
    data = office.signed(after=lambda e: setattr(first(e, "SignatureValue"), "text", text))
    assert office.refused(data) is codes.SIG_VALUE


@pytest.mark.parametrize(
    "text", ["!", "AAA", "AB==", "AA\u2003AA", "A" * 20_000, base64.b64encode(b"no certificate").decode(), ""]
)
def test_a_token_that_is_no_certificate_is_refused(office, text):
    data = office.signed(after=lambda e: setattr(e.token, "text", text))
    assert office.refused(data) is codes.CERT_FORMAT


def test_a_digest_has_one_form(office):
    def bend(info):
        value = info[2][2]
        content = base64.b64decode(value.text)
        # 32 bytes leave two bits in the last character that mean nothing: the next letter decodes to the same.
        value.text = f"{value.text[:-2]}{chr(ord(value.text[-2]) + 1)}="
        assert base64.b64decode(value.text) == content

    assert office.refused(office.signed(bend=bend)) is codes.SIG_DIGEST
