"""What must hold after every step of a world, whatever happened in it.

1. The log verifies from its entries, and every leaf belongs to one message or refusal.
2. Every receipt names one durable message and its leaves; the same message's receipts are the same to the byte.
3. Every message's evidence opens, is bytes that were sent, and its leaves commit to the hidden records.
4. Every record that the law or a person has permitted is one event, by id: in the outbox, or on exactly the queues
   that may have it, or consumed from there. Nothing else is.
5. Every answered refusal is one row with one leaf. Only a quarantined one keeps its bytes, until people decide.
6. No person's number, name or address is outside event bodies and sealed columns.
7. What is told of each leaf unopened is what its sealed record says.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import orjson
from lxml import etree
from pysqlite3 import dbapi2

from gateway.audit import leaf
from gateway.broker.embedded import DATABASE as QUEUES
from gateway.events.compose import event_id
from gateway.message import Outcome
from gateway.store import schema, tracing
from gateway.store.place import DATABASE, SqlitePlace
from gateway.store.views import Message
from tests.differential.oracles import XMLSEC

if TYPE_CHECKING:
    from tests.world import Answer, World

_BODIES = {("outbox", "body"), ("deliveries", "body"), ("dead_letters", "body")}
_RECEIPT = "{urn:forsakringskassan:utbyte:receipt:1}Receipt"


def check(world: World) -> None:
    messages = {(one.partner, one.organisation, one.message_id): one for one in world.views.messages(limit=100_000)}
    _log(world)
    _receipts(world, messages)
    _evidence(world, messages)
    _events(world, messages)
    _refusals(world)
    _names(world)
    _trail(world)


def _trail(world: World) -> None:
    found = tracing.check(SqlitePlace(world.store), world.rules.sealer.open, world.rules.pseudonyms)
    assert found.whole, found
    assert found.leaves == world.views.length()
    assert found.unopened == 0


def _log(world: World) -> None:
    report = world.views.verify_log(world.signer.key)
    counts = world.views.counts()
    assert counts["leaves"] == report.size + report.pending


def _receipts(world: World, messages: dict[tuple[str, str, str], Message]) -> None:
    bodies: dict[tuple[str, str, str], bytes] = {}
    for answer in world.ledger.answers:
        if answer.accepted is None or answer.receipt is None:
            continue
        source = answer.accepted.provenance
        key = (source.partner, source.organisation, source.message_id)
        stored = messages[key]
        assert stored.digest == source.digest
        assert [entry.hash for entry in world.views.leaves(stored.number)] == list(answer.accepted.leaves)
        assert stored.outcomes == answer.accepted.outcomes
        body = _inside(answer)
        assert bodies.setdefault(key, body) == body, "two receipts of one message differ"
        assert not _found(answer.receipt.envelope, world.ledger.names)


def _inside(answer: Answer) -> bytes:
    assert answer.receipt is not None
    XMLSEC.verify(answer.receipt.envelope)
    root = etree.fromstring(answer.receipt.envelope)
    receipt = root[-1].find(f".//{_RECEIPT}")
    assert receipt is not None
    return etree.tostring(receipt, method="c14n", exclusive=True)


def _evidence(world: World, messages: dict[tuple[str, str, str], Message]) -> None:
    for stored in messages.values():
        entries = world.views.leaves(stored.number)
        assert len(entries) == stored.leaf_count == len(stored.outcomes)
        sealed = world.views.sealed_message(stored.number)
        assert sealed is not None
        opened = world.rules.sealer.open(sealed, [entry.hash for entry in entries])
        assert opened.evidence in world.ledger.received
        for entry, (salt, record), outcome in zip(entries, opened.records, stored.outcomes, strict=True):
            leaf.check(entry.entry, salt=salt, record=record)
            told = orjson.loads(record)
            assert (told["record"], told["outcome"]) == (outcome.position, outcome.outcome)
            assert told["message_id"] == stored.message_id


def _events(world: World, messages: dict[tuple[str, str, str], Message]) -> None:
    expected: dict[str, frozenset[str]] = {}
    for stored in messages.values():
        # The events of a message are those of its first committed preparation; every preparation gives the same ids.
        for outcome in stored.outcomes:
            if outcome.outcome is Outcome.PERMIT:
                expected[event_id(stored, outcome.position)] = frozenset()  # type: ignore[arg-type]  # its three parts
    for number, record in _reviewed(world, "SELECT message, record FROM reviews WHERE state = 'permitted'"):
        (stored,) = (one for one in messages.values() if one.number == number)
        expected[event_id(stored, record)] = frozenset()  # type: ignore[arg-type]  # as above
    waiting = {event.id: event for event in world.pending()}
    placed = _placed(world)
    assert set(waiting) | {event for event, _ in placed} == set(expected), "an event too many or too few"
    for (event, queue), count in placed.items():
        assert count == 1, f"{event} {count} times on {queue}"
    for event in expected:
        on = {queue for placed_event, queue in placed if placed_event == event}
        bodies = {body for _, found, body in _everything(world) if found == event}
        allowed = _allowed(world, next(iter(bodies)) if bodies else waiting[event].body)
        assert len(bodies) <= 1, "one event with two bodies"
        assert on == allowed if event not in waiting else on in (set(), allowed)
        assert allowed


def _reviewed(world: World, sql: str) -> list[tuple[int, int]]:
    """What people have decided, and was carried out."""
    connection = dbapi2.connect(str(world.store / DATABASE))
    try:
        return connection.execute(sql).fetchall()  # type: ignore[no-any-return]
    finally:
        connection.close()


def _everything(world: World) -> list[tuple[str, str, bytes]]:
    """Return (queue, event id, body) of all that is or was on the queues."""
    found = list(world.ledger.consumed)
    for queue in world.configuration.queues:
        found += [(queue.name, one.event, one.body) for one in world.broker.peek(queue.name, limit=100_000)]
    letters = world.broker.take_dead(limit=100_000)
    world.broker.return_dead(letters)
    return found + [(one.queue, one.event, one.body) for one in letters]


def _placed(world: World) -> Counter[tuple[str, str]]:
    return Counter((event, queue) for queue, event, _ in _everything(world))


def _allowed(world: World, body: bytes) -> set[str]:
    """Work out from the event alone where it may be: its labels against what each queue declares.

    Nothing that came by itself may be where an asker's answers are, or among the commands.
    """
    event = orjson.loads(body)
    apart = {asker.queue for asker in world.configuration.askers.values()}
    apart.add(world.configuration.gateway.sending.commands)
    purposes = set(event["purposes"].split())
    benefits = set(event["benefits"].split()) if "benefits" in event else None
    return {
        queue.name
        for queue in world.configuration.queues
        if event["type"] in queue.types
        and queue.name not in apart
        and purposes >= set(queue.purposes)
        and (benefits is None or (queue.benefits and benefits >= set(queue.benefits)))
    }


def _refusals(world: World) -> None:
    rows = world.views.refusals(limit=100_000)
    emptied = _reviewed(world, "SELECT refusal FROM reviews WHERE state IN ('released', 'destroyed')")
    assert world.ledger.refused <= len(rows) <= world.ledger.refused + world.ledger.lost
    for row in rows:
        (entry,) = world.views._entries(schema.leaves.c.refusal == row.number)
        assert entry.position == row.position
        sealed = world.views.sealed_refusal(row.number)
        assert sealed is not None
        opened = world.rules.sealer.open(sealed, [entry.hash])
        ((salt, record),) = opened.records
        leaf.check(entry.entry, salt=salt, record=record)
        told = orjson.loads(record)
        assert (told["code"], told["step"]) == (row.code, row.step)
        assert row.quarantined == (row.code == "GW-PURPOSE-QUARANTINED")
        kept = row.quarantined and (row.number,) not in emptied
        assert (opened.evidence in world.ledger.received) if kept else not opened.evidence


def _names(world: World) -> None:
    for file in (DATABASE, QUEUES):
        connection = dbapi2.connect(str(world.store / file))
        try:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                _no_names(connection, table, world.ledger.names)
        finally:
            connection.close()
    for file in world.store.iterdir():
        if not file.name.startswith((DATABASE, QUEUES)):
            assert not _found(file.read_bytes(), world.ledger.names), file.name


def _no_names(connection: dbapi2.Connection, table: str, names: set[str]) -> None:
    cursor = connection.execute(f"SELECT * FROM {table}")  # noqa: S608  # a table's own name
    columns = [column[0] for column in cursor.description]
    for row in cursor:
        for column, value in zip(columns, row, strict=True):
            if isinstance(value, str | bytes) and (table, column) not in _BODIES:
                raw = value.encode() if isinstance(value, str) else value
                assert not _found(raw, names), f"{table}.{column}"


def _found(raw: bytes, names: set[str]) -> bool:
    return any(name.encode() in raw for name in names)
