"""Keys and certificates are changed as the runbook says, word for word, while the gateway runs in a process of its own.

Follows docs/runbooks/nycklar-och-certifikat.md.
"""

import json
import os
import re
import shutil
import signal
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import config, wiring
from gateway.errors import IntegrityError
from gateway.store.views import Views
from gateway.trust import pki
from gateway.trust.issuing import AUTHORITY, SERVER_AUTH, KeyKind, Profile, issue
from tests.integration.installation import CONTRACT, Installation, until
from tests.integration.runbook import Runbook
from tests.integration.stage import ROOT
from tests.integration.test_rotation import signer
from tests.tokens import LABEL, SOFTHSM

NAME = "nycklar-och-certifikat"


@dataclass
class Own(Installation):
    """An installation whose configuration an operator may edit."""

    @property
    def settings(self) -> Path:
        return self.data.parent / "config" / "gateway.toml"

    @property
    def environment(self) -> dict[str, str]:
        token = {"SOFTHSM2_CONF": os.environ["SOFTHSM2_CONF"]} if "SOFTHSM2_CONF" in os.environ else {}
        return super().environment | {"GATEWAY_CONFIG": str(self.settings)} | token

    def edit(self, pattern: str, text: str) -> None:
        """Change one line of the configuration."""
        old = self.settings.read_text()
        new = re.sub(pattern, lambda _: text, old, count=1, flags=re.MULTILINE)
        assert new != old
        self.settings.write_text(new)

    def variables(self, process=None, **more: object) -> dict[str, object]:
        return {**self.environment, "DATA": self.data, "PID": str(process.program.pid) if process else "", **more}

    def read_again(self, process, times: int) -> None:
        """Have everything read, and wait until it is: so many times since the start."""
        os.kill(process.program.pid, signal.SIGHUP)
        self.was_read(process, times)

    def was_read(self, process, times: int) -> None:
        def told() -> int:
            refused = [line for line in process.lines() if line["event"] == "configuration.refused"]
            assert not refused, refused
            return len([line for line in process.lines() if line["event"] == "configuration.reloaded"])

        until(lambda: told() >= times, "the configuration is read")

    def receipt(self, process) -> bytes:
        """Send a message, and return the certificate that its receipt is signed by."""
        address = process.told("server.started")["address"]
        (message,) = self.messages(1)
        with self.stage().session() as session:
            answer = session.post(
                f"https://{address}/soap/{CONTRACT}", data=message, headers={"Content-Type": "text/xml"}, timeout=30
            )
        assert answer.status_code == 200, answer.text
        return signer(answer.content)


@pytest.fixture
def installation(tmp_path):
    for name in ("config", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name)
    made = Own.make(tmp_path / "data")
    made.command("init")
    return made


def certified(installation, request: Path) -> x509.Certificate:
    """Do what the authority does with a request: certify its key in the name it asks for."""
    asked = x509.load_pem_x509_csr(request.read_bytes())
    assert asked.is_signature_valid
    named = {one.oid.dotted_string: one.value for one in asked.subject}
    assert named["2.5.4.5"] == "162021005521"
    below = installation.demo.agencies
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder(
            subject_name=asked.subject,
            issuer_name=below.certificate.subject,
            public_key=asked.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now.replace(microsecond=0),
            not_valid_after=below.certificate.not_valid_after_utc,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, content_commitment=True, **usage), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(below.key.public_key()), critical=False)
        .sign(below.key, pki_digest())
    )


def pki_digest():
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    return SHA256()


def server_shown(process) -> bytes:
    host, port = str(process.told("server.started")["address"]).rsplit(":", 1)
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port)), timeout=20))


def to_the_token(installation, runbook, process, box) -> None:
    """Let receipts be signed by a key that was made on a token and never was elsewhere."""
    runbook.run("token", installation.variables(MODUL=SOFTHSM, PIN=box.pin))
    token = certified(installation, installation.data / "keys/token.csr")
    (installation.data / "keys/token.pem").write_bytes(token.public_bytes(Encoding.PEM))
    uri = f"pkcs11:token={LABEL};object=kvitto?module-path={SOFTHSM}&pin-source={box.pin}"
    installation.edit('^receipt = "keys/receipt.key"$', f'receipt = "{uri}"')
    installation.edit('^receipt_certificate = "keys/receipt.pem"$', 'receipt_certificate = "keys/token.pem"')
    runbook.run("prova", installation.variables(process))
    installation.was_read(process, 7)
    assert installation.receipt(process) == token.public_bytes(Encoding.DER)
    assert b"271828" not in Path(f"/proc/{process.program.pid}/environ").read_bytes()


