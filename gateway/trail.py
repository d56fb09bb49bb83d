"""What may be known of a leaf without opening its record: what auditors ask (standard library only).

The hidden record is sealed, and a sealed record cannot be asked. So each leaf has a *trail*: when, which way, between
whom, by what law, what was decided, which fields by name. It holds no value of a field, no person and no free text; a
case and a consent are keyed hashes. It is a function of the record (`audit.trail.of`), so it can be checked against the
record, and made again from it.

Most of it is the same for thousands of leaves: what a partner sends on one basis by one law. That part is the *flow*,
written once and numbered by its own content.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

_BITS = 63
"""Of a flow's number: a whole number of both databases. Among a million flows two meet with a chance below 10^-7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What many leaves have in common. Nothing in it is about a person, so it outlives gallring."""

    kind: str
    """Of the leaf (`audit.leaf.Kind`)."""
    direction: str | None = None
    """`in` or `out`; None for what goes nowhere."""
    partner: str | None = None
    contract: str | None = None
    information: str | None = None
    """Kind of information: `inkomst`."""
    interaction: str | None = None
    """`send` or `ask`, of what goes out."""
    asker: str | None = None
    """The system of ours that wanted it."""
    purposes: tuple[str, ...] = ()
    basis: str | None = None
    lagrum: tuple[str, ...] = ()
    """`id@version`."""
    policy: str | None = None
    outcome: str | None = None
    """PERMIT, REFER or DENY; None where nothing was decided."""
    reasons: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()
    """Names of the fields that passed."""
    withheld: tuple[str, ...] = ()
    """`field=REASON`."""
    protection: str | None = None
    """The person's, as it was judged by."""
    code: str | None = None
    """Of a refusal or an end."""
    state: str | None = None
    """Where a dispatch or a review ended."""
    released: str | None = None
    """Whether the recipient has it: `yes`, `no`, `unknown`."""
    waited: str | None = None
    """What waited for a person: `record`, `answer`, `quarantine`, `dispatch`."""
    role: str | None = None
    """Who was to answer."""
    answer: str | None = None
    noted: bool = False
    """Whether whoever answered referred to a written balancing."""
    consented: bool = False
    """Whether it rests on the person's consent."""

    @property
    def number(self) -> int:
        """Return what the flow is stored by: 63 bits of a hash of all of it."""
        return _number(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """One leaf's."""

    flow: Flow
    at: datetime
    """When it happened, aware, UTC: received, composed, decided, ended."""
    organisation: str | None = None
    """The other side's number."""
    reference: str | None = None
    """What it is a part of: a message's id, a dispatch's; of a refusal none."""
    record: int | None = None
    """Its position in the message."""
    by: str | None = None
    """The official who answered or settled it, or the process that took a register into use."""
    second: str | None = None
    """The official who agreed."""
    case: str | None = None
    """A keyed hash of the case's reference."""
    consent: str | None = None
    """A keyed hash of the consent's reference."""
    consent_until: str | None = None
    """The last day of the consent that it rests on, `2026-11-30`."""


@lru_cache(maxsize=4096)
def _number(flow: Flow) -> int:
    said = repr(astuple(flow)).encode()
    return int.from_bytes(sha256(said).digest()[:8]) >> (64 - _BITS)
