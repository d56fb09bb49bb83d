"""One dispatch, one transition: from what the store holds to the step that is to be written.

The path (`path.py`) knows forms; the store knows steps. Between them is only this: the command and the payload are
opened, the path is walked as far as the transition goes, and what came of it is laid out as a step, with the leaves,
contents and events that are committed with it.

    judge      queued -> COMPOSE, or REFER or DENY
    still      composed, waiting -> WITHDRAW, where it may not go any more
    sign       composed, waiting, uncertain -> an envelope for one attempt
    settle     what came back -> ANSWER, REFUSE, SPOIL, POSTPONE or LOSE
    deposit    composed -> DEPOSIT, for a partner that fetches
    end        every other transition: time is out, or a person has decided
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime

from gateway import endings
from gateway.codes import Code
from gateway.dispatch import Broken, Queued, Reply, Signed
from gateway.errors import DeliveryError, GatewayError, RejectedError
from gateway.message import Decision, Digest, Outcome
from gateway.outbound import outcome, path, reviewing, states
from gateway.outbound.ending import End, ended
from gateway.outbound.ports import Asked, Courier, Held, Step
from gateway.outbound.rules import Rules
from gateway.outbound.states import Happening, State
from gateway.partners import Endpoint, Mailbox
from gateway.privacy.disclosure import Stopped


def still(held: Held, rules: Rules, at: datetime) -> Step | None:
    """Judge once more what was composed and is not with anybody yet. Raises IntegrityError, ConfigError.

    The content stands for good, so less than all of it is nothing: WITHDRAW, and whoever asked is told why. None where
    all of it may still go. What people have answered holds; what nobody has been asked yet stops it.
    """
    queued = rules.queued(held)
    meant = path.recompose(queued, held, rules)
    try:
        decision = path.permit(queued, rules, at, answered=held.answered).decision
    except Stopped as stopped:
        return _ended(queued, held, Happening.WITHDRAW, stopped.code, at, rules, decision=stopped.decision)
    except RejectedError as error:
        return _ended(queued, held, Happening.WITHDRAW, error.code, at, rules)
    if meant.parcel.fields.keys() <= decision.fields.keys():
        return None
    return _ended(queued, held, Happening.WITHDRAW, endings.DENIED, at, rules, decision=decision)


class Walk:
    """Makes steps by one set of rules. Shared between threads."""

    def __init__(self, rules: Rules, courier: Courier) -> None:
        """`courier` makes bodies; it is not sent by."""
        self._rules = rules
        self._courier = courier

    def judge(self, held: Held, at: datetime) -> Step:
        """Permit and compose what is queued, with what people have answered set aside.

        Raises IntegrityError, ConfigError, UnavailableError.
        """
        queued = self._rules.queued(held)
        try:
            permitted = path.permit(queued, self._rules, at, answered=held.answered)
            composed = path.compose(permitted, self._courier, self._rules, at)
        except Stopped as stopped:
            if stopped.decision.outcome is Outcome.REFER:
                return self._referred(queued, held, stopped, at)
            return _ended(queued, held, Happening.DENY, stopped.code, at, self._rules, decision=stopped.decision)
        except RejectedError as error:  # the contract has no place for it, or the recipient is no more
            return _ended(queued, held, Happening.DENY, error.code, at, self._rules)
        return Step(
            dispatch=held.id,
            follows=held.step,
            happening=Happening.COMPOSE,
            before=held.state,
            after=states.after(held.state, Happening.COMPOSE),
            at=at,
            due=at,
            digest=composed.digest,
            pseudonym=composed.pseudonym,
            leaves=(composed.intent,),
            records=composed.sealed,
            content="payload",
        )

    def still(self, held: Held, at: datetime) -> Step | None:
        """Judge once more what is not with anybody yet (`still`). Raises IntegrityError, ConfigError."""
        return still(held, self._rules, at)

    def sign(self, held: Held, endpoint: Endpoint, at: datetime) -> Signed:
        """Sign for one attempt: the same id and content as every other. Raises IntegrityError, ConfigError."""
        return path.sign(path.recompose(self._rules.queued(held), held, self._rules), endpoint, self._rules, at)

    def settle(self, held: Held, signed: Signed, came: Reply | Broken) -> Step:
        """Judge what came back to an attempt. `held` has the attempt counted.

        Raises ConfigError where the asker is no more; for whatever came back it raises nothing.
        """
        try:
            answered = path.read(signed, came, self._rules)
            delivered = path.deliver(answered, held, self._rules, came.at)
        except GatewayError as error:
            return self._failed(held, signed, came, error)
        return Step(
            dispatch=held.id,
            follows=held.step,
            happening=Happening.ANSWER,
            before=held.state,
            after=states.after(held.state, Happening.ANSWER),
            at=came.at,
            partner_code=answered.result.code,
            digest=Digest(hashlib.sha256(answered.evidence).hexdigest()),
            pseudonym=signed.composed.pseudonym,
            leaves=delivered.leaves,
            records=delivered.sealed,
            content="answer",
            events=delivered.events,
            learned=delivered.learned,
            opens=delivered.reviews,
        )

    def deposit(self, held: Held, mailbox: Mailbox, at: datetime) -> Step:
        """Sign and seal for the partner's mailbox. Raises IntegrityError, ConfigError."""
        signed = path.sign(path.recompose(self._rules.queued(held), held, self._rules), mailbox, self._rules, at)
        return Step(
            dispatch=held.id,
            follows=held.step,
            happening=Happening.DEPOSIT,
            before=held.state,
            after=states.after(held.state, Happening.DEPOSIT),
            at=at,
            due=min(at + mailbox.unread, held.expires),
            pseudonym=signed.composed.pseudonym,
            records=self._rules.sealer.seal(signed.envelope, []),
            content="envelope",
        )

    def end(  # noqa: PLR0913  # what happened, and who did it
        self,
        held: Held,
        happening: Happening,
        code: Code | None,
        at: datetime,
        *,
        by: str | None = None,
        reason: str | None = None,
    ) -> Step:
        """Return a transition without an answer. If it is an end, the leaf and the asker's event are in it.

        Args:
            held: The dispatch, its attempts counted.
            happening: What happens to it.
            code: Why; None where a person says that all is well.
            at: When.
            by: The person or system that did it, where it was not the gateway.
            reason: Theirs.
        """
        after = states.after(held.state, happening)
        if after in states.ENDED:
            return _ended(self._rules.queued(held), held, happening, code, at, self._rules, by=by, reason=reason)
        step = Step(
            dispatch=held.id,
            follows=held.step,
            happening=happening,
            before=held.state,
            after=after,
            at=at,
            due=at if after in states.DUE else None,
            code=None if code is None else code.name,
            by=by,
            reason=reason,
        )
        return step if held.asked is None else self._released(self._rules.queued(held), held.asked, step)

    def _referred(self, queued: Queued, held: Held, stopped: Stopped, at: datetime) -> Step:
        """Leave it to a person: the review is opened in the transaction that says that it waits."""
        step = _ended(queued, held, Happening.REFER, stopped.code, at, self._rules, decision=stopped.decision)
        opening = reviewing.opening(queued, stopped.decision, held, self._rules, at)
        return replace(step, due=opening.expires_at, opens=(opening,))

    def _released(self, queued: Queued, asked: Asked, step: Step) -> Step:
        """Add to a step that judges it again the leaf of what a person answered."""
        person = self._rules.pseudonyms.of(queued.command.person)
        action, stands = reviewing.settling(asked, step.happening)
        said = reviewing.leaf_of(queued, asked, stands, self._rules, step.at)
        return replace(
            step,
            pseudonym=person,
            leaves=(said,),
            records=self._rules.sealer.seal(b"", [said]),
            settles=(asked.number, action, stands),
        )

    def _failed(self, held: Held, signed: Signed, came: Reply | Broken, error: GatewayError) -> Step:
        """Lay out an attempt that was not answered as it should be."""
        happening = outcome.happening(error)
        if happening is None:
            raise error
        partner_code = error.partner_code if isinstance(error, DeliveryError) else None
        after = states.after(held.state, happening)
        if after not in states.ENDED:
            return Step(
                dispatch=held.id,
                follows=held.step,
                happening=happening,
                before=held.state,
                after=after,
                at=came.at,
                code=error.code.name,
                partner_code=partner_code,
            )
        spoilt = isinstance(came, Reply) and happening is Happening.SPOIL
        # After uncertain a refusal is not known to be about the first attempt; of an answer we say what it broke.
        code = endings.UNRESOLVED if after is State.UNRESOLVED else endings.UNUSABLE if spoilt else error.code
        return _ended(
            signed.composed.queued,
            held,
            happening,
            code,
            came.at,
            self._rules,
            partner_code=partner_code,
            evidence=came.body if spoilt and isinstance(came, Reply) else b"",
            reason=None if code is error.code else error.code.name,
        )


def _ended(  # noqa: PLR0913, PLR0917  # all that an end may have
    queued: Queued,
    held: Held,
    happening: Happening,
    code: Code | None,
    at: datetime,
    rules: Rules,
    *,
    partner_code: str | None = None,
    decision: Decision | None = None,
    evidence: bytes = b"",
    by: str | None = None,
    reason: str | None = None,
) -> Step:
    after = states.after(held.state, happening)
    name = None if code is None else code.name
    end = End(
        state=after,
        code=name,
        partner_code=partner_code,
        decision=decision,
        evidence=evidence,
        by=by,
        reason=reason,
    )
    made = ended(queued, held, end, rules, at)
    asked = held.asked
    return Step(
        dispatch=held.id,
        follows=held.step,
        happening=happening,
        before=held.state,
        after=after,
        at=at,
        code=name,
        partner_code=partner_code,
        by=by,
        reason=reason,
        pseudonym=rules.pseudonyms.of(queued.command.person),
        leaves=made.leaves,
        records=made.sealed,
        content="answer" if evidence else None,
        events=made.events,
        settles=None if asked is None else (asked.number, *reviewing.settling(asked, happening)),
    )
