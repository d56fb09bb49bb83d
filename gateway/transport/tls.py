"""Both sides of mutual TLS (RFC 8446; RFC 5246 where a partner has nothing newer).

As server: TLS lets in whoever holds a certificate under any configured partner's anchors, and no one else. It does not
decide who that is: `trust.peer` judges the very certificate again, under the one partner's own roots, with its
revocation lists and with a fault that a person can read. So what is configured here is the union, and errs on the side
of a readable fault: `VERIFY_X509_STRICT` stays off, because a certificate that only strictness stops would get a bare
TLS alert.

As client: one partner's authorities and nobody else's, never the system's; and the certificate must be for the host
that was called (RFC 9525: subjectAltName, never commonName), whatever is configured. Revocation and organisation are
judged afterwards, by the path, from the certificate that comes with the answer.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from gateway.config import Keys, Listen
from gateway.errors import ConfigError
from gateway.partners import Partner
from gateway.trust import files

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325 section 4.2). TLS 1.3 has no others."""
_PEM = b"-----BEGIN"


class Listener(ssl.SSLContext):
    """The listener's context, whose certificate and authorities change while it listens.

    Each connection gets the newest context whole. A context in use is never changed: while OpenSSL reads a new pair,
    a handshake would meet the new certificate with the old key, and of a pair that proves wrong the half would stay.
    """

    current: ssl.SSLContext
    _listen: Listen
    _table: str
    _partners: tuple[Partner, ...]
    _anchors: tuple[Path, ...]
    _stamps: dict[Path, files.Stamp]

    def __new__(
        cls, listen: Listen, partners: Iterable[Partner] = (), anchors: Iterable[Path] = (), table: str = "listen"
    ) -> Self:
        """Read the files; `anchors` are others than partners', `table` says who we are. Raises ConfigError."""
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made.reload(listen, partners, anchors, table)
        return made

    def renew(self) -> bool:
        """Read the files again where one has changed; tell whether one had. Raises ConfigError; the old stay."""
        if files.same(self._stamps):
            return False
        self.reload(self._listen, self._partners, self._anchors, self._table)
        return True

    def reload(
        self, listen: Listen, partners: Iterable[Partner] = (), anchors: Iterable[Path] = (), table: str = "listen"
    ) -> None:
        """Go on with another certificate and other partners. Raises ConfigError; the old ones stay."""
        every, others = tuple(partners), tuple(anchors)
        read = (listen.certificate, listen.key, *others, *(path for one in every for path in authorities(one)))
        stamps = dict(files.stamps(read))
        files.secret(listen.key, f"{table}.key")
        self.current = context(listen, every, others, table)
        self._listen, self._table, self._partners, self._anchors, self._stamps = listen, table, every, others, stamps

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:  # noqa: ANN401  # passed on as it is
        """Begin a connection in the newest context."""
        return self.current.wrap_bio(*args, **kwargs)


def context(
    listen: Listen, partners: Iterable[Partner], anchors: Iterable[Path] = (), table: str = "listen"
) -> ssl.SSLContext:
    """Make the listener's context: our certificate, client certificates required. Raises ConfigError."""
    made = _strict(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_3 if listen.minimum_tls == "1.3" else ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    _show(made, listen.certificate, listen.key, f"{table}.certificate, {table}.key")
    admit(made, partners)
    _believe(made, anchors)
    return made


def calling(keys: Keys, authorities: Iterable[Path]) -> ssl.SSLContext:
    """Make the context that one partner is called with: our client certificate, and its authorities alone.

    Raises ConfigError.
    """
    if keys.client is None or keys.client_certificate is None:
        raise ConfigError("keys.client, keys.client_certificate: both are needed where a partner has an [[endpoint]]")
    made = _strict(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = True
    made.hostname_checks_common_name = False
    _show(made, keys.client_certificate, keys.client, "keys.client_certificate, keys.client")
    _believe(made, authorities)
    return made


def _strict(protocol: int) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers(CIPHERS)
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    made.verify_mode = ssl.CERT_REQUIRED
    # A partner's anchor may be an issuing authority rather than its root.
    made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    made.set_alpn_protocols(["http/1.1"])
    return made


def admit(made: ssl.SSLContext, partners: Iterable[Partner]) -> None:
    """Let later handshakes in under these partners' anchors too. Raises ConfigError.

    An anchor that is taken away stays until restart, and is harmless: the path judges every peer again.
    """
    _believe(made, (path for partner in partners for path in authorities(partner)))


def authorities(partner: Partner) -> tuple[Path, ...]:
    """Return the files that hold the authorities of a partner's certificates."""
    return (*partner.trust.anchors, *partner.trust.intermediates)


def _show(made: ssl.SSLContext, certificate: Path, key: Path, names: str) -> None:
    try:
        made.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{names}: {certificate}, {key}: {_reason(error)}") from None


def _believe(made: ssl.SSLContext, paths: Iterable[Path]) -> None:
    for path in sorted(set(paths)):
        try:
            data = path.read_bytes()
            made.load_verify_locations(cadata=data.decode("ascii", "replace") if _PEM in data else data)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: holds no certificates, PEM or DER: {_reason(error)}") from None


def _no_password() -> bytes:
    """Answer OpenSSL, which would else ask at the terminal: keys are protected by the file system, not by a word."""
    return b""


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not readable by OpenSSL"
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else type(error).__name__
