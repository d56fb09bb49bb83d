"""Small builders of the forms that store, audit and broker work on, for tests that start after the path.

Leaves are real (`audit.leaf` makes them); sealing is not: `trust.sealing` has its own tests.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import codes
from gateway.audit import leaf, note, tree
from gateway.audit.checkpoint import Checkpoint
from gateway.audit.reading import Purpose, Reading
from gateway.broker import schedule
from gateway.config import Queue
from gateway.database import Turn, written
from gateway.errors import ContractError, PurposeError
from gateway.message import (
    Admitted,
    ContractId,
    Decision,
    Digest,
    Event,
    EventId,
    Fingerprint,
    Labels,
    LeafHash,
    Learned,
    MessageId,
    NumberKind,
    OrganisationNumber,
    Outcome,
    PartnerId,
    Permitted,
    Person,
    Protection,
    Provenance,
    Pseudonym,
    Ready,
    Received,
    RecordOutcome,
    Refusal,
    Replay,
    Sealed,
    SoapVersion,
    Withheld,
)
from gateway.services import PostgreSQL
from gateway.sqlite import File
from gateway.store import create, schema, steps
from gateway.store.integrator import Integrator
from gateway.store.journal import StoredJournal
from gateway.store.log import AUDIT, LOGS, Log
from gateway.store.place import DATABASE, Duty, Place, PostgresPlace, SqlitePlace, upgrade_file
from gateway.store.readings import Readings
from gateway.trust.sealing import Sealer
from tests.services import Found

ORIGIN = "utbyte.forsakringskassan.example/audit"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
POLICY = "ab" * 32
NUMBERS = ("189001019802", "189001119800", "189001219808", "189001319806")
"""Official test numbers (Skatteverket)."""
QUEUES = (
    Queue(name="sjukpenning.inkomst", types=("inkomst",), purposes=("handlaggning",)),
    Queue(name="sjukpenning.franvaro", types=("franvaro",), purposes=("handlaggning",), delivery_limit=2),
)
SEALER = Sealer("test", b"s" * 32, os.urandom)
"""Seals what is really sealed: readings."""
FIRST, SECOND = (queue.name for queue in QUEUES)


class Clock:
    """Stands still until it is told."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self.at

    def pass_(self, time: timedelta) -> None:
        with self._lock:
            self.at += time


