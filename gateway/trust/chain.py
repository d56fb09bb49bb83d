"""Whether a certificate holds for a partner, at a time and in a role; and whose it then is.

`Trust.judge` goes through these steps, in this order:

    1. Known       the same bytes were judged before, and nothing that was checked can have turned since
    2. Read        RFC 5280 section 4.1                             CERT_FORMAT
    3. Path        to one of the partner's anchors, section 6.1     CERT_CHAIN, CERT_EXPIRED, CERT_NOT_YET_VALID
    4. Usage       in this role, section 4.2.1                      CERT_USAGE
    5. Subject     is whom the agreement names                      CERT_SUBJECT
    6. Revocation  of it and every CA below the anchor, section 5   CERT_REVOKED, REVOCATION_UNAVAILABLE

Kind and strength of the key are the signature profile's business (`signature`).

A `Trust` never changes. Files are read when it is built; `refresh` returns a new one where a file has changed, to be
swapped whole. What it remembers is a shortcut and no state: the same question always has the same answer. While a
partner changes certificates the old and the new hold side by side, under several anchors and common names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from gateway import codes
from gateway.config import Partner, Subject
from gateway.errors import UntrustedError
from gateway.message import Fingerprint, OrganisationNumber, PartnerId
from gateway.trust import roots, subject, usage
from gateway.trust.decoding import read
from gateway.trust.usage import Role

__all__ = ["REMEMBERED", "Identity", "Role", "Trust", "read"]

REMEMBERED = 4096
"""Most certificates remembered: some 10 MB. Employers are many, but few of them send at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose a certificate is, once judged. Made by `Trust.judge`."""

    partner: PartnerId
    organisation: OrganisationNumber
    fingerprint: Fingerprint
    public_key: CertificatePublicKeyTypes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    identity: Identity
    since: datetime
    until: datetime
    """From `since` to before `until` nothing can turn: no validity on the path, no list's freshness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Under which roots each partner's certificates stand. Shared between threads."""

    _roots: Mapping[PartnerId, roots.Roots]
    _partners: Mapping[PartnerId, Partner] = field(repr=False)
    _stamps: Mapping[Path, tuple[int, int, int] | None] = field(repr=False)
    _known: dict[tuple[bytes, PartnerId, Role], _Judged] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def build(cls, partners: Mapping[PartnerId, Partner]) -> Trust:
        """Read every partner's anchors, intermediates and revocation lists, PEM or DER.

        Raises:
            ConfigError: a file cannot be read or holds what it may not; names the file.
        """
        # Stamped before they are read: a file that changes meanwhile is read again at the next refresh.
        stamps = {path: _stamp(path) for partner in partners.values() for path in roots.files(partner)}
        built = {name: roots.Roots.build(partner) for name, partner in partners.items()}
        return cls(_roots=built, _partners=dict(partners), _stamps=stamps)

    @property
    def partners(self) -> tuple[PartnerId, ...]:
        """Everyone whose certificates can be judged."""
        return tuple(self._roots)

    def refresh(self) -> Trust:
        """Return self when no file has changed, else a new Trust of the same partners.

        Raises:
            ConfigError: as `build`. The old Trust then holds on, until its revocation lists run out.
        """
        if all(_stamp(path) == stamp for path, stamp in self._stamps.items()):
            return self
        return Trust.build(self._partners)

    def fresh(self, at: datetime) -> bool:
        """Tell whether every revocation list that a partner requires holds at that time: what a watcher asks."""
        return all(under.revocations.fresh(at) for under in self._roots.values())

    def judge(self, der: bytes, *, partner: PartnerId, role: Role, at: datetime) -> Identity:
        """Judge one certificate, as the module's text lays out.

        Args:
            der: the certificate.
            partner: under whose roots it must stand.
            role: what it is used for.
            at: aware; when the message came.

        Raises:
            UntrustedError: with one of the CERT codes.
            UnavailableError: REVOCATION_UNAVAILABLE, our revocation list is missing or too old.
        """
        # 1. Known.
        key = (der, partner, role)
        known = self._known.get(key)
        if known is not None and known.since <= at < known.until:
            return known.identity
        judged = self._judge(der, partner, role, at)
        with self._lock:
            while len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[key] = judged
        return judged.identity

    def _judge(self, der: bytes, partner: PartnerId, role: Role, at: datetime) -> _Judged:
        under = self._roots.get(partner)
        if under is None:
            raise UntrustedError(codes.CERT_CHAIN, "no such partner")
        # 2. Read.
        certificate = read(der)
        # 3. Path.
        path = under.path(certificate, role, at)
        # 4. Usage.
        usage.check(certificate, role)
        # 5. Subject.
        organisation = _named(certificate, under.subject)
        # 6. Revocation, from the anchor down: a revoked CA's own list says nothing.
        windows = [under.revocations.check(below, above, at) for below, above in reversed([*pairwise(path)])]
        windows += [(link.not_valid_before_utc, link.not_valid_after_utc) for link in path]
        identity = Identity(
            partner=partner,
            organisation=organisation,
            fingerprint=Fingerprint(hashlib.sha256(der).hexdigest()),
            public_key=certificate.public_key(),
        )
        return _Judged(
            identity=identity, since=max(since for since, _ in windows), until=min(until for _, until in windows)
        )


def _named(certificate: x509.Certificate, pinned: Subject | None) -> OrganisationNumber:
    """Return the organisation; it must be the pinned one. A class of partners has no pin."""
    organisation = subject.organisation(certificate)
    if pinned is None:
        return organisation
    if organisation != pinned.organisation:
        raise UntrustedError(codes.CERT_SUBJECT, "serialNumber is another organisation's")
    if pinned.common_names and subject.common_name(certificate) not in pinned.common_names:
        raise UntrustedError(codes.CERT_SUBJECT, "commonName is none of the pinned ones")
    return organisation


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
