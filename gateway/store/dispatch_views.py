"""What operators and auditors ask of the way out: where dispatches stand and how they came there, without content.

An auditor and an operator read the same: names of partners, contracts, states, times, codes, and who decided what. What
is sealed is opened only by whoever holds both the key and the store (`sealed`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from gateway.database import instant, written
from gateway.dispatch import AskerId, CommandId, DispatchId
from gateway.message import PartnerId, Sealed
from gateway.outbound import states
from gateway.outbound.states import Happening, State
from gateway.store import held, schema
from gateway.store.views import Entry, Views

_Row = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Where one stands."""

    number: int
    id: DispatchId
    command: CommandId
    asker: AskerId
    contract: str
    partner: PartnerId
    organisation: str | None
    position: int
    """Of the recipient in the command."""
    state: State
    step: int
    attempts: int
    code: str | None
    """Of the last step, and the partner's own."""
    partner_code: str | None
    first_failure: str | None
    taken_at: datetime
    changed_at: datetime
    due: datetime | None
    """When somebody looks at it; None in flight and at the end."""
    expires: datetime
    intent: int | None
    """Position of the leaf that says we mean to disclose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One row of a timeline."""

    step: int
    happening: Happening
    before: State
    after: State
    at: datetime
    due: datetime | None
    code: str | None
    partner_code: str | None
    by: str | None
    reason: str | None
    digest: str | None
    leaves: range
    """Their positions in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended."""

    dispatch: DispatchId
    contract: str
    organisation: str | None
    happening: Happening
    at: datetime
    code: str | None
    partner_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wanted done, and what came of it."""

    number: int
    dispatch: DispatchId
    happening: Happening
    by: str
    role: str
    reason: str
    at: datetime
    step: int | None
    """The one that carried it out."""
    refused: str | None
    """Why it could not be."""
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Somebody stopped sending to a partner, or let it go on."""

    partner: PartnerId
    paused: bool
    by: str
    role: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedStep:
    """What one step keeps under seal, with the leaves whose hidden records are in it."""

    step: int
    name: str
    """`command`, `payload`, `envelope` or `answer`; empty where there are only hidden records."""
    sealed: Sealed
    leaves: tuple[Entry, ...]


