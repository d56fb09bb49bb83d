"""`gateway check` as a partner runs it: in a folder of its own, with nothing set up, from a file and from a pipe."""

import json
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.demo import clients, payloads
from gateway.cli.demo.cases import AGI
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.trust import pki

ROOT = Path(__file__).parents[2]
CALENDAR = payloads.Calendar(today=datetime.now(UTC).date())


@pytest.fixture(scope="module")
def demo() -> pki.Demo:
    return pki.build(now=datetime.now(UTC), kind=pki.KeyKind.P256)


@pytest.fixture
def elsewhere(tmp_path):
    """Run in a folder without any configuration."""

    def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "gateway.cli", "check", *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            input=given,
            capture_output=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_a_payload_from_a_pipe_is_judged_in_every_encoding_of_the_contracts(elsewhere, encoding):
    text = payloads.ersattningsstod(PERSONNUMMER[0], "T1", CALENDAR)
    name = encoding.removesuffix("-sig")
    done = elsewhere("-", "--json", given=f'<?xml version="1.0" encoding="{name}"?>{text}'.encode(encoding))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["contract"] == "arbetsformedlingen/ersattningsstod"


def test_a_signed_message_is_judged_with_nothing_set_up(elsewhere, demo, tmp_path):
    employer = demo.clients["arbetsgivare-a"].organisation
    text = payloads.canonical(payloads.arbetsgivardeklaration(employer, CALENDAR, incomes=PERSONNUMMER[:2]))
    made = clients.envelope(AGI, text, clients.signing_key(demo.clients["skatteverket"].sign))
    (tmp_path / "message.xml").write_bytes(made.body)
    (tmp_path / "ca.pem").write_bytes(demo.agencies.pem)
    done = elsewhere("message.xml", "--trust", "ca.pem", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["persons"] == 2
    (tmp_path / "message.xml").write_bytes(made.body.replace(b"25350", b"95350"))
    done = elsewhere("message.xml", "--trust", "ca.pem", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == "GW-SIG-DIGEST"


def test_a_missing_file_is_wrong_use(elsewhere):
    done = elsewhere("nothing.xml", "--json")
    assert done.returncode == 2
    assert done.stdout == b""


def test_help_does_not_load_the_gateway(elsewhere):
    done = elsewhere("--help")
    assert done.returncode == 0
    program = (
        "import sys; from gateway.cli import main; main.get_command(None, 'check')\n"
        "print(sorted({'cryptography', 'pydantic', 'sqlalchemy', 'uvicorn', 'zeep'} & sys.modules.keys()))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert loaded.stdout.strip() == "[]"


INTEROP = Path(__file__).parents[1] / "interop"


def test_an_issuing_ca_between_signer_and_root_must_be_in_the_trust_file(elsewhere, tmp_path):
    case = INTEROP / "accepted/wss4j-ersattningsstod-rsa-soap12"
    at = tomllib.loads((case / "expected.toml").read_text())["at"].isoformat()
    roots = [(INTEROP / "pki" / name).read_text() for name in ("agencies.pem", "intermediates.pem")]
    for count, verdict in ((1, "refused"), (2, "accepted")):
        trust = tmp_path / f"{count}.pem"
        trust.write_text("".join(roots[:count]))
        done = elsewhere(str(case / "message.xml"), "--trust", str(trust), "--at", at, "--json")
        found = json.loads(done.stdout)
        assert found["verdict"] == verdict
        assert ("--trust file too" in found["detail"]) == (verdict == "refused")
