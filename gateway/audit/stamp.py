"""A time-stamping authority's word that it has seen a checkpoint (RFC 3161).

What is stamped is the checkpoint's whole note, as the log signed it and without witnesses' lines, so that the token can
be checked against a file with nothing of ours:

    openssl ts -verify -data checkpoint -in stamp.tsr -CAfile authority.pem

Its authority must be one under the given certificates, its certificate one for time stamps (id-kp-timeStamping alone,
RFC 3161 section 2.3), valid when it stamped. When a token is received its nonce must be the one that was sent, or it
may be an answer to another question.

The certificates in a token are a set, which DER wants sorted (X.690 section 11.6). Authorities send them in the order
of the chain, and rfc3161-client then reads nothing. No signature covers that order, so it is put right before reading;
what is kept are the bytes that came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from gateway.errors import ConfigError, IntegrityError

_SHA512: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent to an authority."""

    body: bytes
    """DER."""
    nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What an authority says."""

    time: datetime
    """UTC."""
    serial: int
    policy: str
    """The object identifier of the rules it stamps by."""


def request(data: bytes) -> Request:
    """Return what asks for a stamp of `data`: its SHA-512, a new nonce, and the wish for the certificate."""
    made = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA512).build()
    if made.nonce is None:
        raise IntegrityError("a request for a time stamp was made without a nonce")
    return Request(body=made.as_bytes(), nonce=made.nonce)


def anchors(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Read the certificates that authorities are believed by: roots, and what is between. Raises ConfigError."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        raise ConfigError("is not a file of certificates in PEM") from None


def verify(answer: bytes, data: bytes, believed: Sequence[x509.Certificate], *, nonce: int | None = None) -> Stamp:
    """Prove that an authority under `believed` stamped `data`, and return when.

    Args:
        answer: TimeStampResp, DER.
        data: What was stamped.
        believed: `anchors`; at least one.
        nonce: The one that was sent, when the answer has just come; None for one that was kept.

    Raises:
        IntegrityError: It did not; the detail says in what the answer fails.
    """
    roots = [one for one in believed if one.issuer == one.subject]
    if not roots:
        raise IntegrityError("no root certificate is given by which a time-stamping authority is believed")
    between = [one for one in believed if one.issuer != one.subject]
    try:
        found = decode_timestamp_response(_sorted(answer))
        _as_asked(found)
        VerifierBuilder(roots=roots, intermediates=between, nonce=nonce).build().verify_message(found, data)
        told = found.tst_info
        return Stamp(time=told.gen_time.astimezone(UTC), serial=told.serial_number, policy=told.policy.dotted_string)
    except VerificationError as error:
        raise IntegrityError(f"the time stamp is not believed: {error}") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise IntegrityError(f"the time stamp is not one (RFC 3161): {type(error).__name__}") from None


def _as_asked(answer: TimeStampResponse) -> None:
    if answer.status != 0:
        raise VerificationError(f"the authority refused: PKIStatus {answer.status}")
    if answer.tst_info.message_imprint.hash_algorithm != _SHA512:
        raise VerificationError("the digest is not SHA-512, which was asked for")


_CERTIFICATES: Final = 0xA0
"""Tag of the certificates in SignedData (RFC 5652 section 5.1)."""
_CUT: Final = "the time stamp is not one (RFC 3161): it ends too soon"
_LONG: Final = 0x80
_TWO: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Element:
    """Where an element of DER stands: its head, its content, its end."""

    tag: int
    head: int
    start: int
    end: int


def _sorted(answer: bytes) -> bytes:
    """Return the answer with the token's certificates in the order of a set. Raises IntegrityError."""
    response = _elements(answer, 0, len(answer))[0]
    parts = _elements(answer, response.start, response.end)
    if len(parts) < _TWO:
        return answer  # a refusal
    content = _elements(answer, parts[1].start, parts[1].end)[-1]
    signed = _elements(answer, content.start, content.end)[0]
    for one in _elements(answer, signed.start, signed.end):
        if one.tag == _CERTIFICATES:
            certificates = sorted(answer[each.head : each.end] for each in _elements(answer, one.start, one.end))
            return answer[: one.start] + b"".join(certificates) + answer[one.end :]
    return answer


def _elements(data: bytes, start: int, end: int) -> list[_Element]:
    """Return the elements that stand side by side in a stretch of DER; at least one."""
    found: list[_Element] = []
    while start < end or not found:
        head, at = start, start + _TWO
        if at > end:
            raise IntegrityError(_CUT)
        length = data[start + 1]
        if length >= _LONG:
            size = length - _LONG
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        start = at + length
        if start > end:
            raise IntegrityError(_CUT)
        found.append(_Element(tag=data[head], head=head, start=at, end=start))
    return found
