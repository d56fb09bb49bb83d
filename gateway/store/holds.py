"""Legal holds: what may not be destroyed, whatever its rule, until two people have let it go.

    hold ──ask──▶ asked ──release, by another──▶ released
             ▲      │
             └─withdraw

A hold covers one message, dispatch or refusal, one person, what came from or went to one partner, or everything, and
the last three may be narrowed to a period. It holds from its commit on, also against a destruction that has begun: that
asks again in its own transaction, and both hold the turn `JOURNAL`. Laying and releasing are leaves. Steps are never
changed; whose a released hold was is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.audit.gallring import Holding
from gateway.database import Row, Session, Turn, instant, written
from gateway.message import Leaf, PartnerId, Pseudonym, Sealed
from gateway.ports import Clock
from gateway.store.place import Place, PostgresPlace
from gateway.store.rows import LEAVES, NUMBERS, RECORDS, Added, Into, insert
from gateway.store.triage import unfit

_HOLD = "id, kind, number, pseudonym, partner, first, beyond"
_STEP = "hold, step, action, by, role, reason, at, position, key_id, wrapped_key"
_STANDING = """
    SELECT h.id, h.kind, h.number, h.partner, h.first, h.beyond, s.action, s.by, s.reason, s.at, l.by, l.reason, l.at
    FROM holds h JOIN hold_steps s ON s.hold = h.id AND s.step =
        (SELECT max(step) FROM hold_steps n WHERE n.hold = h.id)
    JOIN hold_steps l ON l.hold = h.id AND l.step = 1
