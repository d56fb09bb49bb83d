"""A throw-away PKI: authorities, partners with certificates, and our own keys. For demo, tests and bench only.

It has the shape of the real thing: agencies stand under an issuing CA below a root, employers under a CA for
organisation certificates, and certificates name their organisation in subject serialNumber, in any of the forms that
Swedish issuers use. They have no subjectAltName, as real organisation certificates often have none.

`make` writes this below a folder (private material mode 0600; the authorities' own keys are never written):

    pki/agencies.pem  pki/intermediates.pem       anchor, and the issuing CA below it
    pki/organisations.pem                         anchor of organisation certificates, such as employers'
    pki/agencies.crl  pki/organisations.crl       revocation lists, PEM; the first holds one list of each CA
    pki/server-ca.pem                             what a client trusts when it calls us
    keys/server.pem   keys/server.key             our TLS certificate with its chain: localhost, 127.0.0.1, ::1
    keys/client.pem   keys/client.key             our TLS certificate where we call, with its chain
    keys/receipt.pem  keys/receipt.key            P-256; `receipt-rsa.pem` and `receipt-rsa.key`: RSA-2048
    keys/sealing.key  keys/pseudonym.key          32 raw bytes each
    keys/checkpoint.key                           PEM, Ed25519
    clients/<name>/{tls,sign}.{pem,key}           each partner's certificates as client and signer; `tls.pem` with its
    clients/<name>/server.{pem,key}               chain; and as server, on loopback, where we call it

`build` makes the same in memory. `issue` and `crl` are `issuing`'s: they add to it whatever a test needs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import ConfigError
from gateway.message import OrganisationNumber
from gateway.trust.issuing import (
    AUTHORITY,
    CLIENT_AUTH,
    SERVER_AUTH,
    SIGNER,
    Issued,
    KeyKind,
    Profile,
    Random,
    crl,
    issue,
    new_key,
)

__all__ = [
    "AUTHORITY",
    "CLIENT_AUTH",
    "SERVER_AUTH",
    "SIGNER",
    "Client",
    "Demo",
    "Issued",
    "KeyKind",
    "Profile",
    "build",
    "crl",
    "issue",
    "make",
    "new_key",
    "write",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A partner's material: the certificate it connects with and the one it signs with."""

    name: str
    organisation: OrganisationNumber
    tls: Issued
    sign: Issued
    server: Issued


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A whole throw-away PKI. `issue` and `crl` make more with its authorities."""

    agencies_root: Issued
    agencies: Issued
    organisations: Issued
    server_authority: Issued
    strangers: Issued
    """A CA that nobody has configured."""
    server: Issued
    client: Issued
    receipt: Issued
    receipt_rsa: Issued
    sealing: bytes = field(repr=False)
    pseudonym: bytes = field(repr=False)
    checkpoint: ed25519.Ed25519PrivateKey = field(repr=False)
    clients: Mapping[str, Client]
    """By name: skatteverket, arbetsformedlingen, arbetsgivare-a, arbetsgivare-b, stranger."""
    agencies_crl: bytes = field(repr=False)
    organisations_crl: bytes = field(repr=False)


def build(*, now: datetime, random: Random = os.urandom, kind: KeyKind = KeyKind.RSA_2048) -> Demo:
    """Make a whole PKI in memory.

    Args:
        now: aware; everything holds from an hour before, certificates for a year and lists for thirty days.
        random: where serial numbers and symmetric keys come from.
        kind: of the partners' keys. RSA-2048 is what most have; P-256 is faster to make.
    """

    def new(ca: Issued | None, profile: Profile, **changes: object) -> Issued:
        return issue(ca, replace(profile, **changes), now=now, random=random)  # type: ignore[arg-type]

    root = new(None, _AUTHORITY, common_name="Demo Rot-CA", path_length=1)
    agencies = new(root, _AUTHORITY, common_name="Demo Myndighets-CA")
    organisations = new(None, _AUTHORITY, common_name="Demo Organisations-CA")
    strangers = new(None, _AUTHORITY, common_name="Demo Okänd CA")
    server_authority = new(None, _AUTHORITY, common_name="Demo Server-CA")
    under = {"agencies": agencies, "organisations": organisations, "strangers": strangers}
    return Demo(
        agencies_root=root,
        agencies=agencies,
        organisations=organisations,
        server_authority=server_authority,
        strangers=strangers,
        server=new(server_authority, _SERVER),
        client=new(agencies, _CLIENT),
        receipt=new(agencies, _RECEIPT, common_name="Kvittens P-256", kind=KeyKind.P256),
        receipt_rsa=new(agencies, _RECEIPT, common_name="Kvittens RSA", kind=KeyKind.RSA_2048),
        sealing=random(32),
        pseudonym=random(32),
        checkpoint=ed25519.Ed25519PrivateKey.generate(),
        clients={
            wanted.name: Client(
                name=wanted.name,
                organisation=wanted.number,
                tls=new(under[wanted.ca], wanted.profile(Profile(kind=kind), "TLS")),
                sign=new(under[wanted.ca], wanted.profile(replace(SIGNER, kind=kind), "signering")),
                server=new(under[wanted.ca], wanted.profile(_SERVER, "tjänst")),
            )
            for wanted in _CLIENTS
        },
        agencies_crl=crl(root, now=now) + crl(agencies, now=now),
        organisations_crl=crl(organisations, now=now),
    )


def make(folder: Path, *, now: datetime, random: Random = os.urandom, kind: KeyKind = KeyKind.RSA_2048) -> Demo:
    """Make a whole PKI and write it below `folder`: `build` and `write`."""
    demo = build(now=now, random=random, kind=kind)
    write(demo, folder)
    return demo


def write(demo: Demo, folder: Path) -> None:
    """Write a PKI below `folder`, as the module's text lays out.

    Raises:
        ConfigError: the folder cannot be written, or has such files already: keys are never overwritten.
    """
    for name, content in _files(demo).items():
        path = folder / name
        try:
            _write(path, content)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    ca: str
    organisation: str
    number: OrganisationNumber
    written: str

    def profile(self, base: Profile, use: str) -> Profile:
        return replace(
            base,
            common_name=f"{self.organisation} {use}",
            organisation=self.organisation,
            serial_numbers=(self.written,),
        )


_CLIENTS = (
    _Wanted("skatteverket", "agencies", "Skatteverket", OrganisationNumber("2021005448"), "162021005448"),
    _Wanted("arbetsformedlingen", "agencies", "Arbetsförmedlingen", OrganisationNumber("2021002114"), "202100-2114"),
    _Wanted("arbetsgivare-a", "organisations", "Arbetsgivare A AB", OrganisationNumber("5560269986"), "165560269986"),
    _Wanted("arbetsgivare-b", "organisations", "Arbetsgivare B AB", OrganisationNumber("5566778899"), "556677-8899"),
    _Wanted("stranger", "strangers", "Okänd AB", OrganisationNumber("5561234567"), "165561234567"),
)
_AUTHORITY = replace(AUTHORITY, organisation="Demo", path_length=0)
_RECEIPT = replace(SIGNER, organisation="Försäkringskassan", serial_numbers=("162021005521",))
_CLIENT = Profile(
    common_name="Utbyte klient",
    organisation="Försäkringskassan",
    kind=KeyKind.P256,
    extended_key_usage=(CLIENT_AUTH,),
    serial_numbers=("162021005521",),
)
_SERVER = Profile(
    common_name="localhost",
    organisation="Försäkringskassan",
    kind=KeyKind.P256,
    extended_key_usage=(SERVER_AUTH,),
    names=("localhost", "127.0.0.1", "::1"),
)


def _files(demo: Demo) -> dict[str, bytes]:
    checkpoint = demo.checkpoint.private_bytes(
        Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = {
        "pki/agencies.pem": demo.agencies_root.pem,
        "pki/intermediates.pem": demo.agencies.pem,
        "pki/organisations.pem": demo.organisations.pem,
        "pki/agencies.crl": demo.agencies_crl,
        "pki/organisations.crl": demo.organisations_crl,
        "pki/server-ca.pem": demo.server_authority.pem,
        "keys/sealing.key": demo.sealing,
        "keys/pseudonym.key": demo.pseudonym,
        "keys/checkpoint.key": checkpoint,
    }
    own = {
        "keys/server": demo.server,
        "keys/client": demo.client,
        "keys/receipt": demo.receipt,
        "keys/receipt-rsa": demo.receipt_rsa,
    }
    for client in demo.clients.values():
        of = f"clients/{client.name}"
        own |= {f"{of}/tls": client.tls, f"{of}/sign": client.sign, f"{of}/server": client.server}
    for stem, issued in own.items():
        files[f"{stem}.key"] = issued.key_pem
        files[f"{stem}.pem"] = issued.pem if stem.endswith("sign") else issued.chain_pem
    return files


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    private = path.suffix == ".key"
    # O_EXCL: a key in use is never overwritten; the mode holds from the first byte on.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
