"""The signed answer to an accepted message: from now on it is ours, and here is how to prove it.

The receipt is a promise to a partner that may be read years later, so everything in it is a fact of the acceptance,
never of the answering: a message sent again gets the first receipt again, the same to the byte inside Body, under a
fresh Timestamp and signature. It names records by position, and says nothing that reveals a person.

P-256 is the default (a tenth of RSA's cost); RSA is for partners whose software cannot verify anything else.

What a receipt says, and when and with whose key it was signed, makes all of it but the signature. So that is all that
is kept of one (`message.Sign`), and `again` makes it anew, to the byte, or says that it is not the one that was signed.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from gateway.errors import UntrustedError
from gateway.message import Accepted, Outcome, Receipt, RecordOutcome, Sign, SoapVersion
from gateway.soap import names
from gateway.soap.fault import MEDIA
from gateway.soap.xml import escape, escape_attribute
from gateway.trust import decoding, signature, signing
from gateway.trust.keys import Signers
from gateway.trust.signing import SigningKey, instant

NAMESPACE: Final = "urn:forsakringskassan:utbyte:receipt:1"
ACTION: Final = f"{NAMESPACE}:Receipt"
_VALUE: Final = b"<ds:SignatureValue>"
LIFETIME: Final = timedelta(minutes=5)
"""How long the answer's Timestamp holds. The receipt itself holds for good."""


def sign(accepted: Accepted, signers: Signers, *, wrap: Callable[[str], str], now: datetime) -> Receipt:
    """Compose and sign the receipt, in the SOAP version of the message.

    Args:
        accepted: What was committed.
        signers: Our keys.
        wrap: Puts the receipt element into the contract's own answer element; both canonical text.
        now: The time of answering, for Timestamp and the choice of key only.

    Raises:
        UnavailableError: the key is on a token that does not answer.
    """
    key = signers.of(accepted.provenance.partner, now, now + LIFETIME)
    envelope = _envelope(accepted, key, wrap, now)
    start = envelope.rindex(_VALUE) + len(_VALUE)
    value = a2b_base64(envelope[start : envelope.index(b"<", start)])
    sign = Sign(message=accepted.number, at=now, certificate=key.fingerprint, value=value)
    return Receipt(envelope=envelope, content_type=MEDIA[accepted.provenance.version], sign=sign)


def again(accepted: Accepted, sign: Sign, certificate: bytes, *, wrap: Callable[[str], str]) -> bytes:
    """Return the receipt that was signed, byte for byte.

    Args:
        accepted: What was committed.
        sign: What was kept of the receipt.
        certificate: Whose key signed, DER.
        wrap: As it was for `sign`.

    Raises:
        UntrustedError: It was not this content that was signed, or not by this key.
    """
    public = decoding.read(certificate).public_key()
    key = SigningKey(key=_Kept(signing.method(public), public, sign.value), certificate=certificate)
    # The answer speaks the version of the message that was answered, which may have been a repetition.
    versions = sorted(SoapVersion, key=lambda version: version is not accepted.provenance.version)
    for version in versions[:-1]:
        with suppress(UntrustedError):
            return _envelope(_speaking(accepted, version), key, wrap, sign.at)
    return _envelope(_speaking(accepted, versions[-1]), key, wrap, sign.at)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A key that is not here, and one thing that it has signed: it signs that again, and nothing else."""

    method: str
    public: CertificatePublicKeyTypes
    value: bytes

    def sign(self, data: bytes) -> bytes:
        """Return the value. Raises UntrustedError where it is not of this data."""
        signature.hold(self.value, data, method=self.method, key=self.public)
        return self.value


def _speaking(accepted: Accepted, version: SoapVersion) -> Accepted:
    return replace(accepted, provenance=replace(accepted.provenance, version=version))


def _envelope(accepted: Accepted, key: SigningKey, wrap: Callable[[str], str], now: datetime) -> bytes:
    provenance = accepted.provenance
    # Whose message, and which answer to it: the sender's own id is unique per partner and organisation only.
    answer = f"{provenance.partner} {provenance.organisation} {provenance.message_id} {now.timestamp()}"
    own = sha256(answer.encode()).hexdigest()
    return signing.sign(
        wrap(compose(accepted)),
        key=key,
        version=provenance.version,
        created=now,
        expires=now + LIFETIME,
        message_id=f"{NAMESPACE}:{own}",
        action=ACTION,
        relates_to=provenance.message_id,
    )


def compose(accepted: Accepted) -> str:
    """Return the `Receipt` element of `schemas/receipt.xsd`, canonical: the same for the same acceptance."""
    provenance = accepted.provenance
    whole = all(outcome.outcome is Outcome.PERMIT for outcome in accepted.outcomes)
    outcomes = "".join(map(_outcome, accepted.outcomes))
    leaves = "".join([f"<Leaf>{b2a_base64(leaf, newline=False).decode('ascii')}</Leaf>" for leaf in accepted.leaves])
    return (
        f'<Receipt xmlns="{NAMESPACE}">'
        f"<MessageId>{escape(provenance.message_id)}</MessageId>"
        f'<Digest algorithm="{names.SHA256}">{provenance.digest}</Digest>'
        f"<Contract>{escape(provenance.contract)}</Contract>"
        f"<ReceivedAt>{instant(provenance.received_at)}</ReceivedAt>"
        f"<AcceptedAt>{instant(accepted.accepted_at)}</AcceptedAt>"
        f"<Decision>{'ACCEPTED' if whole else 'PARTIAL'}</Decision>"
        f"<Outcomes>{outcomes}</Outcomes><Leaves>{leaves}</Leaves></Receipt>"
    )


def _outcome(outcome: RecordOutcome) -> str:
    code = escape_attribute(outcome.code)
    return f'<Outcome code="{code}" position="{outcome.position}" result="{outcome.outcome}"></Outcome>'
