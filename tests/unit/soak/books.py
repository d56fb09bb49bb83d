"""Books of a small soak in which all is well, to be spoiled one thing at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from ops.soak.lines import Line
from ops.soak.reconcile import Books, Check, Expected, Handled, Letter, Refused, Stored, reconcile
from ops.soak.traffic import Contract, Kind

QUEUE, OTHER = "handlaggning.inkomst", "kontroll.inkomst"


def line(number: int, kind: Kind = Kind.RIGHT, **changes: object) -> Line:
    name = f"urn:uuid:{number}"
    made = {
        "number": number,
        "kind": kind,
        "contract": Contract.AGI,
        "persons": (number % 2,),
        "message_id": name,
        "of": None,
        "began": float(number),
        "ended": number + 0.5,
        "sent": Counter({f"bytes-{number}": 1}),
    }
    if kind in {Kind.RIGHT, Kind.TWIN, Kind.REPEATED}:
        made["receipts"] = [(name, f"digest-{number}", "PERMIT", (f"leaf-{number}",))] * (1 + (kind is Kind.TWIN))
    return Line(**(made | changes))


def expected(number: int, *queues: str) -> Expected:
    return Expected(event=f"event{number}-1", queues=queues or (QUEUE,), digests=frozenset({f"body-{number}"}))


def handled(number: int, queue: str = QUEUE, *, replay_of: int | None = None) -> Handled:
    return Handled(
        event=f"event{number}-1",
        queue=queue,
        subject=f"person-{number % 2}",
        digest=f"body-{number}",
        replay_of=replay_of,
    )


def good() -> Books:
    """Two messages each of two persons, one on two queues; a repetition, two refusals, and two dead letters."""
    again = line(5, Kind.REPEATED, of=1, message_id="urn:uuid:1", receipts=line(1).receipts, persons=(1,))
    forged = line(6, Kind.FORGED, code="GW-SIG-VALUE", reference="f" * 32)
    late = line(4, untimely=["e" * 32], sent=Counter({"bytes-4": 1, "bytes-4-anew": 1}))
    return Books(
        lines=[line(1), line(2, Kind.TWIN), line(3), late, again, forged],
        stored=[
            Stored(number=n, message_id=f"urn:uuid:{n}", digest=f"digest-{n}", leaves=(f"leaf-{n}",))
            for n in range(1, 5)
        ],
        refused=[
            Refused(code="GW-TIME-STALE", leaf="e" * 64, content="bytes-4"),
            Refused(code="GW-SIG-VALUE", leaf="f" * 64, content="bytes-6"),
        ],
        expected={
            "urn:uuid:1": [expected(1, QUEUE, OTHER)],
            **{f"urn:uuid:{n}": [expected(n)] for n in (2, 3, 4)},
        },
        handled=[handled(1), handled(1, OTHER), handled(4), handled(3, replay_of=1)],
        letters=[
            Letter(id=1, event="event3-1", queue=QUEUE, state="replayed"),
            Letter(id=2, event="event2-1", queue=QUEUE, state="discarded"),
        ],
        poisoned=lambda event: event in {"event2-1", "event3-1"},
        proven=frozenset(f"leaf-{n}" for n in range(1, 5)),
        verified="",
        left={"outbox": 0, QUEUE: 0},
    )


def spoiled(change: Callable[[Books], Books]) -> dict[str, list[str]]:
    """Return what the rules that fail say, by their names."""
    return {check.name.partition(":")[0]: check.wrong for check in reconcile(change(good())) if not check.holds}


def checks(**changes: object) -> list[Check]:
    return reconcile(replace(good(), **changes))
