"""Reviews as people see and answer them: what `gateway.review` allows, kept by the store.

Nobody carries out an answer here. It is written down with who, as which role, when and why; what waits is then judged
again and moved by those who hold the keys: the releaser (`releases.py`) for what came in, the dispatcher for what goes
out, which finds the answer among its instructions. Answer and instruction are one transaction.

What was asked of one person and lapsed is open again from that moment, also before anybody writes that down.

Whether somebody whom it is about is protected is asked at every look and every step, by what the folkbokföring has said
by now. Where nobody asked about that when the review was opened, it has moved to those who handle protected identities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.database import Row, Session, Turn, instant, written
from gateway.outbound.states import Happening
from gateway.ports import Clock
from gateway.review import (
    ASK_LASTS,
    PROTECTED,
    WAITING,
    Act,
    Action,
    Answer,
    Kind,
    Standing,
    State,
    after,
    fingerprint,
)
from gateway.store import triage, waiting
from gateway.store.place import Place
from gateway.store.sessions import Sessions
from gateway.store.waiting import Locked, Moved

_FACTS = (
    "id, kind, message, refusal, dispatch, record, partner, organisation, contract, information, basis, lagrum, "
    "policy, reasons, role, four_eyes, balancing, laws, opened_at, expires_at, leaf, step, answer, fields, outcome"
)
_MOVED = f"""
    v.state IN ('open', 'asked') AND ' ' || v.reasons || ' ' NOT LIKE '% {PROTECTED} %' AND (
        EXISTS (SELECT 1 FROM review_protections p WHERE p.review = v.id
            AND p.protection IN ('sekretessmarkering', 'skyddad_folkbokforing'))
        OR v.kind = 'quarantine' AND NOT EXISTS (SELECT 1 FROM review_protections p WHERE p.review = v.id))
"""  # noqa: S608  # our own words
"""Of a review `v`: somebody is protected since it was opened; or nobody wrote down whom a whole message is about."""
_STANDING = f"""
    SELECT {", ".join(f"v.{one}" for one in _FACTS.split(", "))}, a.by AS asker, a.at AS asked, d.dispatch AS named,
           CASE WHEN v.state = 'asked' AND a.at <= ? THEN 'open' ELSE v.state END AS stands,
           CASE WHEN {_MOVED} THEN ? ELSE v.role END AS answers,
           a.step AS asked_in, a.role AS asked_role, a.reason AS asked_reason, a.note AS asked_note
    FROM reviews v LEFT JOIN dispatches d ON d.id = v.dispatch
    LEFT JOIN review_steps a ON v.state = 'asked' AND a.review = v.id AND a.action = 'ask' AND a.step =
        (SELECT max(step) FROM review_steps b WHERE b.review = v.id AND b.action = 'ask')
