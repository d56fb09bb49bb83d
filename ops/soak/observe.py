"""Opens the books: what the store, the consumers' database and the log say when everything is at rest.

What must come of each message is worked out from the bytes that were sent, by the gateway's own rules, once with the
person's protection known and once unknown (a front that cannot look treats everybody as unknown). Only the leaf's hash
and the time of reception are taken from the store: the first is salted, the second is its own.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import orjson
from pysqlite3 import dbapi2 as sqlite

from gateway import config, wiring
from gateway.audit import proof, tree
from gateway.database import Session, instant
from gateway.errors import GatewayError
from gateway.inbound import path
from gateway.message import ContractId, LeafHash, Protection, Pseudonym, Ready, Received, Sealed
from gateway.store.log import StoredLog
from gateway.store.place import Duty
from gateway.trust.sealing import Sealer
from ops.soak import consumer, lines
from ops.soak.fleet import Fleet
from ops.soak.lines import Line
from ops.soak.reconcile import ACCEPTABLE, Books, Expected, Handled, Letter, Refused, Stored
from ops.soak.traffic import CLIENTS

_CHUNK = 500
_PROCESSES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One message whose events are to be worked out."""

    message_id: str
    contract: str
    client: str
    signed_at: str
    received_at: str
    leaves: tuple[str, ...]
    body: bytes


def books(fleet: Fleet, left: Mapping[str, int], asked: Mapping[str, int]) -> Books:
    """Read everything of what came in; `asked` is what was sent by those who ask their mailbox.

    Raises GatewayError where the store cannot be read.
    """
    sent = list(lines.read(fleet.folder / "sent.jsonl"))
    session = wiring.place(fleet.configuration, Duty.OWNER).open()
    try:
        with session.translated(), session.reading():
            hashes = [bytes(row[0]) for row in session.stream("SELECT hash FROM leaves ORDER BY position")]
            found = list(_messages(session))
            stored = [_stored(row, hashes) for row in found]
            refused = list(_refusals(session, hashes, wiring.sealer(fleet.configuration.gateway.keys)))
            died = list(_letters(session))
            promised = {leaf for line in sent for receipt in line.receipts for leaf in receipt[3]}
            proven = _proven(session, fleet, hashes, promised)
    finally:
        session.close()
    times = {row[1]: row[3] for row in found}
    answering = answers(fleet)
    return Books(
        lines=sent,
        stored=stored,
        refused=refused,
        expected=_expected(fleet, sent, {one.message_id: one for one in stored}, times),
        handled=[one for one in handled(fleet.handled) if one.queue not in answering],
        letters=died,
        asked=asked,
        poisoned=partial(consumer.poisoned, one_in=fleet.wanted.poison),
        proven=proven,
        verified=_verified(fleet),
        left=left,
    )


def letters(fleet: Fleet) -> list[Letter]:
    """Return every dead letter. Raises GatewayError."""
    session = wiring.place(fleet.configuration, Duty.OWNER).open()
    try:
        with session.translated(), session.reading():
            return list(_letters(session))
    finally:
        session.close()


def redelivered(database: Path) -> tuple[int, int]:
    """Return how many deliveries were not the first, and how many of events that were handled already."""
    with closing(sqlite.connect(str(database))) as connection:
        row = connection.execute("SELECT count(*), coalesce(sum(known), 0) FROM again").fetchone()
        return int(row[0]), int(row[1])


def _messages(session: Session) -> Iterator[tuple[int, str, str, str, int, int]]:
    yield from session.stream(
        "SELECT id, message_id, digest, received_at, first_leaf, leaf_count FROM messages ORDER BY id"
    )


def _letters(session: Session) -> Iterator[Letter]:
    for row in session.stream("SELECT id, event, queue, state FROM dead_letters ORDER BY id"):
        yield Letter(id=row[0], event=row[1], queue=row[2], state=row[3])


def _stored(row: tuple[int, str, str, str, int, int], hashes: Sequence[bytes]) -> Stored:
    number, message_id, digest, _, first, count = row
    leaves = tuple(one.hex() for one in hashes[first : first + count])
    return Stored(number=number, message_id=message_id, digest=digest, leaves=leaves)


def _refusals(session: Session, hashes: Sequence[bytes], sealer: Sealer) -> Iterator[Refused]:
    """Open each refusal's sealed record: it names the bytes by their hash."""
    rows = session.stream(
        "SELECT f.code, f.position, f.key_id, f.wrapped_key, r.sealed, q.sealed FROM refusals f "
        "JOIN records r ON r.position = f.position LEFT JOIN quarantine q ON q.refusal = f.id ORDER BY f.id"
    )
    for code, position, key_id, wrapped, record, evidence in rows:
        leaf = LeafHash(hashes[position])
        sealed = Sealed(
            key_id=key_id, wrapped_key=bytes(wrapped), evidence=bytes(evidence or b""), records=(bytes(record),)
        )
        ((_, hidden),) = sealer.open(sealed, [leaf]).records
        yield Refused(code=code, leaf=leaf.hex(), content=orjson.loads(hidden)["bytes"])


