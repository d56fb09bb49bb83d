"""The signed answer to an accepted message: from now on it is ours, and here is how to prove it.

The receipt is a promise to a partner that may be read years later, so everything in it is a fact of the acceptance,
never of the answering: a message sent again gets the first receipt again, the same to the byte inside Body, under a
fresh Timestamp and signature. It names records by position, and says nothing that reveals a person.

P-256 is the default (a tenth of RSA's cost); RSA is for partners whose software cannot verify anything else.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from gateway.message import Accepted, Outcome, Receipt, RecordOutcome
from gateway.soap import names
from gateway.soap.fault import MEDIA
from gateway.soap.xml import escape, escape_attribute
from gateway.trust import signing
from gateway.trust.keys import Signers
from gateway.trust.signing import instant

NAMESPACE: Final = "urn:forsakringskassan:utbyte:receipt:1"
ACTION: Final = f"{NAMESPACE}:Receipt"
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
    provenance = accepted.provenance
    # Whose message, and which answer to it: the sender's own id is unique per partner and organisation only.
    answer = f"{provenance.partner} {provenance.organisation} {provenance.message_id} {now.timestamp()}"
    own = sha256(answer.encode()).hexdigest()
    expires = now + LIFETIME
    envelope = signing.sign(
        wrap(compose(accepted)),
        key=signers.of(provenance.partner, now, expires),
        version=provenance.version,
        created=now,
        expires=expires,
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
