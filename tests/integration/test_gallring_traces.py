"""After gallring nothing about a person is left in any byte of the store, and everything is still proven.

Every file of the embedded store is read whole, and every row of every table, and the database's own dump where it is on
PostgreSQL. Each thing that is looked for was there before, or the looking would prove nothing. Beside those who go
there is one whom a legal hold keeps, message for message between theirs: what is kept is found as before.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest

from gateway.audit import proof
from gateway.broker.embedded import EmbeddedBroker
from gateway.message import Ready
from gateway.store import destroyed, schema, scrub
from gateway.store.create import create
from gateway.store.holds import Covers, Kind
from gateway.store.integrator import Integrator
from gateway.store.outbox import StoredOutbox
from gateway.store.place import DATABASE, Duty, PostgresPlace, SqlitePlace
from gateway.store.views import Views
from tests import builders, payloads, retaining
from tests.payloads import PERSONS
from tests.world import QUEUES, World

FOLK = "skatteverket/folkbokforing"
GONE, STAYS = PERSONS[:2], PERSONS[2]
NAMES = {PERSONS[0]: "Gallrasson", PERSONS[1]: "Bortlund", PERSONS[2]: "Kvarström"}
MANY = 30
"""Messages about each: pages fill, and are split."""
YEARS = timedelta(days=11 * 366)


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> World:
    """A world in which messages about three persons came, one after the other, and are still to be delivered."""
    world = World(tmp_path_factory.mktemp("world"))
    for number in range(MANY):
        for person in (*GONE, STAYS):
            answer = world.send(FOLK, payloads.folkbokforing(person=person, efternamn=NAMES[person]))
            assert answer.accepted is not None, (number, answer.code)
    return world


def of(world: World, *persons: str) -> list[Ready]:
    """The messages about these persons."""
    named = {person.encode() for person in persons}
    return [one for (one, *_) in world.ledger.ready.values() if any(name in one.leaves[0].record for name in named)]


@dataclass(frozen=True)
class Traces:
    """What tells something of somebody: by kind, every piece of it."""

    clear: frozenset[bytes]
    """Numbers and names: in events, until these are delivered."""
    whose: frozenset[bytes]
    keys: frozenset[bytes]
    sealed: frozenset[bytes]
    hidden: frozenset[bytes]
    """Salts and records: never in the clear."""

    @classmethod
    def of(cls, world: World, *persons: str) -> Traces:
        messages = of(world, *persons)
        assert len(messages) == MANY * len(persons)
        leaves = list(chain.from_iterable(one.leaves for one in messages))
        bodies = list(chain.from_iterable((one.sealed.evidence, *one.sealed.records) for one in messages))
        # Long ones may be cut at a page's end: what begins one, ends it and stands in its middle, 24 bytes each.
        pieces = [piece for body in bodies for piece in (body[:24], body[-24:], body[len(body) // 2 :][:24])]
        return cls(
            clear=frozenset(word.encode() for person in persons for word in (person, NAMES[person])),
            whose=frozenset(leaf.pseudonym.encode() for leaf in leaves),
            keys=frozenset(one.sealed.wrapped_key for one in messages),
            sealed=frozenset(pieces),
            hidden=frozenset(piece for leaf in leaves for piece in (leaf.salt, leaf.record[:200])),
        )

    def found(self, dump: bytes) -> dict[str, int]:
        """How many of each kind are in a dump, as they are or in hexadecimal; a kind without any is left out."""
        text = dump.lower()
        kinds = {name: getattr(self, name) for name in ("clear", "whose", "keys", "sealed", "hidden")}
        counts = {
            name: sum(one in dump or one.hex().encode() in text for one in pieces) for name, pieces in kinds.items()
        }
        return {name: count for name, count in counts.items() if count}


def files(folder) -> bytes:
    """Every byte of every file below."""
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def rows(place) -> bytes:
    """Every value of every row of every table."""
    session, parts = place.open(), []
    for table in schema.METADATA.sorted_tables:
        for row in session.execute(f'SELECT * FROM "{table.name}"').fetchall():  # noqa: S608  # our own names
            parts += [bytes(one) if isinstance(one, bytes | memoryview) else str(one).encode() for one in row]
    session.close()
    return b"\0".join(parts)


def whole(world: World, place) -> None:
    """The log agrees with itself and with what owns its leaves, and every receipt's and every leaf's proof verifies."""
    views = Views(place)
    report = views.verify_log(world.signer.key)
    assert report.pending == 0
    promised = {hash_ for answer in world.ledger.answers for hash_ in answer.accepted.leaves}
    held = {views.at(position).hash for position in range(report.size)}
    assert promised < held
    for hash_ in held:
        proof.verify(views.proof(hash_), hash_, world.signer.key)
    views.close()
    assert destroyed.unexplained(place) == {}


def destroy(world: World, place, clock: builders.Clock) -> None:
    """Hold one, let the years go by, destroy what is due."""
    holds = retaining.holds(place, clock)
    (kept, *_) = of(world, STAYS)
    assert holds.hold(Covers(kind=Kind.PERSON, pseudonym=kept.leaves[0].pseudonym), reason="tvist", by="anna") == 1
    holds.close()
    clock.pass_(YEARS)
    made = retaining.destruction(place, clock)
    assert sum(made.run(retaining.retention()).values()) == 2 * 2 * MANY  # evidence and record of each who goes
    (evidence, *_) = [one for one in made.due(retaining.retention()) if one.rule.data.value == "evidence"]
    assert evidence.held == {"hold": MANY}
    made.close()


def test_no_byte_of_an_embedded_store_tells_anything_of_whom_gallring_has_reached(sent, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(sent.store, folder)
    place, clock = SqlitePlace(folder), builders.Clock(sent.clock.now())
    gone, stays = Traces.of(sent, *GONE), Traces.of(sent, STAYS)
    before = gone.found(files(folder))
    assert (before["clear"], before["whose"], before["keys"]) == (4, 2, 2 * MANY)
    assert before["sealed"] >= 2 * MANY
    assert "hidden" not in before

    _deliver(sent, place, folder, clock)
    after_delivery = gone.found(files(folder))
    assert {"whose", "keys", "sealed"} <= set(after_delivery)
    destroy(sent, place, clock)
    _integrate(sent, place, clock)
    assert scrub.files([folder / DATABASE, folder / QUEUES])

    assert gone.found(files(folder)) == {}
    assert gone.found(rows(place)) == {}
    found = stays.found(files(folder))
    assert (found["whose"], found["keys"]) == (1, MANY), "what is held is there as before"
    whole(sent, place)


def _deliver(world: World, place, folder, clock) -> None:
    """Bring every event to the queues, and take it from there."""
    outbox = StoredOutbox(place.acting(Duty.RELAY), clock=clock)
    broker = EmbeddedBroker(folder / QUEUES, world.configuration.queues, clock=clock)
    while pending := outbox.pending(50):
        for one in pending:
            broker.submit([one.event]).result()
        outbox.settle(pending)
    for queue in world.configuration.queues:
        while deliveries := broker.take(queue.name, limit=50):
            assert all(broker.ack(deliveries))
    broker.close()
    outbox.close()


def _integrate(world: World, place, clock) -> None:
    integrator = Integrator(
        place.acting(Duty.INTEGRATOR), signer=world.signer, clock=clock, holder="last", ttl=timedelta(days=9999)
    )
    while integrator.step() is not None:
        pass
    integrator.stop()


def _dumped(settings) -> bytes:
    """What the database's own program writes of everything."""
    (program,) = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))[-1:]
    environment = {"PGPASSFILE": str(settings.passfile), "PATH": "/usr/bin:/bin"}
    command = [str(program), "--dbname", f"{settings.dsn} user={settings.roles.owner}", "--inserts"]
    return subprocess.run(command, env=environment, capture_output=True, check=True).stdout


