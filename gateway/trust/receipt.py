"""The signed answer to an accepted message: from now on it is ours, and here is how to prove it.

The receipt is a promise to a partner that may be read years later, so everything in it is a fact of the acceptance,
never of the answering: a message sent again gets the first receipt again, the same to the byte inside Body, under a
fresh Timestamp and signature. It names records by position, and says nothing that reveals a person.

P-256 is the default (a tenth of RSA's cost); RSA is for partners whose software cannot verify anything else.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.config import Keys, Partner
from gateway.errors import ConfigError
from gateway.message import Accepted, Outcome, PartnerId, Receipt, RecordOutcome
from gateway.soap import names
from gateway.soap.fault import MEDIA
from gateway.soap.xml import escape, escape_attribute
from gateway.trust import signing
from gateway.trust.signing import SigningKey, instant

NAMESPACE: Final = "urn:forsakringskassan:utbyte:receipt:1"
ACTION: Final = f"{NAMESPACE}:Receipt"
LIFETIME: Final = timedelta(minutes=5)
"""How long the answer's Timestamp holds. The receipt itself holds for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """Our receipt keys, and who gets which."""

    p256: SigningKey
    rsa: SigningKey | None = None
    rsa_partners: frozenset[PartnerId] = frozenset()

    def __post_init__(self) -> None:
        """Refuse to start with a partner that no key could answer, or keys in each other's place."""
        if self.p256.method != names.ECDSA_SHA256:
            raise ConfigError("keys.receipt: is not a P-256 key")
        if self.rsa is not None and self.rsa.method != names.RSA_SHA256:
            raise ConfigError("keys.receipt_rsa: is not an RSA key")
        if self.rsa_partners and self.rsa is None:
            raise ConfigError(f'keys.receipt_rsa: needed by receipt = "rsa" of {", ".join(sorted(self.rsa_partners))}')

    @classmethod
    def build(cls, keys: Keys, partners: Mapping[PartnerId, Partner]) -> Signers:
        """Read the key files. Raises ConfigError, which names the file."""
        if (keys.receipt_rsa is None) != (keys.receipt_rsa_certificate is None):
            raise ConfigError("keys.receipt_rsa and keys.receipt_rsa_certificate: need each other")
        rsa = None
        if keys.receipt_rsa is not None and keys.receipt_rsa_certificate is not None:
            rsa = _load(keys.receipt_rsa, keys.receipt_rsa_certificate)
        return cls(
            p256=_load(keys.receipt, keys.receipt_certificate),
            rsa=rsa,
            rsa_partners=frozenset(partner.id for partner in partners.values() if partner.receipt == "rsa"),
        )

    def of(self, partner: PartnerId) -> SigningKey:
        """Return the key that this partner can verify."""
        return self.rsa if self.rsa is not None and partner in self.rsa_partners else self.p256


def sign(accepted: Accepted, signers: Signers, *, wrap: Callable[[str], str], now: datetime) -> Receipt:
    """Compose and sign the receipt, in the SOAP version of the message.

    Args:
        accepted: What was committed.
        signers: Our keys.
        wrap: Puts the receipt element into the contract's own answer element; both canonical text.
        now: The time of answering, for Timestamp only.
    """
    provenance = accepted.provenance
    # Whose message, and which answer to it: the sender's own id is unique per partner and organisation only.
    answer = f"{provenance.partner} {provenance.organisation} {provenance.message_id} {now.timestamp()}"
    own = sha256(answer.encode()).hexdigest()
    envelope = signing.sign(
        wrap(compose(accepted)),
        key=signers.of(provenance.partner),
        version=provenance.version,
        created=now,
        expires=now + LIFETIME,
        message_id=f"{NAMESPACE}:{own}",
        action=ACTION,
        relates_to=provenance.message_id,
    )
    return Receipt(envelope=envelope, content_type=MEDIA[provenance.version])


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


def _load(key_file: Path, certificate_file: Path) -> SigningKey:
    try:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{key_file}: is not an unencrypted private key in PEM: {type(error).__name__}") from None
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{certificate_file}: is not a certificate in PEM: {type(error).__name__}") from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise ConfigError(f"{key_file}: is not an RSA, P-256 or Ed25519 key")
    try:
        if key.public_key() == certificate.public_key():
            return SigningKey(key=key, certificate=certificate.public_bytes(Encoding.DER))
    except (ConfigError, UnsupportedAlgorithm):
        raise ConfigError(f"{key_file}: is not RSA of 2048 bits or more, P-256 or Ed25519") from None
    raise ConfigError(f"{certificate_file}: is not the certificate of {key_file}")
