"""Whether a certificate holds for a partner, at a time and in a role; and whose it then is.

`Trust.judge` goes through these steps, in this order:

    1. Known       the same bytes were judged before, and nothing that was checked can have turned since
    2. Read        RFC 5280 section 4.1                             CERT_FORMAT
    3. Path        to one of the partner's anchors, section 6.1     CERT_CHAIN, CERT_EXPIRED, CERT_NOT_YET_VALID
    4. Usage       in this role, section 4.2.1                      CERT_USAGE
    5. Subject     is whom the agreement names                      CERT_SUBJECT
    6. Revocation  of it and every CA below the anchor, section 5   CERT_REVOKED, REVOCATION_UNAVAILABLE

`Trust.judge_server` does the same with the TLS server that we have called, whose name TLS has held to the address.
Under the partner's own anchors it must name the organisation that was called. Where the endpoint has anchors of its own
the host's name is all there is: those CAs often write no organisation number, or that of whoever runs the machine.

Kind and strength of the key are the signature profile's business (`signature`).

A `Trust` never changes. Files are read when it is built; `refresh` returns a new one where a file has changed, to be
swapped whole. What it remembers is a shortcut and no state: the same question always has the same answer. While a
partner changes certificates the old and the new hold side by side, under several anchors and common names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from gateway import codes
from gateway.errors import UntrustedError
from gateway.message import Fingerprint, OrganisationNumber, PartnerId
from gateway.partners import Partner, Subject
from gateway.trust import files, roots, subject, usage
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
    _serving: Mapping[tuple[PartnerId, frozenset[Path]], roots.Roots]
    """Of endpoints that have anchors of their own: by their files."""
    _partners: Mapping[PartnerId, Partner] = field(repr=False)
    _stamps: Mapping[Path, files.Stamp] = field(repr=False)
    _known: dict[tuple[bytes, PartnerId, Role], _Judged] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def build(cls, partners: Mapping[PartnerId, Partner]) -> Trust:
        """Read every partner's anchors, intermediates and revocation lists, PEM or DER.

        Raises:
            ConfigError: a file cannot be read or holds what it may not; names the file.
        """
        # Stamped before they are read: a file that changes meanwhile is read again at the next refresh.
        stamps = files.stamps(path for partner in partners.values() for path in roots.files(partner))
        built = {name: roots.Roots.build(partner) for name, partner in partners.items()}
        serving = {
            (name, anchors): under
            for name, partner in partners.items()
            for anchors, under in roots.Roots.serving(partner).items()
        }
        return cls(_roots=built, _serving=serving, _partners=dict(partners), _stamps=stamps)

    @property
    def partners(self) -> tuple[PartnerId, ...]:
        """Everyone whose certificates can be judged."""
        return tuple(self._roots)

    def refresh(self) -> Trust:
        """Return self when no file has changed, else a new Trust of the same partners.

        Raises:
            ConfigError: as `build`. The old Trust then holds on, until its revocation lists run out.
        """
        if files.same(self._stamps):
            return self
        return Trust.build(self._partners)

    def fresh(self, at: datetime) -> bool:
        """Tell whether every revocation list that a partner requires holds at that time: what a watcher asks."""
        return all(under.revocations.fresh(at) for under in (*self._roots.values(), *self._serving.values()))

    @property
    def lists(self) -> Mapping[PartnerId, Sequence[bytes]]:
        """Return the revocation lists that each partner's certificates are judged by, DER."""
        return {partner: under.revocations.contents for partner, under in self._roots.items()}

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
        judged = _judge(der, self._roots.get(partner), partner, role, at)
        with self._lock:
            while len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[key] = judged
        return judged.identity

    def judge_server(
        self,
        der: bytes,
        *,
        partner: PartnerId,
        organisation: OrganisationNumber,
        anchors: Sequence[Path],
        at: datetime,
    ) -> Identity:
        """Judge the TLS server that answered at an endpoint, as the module's text lays out. Nothing is remembered.

        Args:
            der: the certificate.
            partner: whose endpoint was called.
            organisation: who was called there.
            anchors: the endpoint's own, if it has any.
            at: aware; when it answered.

        Raises:
            UntrustedError, UnavailableError: as `judge`.
        """
        if not anchors:
            identity = _judge(der, self._roots.get(partner), partner, Role.SERVER, at).identity
            if identity.organisation != organisation:
                raise UntrustedError(codes.CERT_SUBJECT, "serialNumber is not that of who was called")
            return identity
        under = self._serving.get((partner, frozenset(anchors)))
        return _judge(der, under, partner, Role.SERVER, at, called=organisation).identity


def _judge(  # noqa: PLR0913  # the question, and what it is judged by
    der: bytes,
    under: roots.Roots | None,
    partner: PartnerId,
    role: Role,
    at: datetime,
    *,
    called: OrganisationNumber | None = None,
) -> _Judged:
    """Judge a certificate; `called` is whose it is taken for, where it need not say so itself."""
    if under is None:
        raise UntrustedError(codes.CERT_CHAIN, "no such partner or endpoint")
    # 2. Read.
    certificate = read(der)
    # 3. Path.
    path = under.path(certificate, role, at)
    # 4. Usage.
    usage.check(certificate, role)
    # 5. Subject.
    organisation = called or _named(certificate, under.subject, role)
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


def _named(certificate: x509.Certificate, pinned: Subject | None, role: Role) -> OrganisationNumber:
    """Return the organisation; it must be the pinned one. A class of partners has no pin."""
    organisation = subject.organisation(certificate)
    if pinned is None:
        return organisation
    if organisation != pinned.organisation:
        raise UntrustedError(codes.CERT_SUBJECT, "serialNumber is another organisation's")
    if role is Role.SERVER:
        return organisation
    if pinned.common_names and subject.common_name(certificate) not in pinned.common_names:
        raise UntrustedError(codes.CERT_SUBJECT, "commonName is none of the pinned ones")
    return organisation
