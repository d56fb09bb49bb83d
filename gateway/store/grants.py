"""Who may do what on PostgreSQL: granted again, whole, in the transaction that brings the schema to a revision.

The roles themselves are the database administrator's (`ops/postgresql/roles.sql`). None of them owns anything but
`gateway_owner`, and no serving process acts as the owner. So a stolen front can add messages, which the log then shows,
but it cannot change or delete one, nor read evidence, records or the bodies of events.

The auditor reads nothing but views, in a schema of their own that stands first in the auditor's search path. They have
the tables' names and lack the columns with sealed bytes, wrapped keys and event bodies: the same program, run as the
auditor, sees just what an auditor may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, text

from gateway.errors import ConfigError
from gateway.services import Roles

AUDITOR = "auditor"
"""The schema of the auditor's views."""

_LOG = ("alembic_version", "leaves", "tiles", "checkpoints")
_FACTS = ("messages", "refusals", *_LOG)
_LEASES = {"leases": ("SELECT, INSERT, UPDATE, DELETE",)}
_REFUSED = "id, partner, contract, code, step, detail, at, quarantined, position"
_WAITING = "id, message, event, type, partition, queues, replay_of, replay_reason"
_LETTER = "id, queue, event, type, partition, attempts, reason, fingerprint, since, at, recorded_at, replay_of, state"

GRANTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "front": {
        **dict.fromkeys(_LOG, ("SELECT",)),
        "messages": ("SELECT, INSERT",),
        "leaves": ("SELECT, INSERT",),
        "refusals": (f"SELECT ({_REFUSED}), INSERT",),
        "evidence": ("INSERT",),
        "records": ("INSERT",),
        "quarantine": ("INSERT",),
        "outbox": ("SELECT (id), INSERT",),
        "protections": ("SELECT, INSERT, UPDATE",),
    },
    "relay": {
        "alembic_version": ("SELECT",),
        "outbox": ("SELECT, DELETE",),
        "dead_letters": ("SELECT, INSERT",),
        **_LEASES,
    },
    "integrator": {
        **dict.fromkeys(_FACTS, ("SELECT",)),
        "refusals": (f"SELECT ({_REFUSED})",),
        "tiles": ("SELECT, INSERT, UPDATE",),
        "checkpoints": ("SELECT, INSERT",),
        **_LEASES,
    },
    "operator": {
        **dict.fromkeys(_FACTS, ("SELECT",)),
        "refusals": (f"SELECT ({_REFUSED})",),
        "records": ("SELECT (position, pseudonym)",),
        "quarantine": ("SELECT (refusal)",),
        "protections": ("SELECT (revision)",),
        "outbox": (f"SELECT ({_WAITING}), INSERT",),
        "leases": ("SELECT",),
        "dead_letters": ("SELECT, UPDATE",),
        "triage": ("SELECT, INSERT",),
    },
}
"""Privileges by duty and table."""

VIEWS: Mapping[str, str] = {
    **dict.fromkeys(_FACTS, "*"),
    "refusals": _REFUSED,
    "records": "position, pseudonym",
    "quarantine": "refusal",
    "protections": "revision",
    "outbox": _WAITING,
    "leases": "*",
    "dead_letters": _LETTER,
    "triage": "*",
}
"""What the auditor sees, by table."""


def grant(connection: Connection, roles: Roles) -> None:
    """Give every role what is its own, and nothing else. Acts as the owner. Raises ConfigError if a role is not there.

    `roles` are `[postgresql.roles]`.
    """
    quote = connection.dialect.identifier_preparer.quote
    mine = {duty: getattr(roles, duty) for duty in (*GRANTS, AUDITOR)}
    _there(connection, mine.values())
    tables = {row[0] for row in connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))}
    everybody = ", ".join(quote(role) for role in mine.values())
    words = [f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {everybody}"]
    words += [f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC, {everybody}"]
    for duty, granted in GRANTS.items():
        for table, privileges in granted.items():
            if table in tables:
                words += [f"GRANT {one} ON {table} TO {quote(mine[duty])}" for one in privileges]
    words.append(f"GRANT EXECUTE ON FUNCTION gateway_add_partition(text) TO {quote(mine['integrator'])}")
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
    ]
