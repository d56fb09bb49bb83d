"""Certificates out of bytes. cryptography owns the format; its exceptions end here.

It decodes most parts only when they are asked for, and tells faults in several ways, some of which are no ValueError.
So everything that is looked at later is decoded here, once: what `read` returns raises no more.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gateway import codes
from gateway.errors import UntrustedError

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UserWarning,  # where warnings are errors: a serial number that is not positive, a country of four letters
)
"""What cryptography raises for bytes that are no proper certificate or revocation list."""
_LAZY = ("issuer", "subject", "extensions", "not_valid_before_utc", "not_valid_after_utc")


def read(der: bytes) -> x509.Certificate:
    """Return the certificate, with every part that is looked at later proven readable.

    Raises:
        UntrustedError: CERT_FORMAT.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        decode(certificate)
    except UNREADABLE:
        raise UntrustedError(codes.CERT_FORMAT) from None
    if certificate.serial_number <= 0:
        raise UntrustedError(codes.CERT_FORMAT, "serial number (RFC 5280 section 4.1.2.2)")
    if der[-len(certificate.signature) - 1]:
        # Nothing signs the count of unused bits: another value would be the same certificate by another fingerprint.
        raise UntrustedError(codes.CERT_FORMAT, "signature value is not of whole octets")
    return certificate


def decode(certificate: x509.Certificate) -> None:
    """Decode every part that is looked at later. Raises one of `UNREADABLE`."""
    for part in _LAZY:
        getattr(certificate, part)
    certificate.public_key()