def _proven(session: Session, fleet: Fleet, hashes: Sequence[bytes], promised: set[str]) -> frozenset[str]:
    """Prove every promised leaf by its path to the last checkpoint, as an auditor with a proof file does."""
    log = StoredLog(session)
    last, nodes = log.last(), log.nodes()
    places = {leaf.hex(): position for position, leaf in enumerate(hashes)}
    found = set()
    for leaf in promised:
        position = places.get(leaf)
        if position is None or position >= last.size:
            continue
        made = proof.Proof(index=position, path=tree.inclusion(position, last.size, nodes), checkpoint=last.note)
        try:
            proof.verify(made, bytes.fromhex(leaf), fleet.key)
        except GatewayError:
            continue
        found.add(leaf)
    return frozenset(found)


def _verified(fleet: Fleet) -> str:
    views = wiring.views(fleet.configuration)
    try:
        views.verify_log(fleet.key)
    except GatewayError as error:
        return f"{error.code.name}: {error.detail}"
    finally:
        views.close()
    return ""


def answers(fleet: Fleet) -> frozenset[str]:
    """Return the queues on which askers are answered: what is there, nobody sent in."""
    return frozenset(asker.queue for asker in fleet.configuration.askers.values())


def handled(database: Path) -> list[Handled]:
    """Return every event that was handled, in the order of handling."""
    with closing(sqlite.connect(str(database))) as connection:
        rows = connection.execute("SELECT event, queue, subject, digest, replay_of FROM handled ORDER BY n")
        return [
            Handled(event=event, queue=queue, subject=subject, digest=digest, replay_of=replay_of)
            for event, queue, subject, digest, replay_of in rows
        ]


def _expected(
    fleet: Fleet, sent: Sequence[Line], stored: Mapping[str, Stored], times: Mapping[str, str]
) -> dict[str, Sequence[Expected]]:
    tasks = _tasks(fleet.folder / "sent.bin", sent, stored, times)
    where = fleet.config, fleet.folder / "data"
    with ProcessPoolExecutor(_PROCESSES, get_context("spawn")) as pool:
        found: dict[str, Sequence[Expected]] = {}
        for some in pool.map(partial(_worked_out, where), _chunks(tasks)):
            found |= some
        return found


def _tasks(file: Path, sent: Sequence[Line], stored: Mapping[str, Stored], times: Mapping[str, str]) -> Iterator[_Task]:
    with file.open("rb") as content:
        for line in sent:
            known = stored.get(line.message_id)
            if line.kind not in ACCEPTABLE or not line.receipts:
                continue
            content.seek(line.body[0])
            yield _Task(
                message_id=line.message_id,
                contract=line.contract,
                client=CLIENTS[line.contract][0],
                signed_at=line.signed_at,
                received_at=times.get(line.message_id, ""),
                leaves=() if known is None else known.leaves,
                body=content.read(line.body[1]),
            )


def _chunks(tasks: Iterator[_Task]) -> Iterator[list[_Task]]:
    chunk: list[_Task] = []
    for task in tasks:
        chunk.append(task)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@dataclass(frozen=True, slots=True)
class _Everybody:
    """Protections that say the same of everybody."""

    protection: Protection

    def status(self, person: Pseudonym) -> Protection:
        del person
        return self.protection


@cache
def _judges(settings: Path, data: Path) -> tuple[path.Rules, ...]:
    configuration = config.load(settings, data=data)
    return tuple(wiring.rules(configuration, _Everybody(one)) for one in (Protection.NONE, Protection.UNKNOWN))


@cache
def _peer(data: Path, client: str) -> bytes:
    from cryptography import x509  # noqa: PLC0415  # only in the pool's processes
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415  # as above

    pem = (data / "clients" / client / "tls.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def _worked_out(where: tuple[Path, Path], tasks: Sequence[_Task]) -> dict[str, Sequence[Expected]]:
    return {task.message_id: _events(*where, task) for task in tasks}


def _events(settings: Path, data: Path, task: _Task) -> Sequence[Expected]:
    received = Received(
        body=task.body,
        content_type="text/xml; charset=utf-8",
        contract=ContractId(task.contract),
        peer=_peer(data, task.client),
        at=datetime.fromisoformat(task.signed_at),
    )
    queues: dict[str, tuple[str, ...]] = {}
    digests: dict[str, set[str]] = {}
    for rules in _judges(settings, data):
        ready = path.prepare(received, rules)
        if not isinstance(ready, Ready):
            raise TypeError(f"{task.message_id}: receipted, and by the rules refused with {ready.error.code.name}")
        positions = [one.position for one in ready.outcomes]
        for event in ready.events:
            place = positions.index(int(event.id.rpartition("-")[2]))
            leaf = task.leaves[place] if place < len(task.leaves) else ""
            queues[event.id] = event.queues
            digests.setdefault(event.id, set()).add(_digest(event.body, task.received_at, leaf))
    return [Expected(event=event, queues=queues[event], digests=frozenset(found)) for event, found in digests.items()]


def _digest(body: bytes, received_at: str, leaf: str) -> str:
    """Return the digest of the body with the store's leaf and time of reception in it."""
    event = orjson.loads(body)
    event["auditleaf"] = b64encode(bytes.fromhex(leaf)).decode()
    if received_at:
        at = instant(received_at).astimezone(UTC)
        event["time"] = f"{at.isoformat(timespec='milliseconds')[:-6]}Z"
    return hashlib.sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).hexdigest()
