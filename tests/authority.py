"""A time-stamping authority by OpenSSL (`openssl ts`), asked by real HTTP; and ways in which one may be wrong."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

REPLY = "application/timestamp-reply"
_CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
certs = {folder}/chain.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """Keys and certificates in a folder: a root, what is between, and the signer's."""

    folder: Path

    @classmethod
    def make(
        cls,
        folder: Path,
        *,
        ends: datetime | None = None,
        digests: str = "sha256, sha512",
    ) -> Self:
        """Make one that is right, or wrong in one way."""
        folder.mkdir(parents=True)
        begins = datetime.now(UTC) - timedelta(days=30)
        root_key, between_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        root = _certificate("Root", root_key, "Root", root_key, begins, authority=True)
        between = _certificate("Between", between_key, "Root", root_key, begins, authority=True)
        signer = _certificate("Signer", key, "Between", between_key, begins, ends=ends)
        pem = {"root": root, "between": between, "signer": signer}
        written = {name: one.public_bytes(Encoding.PEM) for name, one in pem.items()}
        for name, data in written.items():
            (folder / f"{name}.pem").write_bytes(data)
        (folder / "chain.pem").write_bytes(written["between"])
        (folder / "signer.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder, digests=digests))
        return cls(folder)

    @property
    def anchors(self) -> Path:
        """Whom to believe: the root."""
        return self.folder / "root.pem"

    def reply(self, query: bytes) -> bytes:
        """Answer as OpenSSL does."""
        (self.folder / "query.tsq").write_bytes(query)
        subprocess.run(
            ["openssl", "ts", "-reply", "-config", self.folder / "tsa.cnf", "-section", "one",
             "-queryfile", self.folder / "query.tsq", "-out", self.folder / "reply.tsr"],
            check=True, capture_output=True,
        )  # fmt: skip
        return (self.folder / "reply.tsr").read_bytes()

    def query(self, data: bytes, digest: str = "-sha512") -> bytes:
        """Ask as OpenSSL does: with a nonce of its own."""
        (self.folder / "data").write_bytes(data)
        return subprocess.run(
            ["openssl", "ts", "-query", "-data", self.folder / "data", digest, "-cert"], check=True, capture_output=True
        ).stdout


def verified_by_openssl(authority: Authority, data: bytes, token: bytes) -> str:
    """Return what OpenSSL says of a token."""
    (authority.folder / "stamped").write_bytes(data)
    (authority.folder / "kept.tsr").write_bytes(token)
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-data", authority.folder / "stamped", "-in", authority.folder / "kept.tsr",
         "-CAfile", authority.anchors],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout + done.stderr


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    begins: datetime,
    *,
    authority: bool = False,
    ends: datetime | None = None,
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    made = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends or begins + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority, content_commitment=not authority, key_encipherment=False,
                data_encipherment=False, key_agreement=False, key_cert_sign=authority, crl_sign=authority,
                encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if not authority:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return made.sign(issuer_key, hashes.SHA256())


class Served:
    """An authority's server; `answer` turns a query into a reply, rightly or wrongly."""

    def __init__(self, answer: Callable[[bytes], bytes], *, status: int = 200, kind: str = REPLY) -> None:
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked.append((self.headers["Content-Type"], body))
                said = answer(body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/tsa"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
