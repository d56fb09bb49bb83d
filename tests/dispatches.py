"""`outbound.ports.Dispatches` and `Instructions` in memory, as the store keeps them, and what they leave behind."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from gateway import endings
from gateway.dispatch import AskerId, Command, CommandId, DispatchId, Queued
from gateway.errors import ConflictError, IntegrityError
from gateway.message import Digest, Event, Leaf, Learned, PartnerId, Pseudonym, Sealed
from gateway.outbound import states
from gateway.outbound.ports import Held, Instruction, Lane, Step, Taken
from gateway.outbound.states import Happening, State

FAILURES = (Happening.POSTPONE, Happening.LOSE, Happening.REFUSE, Happening.SPOIL)
TIMED = (State.REFERRED, State.DEPOSITED, State.FETCHED)
"""Due when people have had their time, or the mailbox has kept it long enough."""


class MemoryDispatches:
    """What is written is there at once, and stays through any crash of whoever wrote it."""

    def __init__(self) -> None:
        self._door = threading.Lock()
        self.held: dict[DispatchId, Held] = {}
        self.timelines: dict[DispatchId, list[Step]] = {}
        self.commands: dict[tuple[AskerId, CommandId], tuple[Digest, tuple[DispatchId, ...]]] = {}
        self.paused: set[PartnerId] = set()
        self.log: list[Leaf] = []
        self.outbox: list[Event] = []
        self.learned: list[Learned] = []
        self.owners: dict[DispatchId, Pseudonym] = {}
        self.wanted: list[Instruction] = []
        """Not carried out yet."""
        self.refused: dict[int, str] = {}

    def take(self, command: Command, queued: Sequence[Queued], sealed: Sequence[Sealed], digest: Digest) -> Taken:
        with self._door:
            key = (command.asker, command.id)
            if key in self.commands:
                first, dispatches = self.commands[key]
                if first != digest:
                    raise ConflictError(endings.COMMAND_CONFLICT)
                return Taken(command=command.id, dispatches=dispatches, repeated=True)
            for one, content in zip(queued, sealed, strict=True):
                self.held[one.dispatch] = Held(
                    id=one.dispatch,
                    number=len(self.held) + 1,
                    command=command.id,
                    asker=command.asker,
                    contract=command.contract,
                    partner=one.recipient.partner,
                    organisation=one.recipient.organisation,
                    position=one.recipient.position,
                    state=states.BEGIN,
                    step=0,
                    attempts=0,
                    due=min(command.at, command.expires),
                    expires=command.expires,
                    first_failure=None,
                    contents={"command": content},
                )
                self.timelines[one.dispatch] = []
            self.commands[key] = (digest, tuple(one.dispatch for one in queued))
            return Taken(command=command.id, dispatches=self.commands[key][1], repeated=False)

    def due(
        self, at: datetime, *, limit: int, busy: Collection[DispatchId], shut: Collection[Lane] = ()
    ) -> Sequence[Held]:
        with self._door:
            found = [one for one in self.held.values() if one.id not in busy and self._is_due(one, at, shut)]
            return sorted(found, key=lambda one: (min(one.due, one.expires), one.number))[:limit]

    def _is_due(self, one: Held, at: datetime, shut: Collection[Lane]) -> bool:
        if one.state in states.ENDED or one.state in states.IN_FLIGHT:
            return False
        if at >= one.expires or (one.state in TIMED and at >= one.due):
            return True
        if one.state not in states.DUE or at < one.due or one.partner in self.paused:
            return False
        return one.state is State.QUEUED or Lane(one.partner, one.organisation, one.contract) not in shut

    def write(self, step: Step) -> bool:
        with self._door:
            one = self.held[step.dispatch]
            if states.after(step.before, step.happening) is not step.after:
                raise IntegrityError("not in the table")
            if (one.step, one.state) != (step.follows, step.before):
                return step in self.timelines[one.id][step.follows : step.follows + 1]
            if step.happening is Happening.COMPOSE:
                intent = (len(self.log), replace(step.leaves[0], salt=b"", record=b""))
                one = replace(one, intent=intent)
                if step.pseudonym is not None:
                    self.owners[one.id] = step.pseudonym
            self.log += step.leaves
            self.outbox += step.events
            self.learned += step.learned
            contents = dict(one.contents)
            if step.content is not None and step.records is not None:
                contents[step.content] = step.records
            failed = step.happening in FAILURES and one.first_failure is None
            self.timelines[one.id].append(step)
            self.wanted = [
                wanted for wanted in self.wanted if (wanted.dispatch, wanted.happening) != (one.id, step.happening)
            ]
            self.held[one.id] = replace(
                one,
                state=step.after,
                step=one.step + 1,
                attempts=one.attempts + (step.happening is Happening.BEGIN),
                due=step.due or (one.expires if step.after is State.REFERRED else one.due),
                first_failure=step.code if failed else one.first_failure,
                contents=contents,
            )
            return True

    def interrupted(self) -> Sequence[Held]:
        with self._door:
            return [one for one in self.held.values() if one.state in states.IN_FLIGHT]

    def ask(self, dispatch: DispatchId, happening: Happening, *, by: str, reason: str, at: datetime) -> Instruction:
        """Write down what somebody wants done."""
        with self._door:
            number = len(self.wanted) + len(self.refused) + 1
            self.wanted.append(
                Instruction(number=number, dispatch=dispatch, happening=happening, by=by, reason=reason, at=at)
            )
            return self.wanted[-1]

    def instructed(self, *, limit: int, busy: Collection[DispatchId]) -> Sequence[tuple[Instruction, Held]]:
        with self._door:
            found = [(one, self.held[one.dispatch]) for one in self.wanted if one.dispatch not in busy]
            return [pair for pair in found if pair[1].state not in states.IN_FLIGHT][:limit]

    def refuse(self, instruction: Instruction, *, reason: str, at: datetime) -> None:  # noqa: ARG002  # the port's
        with self._door:
            self.wanted = [one for one in self.wanted if one.number != instruction.number]
            self.refused[instruction.number] = reason