@pytest.mark.services
def test_no_row_and_no_dump_of_a_database_tells_anything_of_whom_gallring_has_reached(sent, servers, tmp_path):
    with servers.database() as settings:
        place = PostgresPlace(settings=settings, duty=Duty.OWNER, folder=tmp_path, width=1000)
        clock = builders.Clock(sent.clock.now())
        create(place, signer=sent.signer, at=clock.now())
        journal = builders.journal(place.acting(Duty.FRONT), clock)
        for one, *_ in sent.ledger.ready.values():
            journal.accept(one).result()
        journal.close()
        gone, stays = Traces.of(sent, *GONE), Traces.of(sent, STAYS)
        dump = _dumped(settings)
        before = gone.found(dump)
        assert (before["clear"], before["whose"], before["keys"]) == (4, 2, 2 * MANY)
        assert before == gone.found(rows(place))

        outbox = StoredOutbox(place.acting(Duty.RELAY), clock=clock)
        while pending := outbox.pending(100):
            outbox.settle(pending)
        outbox.close()
        destroy(sent, place, clock)
        _integrate(sent, place, clock)
        scrub.tables(place, full=True)

        assert gone.found(_dumped(settings)) == {}
        assert gone.found(rows(place)) == {}
        assert stays.found(rows(place))["keys"] == MANY
        whole(sent, place)
