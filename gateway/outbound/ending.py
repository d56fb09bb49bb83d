"""How a dispatch ends: the leaf that answers its intent, and the event that tells whoever asked.

Every end has the event. It has the leaf of the end where there was an intent, and the leaf of the decision where the
law stopped it before there was one; else nothing was meant for the recipient, and there is nothing to tell of in the
log (it expired or was withdrawn in the queue).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.audit import intent, leaf
from gateway.audit.intent import Ending, Released
from gateway.dispatch import Answered, Queued
from gateway.events import outcome
from gateway.message import Decision, Event, EventId, Leaf, Outcome, Sealed
from gateway.outbound import reviewing
from gateway.outbound.ports import Held
from gateway.outbound.rules import Rules
from gateway.outbound.states import UNDISCLOSED, Happening, State
from gateway.privacy.reasons import Reason

_UNTOLD: Final = frozenset({Reason.PROTECTED_IDENTITY, Reason.PROTECTION_UNKNOWN, Reason.PROTECTED_RELATED})
_RELEASED: Final = {
    State.DELIVERED: Released.YES,
    State.UNUSABLE: Released.YES,
    **dict.fromkeys(UNDISCLOSED, Released.NO),
}
"""Who has read what was refused, or is unresolved, nobody here knows."""
_SETTLES: Final = {State.DENIED: Happening.DENY, State.EXPIRED: Happening.EXPIRE}
"""What ended the waiting for people, by the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a dispatch ended, or was stopped, without an answer that could be delivered."""

    state: State
    code: str | None
    """Name of a code in `endings` or `codes`; None where all is well: acknowledged, or confirmed by a person."""
    partner_code: str | None = None
    decision: Decision | None = None
    """Of `privacy.disclosure.Stopped`, where the law stopped it."""
    evidence: bytes = field(default=b"", repr=False)
    """The exact bytes of a genuine answer that is of no use (SPOIL): to be sealed."""
    by: str | None = None
    """The person or system that settled it, where it was not the gateway."""
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What is committed with an end."""

    leaves: tuple[Leaf, ...] = field(repr=False)
    sealed: Sealed | None = field(repr=False)
    """The leaf's hidden record, and the evidence if there is any."""
    events: tuple[Event, ...] = field(repr=False)


def ended(queued: Queued, held: Held, end: End, rules: Rules, at: datetime) -> Ended:
    """Compose what is committed when a dispatch ends, or is stopped, without an answer.

    Args:
        queued: What one recipient was to get.
        held: The dispatch as it is, all its attempts counted.
        end: How it ended.
        rules: Where the asker is told.
        at: When.

    Raises:
        ConfigError: the asker is no more.
    """
    leaves = tuple(_leaf(queued, held, end, rules, at))
    told = outcome.Outcome(
        queued=queued,
        state=end.state,
        code=end.code,
        partner_code=end.partner_code,
        attempts=held.attempts,
        first_failure=_first(held, end),
        at=at,
        reasons=_told(end.decision),
    )
    pseudonym = rules.pseudonyms.of(queued.command.person)
    return Ended(
        leaves=leaves,
        sealed=rules.sealer.seal(end.evidence, leaves) if leaves else None,
        events=(outcome.event(told, pseudonym=pseudonym, queue=rules.queue(queued)),),
    )


def delivered(answered: Answered, held: Held, rules: Rules, at: datetime) -> Leaf:
    """Return the leaf of the end of a dispatch that was answered."""
    composed, result = answered.signed.composed, answered.result
    return intent.ended(
        composed.queued,
        Ending(
            state=State.DELIVERED,
            released=Released.YES,
            code=None,
            partner_code=result.code,
            attempts=held.attempts,
            first_failure=held.first_failure,
            at=at,
            answer=answered.evidence,
            answer_id=answered.provenance.message_id,
            result=result,
        ),
        organisation=rules.named(composed.queued),
        intent=composed.intent.hash,
        policy=rules.law.policy,
        pseudonym=composed.pseudonym,
        salt=rules.random(leaf.SALT),
    )


def told(  # noqa: PLR0913  # the answer, and what was made of it
    answered: Answered,
    held: Held,
    rules: Rules,
    at: datetime,
    *,
    decisions: Sequence[Decision],
    events: Sequence[EventId],
) -> Event:
    """Return the event that tells whoever asked that it was answered, and which events hold the answer."""
    composed, result = answered.signed.composed, answered.result
    queued = composed.queued
    wanted = queued.command.fields.keys() | queued.recipient.fields.keys()
    return outcome.event(
        outcome.Outcome(
            queued=queued,
            state=State.DELIVERED,
            code=None,
            partner_code=result.code,
            attempts=held.attempts,
            first_failure=held.first_failure,
            at=at,
            result=result,
            events=tuple(events),
            waiting=sum(decision.outcome is Outcome.REFER for decision in decisions),
            withheld=tuple(wanted - composed.parcel.fields.keys()),
        ),
        pseudonym=composed.pseudonym,
        queue=rules.queue(queued),
    )


def _leaf(queued: Queued, held: Held, end: End, rules: Rules, at: datetime) -> list[Leaf]:
    organisation, pseudonym = rules.named(queued), rules.pseudonyms.of(queued.command.person)
    if held.asked is not None:
        happening = _SETTLES.get(end.state, Happening.WITHDRAW)
        _, state = reviewing.settling(held.asked, happening)
        return [reviewing.leaf_of(queued, held.asked, state, rules, at)]
    if held.intent is None:
        if end.decision is None:
            return []
        stopped = intent.decided(
            queued,
            end.decision,
            organisation=organisation,
            policy=rules.law.policy,
            at=at,
            pseudonym=pseudonym,
            keyed=rules.keyed(queued),
            salt=rules.random(leaf.SALT),
        )
        return [stopped]
    ending = Ending(
        state=end.state,
        released=_RELEASED.get(end.state, Released.UNKNOWN),
        code=end.code,
        partner_code=end.partner_code,
        attempts=held.attempts,
        first_failure=_first(held, end),
        at=at,
        answer=end.evidence or None,
        by=end.by,
        reason=end.reason,
    )
    last = intent.ended(
        queued,
        ending,
        organisation=organisation,
        intent=held.intent[1].hash,
        policy=rules.law.policy,
        pseudonym=pseudonym,
        salt=rules.random(leaf.SALT),
    )
    return [last]


def _first(held: Held, end: End) -> str | None:
    """Return the code of the first attempt that failed: this one, if none has before."""
    return held.first_failure or (end.code if end.state in {State.REFUSED, State.UNUSABLE} else None)


def _told(decision: Decision | None) -> tuple[str, ...]:
    """Return why the law stopped it, but not that a person is protected."""
    return () if decision is None else tuple(one for one in decision.reasons if one not in _UNTOLD)