"""  # noqa: S608  # our own words
_HAS_MOVED = f"SELECT 1 FROM reviews v WHERE v.id = ? AND {_MOVED}"  # noqa: S608  # our own words
_ASK = "INSERT INTO instructions (id, dispatch, happening, by, role, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?)"
_WALKS = {Answer.PERMIT: Happening.PERMIT, Answer.DENY: Happening.DENY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row of `review_steps`."""

    review: int
    action: Action
    after: State
    by: str
    """Empty where it was the gateway."""
    role: str
    account: str
    """The database's, where it has roles."""
    answer: Answer | None
    fields: tuple[str, ...] | None
    reason: str
    note: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A review's facts, as they stand."""

    id: int
    kind: Kind
    message: int | None
    refusal: int | None
    dispatch: str | None
    record: int | None
    partner: str
    organisation: str
    contract: str
    information: str
    basis: str | None
    lagrum: tuple[str, ...]
    policy: str
    reasons: tuple[str, ...]
    role: str
    """Who answers now."""
    four_eyes: bool
    balancing: bool
    laws: tuple[str, ...]
    opened_at: datetime
    expires_at: datetime
    leaf: int
    state: State
    answer: Answer | None
    """What one has asked for, or was answered."""
    fields: tuple[str, ...] | None
    asked_by: str | None
    """Who wants another's approval, while it is ASKED."""
    asked_at: datetime | None
    asked: Step | None
    """The answer that waits for another's approval."""
    fingerprint: str | None
    """What names it: who approves it says so."""
    outcome: int | None
    """Position of the leaf that says what came of it."""

    def standing(self) -> Standing:
        """Return it as the rules want it."""
        return Standing(
            kind=self.kind,
            state=self.state,
            role=self.role,
            four_eyes=self.four_eyes,
            balancing=self.balancing,
            reasons=self.reasons,
            expires_at=self.expires_at,
            asked_by=self.asked_by,
            asked_at=self.asked_at,
            asked=self.fingerprint,
            asked_role=None if self.asked is None else self.asked.role,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What waits for one role."""

    role: str
    kind: Kind
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of doing something with one review."""

    review: int
    state: State | None
    """Where it stands now; None where there is no such review."""
    refused: str = ""
    """Why nothing was done; empty where it was."""


class StoredReviews:
    """Acts as a reviewer; to look, as an operator will do. Shared between threads."""

    def __init__(
        self,
        place: Place,
        *,
        clock: Clock,
        protecting: str,
        account: str = "",
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open the store. Raises IntegrityError if it is not there, UnavailableError.

        Args:
            place: The store.
            clock: Gives the times, and tells when an ask lapses.
            protecting: The role that answers where a person is protected (`Referrals.protected`).
            account: As whom the database knows this program, to be written beside who acts.
            faults: Told each point (`review_steps`, `instructions`, `commit`, `committed`); tests fail there.
        """
        self._sessions = Sessions(place)
        self._clock = clock
        self._account = account
        self._protecting = protecting
        self._fault = faults

    def do(self, number: int, act: Act) -> Verdict:
        """Answer, approve, withdraw, or be shown the content: whatever `gateway.review` allows.

        Raises UnavailableError. A commit that had no answer may have happened: doing it again tells.
        """
        act = replace(act, by=act.by.strip(), reason=act.reason.strip(), at=self._clock.now())
        with self._sessions.lent() as session:
            with session.writing(Turn.DISPATCHES):
                verdict = self._done(session, number, act)
                self._fault("commit")
            self._fault("committed")
        return verdict

    def reviews(
        self,
        *,
        waiting: bool = True,
        role: str | None = None,
        kind: Kind | None = None,
        dispatch: str | None = None,
        limit: int = 100,
    ) -> Sequence[Review]:
        """Return reviews, those that expire first first; `waiting`: only what a person must still answer."""
        wanted = {"answers = ?": role, "kind = ?": None if kind is None else kind.value, "named = ?": dispatch}
        given = {condition: value for condition, value in wanted.items() if value is not None}
        places = ", ".join(f"'{one}'" for one in sorted(WAITING))
        conditions = [*given, *([f"stands IN ({places})"] if waiting else [])]
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        sql = f"SELECT * FROM ({_STANDING}) r {where} ORDER BY expires_at, id LIMIT ?"  # noqa: S608  # our own words
        return [_review(row) for row in self._all(sql, (*self._now(), *given.values(), limit))]

    def review(self, number: int) -> Review | None:
        """Return one review; None if there is none. Raises UnavailableError."""
        rows = self._all(f"SELECT * FROM ({_STANDING}) r WHERE id = ?", (*self._now(), number))  # noqa: S608  # as above
        return _review(rows[0]) if rows else None

    def history(self, number: int) -> Sequence[Step]:
        """Return what was done to a review, the oldest first. Raises UnavailableError."""
        sql = (
            "SELECT review, action, after, by, role, account, answer, fields, reason, note, at FROM review_steps "
            "WHERE review = ? ORDER BY step"
        )
        return [_step(row) for row in self._all(sql, (number,))]

    def counts(self) -> Sequence[Count]:
        """Return what waits for people, by role and kind. Raises UnavailableError."""
        rows = self._all(
            f"SELECT answers, kind, count(*), min(opened_at) FROM ({_STANDING}) r WHERE stands IN ('open', 'asked') "  # noqa: S608  # our own words
            "GROUP BY answers, kind ORDER BY answers, kind",
            self._now(),
        )
        return [Count(role=row[0], kind=Kind(row[1]), count=row[2], oldest=instant(row[3])) for row in rows]

    def close(self) -> None:
        """Close the connections."""
        self._sessions.close()

    def _done(self, session: Session, number: int, act: Act) -> Verdict:
        held = waiting.lock(session, number)
        if held is None:
            return Verdict(review=number, state=None, refused="there is no such review")
        if held.standing.lapsed(act.at):
            held = _reopened(session, held, act.at)
        if session.execute(_HAS_MOVED, (number,)).fetchone():
            held = held._replace(standing=held.standing.moved(self._protecting))
        wrong = _wrong(act)
        found = wrong or after(held.standing, act)
        if isinstance(found, str):
            return Verdict(review=number, state=held.standing.state, refused=found)
        action, following = found
        if action in {Action.ANSWER, Action.ASK}:
            held = held._replace(answer=act.answer, fields=None if act.fields is None else " ".join(sorted(act.fields)))
        elif action is Action.WITHDRAW:
            held = held._replace(answer=None, fields=None)
        moved = Moved(
            action, following, act.at, by=act.by, role=held.standing.role, account=self._account,
            reason=act.reason, note=act.note,
        )  # fmt: skip
        waiting.answer(session, held, moved)
        self._fault("review_steps")
        if following is State.ANSWERED and held.standing.kind is Kind.DISPATCH:
            self._instruct(session, held, act)
            self._fault("instructions")
        return Verdict(review=number, state=following)

    def _instruct(self, session: Session, held: Locked, act: Act) -> None:
        """Have the dispatcher carry it out: by whoever answered last, with the reason of whoever answered first."""
        first = waiting.said(session, held.number, None if held.answer is None else held.answer.value, held.fields)
        if first is None or held.dispatch is None:
            return
        (number,) = session.execute("SELECT coalesce(max(id), 0) + 1 FROM instructions").fetchone()
        row = (
            number, held.dispatch, _WALKS[first.answer].value, act.by, self._account, first.reason, written(act.at),
        )  # fmt: skip
        session.execute(_ASK, row)

    def _all(self, sql: str, values: Sequence[object]) -> list[Row]:
        with self._sessions.lent() as session, session.reading():
            return list(session.execute(sql, values).fetchall())

    def _now(self) -> tuple[str, str]:
        """Return what `_STANDING` asks for: the time at which an ask has lapsed now, and who answers what has moved."""
        return written(self._clock.now() - ASK_LASTS), self._protecting


def _reopened(session: Session, held: Locked, at: datetime) -> Locked:
    """Write down that an ask has lapsed."""
    held = held._replace(answer=None, fields=None)
    waiting.answer(session, held, Moved(Action.LAPSE, State.OPEN, at))
    standing = replace(held.standing, state=State.OPEN, asked_by=None, asked_at=None, asked=None, asked_role=None)
    return held._replace(standing=standing, step=held.step + 1)


_REASONED = frozenset({Action.READ, Action.ANSWER})
"""What is not done without saying why; for READ that is the purpose."""
_FIELD = frozenset("abcdefghijklmnopqrstuvwxyzåäöABCDEFGHIJKLMNOPQRSTUVWXYZÅÄÖ0123456789_.-")


def _wrong(act: Act) -> str:
    """Tell why it is refused whatever the review; empty where it is not."""
    if not act.by:
        return "somebody must answer for it"
    if act.action in _REASONED and (unfit := triage.unfit(act.reason)):
        return unfit
    if act.note is not None and (unfit := triage.unfit(act.note)):
        return f"of the balancing: {unfit}"
    if act.fields is not None and not all(one and _FIELD.issuperset(one) for one in act.fields):
        return "fields are named, without anything they say"
    return ""


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(text.split())


def _review(row: Row) -> Review:
    (
        number, kind, message, refusal, _, record, partner, organisation, contract, information, basis, lagrum, policy,
        reasons, role, four_eyes, balancing, laws, opened_at, expires_at, leaf, _, answer, fields, outcome, asker,
        asked, named, stands, answers, asked_in, asked_role, asked_reason, asked_note,
    ) = row  # fmt: skip
    state = State(stands)
    waits = state is State.ASKED
    lapsed = state is State.OPEN
    return Review(
        id=number,
        kind=Kind(kind),
        message=message,
        refusal=refusal,
        dispatch=named,
        record=record,
        partner=partner,
        organisation=organisation,
        contract=contract,
        information=information,
        basis=basis,
        lagrum=tuple(lagrum.split()),
        policy=policy,
        reasons=tuple(reasons.split()),
        role=answers,
        four_eyes=bool(four_eyes) or answers != role,
        balancing=bool(balancing),
        laws=tuple(laws.split()),
        opened_at=instant(opened_at),
        expires_at=instant(expires_at),
        leaf=leaf,
        state=state,
        answer=None if answer is None or lapsed else Answer(answer),
        fields=None if lapsed else _words(fields),
        asked_by=asker if waits else None,
        asked_at=instant(asked) if waits else None,
        asked=Step(
            review=number,
            action=Action.ASK,
            after=State.ASKED,
            by=asker,
            role=asked_role,
            account="",
            answer=None if answer is None else Answer(answer),
            fields=_words(fields),
            reason=asked_reason,
            note=asked_note,
            at=instant(asked),
        )
        if waits
        else None,
        fingerprint=fingerprint(number, asked_in, answer, fields, asker, asked_role, asked_reason, asked_note)
        if waits
        else None,
        outcome=outcome,
    )


def _step(row: Row) -> Step:
    return Step(
        review=row[0],
        action=Action(row[1]),
        after=State(row[2]),
        by=row[3],
        role=row[4],
        account=row[5],
        answer=None if row[6] is None else Answer(row[6]),
        fields=_words(row[7]),
        reason=row[8],
        note=row[9],
        at=instant(row[10]),
    )