def signer(name: str = ORIGIN) -> note.Signer:
    """The same key on every call, so that a store made by one process can be opened by another."""
    return note.Signer(name, Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def salt(text: str) -> bytes:
    return hashlib.sha256(b"salt" + text.encode()).digest()


def provenance(
    message_id: str = "urn:uuid:1", *, content: str = "", partner: str = "skatteverket", **more
) -> Provenance:
    return Provenance(
        **{
            "partner": PartnerId(partner),
            "organisation": OrganisationNumber("2021005448"),
            "contract": ContractId(f"{partner}/arbetsgivardeklaration"),
            "message_id": MessageId(message_id),
            "digest": Digest(digest(content or message_id)),
            "version": SoapVersion.SOAP_11,
            "action": None,
            "signer": Fingerprint(digest("signer")),
            "created": NOON - timedelta(seconds=3),
            "received_at": NOON - timedelta(seconds=1),
            **more,
        }
    )


def decision(record: int = 1, *, number: str = NUMBERS[0], **more) -> Decision:
    return Decision(
        **{
            "record": record,
            "kind": "inkomst",
            "person": Person(number=number, kind=NumberKind.PERSONNUMMER, check_digit_valid=True),
            "outcome": Outcome.PERMIT,
            "quarantined": False,
            "reasons": ("FIELD_NOT_IN_BASIS",),
            "basis": "SKV-AGI-INKOMST",
            "lagrum": ("SFL-26-19@2011:1244",),
            "fields": {"belopp": 25_000, "period": "202610", "arbetsplats": "Ö\u2028"},
            "withheld": (Withheld(field="telefon", reason="FIELD_NOT_IN_BASIS"),),
            "protection": Protection.NONE,
            "learned": None,
            "stated_at": 0,
            "labels": Labels(
                purposes=frozenset({"handlaggning", "kontroll"}),
                benefits=None,
                retention="SFB 114:15",
                no_onward=True,
            ),
            **more,
        }
    )


def permitted(*decisions: Decision, source: Provenance | None = None) -> Permitted:
    return Permitted(
        provenance=source or provenance(), decisions=decisions or (decision(),), policy=POLICY, evidence=b"<exact/>"
    )


def pseudonym(number: str) -> Pseudonym:
    return Pseudonym(digest("pseudonym" + number)[:32])


def sealed(count: int, evidence: bytes = b"sealed evidence") -> Sealed:
    return Sealed(
        key_id="kek-1",
        wrapped_key=b"\x01" * 60,
        evidence=evidence,
        records=tuple(b"sealed record %d" % n for n in range(count)),
    )


def event(
    name: str,
    *,
    partition: str = "p",
    queues: tuple[str, ...] = (FIRST,),
    body: bytes = b"",
    kind: str = "inkomst",
    replay: Replay | None = None,
) -> Event:
    return Event(
        id=EventId(name),
        type=kind,
        partition=Pseudonym(partition),
        queues=queues,
        body=body or b'{"id":"' + name.encode() + b'"}',
        replay=replay,
    )


def ready(
    message_id: str = "urn:uuid:1",
    *,
    content: str = "",
    records: int = 1,
    learned: tuple[Learned, ...] = (),
    queues: tuple[str, ...] = (FIRST,),
    evidence: bytes = b"sealed evidence",
    **more,
) -> Ready:
    """A message as the path leaves it to the journal: one leaf and one event a record."""
    source = provenance(message_id, content=content, **more)
    decisions = tuple(decision(n, number=NUMBERS[n % len(NUMBERS)]) for n in range(1, records + 1))
    whole = permitted(*decisions, source=source)
    leaves = tuple(
        leaf.decided(
            whole, one, pseudonym=pseudonym(one.person.number), salt=salt(f"{source.partner}{message_id}{one.record}")
        )
        for one in decisions
    )
    return Ready(
        provenance=source,
        policy=POLICY,
        outcomes=tuple(RecordOutcome(position=one.record, outcome=one.outcome, code="PERMITTED") for one in decisions),
        leaves=leaves,
        sealed=sealed(len(leaves), evidence),
        events=tuple(
            event(f"{source.partner}-{message_id}-{one.record}", partition=pseudonym(one.person.number), queues=queues)
            for one in decisions
        ),
        learned=learned,
    )


def learned(protection: Protection, stated_at: int, number: str = NUMBERS[0]) -> Learned:
    return Learned(person=pseudonym(number), protection=protection, stated_at=stated_at)


def admitted(body: bytes = b"<wrong/>") -> Admitted:
    contract = ContractId("skatteverket/arbetsgivardeklaration")
    return Admitted(
        received=Received(body=body, content_type="text/xml", contract=contract, peer=b"der", at=NOON),
        partner=PartnerId("skatteverket"),
        organisation=OrganisationNumber("2021005448"),
        peer=Fingerprint(digest("peer")),
    )


def refusal(body: bytes = b"<wrong/>", *, quarantined: bool = False) -> Refusal:
    error = (
        PurposeError(codes.PURPOSE_QUARANTINED, "record 1: kanslig")
        if quarantined
        else ContractError(codes.CONTRACT_SCHEMA, "line 1")
    )
    who = admitted(body)
    return Refusal(
        partner=who.partner,
        contract=who.received.contract,
        error=error,
        at=who.received.at,
        leaf=leaf.refused(who, error, policy=POLICY, salt=salt(body.decode())),
        sealed=sealed(1, b"sealed quarantine" if quarantined else b""),
        quarantined=quarantined,
    )


def hashes(one: Ready) -> tuple[LeafHash, ...]:
    return tuple(entry.hash for entry in one.leaves)


@functools.cache
def _empty_store() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        create.create(SqlitePlace(Path(folder)), signer=signer(), at=NOON)
        return {name: (Path(folder) / name).read_bytes() for name in (DATABASE, *(log.anchor for log in LOGS))}


@functools.cache
def _empty_queues() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        schedule.create(Path(folder) / "queues.db")
        return (Path(folder) / "queues.db").read_bytes()


def store(folder: Path) -> SqlitePlace:
    """A new store in `folder`: a copy of one that was made once, for making one runs every migration."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in _empty_store().items():
        (folder / name).write_bytes(data)
    return SqlitePlace(folder)


def older(folder: Path, revision: str) -> SqlitePlace:
    """A new store in `folder` with the schema of an earlier program. `carry` fills it: this one's journal cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    file = File(folder / DATABASE, create=True)
    upgrade_file(folder / DATABASE, revision)
    for log in LOGS if revision >= "0011" else (AUDIT,):
        signed = _empty_store()[log.anchor]
        with file.writing():
            file.insert(log.checkpoints, "size, root, note, at", [(0, tree.EMPTY, signed, written(NOON))])
        (folder / log.anchor).write_bytes(signed)
    file.close()
    return SqlitePlace(folder)


def carry(source: SqlitePlace, place: Place) -> None:
    """Bring to a store of an earlier program what a store of this one has, but for its tree: as far as it has room."""
    here, there = source.open(), place.open()
    for table in schema.METADATA.sorted_tables:
        try:
            columns = there.execute(f"SELECT * FROM {table.name} LIMIT 0").description  # noqa: S608  # our own names
        except Exception:  # noqa: BLE001, S112  # whatever the driver says of a table that is not there
            continue
        names = [one[0] for one in columns]
        quoted = ", ".join(f'"{one}"' for one in names)
        truths = {one.name for one in table.columns if one.type.python_type is bool}
        rows = [
            tuple(bool(value) if name in truths else value for name, value in zip(names, row, strict=True))
            for row in here.execute(f"SELECT {quoted} FROM {table.name}").fetchall()  # noqa: S608  # as above
        ]
        if rows and table not in {schema.checkpoints, schema.tiles}:
            with there.writing(Turn.JOURNAL):
                there.insert(table.name, ", ".join(names), rows)
    here.close()
    there.close()


def database(settings: PostgreSQL, folder: Path, *, width: int = 1000) -> PostgresPlace:
    """A new store on PostgreSQL, as its owner sees it; the anchor is in `folder`."""
    place = PostgresPlace(settings=settings, duty=Duty.OWNER, folder=folder, width=width)
    create.create(place, signer=signer(), at=NOON)
    return place


def stored(servers: Found, folder: Path) -> PostgresPlace:
    """The same, as a copy of one that was made once; `folder` gets the anchor."""
    folder.mkdir(parents=True, exist_ok=True)

    def make(settings: PostgreSQL) -> None:
        with tempfile.TemporaryDirectory() as elsewhere:
            database(settings, Path(elsewhere))

    place = PostgresPlace(settings=servers.cloned(_template(), make), duty=Duty.OWNER, folder=folder, width=1000)
    for log in LOGS:
        log.anchored(place).write_bytes(_empty_store()[log.anchor])
    return place


@functools.cache
def _template() -> str:
    """Return the name of the store that copies are made of: another one when anything that makes it has changed."""
    made_by = sorted(Path(steps.__file__).parent.rglob("*.py"))
    return f"template_{hashlib.sha256(b''.join(one.read_bytes() for one in made_by)).hexdigest()[:16]}"


def readings(place: Place, **more) -> Readings:
    """The way into the log of readings."""
    return Readings(place, sealer=SEALER, random=os.urandom, **more)


def reading(question: str = "Q1", **more) -> Reading:
    """What a reader wants to know."""
    given = {"reader": "anna", "purpose": Purpose.KONTROLL, "case": "K 2026/17", "at": NOON, **more}
    return Reading(question=question, **given)


def queues(folder: Path) -> Path:
    """A new file of queues in `folder`."""
    (folder / "queues.db").write_bytes(_empty_queues())
    return folder / "queues.db"


def journal(place: Place, clock: Clock, **more) -> StoredJournal:
    return StoredJournal(place, clock=clock, **more)


def integrator(place: Place, clock: Clock, *, holder: str = "test", **more) -> Integrator:
    return Integrator(place, signer=signer(), clock=clock, holder=holder, **more)


def integrate(place: Place, clock: Clock, log: Log = AUDIT) -> Checkpoint | None:
    """One step of an integrator that comes and goes."""
    one = integrator(place, clock, log=log)
    try:
        return one.step()
    finally:
        one.stop()


def forge(file: File, *statements: str) -> None:
    """What only someone with the file in hand can do: nothing forbids anything."""
    file.connection.execute("PRAGMA foreign_keys=OFF")
    triggers = file.connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    with file.writing() as connection:
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