def to_another_seal(installation, runbook, process) -> None:
    """Let another key seal, first known everywhere as one that opens: what either sealed can be opened."""
    runbook.run("forsegling", installation.variables())
    assert (installation.data / "keys/sealing-next.key").stat().st_mode & 0o077 == 0
    installation.edit("^# sealing_former = .*$", 'sealing_former = ["keys/sealing-next.key"]')
    installation.read_again(process, 5)
    installation.receipt(process)
    installation.edit("^sealing = .*$", 'sealing = "keys/sealing-next.key"')
    installation.edit("^sealing_former = .*$", 'sealing_former = ["keys/sealing.key"]')
    runbook.run("forsegling-galler", installation.variables(process))
    installation.was_read(process, 6)
    installation.receipt(process)
    read = config.load(installation.settings, data=installation.data)
    views = Views(wiring.place(read, wiring.Duty.ARCHIVIST))
    both = wiring.sealer(read.gateway.keys)
    messages = range(1, len(views.messages()) + 1)
    sealed = {number: views.sealed_message(number) for number in messages}
    hashes = {number: [one.hash for one in views.leaves(number)] for number in messages}
    assert len({one.key_id for one in sealed.values()}) == 2
    assert all(both.open(one, hashes[number]).evidence for number, one in sealed.items())
    alone = wiring.sealer(read.gateway.keys.model_copy(update={"sealing_former": ()}))
    with pytest.raises(IntegrityError, match="sealing_former"):
        alone.open(sealed[min(messages)], hashes[min(messages)])
    views.close()


def test_keys_and_authorities_are_changed_while_it_runs(installation, box, tmp_path):
    now, demo, data = datetime.now(UTC), installation.demo, installation.data
    with Runbook(NAME) as runbook, installation.serving([]) as (process,):
        runbook.run("se", installation.variables())
        assert {one["use"] for one in json.loads((data / "certifikat.json").read_text())} >= {"server", "revocation"}
        runbook.run("larm", installation.variables())

        # A new key for receipts, by the hour.
        runbook.run("nyckel", installation.variables())
        assert (data / "keys/receipt-next.key").stat().st_mode & 0o077 == 0
        new = certified(installation, data / "keys/receipt-next.csr")
        (data / "keys/receipt-next.pem").write_bytes(new.public_bytes(Encoding.PEM))
        assert installation.receipt(process) == demo.receipt.der
        line = '{ key = "keys/receipt-next.key", certificate = "keys/receipt-next.pem", begins = 2026-01-01T00:00:00Z }'
        installation.edit("^# receipt_next = .*$", f"receipt_next = {line}")
        runbook.run("prova", installation.variables(process))
        installation.was_read(process, 1)
        assert installation.receipt(process) == new.public_bytes(Encoding.DER)
        runbook.run("efterat", installation.variables())
        installation.edit("^receipt_next = .*$", "# receipt_next = none")
        installation.read_again(process, 2)
        assert installation.receipt(process) == new.public_bytes(Encoding.DER)

        # The server's certificate.
        profile = Profile(
            kind=KeyKind.RSA_2048, extended_key_usage=(SERVER_AUTH,), names=("localhost", "127.0.0.1", "::1")
        )
        server = issue(demo.server_authority, profile, now=now)
        (tmp_path / "new.key").write_bytes(server.key_pem)
        (tmp_path / "new.pem").write_bytes(server.chain_pem)
        files = {"NY_NYCKEL": tmp_path / "new.key", "NY_CERT": tmp_path / "new.pem"}
        assert server_shown(process) == demo.server.der
        runbook.run("server", installation.variables(**files))
        installation.read_again(process, 3)
        assert server_shown(process) == server.der

        # A partner's new authority, beside the old one.
        root = issue(None, replace(AUTHORITY, common_name="Ny rot", path_length=0), now=now)
        (tmp_path / "ca.pem").write_bytes(root.pem)
        (tmp_path / "ca.crl").write_bytes(pki.crl(root, now=now))
        files = {"NY_CA": tmp_path / "ca.pem", "NY_LISTA": tmp_path / "ca.crl"}
        runbook.run("utfardare", installation.variables(**files))
        installation.read_again(process, 4)
        installation.receipt(process)  # under the old one
        client = replace(Profile(kind=KeyKind.P256), organisation="Skatteverket", serial_numbers=("162021005448",))
        (tmp_path / "client.pem").write_bytes((one := issue(root, client, now=now)).key_pem + one.pem)
        with installation.stage().session() as session:
            session.cert = str(tmp_path / "client.pem")
            address = process.told("server.started")["address"]
            assert session.get(f"https://{address}/health/ready", timeout=20).status_code == 200

        to_another_seal(installation, runbook, process)
        to_the_token(installation, runbook, process, box)


def test_every_sample_of_configuration_in_the_runbook_is_accepted(installation, box):
    text = (ROOT / "docs/runbooks" / f"{NAME}.md").read_text()
    samples = re.findall(r"^ *```toml\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    assert len(samples) == 4
    for sample in samples:
        for line in sample.replace("/usr/lib/…/modul.so", str(SOFTHSM)).splitlines():
            name = line.strip().partition(" = ")[0]
            installation.edit(rf"^(# )?{name} = .*$", f"{line.strip()}  # as in the runbook")
    read = config.load(installation.settings, data=installation.data).gateway.keys
    assert str(read.receipt) == "key kvitto on token utbyte"
    assert read.receipt_next is not None


def test_a_dispatcher_of_its_own_goes_by_a_new_configuration_at_the_same_signal(installation):
    with installation.serving(["dispatcher"], ["relay"]) as (dispatcher, relay):
        installation.read_again(dispatcher, 1)
        installation.edit("^receipt = .*$", 'receipt = "keys/nowhere.key"')
        os.kill(dispatcher.program.pid, signal.SIGHUP)
        assert "keys.receipt" in str(dispatcher.told("configuration.refused")["detail"])
        os.kill(relay.program.pid, signal.SIGHUP)  # has nothing that could be read again, and goes on
    assert not [line for line in relay.lines() if line["event"].startswith("configuration.")]
