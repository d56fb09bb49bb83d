"""What must come of a dispatch to a far side that follows a script: worked out from the script alone.

1. An answer ends it: delivered. A genuine answer of no use ends it: unusable.
2. A refusal ends it: refused; but unresolved where an earlier attempt may have happened, for nobody knows which one it
   is about. Then only a person goes on, who asks the partner.
3. Everything else is tried again, and after its script a far side is right.
4. It is processed once if any attempt was processed, however many were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway import endings
from gateway.cli.demo.farsides.table import ACTS, Act
from gateway.outbound.states import Happening, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """How it ends."""

    state: State
    attempts: int
    code: str | None
    partner_code: str | None
    first_failure: str | None
    processed: int
    seen: int
    """How often the far side gets to read it."""


def foresee(script: Sequence[str], *, answered: str | None = None) -> Foreseen:
    """Return what must come of a script of acts' names; `answered` is the partner's own code in a right answer."""
    done: list[Act] = []
    for act in [*(ACTS[name] for name in script), ACTS["right"]]:
        done.append(act)
        if act.happening not in {Happening.POSTPONE, Happening.LOSE}:
            break
    last, lost = done[-1], any(act.happening is Happening.LOSE for act in done)
    state = _state(last.happening, lost=lost)
    code = last.code.name if last.code else None
    failed = [act.code.name for act in done if act.code is not None]
    return Foreseen(
        state=state,
        attempts=len(done),
        code=endings.UNRESOLVED.name if state is State.UNRESOLVED else code,
        partner_code=answered if last.happening is Happening.ANSWER else last.partner_code,
        first_failure=failed[0] if failed else None,
        processed=int(any(act.processes for act in done)),
        seen=sum(act.reached for act in done),
    )


def _state(happening: Happening, *, lost: bool) -> State:
    match happening:
        case Happening.ANSWER:
            return State.DELIVERED
        case Happening.REFUSE:
            return State.UNRESOLVED if lost else State.REFUSED
        case _:
            return State.UNUSABLE
