"""SignedInfo: what its plainest form says is what a walk through its elements finds, and nothing else is plain."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.errors import GatewayError
from gateway.soap import names, xml
from gateway.trust import signed_info
from tests.effort import effort

PLACES = {f"#{name}": etree.Element("place") for name in ("Body", "Timestamp", "id-3", "x.y:z", "å")}
DIGEST = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
ADDRESSES = (names.EXCLUSIVE_C14N, names.SHA256, names.RSA_SHA256, names.ECDSA_SHA256, names.DS, "urn:x", "", "a&b")
INCLUSIVE = f"{{{names.EXCLUSIVE_C14N}}}InclusiveNamespaces"


def made(prefix="ds", uris=("#Body", "#Timestamp"), method=names.RSA_SHA256, digest=DIGEST):
    """Build a plain SignedInfo: every bend below starts from it."""
    mark, bound = (f"{prefix}:", f":{prefix}") if prefix else ("", "")
    references = "".join(
        f'<{mark}Reference URI="{uri}"><{mark}Transforms><{mark}Transform Algorithm="{names.EXCLUSIVE_C14N}"/>'
        f'</{mark}Transforms><{mark}DigestMethod Algorithm="{names.SHA256}"/>'
        f"<{mark}DigestValue>{digest}</{mark}DigestValue></{mark}Reference>"
        for uri in uris
    )
    return etree.fromstring(
        f'<{mark}SignedInfo xmlns{bound}="{names.DS}">'
        f'<{mark}CanonicalizationMethod Algorithm="{names.EXCLUSIVE_C14N}"/>'
        f'<{mark}SignatureMethod Algorithm="{method}"/>{references}</{mark}SignedInfo>'
    )


def said(read, info):
    """Return what a reading says: all of it, or the code it refuses with."""
    try:
        found = read(info, dict(PLACES))
    except GatewayError as error:
        return error.code
    return found.canonical, found.method, [(one.target, one.prefixes, one.digest) for one in found.references]


def is_plain(info):
    return signed_info._PLAIN.fullmatch(xml.canonical(info)) is not None


@pytest.mark.parametrize("prefix", ["ds", "dsig", "n1", ""])
@pytest.mark.parametrize("method", [names.RSA_SHA256, names.ECDSA_SHA256, names.ED25519])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_what_nearly_all_sign_is_plain_and_says_what_a_walk_finds(prefix, method, count):
    info = made(prefix, list(PLACES)[:count], method)
    assert is_plain(info)
    canonical, told, references = said(signed_info.read, info)
    assert (canonical, told) == (xml.canonical(info), method)
    assert references == [(target, None, DIGEST.encode()) for target in list(PLACES.values())[:count]]
    assert said(signed_info.read, info) == said(signed_info._walked, info)


@pytest.mark.parametrize("uris", [("#Body", "#Body"), ("#nowhere",), ("#Body", "#nowhere")])
def test_a_plain_reference_to_nothing_or_twice_to_one_is_refused_as_in_a_walk(uris):
    info = made(uris=uris)
    assert is_plain(info)
    assert said(signed_info.read, info) == said(signed_info._walked, info)


@pytest.mark.parametrize(
    "bend",
    [
        lambda info: info.set("Id", "x"),
        lambda info: info[0].set("Other", "x"),
        lambda info: info[0].set("Algorithm", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
        lambda info: info[1].set("Algorithm", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        lambda info: info[2].set("URI", ""),
        lambda info: info[2].set("URI", "#Body&#x22;"),
        lambda info: info[2].set("URI", '#" URI="#Timestamp'),
        lambda info: info[2].set("URI", "#DigestValue>AAAA</"),
        lambda info: info[2].set("Type", "urn:x"),
        lambda info: setattr(info[2][2], "text", DIGEST[:-1]),
        lambda info: setattr(info[2][2], "text", f" {DIGEST}"),
        lambda info: setattr(info[2], "tail", "\n"),
        lambda info: setattr(info[2], "tail", "text"),
        lambda info: etree.SubElement(info[0], INCLUSIVE, PrefixList="soap"),
        lambda info: etree.SubElement(info[2][0][0], INCLUSIVE, PrefixList="soap"),
        lambda info: info[2][0].append(info[3][0][0]),
        lambda info: info.append(etree.fromstring("<Reference/>")),
        lambda info: info.extend([made()[2] for _ in range(9)]),
        lambda info: info.remove(info[0]),
        lambda info: info[2].remove(info[2][1]),
    ],
)
def test_anything_unusual_is_not_plain_and_is_walked(bend):
    info = made()
    bend(info)
    assert not is_plain(info)
    assert said(signed_info.read, info) == said(signed_info._walked, info)


@st.composite
def bent(draw):
    """Draw a plain SignedInfo, often bent in a place or two."""
    odd = draw(st.booleans())
    places = st.lists(st.sampled_from(list(PLACES)[:4]), min_size=1, unique=True)
    anything = st.lists(st.sampled_from((*PLACES, "#nowhere", "", "Body", "#a b")), max_size=10)
    info = made(
        prefix=draw(st.sampled_from(("ds", "", "d-s") if odd else ("ds", ""))),
        uris=draw(anything if odd else places),
        method=draw(st.sampled_from((names.RSA_SHA256, "urn:x") if odd else (names.RSA_SHA256, names.ED25519))),
        digest=draw(
            st.sampled_from((DIGEST, DIGEST[1:], "", f"\n{DIGEST[:8]} {DIGEST[8:]}", "é") if odd else (DIGEST,))
        ),
    )
    for _ in range(draw(st.integers(0, 2))):
        node = draw(st.sampled_from(list(info.iter())))
        match draw(st.integers(0, 5)):
            case 0:
                node.set(draw(st.sampled_from(("Algorithm", "URI", "Id", "Type", "PrefixList"))), draw(values()))
            case 1:
                node.text = draw(values())
            case 2:
                node.tail = draw(values())
            case 3:
                etree.SubElement(node, draw(tags()))
            case 4 if node is not info:
                node.getparent().remove(node)
            case _:
                etree.SubElement(node, INCLUSIVE, PrefixList=draw(st.sampled_from(("", "ds", "ds soap", "#default"))))
    return info


def values():
    return st.sampled_from((*ADDRESSES, *PLACES, DIGEST, " ", "\n", '"', "<", ">", '#Body" URI="#Timestamp', "]]>"))


def tags():
    known = itertools.product((names.DS, "urn:x", ""), ("Reference", "Transform", "DigestValue", "SignedInfo", "x"))
    return st.sampled_from([f"{{{space}}}{name}" if space else name for space, name in known])


@effort(1500)
@given(info=bent())
def test_both_readings_of_any_signed_info_agree(info):
    assert said(signed_info.read, info) == said(signed_info._walked, info)
