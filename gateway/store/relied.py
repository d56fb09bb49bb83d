"""What signatures were judged by and made with, kept: revocation lists and our own certificates, each once, by hash.

Whoever judges calls `keep` before it judges anything by a list, and goes on only when it has returned: so an outcome
that hung on a list can be shown with the very list for as long as the log stands. From when a partner's certificates
were judged by which lists is a row of its own, written when those are others than before; an empty one says that none
was configured. No row says that nobody wrote it down: the store is older than this.

Two processes do not read a file in the same moment. For `SETTLING` after a change either set may have judged, and
`in_force` returns both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from gateway.database import Session, Turn, instant, written
from gateway.errors import IntegrityError
from gateway.message import Fingerprint, PartnerId
from gateway.store.place import Place

SETTLING = timedelta(minutes=3)
"""For how long after a change one process may still go by what was before: thrice the pause between two looks."""
CRL, CERTIFICATE = "crl", "certificate"
_LATEST = "SELECT lists FROM trust_reads WHERE partner = ? ORDER BY at DESC LIMIT 1"
_THEN = "SELECT at, lists FROM trust_reads WHERE partner = ? AND at <= ? ORDER BY at DESC LIMIT 1"
_KNOWN = "SELECT fingerprint FROM trust_files WHERE fingerprint = ?"
_CONTENT = "SELECT content FROM trust_files WHERE fingerprint = ?"
_FILE = "INSERT INTO trust_files (fingerprint, kind, at, content) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_READ = "INSERT INTO trust_reads (partner, at, lists) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What a partner's certificates were judged by from some time on."""

    since: datetime
    lists: tuple[bytes, ...] = field(repr=False)
    """DER. Empty: none was configured."""


def keep(
    place: Place, at: datetime, lists: Mapping[PartnerId, Sequence[bytes]], certificates: Sequence[bytes] = ()
) -> bool:
    """Keep what is judged by, and signed with, from now on; tell whether anything of it is new here.

    Args:
        place: The store, on behalf of whoever judges.
        at: Now.
        lists: Revocation lists by partner, DER.
        certificates: Those of our own signing keys, DER.

    Raises:
        UnavailableError: It is not kept.
    """
    files = {_fingerprint(one): (CERTIFICATE, one) for one in certificates}
    files |= {_fingerprint(one): (CRL, one) for several in lists.values() for one in several}
    named = {partner: " ".join(sorted({_fingerprint(one) for one in several})) for partner, several in lists.items()}
    session = place.open()
    try:
        with session.translated():
            if not _new(session, files, named):
                return False
            with session.writing(Turn.TRUST):
                unknown, changed = _unknown(session, files), _changed(session, named)
                for name in unknown:
                    kind, content = files[name]
                    session.execute(_FILE, (name, kind, written(at), content))
                for partner in changed:
                    session.execute(_READ, (partner, written(at), named[partner]))
            return True
    finally:
        session.close()


def in_force(place: Place, partner: PartnerId, at: datetime) -> Sequence[InForce]:
    """Return what a partner's certificates were judged by at a time, the newest first; none: nobody kept it then.

    Two where the newest had been read for less than `SETTLING`. Raises IntegrityError where a list is gone or is not
    what its hash says, UnavailableError.
    """
    session = place.open()
    found: list[InForce] = []
    try:
        with session.translated(), session.reading():
            until = at
            while (row := session.execute(_THEN, (partner, written(until))).fetchone()) is not None:
                since = instant(row[0])
                found.append(InForce(since=since, lists=tuple(_content(session, one) for one in row[1].split())))
                if at - since >= SETTLING:
                    break
                until = since - timedelta(microseconds=1)
    finally:
        session.close()
    return found


def certificate(place: Place, fingerprint: Fingerprint) -> bytes:
    """Return a certificate that we signed with, DER. Raises IntegrityError where it is not there, UnavailableError."""
    session = place.open()
    try:
        with session.translated():
            return _content(session, fingerprint)
    finally:
        session.close()


def _new(session: Session, files: Mapping[str, object], named: Mapping[PartnerId, str]) -> bool:
    with session.reading():
        return bool(_unknown(session, files) or _changed(session, named))


def _unknown(session: Session, files: Mapping[str, object]) -> Sequence[str]:
    return [one for one in files if session.execute(_KNOWN, (one,)).fetchone() is None]


def _changed(session: Session, named: Mapping[PartnerId, str]) -> Sequence[PartnerId]:
    return [one for one, lists in named.items() if session.execute(_LATEST, (one,)).fetchone() != (lists,)]


def _content(session: Session, fingerprint: str) -> bytes:
    row = session.execute(_CONTENT, (fingerprint,)).fetchone()
    if row is None or _fingerprint(bytes(row[0])) != fingerprint:
        raise IntegrityError(f"trust_files: {fingerprint} is not there, or is another file")
    return bytes(row[0])


def _fingerprint(content: bytes) -> str:
    return sha256(content).hexdigest()
