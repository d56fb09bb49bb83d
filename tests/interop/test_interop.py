"""Messages that stacks of others signed end where their folders say: accepted with this content, or refused.

They were signed once by Apache WSS4J, Apache CXF and .NET's SignedXml, outside this repository, under authorities of
their own in `pki/` whose keys are gone. So these cases can not be made anew and are not part of `tests/vectors`, but
their form is the same. Three sorts of folder:

    accepted/<stack>-...                              a configuration that keeps the profile
    rejected/verify/<the same>-<what>-changed         its twin, changed in one place after it was signed
    rejected/verify/<stack>-option-...                a configuration that `docs/interop.md` tells partners to change
"""

from __future__ import annotations

import re
import secrets
import tomllib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import codes
from gateway.errors import GatewayError
from gateway.inbound import path
from gateway.message import ContractId, Ready, Received, Refusal
from tests import rules
from tests.attacks.catalogue import NOW

FOLDER = Path(__file__).parent
FOLDERS = sorted(file.parent for file in FOLDER.rglob("expected.toml"))
ACCEPTED = [folder for folder in FOLDERS if folder.parent.name == "accepted"]
STEPS = {code.name: code.step for code in codes.catalogue()}


@pytest.fixture(scope="module")
def stored():
    receipts = rules.signers(rules.receipt_credential(NOW))
    return rules.build(rules.configuration(FOLDER), random=secrets.token_bytes, receipts=receipts)


def _name(folder: Path) -> str:
    return folder.relative_to(FOLDER).as_posix()


def _expected(folder: Path):
    return tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))


def _judged(folder: Path, by: path.Rules, body: bytes | None = None) -> Ready | GatewayError:
    expected = _expected(folder)
    pem = (FOLDER / "pki" / "peers" / f"{expected['peer']}.pem").read_bytes()
    received = Received(
        body=(folder / "message.xml").read_bytes() if body is None else body,
        content_type=expected["content_type"],
        contract=ContractId(expected["contract"]),
        peer=x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER),
        at=expected["at"],
    )
    try:
        result = path.prepare(received, by)
    except GatewayError as error:
        return error
    return result.error if isinstance(result, Refusal) else result


@pytest.mark.parametrize("folder", FOLDERS, ids=_name)
def test_a_message_of_another_stack_ends_where_its_folder_says(folder: Path, stored) -> None:
    expected = _expected(folder)
    result = _judged(folder, stored)
    if folder in ACCEPTED:
        assert isinstance(result, Ready), f"{result.code.name}: {result.detail}"
        assert (result.provenance.digest, result.provenance.message_id) == (expected["digest"], expected["message_id"])
    else:
        assert isinstance(result, GatewayError), "accepted"
        assert (result.code.step, result.code.name) == (expected["step"], expected["code"]), result.detail
        assert folder.parent.name == expected["step"] == STEPS[expected["code"]]


def _digits(body: bytes) -> list[int]:
    """Return where a digit stands in what every one of these messages signs: Timestamp, and the content of Body."""
    spans = [re.search(pattern, body, re.DOTALL) for pattern in (rb"Created>.*Expires>", rb":Body[ >].*:Body>")]
    return [
        place
        for span in spans
        if span is not None
        for digit in re.finditer(rb"(?<=[>-])\d(?=[\d<])", span[0])
        for place in (span.start() + digit.start(),)
    ]


@pytest.mark.parametrize("folder", ACCEPTED, ids=_name)
def test_no_digit_of_what_another_stack_signed_may_change(folder: Path, stored) -> None:
    body = (folder / "message.xml").read_bytes()
    places = _digits(body)
    assert len(places) > 6
    for place in places[:: max(1, len(places) // 12)]:
        changed = bytearray(body)
        changed[place] = ord("1") if changed[place] != ord("1") else ord("2")
        result = _judged(folder, stored, bytes(changed))
        assert isinstance(result, GatewayError), "accepted"
        assert result.code.step in {"parse", "verify"}, f"{place}: {result.code.name}"


@pytest.mark.parametrize("folder", ACCEPTED, ids=_name)
def test_every_accepted_message_has_a_changed_twin(folder: Path) -> None:
    assert any(
        one.name.startswith(f"{folder.name}-") and one.name.endswith("-changed")
        for one in FOLDERS
        if one not in ACCEPTED
    )


def test_every_case_says_which_stack_and_version_made_it() -> None:
    for folder in FOLDERS:
        readme = (folder / "README").read_text(encoding="utf-8")
        assert re.search(r"Signed by (Apache|System\.Security).* \d+\.\d+", readme), folder
