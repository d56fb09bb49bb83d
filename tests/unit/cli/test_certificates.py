"""`gateway certificates`: what ends when, for people and for programs; --within is an alarm's question."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.trust import pki
from tests.unit.cli.conftest import CONFIG

DAY = timedelta(days=1)


@pytest.fixture
def data(tmp_path, demo):
    pki.write(demo, tmp_path)
    return tmp_path


def run(data, *arguments: str):
    return CliRunner().invoke(main, ["certificates", "--config", str(CONFIG), "--data", str(data), *arguments])


def test_all_are_told_and_the_exit_code_is_0(data):
    result = run(data)
    assert result.exit_code == 0, result.stderr
    for word in ("server", "client", "signing", "signing-rsa", "anchor", "intermediate", "revocation"):
        assert f" {word} " in result.stdout
    assert "akassa, arbetsgivare, kommun, region" in result.stdout


def test_programs_get_days_fingerprints_and_files(data, demo):
    found = json.loads(run(data, "--json").stdout)
    (server,) = (one for one in found if one["use"] == "server")
    assert server["days"] == 364
    assert server["owners"] == ["gateway"]
    assert server["file"] == str(data / "keys/server.pem")
    assert server["fingerprint"] == pki_fingerprint(demo.server)
    assert datetime.fromisoformat(server["ends"]) == demo.server.certificate.not_valid_after_utc
    assert [one["ends"] for one in found] == sorted(one["ends"] for one in found)


def pki_fingerprint(issued) -> str:
    from hashlib import sha256  # noqa: PLC0415

    return sha256(issued.der).hexdigest()


@pytest.mark.parametrize(("days", "code"), [(29, 0), (31, 1), (0, 0)])
def test_the_exit_code_is_1_where_something_ends_within_so_many_days(data, days, code):
    result = run(data, "--within", str(days), "--json")
    assert result.exit_code == code
    assert {one["use"] for one in json.loads(result.stdout)} == ({"revocation"} if code else set())


def test_what_has_ended_is_within_any_number_of_days(data, demo):
    old = pki.crl(demo.organisations, now=datetime.now(UTC) - 40 * DAY)
    (data / "pki/organisations.crl").write_bytes(old)
    result = run(data, "--within", "0", "--json")
    assert result.exit_code == 1
    assert [one["days"] for one in json.loads(result.stdout)] == [-11]  # ten days and a moment ago


def test_what_cannot_be_read_is_an_alarm_too(data):
    (data / "keys/client.pem").write_bytes(b"text")
    result = run(data, "--within", "0", "--json")
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    assert found["fault"] == f"{data / 'keys/client.pem'}: is not a certificate in PEM or DER"
    assert "unknown" in run(data, "--within", "0").stdout
    assert run(data).exit_code == 0  # a question about what is there


def test_nothing_is_said_plainly(data):
    assert "Nothing ends within 7 days" in run(data, "--within", "7").stdout


def test_no_private_key_is_read(data):
    for key in (data / "keys").glob("*.key"):
        key.unlink()
    assert run(data).exit_code == 0
