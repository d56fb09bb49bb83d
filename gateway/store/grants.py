"""Who may do what on PostgreSQL: granted again, whole, in the transaction that brings the schema to a revision.

The roles themselves are the database administrator's (`ops/postgresql/roles.sql`). None of them owns anything but
`gateway_owner`, and no serving process acts as the owner. So a stolen front can add messages, which the log then shows,
but it cannot change or delete one, nor read evidence, records or the bodies of events. The dispatcher reads what is
sealed of its own dispatches, because it must open it; of what partners sent us it reads nothing.

The front hands out what lies in mailboxes (`mailbox.py`), and for that some tables are narrowed row by row: it reads
and moves only what lies in one, by FETCH and ACKNOWLEDGE, or by WITHDRAW where it may not go any more, and of its
contents sees envelope, payload and command. What is
on its way to a partner that is called, or what a partner has acknowledged, it never sees.

What waits for a person is answered by the reviewers and carried out by the releaser: two roles, neither of which is the
operator's. Reviewers answer, and can neither add to the log nor put an event out; the releaser does both, and cannot
answer. Each reads what is sealed of what waits, by views, and nothing else that is. Reviewers are told whether anybody
whom it is about is protected, and not who that is; the releaser shields the events that the relay holds back, reads no
others and changes no others: the relay changes none, and adds nothing to the log.

The archivist opens what is sealed, for replays, evidence and registerutdrag: reads everything that the log is about,
and the sealing key is the other half. Writes nothing but who read what, before anything is answered.

Who reads the log is written down first, in a log of its own (`readings.py`): the auditor, the archivist and the
reviewer may add to it, by a function that tells nothing of what is there. Only the overseer reads it, and nothing else;
the operator does neither. Whoever guards, integrates or keeps an anchor of it sees hashes and how many there are; the
front hands on its commitments, so that anybody may mirror it, and nothing that is sealed.

Whoever judges or signs adds what it judges and signs by, and nobody but the archivist reads it back.

Gallring destroys by a function, what is due and what nothing holds, and reads nothing that is sealed. Nobody else may
destroy anything of the log.

The auditor reads nothing but views, in a schema of their own that stands first in the auditor's search path. They have
the tables' names and lack the columns with sealed bytes, wrapped keys and event bodies: the same program, run as the
auditor, sees just what an auditor may. By the same views it adds what the recurring control drew and found, and that is
all that it writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, text

from gateway.config.retention import DataClass
from gateway.errors import ConfigError
from gateway.services import Roles

AUDITOR = "auditor"
"""The schema of the auditor's views."""

