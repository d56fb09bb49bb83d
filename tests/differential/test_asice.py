"""A container of evidence is one that the xmlsec1 command verifies: its signature, and every file."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import MalformedError
from gateway.trust import asice, issuing
from gateway.trust.signing import SigningKey
from tests.differential import oracles

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
FILES = {"README.sv.md": "Åäö".encode(), "entries/0.json": b"{}", "law/ab.tar.gz": b"\x1f\x8b", "räd/a b.txt": b"x"}
KINDS = [issuing.KeyKind.P256, issuing.KeyKind.RSA_2048]


def made(kind: issuing.KeyKind) -> tuple[bytes, bytes]:
    """Return a container, and in PEM the certificate that signed it."""
    issued = issuing.issue(None, dataclasses.replace(issuing.AUTHORITY, kind=kind), now=AT)
    key = SigningKey(key=issued.key, certificate=issued.der)
    return asice.packed(FILES, key=key, at=AT), issued.certificate.public_bytes(Encoding.PEM)


def verified(folder: Path) -> bool:
    ids = ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]
    words = [oracles.need_command(), "--verify", "--trusted-pem", "ca.pem", *ids, asice.SIGNATURES]
    return subprocess.run(words, cwd=folder, capture_output=True, check=False).returncode == 0


@pytest.fixture(params=KINDS)
def folder(request, tmp_path):
    container, certificate = made(request.param)
    zipfile.ZipFile(io.BytesIO(container)).extractall(tmp_path)
    (tmp_path / "ca.pem").write_bytes(certificate)
    return tmp_path


def test_the_command_verifies_every_file(folder):
    assert verified(folder)


@pytest.mark.parametrize("name", FILES)
def test_the_command_refuses_a_changed_file(folder, name):
    (folder / name).write_bytes(FILES[name] + b" ")
    assert not verified(folder)


@pytest.mark.parametrize("part", ["SigningTime>2026", "entries/0.json", "CertDigest"])
def test_the_command_refuses_a_changed_signature(folder, part):
    file = folder / asice.SIGNATURES
    text = file.read_text()
    assert part in text
    file.write_text(text.replace(part, part[:-1] + "7"))
    assert not verified(folder)


def test_the_first_bytes_say_what_it_is():
    container, _ = made(issuing.KeyKind.P256)
    assert container[30:38] == b"mimetype"
    assert container[38 : 38 + len(asice.MIMETYPE)] == asice.MIMETYPE.encode()


@pytest.mark.parametrize("name", ["mimetype", "META-INF/manifest.xml"])
def test_a_file_may_not_take_the_containers_own_names(name):
    issued = issuing.issue(None, issuing.AUTHORITY, now=AT)
    with pytest.raises(MalformedError):
        asice.packed({name: b""}, key=SigningKey(key=issued.key, certificate=issued.der), at=AT)
