"""What happens to a message in a mailbox: the steps that a partner's fetching and acknowledging make. Pure.

Fetching tells nobody anything: that the recipient may have it is said by the step, which is written before a byte
leaves. Acknowledging is the end of the dispatch, like a verified receipt: the leaf of the end, the partner's own signed
bytes under seal, and the event for whoever asked, in one transaction.

Whoever has fetched gets time to acknowledge, even where the mailbox's own time is nearly out: else what was read in the
last minute could only be settled by a person. No longer than the command lives.

When its time in the store is out, the content goes and the log's record stays (`emptied`): that we disclosed something,
what kind of it, to whom and why must be told for much longer than what it said.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final

from gateway.audit import leaf
from gateway.errors import IntegrityError
from gateway.message import Digest, Leaf, Sealed
from gateway.outbound import states
from gateway.outbound.ending import End, ended
from gateway.outbound.ports import Held, Step
from gateway.outbound.rules import Rules
from gateway.outbound.states import Happening, State
from gateway.trust.sealing import Sealer

GRACE: Final = timedelta(days=1)
"""To acknowledge in, from the first fetching."""


def fetch(held: Held, at: datetime) -> Step:
    """Return the step of a partner that fetches what lies in its mailbox, the first time or again.

    Raises IntegrityError where it does not lie there.
    """
    first = held.state is State.DEPOSITED
    return Step(
        dispatch=held.id,
        follows=held.step,
        happening=Happening.FETCH,
        before=held.state,
        after=states.after(held.state, Happening.FETCH),
        at=at,
        due=max(held.due, at + GRACE) if first else held.due,
    )


def acknowledge(held: Held, evidence: bytes, rules: Rules, at: datetime, *, retention: timedelta) -> Step:
    """Return the step of a partner that says it has what it fetched.

    Args:
        held: The dispatch, with its command.
        evidence: The exact bytes of the partner's signed acknowledgement: its receipt.
        rules: Whose pseudonym, and where the asker is told.
        at: When.
        retention: How long the content is kept from then on.

    Raises:
        IntegrityError: it was not fetched, or its command is not there.
        ConfigError: the asker is no more.
    """
    after = states.after(held.state, Happening.ACKNOWLEDGE)
    queued = rules.queued(held)
    made = ended(queued, held, End(state=after, code=None, evidence=evidence), rules, at)
    return Step(
        dispatch=held.id,
        follows=held.step,
        happening=Happening.ACKNOWLEDGE,
        before=held.state,
        after=after,
        at=at,
        due=at + retention,
        digest=Digest(hashlib.sha256(evidence).hexdigest()),
        pseudonym=rules.pseudonyms.of(queued.command.person),
        leaves=made.leaves,
        records=made.sealed,
        content="answer",
        events=made.events,
    )


def emptied(sealed: Sealed, entry: Leaf, sealer: Sealer) -> Sealed:
    """Return the hidden record of an intent under a new key, without the content that shared its old one.

    Args:
        sealed: The payload with its leaf's record.
        entry: The leaf as the log has it: entry, hash and pseudonym.
        sealer: Opens and seals.

    Raises:
        IntegrityError: the seal is broken, or the record is not the leaf's.
    """
    opened = sealer.open(sealed, [entry.hash])
    if len(opened.records) != 1:
        raise IntegrityError(f"{len(opened.records)} records are sealed with one payload")
    ((salt, record),) = opened.records
    return sealer.seal(b"", [leaf.opened(entry.entry, salt=salt, record=record, pseudonym=entry.pseudonym)])