_LOG = ("alembic_version", "leaves", "tiles", "leaf_index", "checkpoints")
_FACTS = ("messages", "refusals", *_LOG)
_WITNESSED = ("cosignatures", "stamps")
"""What others have signed for: no secret, and of every log here."""
_SEALED = (
    "evidence",
    "records",
    "quarantine",
    "contents",
    "dispatch_records",
    "reviews",
    "review_steps",
    "shieldings",
)
_WAY_OUT = ("commands", "dispatches", "timeline", "deposits", "instructions", "pauses")
_GOVERNING = dict.fromkeys(("registers", "declarations"), ("SELECT, INSERT",))
"""Whoever judges keeps what it judges by."""
_RELIED = {"trust_files": ("SELECT (fingerprint), INSERT",), "trust_reads": ("SELECT, INSERT",)}
"""Whoever judges signatures keeps the lists it judges by, and reads no list back."""
_PROVING = ("trust_files", "trust_reads", "receipts")
_TRACED = {"flows": ("SELECT (id), INSERT",), "trail": ("INSERT",)}
"""What is told of a leaf is written with it, by whoever adds to the log; a flow's number tells whether it is there."""
_LEASES = {"leases": ("SELECT, INSERT, UPDATE, DELETE",)}
_REFUSED = "id, partner, contract, code, step, detail, at, quarantined, position"
_WAITING = "id, message, event, type, partition, queues, replay_of, replay_reason, dispatch"
_LETTER = "id, queue, event, type, partition, attempts, reason, fingerprint, since, at, recorded_at, replay_of, state"
_TAKEN = "id, dispatch, command, position, contract, partner, organisation, lane, expires, due, over_at, changed_at"
"""Columns of a new dispatch: the others begin as the schema says, so that nobody begins one elsewhere than queued."""
_WALKED = "state, step, attempts, due, over_at, first_failure, pseudonym, intent, changed_at"
_CONTENT = "dispatch, step, name"
_REGISTER = "policy, predecessor, taken_at, archive, position"
_DECLARATION = "id, at, by, queues, position"
_LOG_READING = "gateway_log_reading(bytea, bytea, text, bytea, bytea)"
_READERS = ("auditor", "archivist", "reviewer", "overseer")
"""Who may add to the log of readings."""
_GUARDED = {
    "reading_leaves": ("SELECT (position, at)",),
    "reading_tiles": ("SELECT",),
    "reading_checkpoints": ("SELECT",),
}
"""What tells that the log of readings is as it was left, and signed for in time; nothing of who reads."""
_CONTROL = ("control_draws", "control_cases", "control_officials", "control_marks")
"""The auditor's own: what the recurring control drew and found. It adds to them, and changes nothing."""
_RIPE = tuple(f"gallring_{one.value}" for one in DataClass)
_HELD = "id, kind, number, partner, first, beyond"
_GALLRA = ("gateway_gallra(bigint, bigint[])", "gateway_forget_hold(bigint)")
_GALLRADE = {
    "gallringar": "id, rule, data, count, by, at, position",
    "gallrade": "*",
    "gallring_due": "*",
    "hold_steps": "hold, step, action, by, role, reason, at, position",
    "holds": _HELD,
}
"""What was destroyed, what is due and what is held: without whose."""
_EMPTY = "gateway_empty_deposit(bigint, text, text, bytea, bytea)"
_SHIELD = "gateway_shield(bigint, text, bytea, text)"
_EMPTY_QUARANTINE = "gateway_empty_quarantine(bigint, text, bytea, bytea)"
_OPENED = (
    "id, kind, message, refusal, dispatch, record, partner, organisation, contract, information, basis, lagrum, "
    "policy, reasons, role, four_eyes, balancing, laws, opened_at, expires_at, leaf, changed_at"
)
"""Columns of a new review: the others begin as the schema says, so that nobody begins one elsewhere than open."""
_COUNTED = "id, kind, role, state, opened_at, changed_at, outcome"
"""What tells how many wait, and which leaves are theirs."""
_ANSWERED = "dispatch, reasons, laws, answer, fields, leaf, basis, lagrum"
"""With those: what people said yes to, which holds when what lies in a mailbox is judged once more."""
_ENDED = "state, step, changed_at, outcome, key_id, wrapped_key"
_WAITING_FOR_PEOPLE = {
    **dict.fromkeys(("review_evidence", "review_quarantine", "review_contents", "review_records"), ("SELECT",)),
    "leaves": ("SELECT",),
    "messages": ("SELECT",),
    "commands": ("SELECT",),
    "dispatches": ("SELECT",),
    "timeline": ("SELECT",),
}
"""What is sealed of that which waits, by views that show nothing else, and the facts it is found by."""

GRANTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "front": {
        "gallring_due": ("SELECT",),
        "orphan_intents": ("SELECT",),
        **dict.fromkeys(_LOG, ("SELECT",)),
        "messages": ("SELECT, INSERT",),
        "leaves": ("SELECT, INSERT",),
        "refusals": (f"SELECT ({_REFUSED}), INSERT",),
        "evidence": ("INSERT",),
        "records": ("INSERT",),
        **_TRACED,
        "quarantine": ("INSERT",),
        "receipts": ("INSERT",),
        **_RELIED,
        "outbox": ("SELECT (id), INSERT",),
        "protections": ("SELECT, INSERT, UPDATE",),
        **_GOVERNING,
        "timeline": ("SELECT, INSERT",),
        "commands": ("SELECT (id, asker, command)",),
        "dispatches": (f"SELECT, UPDATE ({_WALKED})",),
        "contents": ("SELECT, INSERT",),
        "deposits": ("SELECT, UPDATE (fetched_at, acknowledged_at, closed_at, kept_until)",),
        "deposit_records": ("SELECT",),
        "reviews": (f"SELECT ({_COUNTED}, {_ANSWERED}), INSERT ({_OPENED})",),
        "review_persons": ("INSERT",),
        **dict.fromkeys(("shieldings", "gallringar", "hold_steps"), ("SELECT (position, at)",)),
        **_GUARDED,
        "reading_leaves": ("SELECT",),
        **dict.fromkeys(_WITNESSED, ("SELECT",)),
    },
    "relay": {
        "alembic_version": ("SELECT",),
        "outbox": ("SELECT, DELETE, UPDATE (held)",),
        "protections": ("SELECT",),
        "dead_letters": ("SELECT, INSERT",),
        **_LEASES,
    },
    "integrator": {
        **dict.fromkeys(_FACTS, ("SELECT",)),
        "refusals": (f"SELECT ({_REFUSED})",),
        "tiles": ("SELECT, INSERT, UPDATE",),
        "leaf_index": ("SELECT, INSERT",),
        "checkpoints": ("SELECT, INSERT",),
        "reviews": (f"SELECT ({_COUNTED})",),
        "reading_leaves": ("SELECT",),
        "reading_tiles": ("SELECT, INSERT, UPDATE",),
        "reading_leaf_index": ("SELECT, INSERT",),
        "reading_checkpoints": ("SELECT, INSERT",),
        **dict.fromkeys(_WITNESSED, ("SELECT, INSERT",)),
        **_LEASES,
    },
    "dispatcher": {
        "alembic_version": ("SELECT",),
        "leaves": ("SELECT, INSERT",),
        "records": ("INSERT",),
        **_TRACED,
        "dispatch_records": ("SELECT",),
        **_RELIED,
        "outbox": ("SELECT (id), INSERT",),
        "protections": ("SELECT, INSERT, UPDATE",),
        **_GOVERNING,
        "commands": ("SELECT, INSERT",),
        "dispatches": (f"SELECT, INSERT ({_TAKEN}), UPDATE ({_WALKED})",),
        "timeline": ("SELECT, INSERT",),
        "contents": ("SELECT, INSERT",),
        "deposits": ("SELECT, INSERT, UPDATE (fetched_at, acknowledged_at, closed_at, kept_until)",),
        "instructions": ("SELECT, UPDATE (step, refused, settled_at)",),
        "pauses": ("SELECT",),
        "reviews": (f"SELECT, INSERT ({_OPENED}), UPDATE ({_ENDED})",),
        "review_persons": ("SELECT (review), INSERT, DELETE",),
        "review_steps": ("SELECT, INSERT",),
        **_LEASES,
    },
    "reviewer": {
        "alembic_version": ("SELECT",),
        **_WAITING_FOR_PEOPLE,
        "refusals": (f"SELECT ({_REFUSED})",),
        "reviews": ("SELECT, UPDATE (state, step, answer, fields, changed_at)",),
        "review_steps": ("SELECT, INSERT",),
        "review_protections": ("SELECT",),
        "instructions": ("SELECT (id), INSERT (id, dispatch, happening, by, role, reason, at)",),
    },
    "releaser": {
        "alembic_version": ("SELECT",),
        **_WAITING_FOR_PEOPLE,
        "messages": ("SELECT, INSERT",),
        "leaves": ("SELECT, INSERT",),
        "records": ("INSERT",),
        **_TRACED,
        "evidence": ("INSERT",),
        "refusals": (f"SELECT ({_REFUSED})",),
        "outbox": ("SELECT (id), INSERT",),
        "protections": ("SELECT, INSERT, UPDATE",),
        **_GOVERNING,
        "reviews": (f"SELECT, INSERT ({_OPENED}), UPDATE ({_ENDED})",),
        "review_persons": ("SELECT, INSERT, DELETE",),
        "held_events": ("SELECT",),
        "shieldings": ("INSERT",),
        "review_steps": ("SELECT, INSERT",),
        **_LEASES,
    },
    "archivist": dict.fromkeys(
        (
            *(*_FACTS, *_WITNESSED, *_GOVERNING, *_SEALED, *_WAY_OUT, *_PROVING),
            *("trail", "gallringar", "gallrade", "hold_steps"),
        ),
        ("SELECT",),
    ),
    "overseer": dict.fromkeys(
        (
            "alembic_version",
            "reading_leaves",
            "reading_records",
            "reading_tiles",
            "reading_leaf_index",
            "reading_checkpoints",
            *_WITNESSED,
        ),
        ("SELECT",),
    ),
    "gallring": {
        "alembic_version": ("SELECT",),
        "leaves": ("SELECT, INSERT",),
        "records": ("INSERT",),
        "flows": ("SELECT (id, basis), INSERT",),
        "trail": ("SELECT (position, flow, at), INSERT",),
        "outbox": ("SELECT (id)",),
        "protections": ("SELECT (revision)",),
        "messages": ("SELECT (id, message_id, accepted_at, first_leaf, leaf_count)",),
        "dispatches": ("SELECT (id, dispatch, changed_at)",),
        "refusals": ("SELECT (id, at)",),
        "reviews": ("SELECT (id, changed_at)",),
        "shieldings": ("SELECT (position)",),
        **dict.fromkeys(_RIPE, ("SELECT",)),
        "gallringar": ("SELECT, INSERT",),
        "gallrade": ("SELECT",),
        "gallring_due": ("SELECT, INSERT, UPDATE, DELETE",),
        "holds": (f"SELECT ({_HELD}), INSERT",),
        "hold_steps": ("SELECT, INSERT",),
        **_LEASES,
    },
    "operator": {
        **{table: ("SELECT" if columns == "*" else f"SELECT ({columns})",) for table, columns in _GALLRADE.items()},
        **dict.fromkeys((*_FACTS, *_WITNESSED), ("SELECT",)),
        "refusals": (f"SELECT ({_REFUSED})",),
        "records": ("SELECT (position, pseudonym)",),
        "quarantine": ("SELECT (refusal)",),
        "protections": ("SELECT (revision)",),
        "outbox": (f"SELECT ({_WAITING}), INSERT",),
        "leases": ("SELECT",),
        "registers": (f"SELECT ({_REGISTER})",),
        "declarations": (f"SELECT ({_DECLARATION})",),
        "dead_letters": ("SELECT, UPDATE",),
        "triage": ("SELECT, INSERT",),
        "commands": ("SELECT, INSERT",),
        "dispatches": (f"SELECT, INSERT ({_TAKEN})",),
        "timeline": ("SELECT",),
        "contents": (f"SELECT ({_CONTENT}), INSERT",),
        "deposits": ("SELECT",),
        "instructions": ("SELECT, INSERT (id, dispatch, happening, by, role, reason, at)",),
        "pauses": ("SELECT, INSERT",),
        "reviews": (f"SELECT ({_OPENED}, state, step, answer, fields, outcome)",),
        "review_steps": ("SELECT",),
        "review_protections": ("SELECT (review, protection)",),
        "letter_protections": ("SELECT",),
        "shieldings": ("SELECT (position, event, at)",),
    },
}
"""Privileges by duty and table."""