"""


class Kind(StrEnum):
    """What a hold covers."""

    MESSAGE = "message"
    DISPATCH = "dispatch"
    REFUSAL = "refusal"
    PERSON = "person"
    PARTNER = "partner"
    PERIOD = "period"


class Action(StrEnum):
    """What is done to a hold."""

    HOLD = "hold"
    ASK = "ask"
    """Somebody wants it released."""
    WITHDRAW = "withdraw"
    RELEASE = "release"


_FOLLOWS = {
    Action.ASK: frozenset({Action.HOLD, Action.WITHDRAW}),
    Action.WITHDRAW: frozenset({Action.ASK}),
    Action.RELEASE: frozenset({Action.ASK}),
}
"""After which step each may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Covers:
    """What is held."""

    kind: Kind
    number: int | None = None
    """Of the message, dispatch or refusal."""
    pseudonym: Pseudonym | None = field(default=None, repr=False)
    partner: PartnerId | None = None
    first: datetime | None = None
    """Only what was accepted, ended, settled or refused then or later, and"""
    beyond: datetime | None = None
    """before this."""

    def wrong(self) -> str:
        """Tell what does not fit; empty where it is a hold."""
        needs = {
            Kind.PERSON: self.pseudonym is not None,
            Kind.PARTNER: self.partner is not None,
            Kind.PERIOD: self.first is not None or self.beyond is not None,
        }
        if not needs.get(self.kind, self.number is not None):
            return f"a hold of a {self.kind.value} says which"
        if self.first is not None and self.beyond is not None and self.beyond <= self.first:
            return "the period ends before it begins"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold as it stands, without whose it is."""

    number: int
    kind: Kind
    about: int | None
    partner: str | None
    first: datetime | None
    beyond: datetime | None
    last: Action
    """What was done to it last."""
    last_by: str
    last_at: datetime
    by: str
    """Who laid it, and"""
    reason: str
    since: datetime

    @property
    def stands(self) -> bool:
        """Whether it still holds."""
        return self.last is not Action.RELEASE


Make = Callable[[int, Holding, Covers, str, str | None, str, datetime], tuple[Leaf, Sealed]]
"""Makes the leaf of a hold, given its number, what is done, what it covers, by whom, the second, why and when."""


class StoredHolds:
    """One connection to them. Belongs to one thread."""

    def __init__(
        self,
        place: Place,
        *,
        clock: Clock,
        make: Make,
        role: str = "",
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Open the store, on behalf of gallring. Raises IntegrityError if it is not there, UnavailableError.

        Args:
            place: The store.
            clock: Gives the times.
            make: Makes the leaves.
            role: As whom the database knows this program.
            faults: Told each point (each table, `commit`, `committed`); tests fail there.
        """
        self._place = place
        self._session = place.open()
        self._clock = clock
        self._make = make
        self._role = role
        self._fault = faults

    def hold(self, covers: Covers, *, reason: str, by: str) -> int | str:
        """Lay a hold; return its number, or why it is refused. Raises UnavailableError."""
        if wrong := covers.wrong() or unfit(reason):
            return wrong
        now = self._clock.now()
        with self._session.translated():
            with self._session.writing(Turn.JOURNAL):
                if covers.number is not None and not self._there(covers):
                    return f"there is no such {covers.kind.value}"
                (number,) = self._session.execute("SELECT coalesce(max(id), 0) + 1 FROM holds").fetchone()
                row = (
                    number, covers.kind.value, covers.number, covers.pseudonym, covers.partner,
                    _written(covers.first), _written(covers.beyond),
                )  # fmt: skip
                self._session.insert("holds", _HOLD, [row])
                made = self._make(number, Holding.HOLD, covers, by, None, reason, now)
                self._logged((number, 1, Action.HOLD.value, by, self._role, reason, written(now)), made)
                self._fault("commit")
            self._fault("committed")
        return int(number)

    def do(self, number: int, action: Action, *, reason: str, by: str) -> str:
        """Ask for a hold's release, withdraw that, or release it; return why it is refused. Raises UnavailableError."""
        if wrong := unfit(reason):
            return wrong
        now = self._clock.now()
        with self._session.translated():
            with self._session.writing(Turn.JOURNAL):
                found = self._session.execute(
                    "SELECT step, action, by FROM hold_steps WHERE hold = ? ORDER BY step DESC LIMIT 1", (number,)
                ).fetchone()
                if found is None:
                    return "there is no such hold"
                step, last, asked_by = found
                if Action(last) not in _FOLLOWS.get(action, ()):
                    return f"its last step is {last}: {action.value} does not follow"
                if action is Action.RELEASE and asked_by == by:
                    return "who asked for its release does not release it: another person does"
                row = (number, step + 1, action.value, by, self._role, reason, written(now))
                if action is Action.RELEASE:
                    made = self._make(number, Holding.RELEASE, self._covers(number), asked_by, by, reason, now)
                    self._logged(row, made)
                    self._forget(number)
                else:
                    self._session.insert("hold_steps", _STEP, [(*row, None, None, None)])
                self._fault("commit")
            self._fault("committed")
        return ""

    def holds(self, *, everything: bool = False) -> Sequence[Hold]:
        """Return the holds that stand, or all there were, the oldest first. Raises UnavailableError."""
        with self._session.translated():
            rows = self._session.execute(f"{_STANDING} ORDER BY h.id").fetchall()
        found = [_hold(row) for row in rows]
        return [one for one in found if everything or one.stands]

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _there(self, covers: Covers) -> bool:
        table = {Kind.MESSAGE: "messages", Kind.DISPATCH: "dispatches", Kind.REFUSAL: "refusals"}[covers.kind]
        return bool(self._session.execute(f"SELECT 1 FROM {table} WHERE id = ?", (covers.number,)).fetchone())  # noqa: S608  # our own names

    def _covers(self, number: int) -> Covers:
        kind, about, partner, first, beyond = self._session.execute(
            "SELECT kind, number, partner, first, beyond FROM holds WHERE id = ?", (number,)
        ).fetchone()
        return Covers(kind=Kind(kind), number=about, partner=partner, first=_instant(first), beyond=_instant(beyond))

    def _logged(self, step: Row, made: tuple[Leaf, Sealed]) -> None:
        leaf, sealed = made
        added = Added(*self._session.execute(f"SELECT {NUMBERS}").fetchone())
        row = (*step, added.position, sealed.key_id, sealed.wrapped_key)
        added.log((leaf,), sealed.records)
        parts = (
            Into("leaves", LEAVES, added.leaves),
            Into("records", RECORDS, added.records),
            *added.traced(),
            Into("hold_steps", _STEP, [row]),
        )
        insert(self._session, parts, self._fault)

    def _forget(self, number: int) -> None:
        if isinstance(self._place, PostgresPlace):
            self._session.execute("SELECT gateway_forget_hold(?)", (number,))
        else:
            self._session.execute("UPDATE holds SET pseudonym = NULL WHERE id = ?", (number,))


def numbered(session: Session, kind: Kind, reference: str) -> int | None:
    """Return the number of a message by its id, or of a dispatch by its; None where there is none, or several."""
    named = {Kind.MESSAGE: ("messages", "message_id"), Kind.DISPATCH: ("dispatches", "dispatch")}.get(kind)
    if named is None:
        return None
    rows = session.execute(f"SELECT id FROM {named[0]} WHERE {named[1]} = ?", (reference,)).fetchall()  # noqa: S608  # our own names
    return int(rows[0][0]) if len(rows) == 1 else None


def _hold(row: Row) -> Hold:
    return Hold(
        number=row[0],
        kind=Kind(row[1]),
        about=row[2],
        partner=row[3],
        first=_instant(row[4]),
        beyond=_instant(row[5]),
        last=Action(row[6]),
        last_by=row[7],
        last_at=instant(row[9]),
        by=row[10],
        reason=row[11],
        since=instant(row[12]),
    )


def _written(at: datetime | None) -> str | None:
    return None if at is None else written(at)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else instant(text)
