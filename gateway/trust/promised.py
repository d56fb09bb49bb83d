"""Our own receipts as partners hold them: what each promises, once it is proven to be ours.

A partner's archive is the one copy that we cannot have changed. So nothing here is believed but our signature: its
certificate must be one of those that have signed receipts, and must have held when it signed. Whether a certificate
still holds is not asked; a receipt is read years later.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import codes
from gateway.config import Limits
from gateway.errors import ConfigError, ContractError, UntrustedError
from gateway.message import ContractId, Fingerprint, OrganisationNumber, PartnerId
from gateway.soap import envelope
from gateway.trust import acknowledgement, decoding, peer, signature
from gateway.trust.acknowledgement import Told

_END: Final = re.compile(rb"</(?:[A-Za-z_][\w.-]*:)?Envelope\s*>")
_CHUNK: Final = 1 << 16
_NAME: Final = 256
"""Bytes of the longest end tag that is looked for across two chunks."""


def envelopes(file: BinaryIO, most: int) -> Iterator[bytes]:
    """Yield the envelopes of a file, which holds one, or many one after the other.

    What is no envelope comes as it stands, to be refused by whoever reads it: the rest of a file, or of one that is
    longer than `most` bytes, of which no more than that is held in memory.
    """
    held, looked = b"", 0
    while data := file.read(_CHUNK):
        held += data
        start = 0
        while found := _END.search(held, max(start, looked)):
            yield held[start : found.end()].strip()
            start = found.end()
        held, looked = held[start:], max(len(held) - start - _NAME, 0)
        if len(held) > most:
            break
    if held.strip():
        yield held.strip()


def read(data: bytes, ours: Collection[Fingerprint], limits: Limits) -> Told:
    """Return what a receipt of ours says.

    Args:
        data: The envelope.
        ours: The certificates that have signed receipts.
        limits: What an envelope may be.

    Raises:
        MalformedError: It is no envelope.
        UntrustedError: SIG_*, it is not as it was signed; CERT_CHAIN, it was not we who signed; CERT_EXPIRED or
            CERT_NOT_YET_VALID, our certificate did not hold then.
        ContractError: CONTRACT_*, it is no receipt, or is about another message than it answers.
    """
    # Who handed it to us says nothing: only the signature does.
    admitted = peer.kept(
        data,
        contract=ContractId(""),
        partner=PartnerId(""),
        organisation=OrganisationNumber(""),
        peer=Fingerprint(""),
        at=datetime.fromtimestamp(0, UTC),
    )
    parsed = envelope.reopen(admitted, limits)
    verified = signature.reread(parsed)
    if verified.provenance.signer not in ours:
        raise UntrustedError(codes.CERT_CHAIN, "no certificate that has signed receipts of ours")
    _held(verified.certificate, verified.provenance.created)
    found = list(verified.payload.iter(acknowledgement.ROOT))  # alone, or in the contract's own answer
    if len(found) != 1:
        raise ContractError(codes.CONTRACT_UNKNOWN, "holds no Receipt, or several")
    said = acknowledgement.told(found[0])
    if verified.provenance.relates_to != said.message_id:
        raise ContractError(codes.CONTRACT_CONTENT, "RelatesTo is not the MessageId of the Receipt")
    return said


def certificate(path: Path) -> Fingerprint:
    """Return what the certificate of a file, PEM, is known by. Raises ConfigError, which names the file."""
    try:
        read = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: is not a certificate in PEM: {type(error).__name__}") from None
    return Fingerprint(sha256(read.public_bytes(Encoding.DER)).hexdigest())


def _held(der: bytes, at: datetime) -> None:
    certificate = decoding.read(der)
    if at > certificate.not_valid_after_utc:
        raise UntrustedError(codes.CERT_EXPIRED, "signed after our certificate had ended")
    if at < certificate.not_valid_before_utc:
        raise UntrustedError(codes.CERT_NOT_YET_VALID, "signed before our certificate held")