_LIES = "EXISTS (SELECT 1 FROM dispatches d WHERE d.id = {} AND d.state IN ({}))"
NARROWED: Mapping[str, Mapping[str, str]] = {
    "dispatches": {
        "FOR SELECT": "USING (EXISTS (SELECT 1 FROM deposits m WHERE m.dispatch = dispatches.id))",
        "FOR UPDATE": "USING (state IN ('deposited', 'fetched')) "
        "WITH CHECK (state IN ('fetched', 'delivered', 'withdrawn'))",
    },
    "timeline": {
        "FOR SELECT": "USING (true)",
        "FOR INSERT": "WITH CHECK ((happening, after) IN (('fetch', 'fetched'), ('acknowledge', 'delivered'), "
        "('withdraw', 'withdrawn')) AND "
        + _LIES.format("timeline.dispatch", "'fetched', 'delivered', 'withdrawn'") + ")",
    },
    "contents": {
        "FOR SELECT": "USING (name IN ('command', 'envelope', 'payload') AND "
        + _LIES.format("contents.dispatch", "'deposited', 'fetched'") + ")",
        "FOR INSERT": "WITH CHECK ((name = 'answer' AND " + _LIES.format("contents.dispatch", "'delivered'")
        + ") OR (name = '' AND " + _LIES.format("contents.dispatch", "'withdrawn'") + "))",
    },
    "deposits": {"FOR SELECT": "USING (true)", "FOR UPDATE": "USING (closed_at IS NULL) WITH CHECK (true)"},
}  # fmt: skip
"""Which rows the front's privileges are about, by table. For everybody else they are about all."""

