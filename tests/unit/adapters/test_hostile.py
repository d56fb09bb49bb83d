"""Whatever stands in a payload: it is read or refused, nothing else is raised, and no refusal quotes it."""

import base64

import pytest
from lxml import etree

from gateway.adapters import registry
from gateway.errors import GatewayError
from tests.unit.adapters import bare

SAMPLES = (
    "arbetsformedlingen/ersattningsstod/aktivitetsstod",
    "arbetsformedlingen/ersattningsstod/tillagg",
    "arbetsgivare/sjukanmalan/anmalan",
    "skatteverket/arbetsgivardeklaration/arbetsplats",
    "skatteverket/arbetsgivardeklaration/franvaro",
    "skatteverket/arbetsgivardeklaration/borttag",
    "skatteverket/folkbokforing/flyttning",
    "skatteverket/folkbokforing/sarlosning",
)
SECRET = "199205143028"
VALUES = (
    *("", " ", "0", "-1", "-0", "+1", "1e9", "NaN", "true", "nej", "9" * 30, "0" * 5000 + "1", "99999999"),
    *("0000-00-00", "0000-01-01", "-2025-01-01", "12025-01-01", "2025-02-30", "000013", "999913", "J", "\u00e5" * 300),
    *(SECRET, f"x{SECRET}", f"{SECRET}-{SECRET}", "</a>", "%s%n{}"),
)


def judge(root: etree._Element) -> None:
    try:
        registry.read_offline(root, bare.contracts(), on=bare.ON)
    except GatewayError as error:
        assert SECRET not in str(error)  # noqa: PT017  # either outcome is right, quoting is not


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_value_makes_anything_but_a_refusal_and_none_is_quoted(sample: str) -> None:
    root = etree.fromstring(bare.text(sample).encode())
    for element in root.iter("*"):
        if len(element) == 0:
            kept = element.text
            for value in VALUES:
                element.text = value
                judge(root)
            element.text = kept
        for name, kept_attribute in list(element.attrib.items()):
            for value in VALUES:
                element.set(name, value)
                judge(root)
            element.set(name, kept_attribute)


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_missing_doubled_or_moved_element_makes_anything_but_a_refusal(sample: str) -> None:
    payload = bare.text(sample).encode()
    for index in range(1, sum(1 for _ in etree.fromstring(payload).iter("*"))):
        for change in ("missing", "doubled", "renamed", "nested"):
            root = etree.fromstring(payload)
            element = list(root.iter("*"))[index]
            parent = element.getparent()
            assert parent is not None
            match change:
                case "missing":
                    parent.remove(element)
                case "doubled":
                    element.addnext(etree.fromstring(etree.tostring(element, with_tail=False)))
                case "renamed":
                    element.tag = f"p{SECRET}"
                case "nested":
                    element.append(etree.fromstring(etree.tostring(element, with_tail=False)))
            judge(root)


def test_no_value_inside_a_notice_makes_anything_but_a_refusal() -> None:
    outer = etree.fromstring(bare.text("arbetsgivare/sjukanmalan/anmalan").encode())
    inner = etree.fromstring(base64.b64decode(str(outer[0].text)))
    for element in inner.iter("*"):
        if len(element) == 0:
            kept = element.text
            for value in VALUES:
                element.text = value
                outer[0].text = base64.b64encode(etree.tostring(inner)).decode()
                judge(outer)
            element.text = kept
