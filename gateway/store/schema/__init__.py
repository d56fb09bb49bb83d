"""What is kept. `migrations/` brings a database to this; tests hold the two together, on SQLite and on PostgreSQL.

Types are those that both have: whole numbers, text, bytes. A time is text, UTC, 27 characters
(`2026-11-20T18:52:00.123456Z`), so that it sorts, and reads the same for an auditor with nothing but `sqlite3`.

Two halves, kept apart for the sake of gallring:

* facts that stay and name no person: `messages`, `refusals`, `leaves`, `tiles`, `checkpoints`; of the way out
  `commands`, `dispatches`, `timeline`; of what it all goes by `registers`, `declarations`; what leaves have in
  common, `flows`; of who has read it the `reading_*`, a log of their own. Triggers (`triggers.py`) forbid changing or
  deleting them.
* what gallring destroys (`destruction`): `evidence`, `records`, `quarantine`, `contents`, the wrapped keys. Sealed;
  without them the facts remain true and provable. And `trail`, which is not sealed and names nobody, but tells of one
  person each.

A leaf's `position` is given in the accepting transaction, while its turn is held: 0, 1, 2 … without gaps. So the order
of the log is decided at the commit, and the integrator only follows it. PostgreSQL divides the largest tables by it
(`partitions.py`).

    metadata    what all tables have in common          deciding    what waits for a person
    arriving    what came in                            logs        the log, its trail, who reads it, who vouches
    leaving     what goes out                           keeping     what was destroyed, and what may not be
    proving     what signatures were judged by          controlling what the recurring control drew and found
"""

from __future__ import annotations

from sqlalchemy import DDL, event

from gateway.store.ripe import RIPE
from gateway.store.schema.arriving import (
    dead_letters,
    evidence,
    messages,
    outbox,
    protections,
    quarantine,
    refusals,
    shieldings,
    triage,
)
from gateway.store.schema.controlling import (
    control_cases,
    control_draws,
    control_marks,
    control_officials,
)
from gateway.store.schema.deciding import (
    review_persons,
    review_steps,
    reviews,
)
from gateway.store.schema.keeping import (
    gallrade,
    gallring_due,
    gallringar,
    hold_steps,
    holds,
)
from gateway.store.schema.leaving import (
    commands,
    contents,
    deposits,
    dispatches,
    instructions,
    pauses,
    timeline,
)
from gateway.store.schema.logs import (
    checkpoints,
    cosignatures,
    declarations,
    flows,
    leaf_index,
    leases,
    leaves,
    reading_checkpoints,
    reading_leaf_index,
    reading_leaves,
    reading_records,
    reading_tiles,
    records,
    registers,
    stamps,
    tiles,
    trail,
    trail_gaps,
)
from gateway.store.schema.metadata import (
    ID,
    INSTANT,
    METADATA,
)
from gateway.store.schema.proving import (
    receipts,
    trust_files,
    trust_reads,
)
from gateway.store.shown import SHOWN
from gateway.store.triggers import TRIGGERS

__all__ = [
    "ID",
    "INSTANT",
    "METADATA",
    "checkpoints",
    "commands",
    "contents",
    "control_cases",
    "control_draws",
    "control_marks",
    "control_officials",
    "cosignatures",
    "dead_letters",
    "declarations",
    "deposits",
    "dispatches",
    "evidence",
    "flows",
    "gallrade",
    "gallring_due",
    "gallringar",
    "hold_steps",
    "holds",
    "instructions",
    "leaf_index",
    "leases",
    "leaves",
    "messages",
    "outbox",
    "pauses",
    "protections",
    "quarantine",
    "reading_checkpoints",
    "reading_leaf_index",
    "reading_leaves",
    "reading_records",
    "reading_tiles",
    "receipts",
    "records",
    "refusals",
    "registers",
    "review_persons",
    "review_steps",
    "reviews",
    "shieldings",
    "stamps",
    "tiles",
    "timeline",
    "trail",
    "trail_gaps",
    "triage",
    "trust_files",
    "trust_reads",
]

for _sql in (*TRIGGERS, *SHOWN, *RIPE):
    event.listen(METADATA, "after_create", DDL(_sql.replace("%", "%%")).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]