VIEWS: Mapping[str, str] = {
    **dict.fromkeys(_FACTS, "*"),
    "refusals": _REFUSED,
    "records": "position, pseudonym",
    **dict.fromkeys(("flows", "trail", "trail_gaps"), "*"),
    "quarantine": "refusal",
    "protections": "revision",
    "outbox": _WAITING,
    "leases": "*",
    "dead_letters": _LETTER,
    "triage": "*",
    **dict.fromkeys(("commands", "dispatches", "timeline", "deposits", "instructions", "pauses"), "*"),
    "orphan_intents": "*",
    "contents": _CONTENT,
    "registers": _REGISTER,
    "declarations": _DECLARATION,
    "reviews": f"{_OPENED}, state, step, answer, fields, outcome",
    "review_steps": "*",
    "review_protections": "review, protection",
    "shieldings": "position, event, at",
    **_GALLRADE,
    "reading_leaves": "position",
    "reading_tiles": "*",
    "reading_checkpoints": "*",
    **dict.fromkeys(_WITNESSED, "*"),
    **dict.fromkeys(("trust_reads", "receipts"), "*"),
    "trust_files": "fingerprint, kind, at",
    **dict.fromkeys(_CONTROL, "*"),
}
"""What the auditor sees, by table."""

_RELATIONS = """
    SELECT tablename FROM pg_tables WHERE schemaname = 'public'
    UNION SELECT viewname FROM pg_views WHERE schemaname = 'public'
"""


def grant(connection: Connection, roles: Roles) -> None:
    """Give every role what is its own, and nothing else. Acts as the owner. Raises ConfigError if a role is not there.

    `roles` are `[postgresql.roles]`.
    """
    quote = connection.dialect.identifier_preparer.quote
    mine = {duty: getattr(roles, duty) for duty in (*GRANTS, AUDITOR)}
    _there(connection, mine.values())
    tables = {row[0] for row in connection.execute(text(_RELATIONS))}
    everybody = ", ".join(quote(role) for role in mine.values())
    words = [f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {everybody}"]
    words += [f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, {everybody}"]
    for duty, granted in GRANTS.items():
        for table, privileges in granted.items():
            if table in tables:
                words += [f"GRANT {one} ON {table} TO {quote(mine[duty])}" for one in privileges]
    words.append(f"GRANT EXECUTE ON FUNCTION gateway_add_partition(text) TO {quote(mine['integrator'])}")
    words += [f"GRANT EXECUTE ON FUNCTION {_LOG_READING} TO {quote(mine[duty])}" for duty in _READERS]
    words += [f"GRANT EXECUTE ON FUNCTION {one} TO {quote(mine['gallring'])}" for one in _GALLRA]
    words.append(f"GRANT EXECUTE ON FUNCTION {_EMPTY} TO {quote(mine['dispatcher'])}")
    words.append(f"GRANT EXECUTE ON FUNCTION {_EMPTY_QUARANTINE} TO {quote(mine['releaser'])}")
    words.append(f"GRANT EXECUTE ON FUNCTION {_SHIELD} TO {quote(mine['releaser'])}")
    words += _narrowed(quote(mine["front"]), everybody)
    words += _views(tables, quote(mine[AUDITOR]))
    for word in words:
        connection.execute(text(word))


def _there(connection: Connection, roles: Iterable[str]) -> None:
    known = {row[0] for row in connection.execute(text("SELECT rolname FROM pg_roles"))}
    missing = sorted(set(roles) - known)
    if missing:
        raise ConfigError(
            f"services.toml: postgresql.roles: {', '.join(missing)}: not a role of this server; "
            "the administrator makes them with ops/postgresql/roles.sql"
        )


def _narrowed(front: str, everybody: str) -> list[str]:
    """Restrict the front's rows: a restrictive policy is about the role it names, beside one that lets everybody in."""
    words = []
    for table, policies in NARROWED.items():
        words += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"DROP POLICY IF EXISTS everybody ON {table}",
            f"CREATE POLICY everybody ON {table} TO {everybody} USING (true) WITH CHECK (true)",
        ]
        for command, rows in policies.items():
            name = f"front_{command.split()[1].lower()}"
            words += [
                f"DROP POLICY IF EXISTS {name} ON {table}",
                f"CREATE POLICY {name} ON {table} AS RESTRICTIVE {command} TO {front} {rows}",
            ]
    return words


def _views(tables: set[str], role: str) -> list[str]:
    return [
        f"DROP SCHEMA IF EXISTS {AUDITOR} CASCADE",
        f"CREATE SCHEMA {AUDITOR}",
        *(
            f"CREATE VIEW {AUDITOR}.{table} AS SELECT {columns} FROM public.{table}"  # noqa: S608  # our own words
            for table, columns in VIEWS.items()
            if table in tables
        ),
        f"GRANT USAGE ON SCHEMA {AUDITOR} TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {AUDITOR} TO {role}",
        *(f"GRANT INSERT ON {AUDITOR}.{table} TO {role}" for table in _CONTROL if table in tables),
    ]