class DispatchViews(Views):
    """`Views`, and what can be asked of the way out."""

    def dispatches(
        self,
        *,
        command: CommandId | None = None,
        asker: AskerId | None = None,
        partner: PartnerId | None = None,
        state: State | None = None,
        limit: int = 100,
    ) -> Sequence[Dispatch]:
        """Return dispatches, the newest first."""
        table, commands = schema.dispatches.c, schema.commands.c
        wanted = {commands.command: command, commands.asker: asker, table.partner: partner, table.state: state}
        return self._dispatches([column == value for column, value in wanted.items() if value is not None], limit)

    def dispatch(self, dispatch: DispatchId) -> Dispatch | None:
        """Return one; None if there is none."""
        found = self._dispatches([schema.dispatches.c.dispatch == dispatch], 1)
        return found[0] if found else None

    def timeline(self, dispatch: DispatchId) -> Sequence[Happened]:
        """Return what happened to a dispatch, the oldest first."""
        table = schema.timeline
        query = select(table).join(schema.dispatches).where(schema.dispatches.c.dispatch == dispatch)
        return [_happened(row) for row in self._all(query.order_by(table.c.step))]

    def instructions(
        self, *, dispatch: DispatchId | None = None, unsettled: bool = False, limit: int = 100
    ) -> Sequence[Asked]:
        """Return what people wanted done, the newest first; `unsettled` leaves out what is done or refused."""
        table, named = schema.instructions, schema.dispatches.c.dispatch
        query = select(table, named.label("named")).join(schema.dispatches).order_by(table.c.id.desc()).limit(limit)
        if dispatch is not None:
            query = query.where(named == dispatch)
        if unsettled:
            query = query.where(table.c.settled_at.is_(None))
        return [_asked(row) for row in self._all(query)]

    def pauses(self, *, partner: PartnerId | None = None, limit: int = 100) -> Sequence[Pause]:
        """Return who stopped sending and who let it go on, the newest first."""
        table = schema.pauses
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        if partner is not None:
            query = query.where(table.c.partner == partner)
        return [_pause(row) for row in self._all(query)]

    def paused(self) -> Sequence[Pause]:
        """Return the pauses that hold now."""
        table = schema.pauses
        last = select(func.max(table.c.id)).group_by(table.c.partner)
        query = select(table).where(table.c.paused, table.c.id.in_(last)).order_by(table.c.partner)
        return [_pause(row) for row in self._all(query)]

    def dispatch_counts(self) -> Mapping[PartnerId, Mapping[State, int]]:
        """Return how many dispatches of each partner stand where."""
        table = schema.dispatches.c
        query = select(table.partner, table.state, func.count()).group_by(table.partner, table.state)
        found: dict[PartnerId, dict[State, int]] = defaultdict(dict)
        for partner, state, count in self._all(query):
            found[PartnerId(partner)][State(state)] = count
        return dict(found)

    def overdue(self, at: datetime) -> tuple[int, datetime | None]:
        """Return how many were to be looked at before this time, and since when the first: is anybody dispatching?"""
        due = schema.dispatches.c.due
        row = self._one(select(func.count(), func.min(due)).where(due < written(at)))
        count, first = row or (0, None)
        return count, instant(first) if first else None

    def attempts(self, partner: PartnerId, *, limit: int = 200) -> Sequence[Ended]:
        """Return how the last attempts to reach a partner ended, the oldest first: is it well?

        They are looked for among the dispatches that are open and the newest: of no others can the last ones be.
        """
        table, steps = schema.dispatches.c, schema.timeline.c
        mine = select(table.id).where(table.partner == partner).limit(limit)
        open_, newest = mine.where(table.due.is_not(None)).order_by(table.due), mine.order_by(table.id.desc())
        numbers = {row.id for query in (open_, newest) for row in self._all(query)}
        query = (
            select(table.dispatch, table.contract, table.organisation, steps.happening, steps.at)
            .add_columns(steps.code, steps.partner_code)
            .join_from(schema.timeline, schema.dispatches)
            .where(steps.dispatch.in_(numbers), steps.before.in_([one.value for one in states.IN_FLIGHT]))
            .order_by(steps.at.desc())
            .limit(limit)
        )
        return [_ended(row) for row in reversed(self._all(query))]

    def of_number(self, number: int) -> DispatchId | None:
        """Return the id of the dispatch that a leaf names by its number (`Entry.dispatch`)."""
        table = schema.dispatches.c
        row = self._one(select(table.dispatch).where(table.id == number))
        return None if row is None else DispatchId(row.dispatch)

    def dispatch_leaves(self, dispatch: DispatchId) -> Sequence[Entry]:
        """Return every leaf of a dispatch, in order of the log."""
        spans = [one.leaves for one in self.timeline(dispatch)]
        return self._entries(schema.leaves.c.position.in_([position for span in spans for position in span]))

    def sealed(self, dispatch: DispatchId) -> Sequence[SealedStep]:
        """Return what is sealed of a dispatch, in order of its steps; nothing after gallring."""
        spans = {one.step: one.leaves for one in self.timeline(dispatch)}
        table = schema.contents
        query = select(table).join(schema.dispatches).where(schema.dispatches.c.dispatch == dispatch)
        rows = [tuple(row) for row in self._all(query.order_by(table.c.step))]
        with self._session() as session:
            found = held.sealed(session, rows)
        entries = {one.position: one for one in self.dispatch_leaves(dispatch)}
        return [
            SealedStep(
                step=row[1],
                name=row[2],
                sealed=found[row[0], row[1]],
                leaves=tuple(entries[position] for position in spans.get(row[1], ())),
            )
            for row in rows
        ]

    def _dispatches(self, conditions: Sequence[ColumnElement[bool]], limit: int) -> list[Dispatch]:
        table, commands, steps = schema.dispatches, schema.commands.c, schema.timeline.c
        last = (steps.dispatch == table.c.id) & (steps.step == table.c.step)
        query = (
            select(table, commands.asker, commands.command.label("named"), commands.taken_at)
            .add_columns(steps.code, steps.partner_code)
            .join(schema.commands)
            .outerjoin(schema.timeline, last)
            .where(*conditions)
            .order_by(table.c.id.desc())
            .limit(limit)
        )
        return [_dispatch(row) for row in self._all(query)]


def _dispatch(row: _Row) -> Dispatch:
    return Dispatch(
        number=row.id,
        id=DispatchId(row.dispatch),
        command=CommandId(row.named),
        asker=AskerId(row.asker),
        contract=row.contract,
        partner=PartnerId(row.partner),
        organisation=row.organisation or None,
        position=row.position,
        state=State(row.state),
        step=row.step,
        attempts=row.attempts,
        code=row.code,
        partner_code=row.partner_code,
        first_failure=row.first_failure,
        taken_at=instant(row.taken_at),
        changed_at=instant(row.changed_at),
        due=_instant(row.due),
        expires=instant(row.expires),
        intent=row.intent,
    )


def _happened(row: _Row) -> Happened:
    return Happened(
        step=row.step,
        happening=Happening(row.happening),
        before=State(row.before),
        after=State(row.after),
        at=instant(row.at),
        due=_instant(row.due),
        code=row.code,
        partner_code=row.partner_code,
        by=row.by,
        reason=row.reason,
        digest=row.digest,
        leaves=range(row.first_leaf or 0, (row.first_leaf or 0) + row.leaf_count),
    )


def _ended(row: _Row) -> Ended:
    return Ended(
        dispatch=DispatchId(row.dispatch),
        contract=row.contract,
        organisation=row.organisation or None,
        happening=Happening(row.happening),
        at=instant(row.at),
        code=row.code,
        partner_code=row.partner_code,
    )


def _asked(row: _Row) -> Asked:
    return Asked(
        number=row.id,
        dispatch=DispatchId(row.named),
        happening=Happening(row.happening),
        by=row.by,
        role=row.role,
        reason=row.reason,
        at=instant(row.at),
        step=row.step,
        refused=row.refused,
        settled_at=_instant(row.settled_at),
    )


def _pause(row: _Row) -> Pause:
    return Pause(
        partner=PartnerId(row.partner),
        paused=row.paused,
        by=row.by,
        role=row.role,
        reason=row.reason,
        at=instant(row.at),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else instant(text)
