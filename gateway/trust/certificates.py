"""Every certificate and revocation list that something stops without, and when it ends.

Read from the files that the configuration names, and from nothing else: no network, no token, no store. Partners' own
certificates come with their messages and are theirs to renew; what is ours to keep are the authorities they stand
under, and those authorities' lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.config import Configuration
from gateway.errors import ConfigError
from gateway.partners import Partner
from gateway.trust import decoding, files, revocation

OURSELVES = "gateway"
"""The owner of what is ours; everything else is a partner's."""
_PEM = b"-----BEGIN CERTIFICATE-----"
_NAMES = {NameOID.SERIAL_NUMBER: "serialNumber"}


class Use(StrEnum):
    """What for."""

    SERVER = "server"
    """We show it to those who call us."""
    CLIENT = "client"
    """We show it to those whom we call."""
    SIGNING = "signing"
    """Receipts, and what we send."""
    SIGNING_NEXT = "signing-next"
    SIGNING_RSA = "signing-rsa"
    SIGNING_RSA_NEXT = "signing-rsa-next"
    ANCHOR = "anchor"
    INTERMEDIATE = "intermediate"
    ENDPOINT = "endpoint"
    """An anchor of an endpoint's TLS server."""
    REVOCATION = "revocation"
    """A list; it ends with its nextUpdate."""


@dataclass(frozen=True, slots=True)
class Found:
    """One certificate or list, as far as it could be read."""

    owners: tuple[str, ...]
    """`OURSELVES`, or the ids of the partners that it is read for."""
    use: Use
    file: Path
    subject: str = ""
    """RFC 4514. A list's is its issuer's."""
    issuer: str = ""
    fingerprint: str = ""
    """Hex SHA-256 of the certificate; of a list, of its issuer's name, as a list has many versions."""
    ends: datetime | None = None
    fault: str = ""
    """Why it could not be read."""


class Inventory:
    """What `inventory` found, read again where a file has changed: lists may be large, and watchers ask often."""

    def __init__(self, configuration: Configuration) -> None:
        """Nothing is read yet."""
        self._configuration = configuration
        self._found: list[Found] | None = None
        self._stamps: Mapping[Path, files.Stamp] = {}

    def read(self) -> list[Found]:
        """Return it as the files are now."""
        if self._found is None or not files.same(self._stamps):
            theirs = [one for partner in self._configuration.partners.values() for one in _of(partner)]
            self._stamps = files.stamps(path for _, path in (*_ours(self._configuration), *theirs))
            self._found = inventory(self._configuration)
        return self._found


def inventory(configuration: Configuration) -> list[Found]:
    """Read everything, the first to end first. What cannot be read stands before all that can."""
    owners: dict[tuple[Use, Path], list[str]] = {}
    for use, path in _ours(configuration):
        owners.setdefault((use, path), []).append(OURSELVES)
    for partner in configuration.partners.values():
        for use, path in dict.fromkeys(_of(partner)):
            owners.setdefault((use, path), []).append(partner.id)
    found = [one for (use, path), whose in owners.items() for one in _read(Found(tuple(whose), use, path))]
    return sorted(found, key=lambda one: (one.ends.timestamp() if one.ends else 0.0, one.owners, one.use, one.subject))


def _ours(configuration: Configuration) -> Iterator[tuple[Use, Path]]:
    keys = configuration.gateway.keys
    for use, path in (
        (Use.SERVER, configuration.gateway.listen.certificate),
        (Use.CLIENT, keys.client_certificate),
        (Use.SIGNING, keys.receipt_certificate),
        (Use.SIGNING_NEXT, None if keys.receipt_next is None else keys.receipt_next.certificate),
        (Use.SIGNING_RSA, keys.receipt_rsa_certificate),
        (Use.SIGNING_RSA_NEXT, None if keys.receipt_rsa_next is None else keys.receipt_rsa_next.certificate),
    ):
        if path is not None:
            yield use, path


def _of(partner: Partner) -> Iterator[tuple[Use, Path]]:
    trust = partner.trust
    yield from ((Use.ANCHOR, path) for path in trust.anchors)
    yield from ((Use.INTERMEDIATE, path) for path in trust.intermediates)
    yield from ((Use.REVOCATION, path) for path in trust.revocation)
    yield from ((Use.ENDPOINT, path) for one in partner.endpoint for path in one.anchors)


def _read(named: Found) -> list[Found]:
    """Fill in what the file holds: one form for each certificate or list in it."""
    try:
        return _lists(named) if named.use is Use.REVOCATION else _certificates(named)
    except ConfigError as error:
        fault = error.detail
    except OSError as error:
        fault = f"{named.file}: cannot be read: {error.strerror}"
    except decoding.UNREADABLE:
        fault = f"{named.file}: is not a certificate in PEM or DER"
    return [replace(named, fault=fault)]


def _certificates(named: Found) -> list[Found]:
    data = named.file.read_bytes()
    read = x509.load_pem_x509_certificates(data) if _PEM in data else [x509.load_der_x509_certificate(data)]
    return [
        replace(
            named,
            subject=one.subject.rfc4514_string(_NAMES),
            issuer=one.issuer.rfc4514_string(_NAMES),
            fingerprint=sha256(one.public_bytes(Encoding.DER)).hexdigest(),
            ends=one.not_valid_after_utc,
        )
        for one in read
    ]


def _lists(named: Found) -> list[Found]:
    return [
        replace(
            named,
            subject=one.issuer.rfc4514_string(_NAMES),
            issuer=one.issuer.rfc4514_string(_NAMES),
            fingerprint=sha256(one.issuer.public_bytes()).hexdigest(),
            ends=one.next_update_utc,
            fault="" if one.next_update_utc else f"{named.file}: has no nextUpdate",
        )
        for one in revocation.lists(named.file)
    ]
