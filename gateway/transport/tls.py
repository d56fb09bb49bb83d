"""The server's side of mutual TLS (RFC 8446; RFC 5246 where a partner has nothing newer).

TLS lets in whoever holds a certificate under any configured partner's anchors, and no one else. It does not decide who
that is: `trust.peer` judges the very certificate again, under the one partner's own roots, with its revocation lists
and with a fault that a person can read. So what is configured here is the union, and errs on the side of a readable
fault: `VERIFY_X509_STRICT` stays off, because a certificate that only strictness stops would get a bare TLS alert.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

from gateway.config import Listen, Partner
from gateway.errors import ConfigError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325 section 4.2). TLS 1.3 has no others."""
_PEM = b"-----BEGIN"


def context(listen: Listen, partners: Iterable[Partner]) -> ssl.SSLContext:
    """Make the listener's context: our certificate, client certificates required. Raises ConfigError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_3 if listen.minimum_tls == "1.3" else ssl.TLSVersion.TLSv1_2
    made.set_ciphers(CIPHERS)
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    made.verify_mode = ssl.CERT_REQUIRED
    # A partner's anchor may be an issuing authority rather than its root.
    made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    made.set_alpn_protocols(["http/1.1"])
    identify(made, listen)
    admit(made, partners)
    return made


def identify(made: ssl.SSLContext, listen: Listen) -> None:
    """Read our certificate and key; later handshakes use them. Raises ConfigError."""
    try:
        made.load_cert_chain(listen.certificate, listen.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"listen.certificate, listen.key: {listen.certificate}, {listen.key}: {_reason(error)}"
        ) from None


def admit(made: ssl.SSLContext, partners: Iterable[Partner]) -> None:
    """Let later handshakes in under these partners' anchors too. Raises ConfigError.

    An anchor that is taken away stays until restart, and is harmless: the path judges every peer again.
    """
    for path in sorted({path for partner in partners for path in _authorities(partner)}):
        try:
            data = path.read_bytes()
            made.load_verify_locations(cadata=data.decode("ascii", "replace") if _PEM in data else data)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: holds no certificates, PEM or DER: {_reason(error)}") from None


def _authorities(partner: Partner) -> tuple[Path, ...]:
    return (*partner.trust.anchors, *partner.trust.intermediates)


def _no_password() -> bytes:
    """Answer OpenSSL, which would else ask at the terminal: keys are protected by the file system, not by a word."""
    return b""


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not readable by OpenSSL"
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else type(error).__name__
