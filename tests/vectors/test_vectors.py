"""Every stored message ends where its folder says: accepted with this content, or refused at this step with this code.

The folder's name is the test's name. Adding a case is adding a folder; nothing here lists them.
"""

from __future__ import annotations

import secrets
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import codes
from gateway.errors import GatewayError
from gateway.inbound import path
from gateway.message import ContractId, Ready, Received, Refusal
from tests import authorities, rules
from tests.attacks import CASES, Case, Scene, Sent
from tests.attacks.catalogue import NOW
from tests.vectors.make import FOLDER, LIFE, peer_of

FOLDERS = sorted(file.parent for file in FOLDER.rglob("expected.toml"))
STEPS = {code.name: code.step for code in codes.catalogue()}


@pytest.fixture(scope="module")
def agreed():
    return rules.contracts()


@pytest.fixture(scope="module")
def stored(agreed):
    return _rules(FOLDER, agreed)


@pytest.fixture(scope="module")
def fresh(agreed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh")
    made = authorities.with_bad_ones(NOW, life=LIFE)
    made.write(folder, lists_until=authorities.FOREVER)
    return Scene(credentials=made.credentials), _rules(folder, agreed)


def _rules(folder: Path, agreed):
    receipts = rules.signers(rules.receipt_credential(NOW))
    read = rules.configuration(folder)
    return rules.build(read, random=secrets.token_bytes, receipts=receipts, agreed=agreed)


def _judged(received: Received, by: path.Rules) -> Ready | GatewayError:
    try:
        result = path.prepare(received, by)
    except GatewayError as error:
        return error
    return result.error if isinstance(result, Refusal) else result


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(FOLDER).as_posix())
def test_a_stored_message_ends_where_its_folder_says(folder: Path, stored) -> None:
    expected = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))
    peer = expected["peer"]
    received = Received(
        body=(folder / "message.xml").read_bytes(),
        content_type=expected["content_type"],
        contract=ContractId(expected["contract"]),
        peer=None if peer == "none" else _der(peer),
        at=expected["at"],
    )
    result = _judged(received, stored)
    if folder.relative_to(FOLDER).parts[0] == "rejected":
        assert isinstance(result, GatewayError), "accepted"
        assert (result.code.step, result.code.name) == (expected["step"], expected["code"]), result.detail
        assert folder.parent.name == result.code.step
    else:
        assert isinstance(result, Ready), str(result)
        assert result.provenance.digest == expected["digest"]
        assert result.provenance.message_id == expected["message_id"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.folder)
def test_the_same_message_made_afresh_ends_there_too(case: Case, fresh) -> None:
    scene, by = fresh
    made = case.make(scene)
    sent = made if isinstance(made, Sent) else Sent(body=made)
    peer = peer_of(sent)
    received = Received(
        body=sent.body,
        content_type=sent.content_type,
        contract=ContractId(sent.contract),
        peer=None if peer == "none" else scene.credentials[peer].der,
        at=NOW,
    )
    result = _judged(received, by)
    if case.code is None:
        assert isinstance(result, Ready), str(result)
    else:
        assert isinstance(result, GatewayError), "accepted"
        assert result.code is case.code, f"{result.code.name}: {result.detail}"


def test_the_stored_messages_are_those_of_the_catalogue() -> None:
    names = [case.folder for case in CASES]
    assert sorted(names) == sorted(set(names))
    missing = {case.folder for case in CASES if case.stored} - {f.relative_to(FOLDER).as_posix() for f in FOLDERS}
    assert not missing, "run `python -m tests.vectors.make`"


def test_every_expectation_names_a_code_of_the_catalogue_and_its_step() -> None:
    for folder in FOLDERS:
        expected = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))
        if "code" in expected:
            assert STEPS[expected["code"]] == expected["step"]
        assert (folder / "README").read_text(encoding="utf-8").strip()


def test_no_private_key_is_stored_beside_the_messages() -> None:
    for folder in ("accepted", "rejected", "pki"):
        for file in (FOLDER / folder).rglob("*"):
            assert file.is_dir() or b"PRIVATE KEY" not in file.read_bytes()


def _der(name: str) -> bytes:
    pem = (FOLDER / "pki" / "peers" / f"{name}.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def test_the_stored_certificates_hold_long_enough() -> None:
    for file in (FOLDER / "pki").glob("*.pem"):
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        assert certificate.not_valid_after_utc > NOW + timedelta(days=365 * 50)
