"""The auditors' questions on a million messages: `python -m ops.bench.questions`, with `--messages` and `--only`.

A log is written straight into a new store, on SQLite and on PostgreSQL: four fifths of it messages that came in with a
leaf each, one fifth what we sent or asked with two, some of it denied, referred, about protected persons or on consent.
Persons are random pseudonyms. Then every question is asked, its first page, and where a question can go through much
and find nothing, also that. Times are CPU seconds of whoever answers (this process, or PostgreSQL's backend), for the
machine is shared; beside them the time on the clock, and the ratio to a lookup by primary key in the same run.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import note
from gateway.database import Row, Session, Turn, written
from gateway.store import create, partitions, questions, trails
from gateway.store.place import Duty, Place, PostgresPlace, SqlitePlace
from gateway.store.questions import Page
from gateway.trail import Flow, Trail
from ops.bench.report import Report
from ops.dev.servers import lifecycle
from tests.services import Found

MESSAGES = 1_000_000
BATCH = 5_000
START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 30
TIMES = 3
TICKS = os.sysconf("SC_CLK_TCK")
SEALED, ENTRY = bytes(600), bytes(180)
HOT = "f" * 32
"""Somebody who is asked about again and again."""
CASE, CONSENT = "1" * 32, "2" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One way to ask a question."""

    name: str
    told: str = ""
    given: dict[str, Any]
    subjects: Sequence[str] = ()


def askings(whose: str) -> list[Asking]:
    """Return every question as it is timed."""
    end = START + timedelta(days=DAYS)
    nothing = {"partner": "ingen"}
    return [
        Asking(name="Q1", given={}, subjects=[whose]),
        Asking(name="Q1", told="somebody often asked about", given={}, subjects=[HOT]),
        Asking(name="Q2", given={"official": "anna"}),
        Asking(name="Q2", told="a system", given={"asker": "rehabilitering"}),
        Asking(name="Q3", given={}),
        Asking(name="Q3", told="all cases but one open", given={"until": START + timedelta(days=3)}, subjects=[CASE]),
        Asking(name="Q4", given={"official": "anna"}, subjects=[whose, HOT]),
        Asking(name="Q5", given={"least": 10}),
        Asking(name="Q6", given={}),
        Asking(name="Q6", told="a system, never outside", given={"asker": "rehabilitering", "hours": "00:00-23:59"}),
        Asking(name="Q7", given={}),
        Asking(name="Q7", told="nothing found", given={"minutes": 0}),
        Asking(name="Q8", given={"needed": ["belopp"]}),
        Asking(name="Q9", given={"ends": ["GRUND-1=2026-01-20"]}),
        Asking(name="Q10", given={}),
        Asking(name="Q10", told="nothing found", given={"role": "ingen"}),
        Asking(name="Q11", given={}),
        Asking(name="Q11", told="nothing found", given=nothing),
        Asking(name="Q12", given={}),
        Asking(name="Q13", given={}),
        Asking(name="Q14", given={}),
        Asking(name="Q15", given={}),
        Asking(name="Q16", given={"since": START, "until": end, "partner": "partner1"}),
        Asking(name="Q16", told="nothing found", given={"since": START, "until": end, "organisation": "0"}),
        Asking(name="Q18", given={}, subjects=[whose]),
        Asking(name="Q19", given={}),
        Asking(name="Q19", told="a consent", given={"withdrawn": START}, subjects=[CONSENT]),
        Asking(name="Q20", given={"least": 10_000}),
        Asking(name="Q20", told="by day", given={"least": 1_000, "per": "day"}),
    ]


def main() -> None:
    """Fill stores, ask, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    parser.add_argument("--keep", type=Path, help="Fill a SQLite store here, or ask one that was filled before.")
    chosen = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.keep or Path(name)
        if chosen.only != "postgresql":
            measure(report, "SQLite", SqlitePlace(folder / "sqlite"), chosen.messages)
        if chosen.only != "sqlite":
            with _server() as found, found.database() as settings:
                place = PostgresPlace(settings=settings, duty=Duty.OWNER, folder=Path(name) / "anchor")
                measure(report, "PostgreSQL", place, chosen.messages)
    report.show()
    report.write(Path(__file__).parents[2] / "build/questions.json")


@contextmanager
def _server() -> Iterator[Found]:
    """Use the PostgreSQL that runs, else one of our own."""
    found = Found.look()
    if found.has("postgresql"):
        yield found
        return
    folder = Path(tempfile.mkdtemp(prefix="gateway-bench-"))
    lifecycle.start(folder, ("postgresql",))
    try:
        yield Found(folder=folder)
    finally:
        lifecycle.stop(folder, ("postgresql",))


def measure(report: Report, kind: str, place: Place, messages: int) -> None:
    """Fill a store if it is new, and time every question."""
    if not place.there():
        started = time.perf_counter()
        signer = note.Signer("bench.example/log", Ed25519PrivateKey.generate())
        create.create(place, signer=signer, at=START)
        _fill(place, messages)
        report.add(f"{kind}: {messages} messages written in", time.perf_counter() - started, "s")
    session = place.acting(Duty.AUDITOR).open()
    try:
        with session.translated():
            whose = session.execute("SELECT pseudonym FROM records WHERE position = ?", (messages // 2,)).fetchone()[0]
            base, _, _ = _timed(session, lambda: _lookups(session, messages))
            base /= _LOOKUPS
            report.add(f"{kind}: lookup by primary key", base * 1e3, "ms CPU", 1.0)
            for one in askings(whose):
                cpu, clock, rows = _timed(session, lambda one=one: _ask(session, one))  # type: ignore[misc]
                title = f"{kind}: {one.name} {one.told or questions.QUESTIONS[one.name].title} ({rows} rows)"
                report.add(title, cpu * 1e3, "ms CPU", cpu / base)
                report.add(f"{title}, on the clock", clock * 1e3, "ms")
    finally:
        session.close()


_LOOKUPS = 2_000


def _lookups(session: Session, messages: int) -> int:
    for n in range(_LOOKUPS):
        session.execute("SELECT at, reference FROM trail WHERE position = ?", (n * 7919 % messages,)).fetchone()
    return _LOOKUPS


def _ask(session: Session, one: Asking) -> int:
    with session.reading():
        answer = questions.ask(
            session,
            questions.QUESTIONS[one.name],
            one.given,
            page=Page(),
            now=START + timedelta(days=DAYS),
            subjects=one.subjects,
        )
    return len(answer.rows)


def _timed(session: Session, work: Callable[[], int]) -> tuple[float, float, int]:
    """Return medians of CPU and clock, in seconds, and what `work` gave; the first finds nothing warm."""
    spent, found = [], work()
    cpu = _cpu(session)
    for _ in range(TIMES):
        before, began = cpu(), time.perf_counter()
        found = work()
        spent.append((cpu() - before, time.perf_counter() - began))
    return statistics.median(one for one, _ in spent), statistics.median(one for _, one in spent), found


def _cpu(session: Session) -> Callable[[], float]:
    """Return what tells how much CPU whoever answers has used: with PostgreSQL its backend does, and we do too."""
    try:
        (pid,) = session.execute("SELECT pg_backend_pid()").fetchone()
    except Exception:  # noqa: BLE001  # SQLite has no such function
        return time.process_time

    def both() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return time.process_time() + (int(fields[11]) + int(fields[12])) / TICKS

    return both


# The log.


@dataclass(slots=True)
class _Filling:
    """Where each table goes on."""

    chance: random.Random
    people: list[str]
    incoming: list[Flow]
    outgoing: list[Flow]
    position: int = 0
    message: int = 0
    dispatch: int = 0


_COLUMNS = {
    "messages": "id, partner, organisation, message_id, digest, contract, soap, action, signer, created, received_at, "
    "accepted_at, policy, outcomes, first_leaf, leaf_count",
    "leaves": "position, hash, entry, message, refusal, dispatch",
    "records": "position, pseudonym, sealed",
    "flows": trails.FLOW,
    "trail": trails.TRAIL,
    "commands": "id, asker, command, digest, contract, at, expires, taken_at",
    "dispatches": "id, dispatch, command, position, contract, partner, organisation, lane, expires, pseudonym, state, "
    "step, intent, changed_at",
    "timeline": "dispatch, step, happening, before, after, at, first_leaf, leaf_count",
    "reviews": "id, kind, partner, organisation, contract, information, lagrum, policy, reasons, role, four_eyes, "
    "balancing, laws, opened_at, expires_at, leaf, state, step, changed_at, outcome",
    "review_steps": "review, step, action, after, by, role, account, reason, at",
}


def _fill(place: Place, messages: int) -> None:
    chance = random.Random(4711)  # noqa: S311  # to be repeated
    people = [f"{chance.getrandbits(128):032x}" for _ in range(max(messages // 3, 10))]
    filling = _Filling(chance=chance, people=people, incoming=[*_incoming()], outgoing=[*_outgoing()])
    session = place.open()
    try:
        with session.translated():
            if isinstance(place, PostgresPlace):
                partitions.reach(session, dict.fromkeys(partitions.PARENTS, messages * 2))
            flows = [*filling.incoming, *filling.outgoing, *map(_end, filling.outgoing), *_reviews()]
            known = {flow.number: trails.flow_row(flow) for flow in flows}
            with session.writing(Turn.JOURNAL):
                session.insert("flows", trails.FLOW, list(known.values()))
            for first in range(0, messages, BATCH):
                _batch(session, filling, range(first, min(first + BATCH, messages)), messages)
            if isinstance(place, PostgresPlace):
                session.execute("VACUUM ANALYZE")
    finally:
        session.close()


def _batch(session: Session, filling: _Filling, numbers: range, messages: int) -> None:
    rows: dict[str, list[Row]] = {table: [] for table in _COLUMNS}
    for n in numbers:
        at = START + timedelta(days=DAYS) * (n / messages)
        person = HOT if n % 20_000 == 0 else filling.chance.choice(filling.people)
        if n % 5:
            _message(rows, filling, at, person)
        else:
            _dispatch(rows, filling, at, person)
    with session.writing(Turn.JOURNAL):
        for table, found in rows.items():
            if found:
                session.insert(table, _COLUMNS[table], found)


def _message(rows: dict[str, list[Row]], filling: _Filling, at: datetime, person: str) -> None:
    filling.message += 1
    number, moment, organisation = filling.message, written(at), f"{filling.chance.randrange(5000):010}"
    flow = filling.chance.choice(filling.incoming)
    rows["messages"].append((
        number, flow.partner, organisation, f"urn:uuid:{number:032x}", "d" * 64, flow.contract, "s", None, "e" * 64,
        moment, moment, moment, "p" * 64, "[]", filling.position, 1,
    ))  # fmt: skip
    waits = _leaf(rows, filling, flow, at, person, message=number, organisation=organisation, reference=f"m{number}")
    if flow.outcome == "REFER":
        _review(rows, filling, at, person, waits)


def _review(rows: dict[str, list[Row]], filling: _Filling, at: datetime, person: str, waits: int) -> None:
    number, moment = filling.position, written(at)
    by = filling.chance.choice(("anna", "bo", "cecilia", "david"))
    settled = _leaf(rows, filling, filling.chance.choice([*_reviews()]), at, person, by=by, reference=f"r{number}")
    rows["reviews"].append((
        number, "record", "partner1", "2021005448", "partner1/kontrakt", "inkomst", "", "p" * 64, "FREE_TEXT", "jurist",
        False, True, "L-1", moment, moment, waits, "permitted", 2, moment, settled,
    ))  # fmt: skip
    rows["review_steps"] += [(number, step, "read", "open", by, "jurist", "", "", moment) for step in (1, 2)]


def _dispatch(rows: dict[str, list[Row]], filling: _Filling, at: datetime, person: str) -> None:
    filling.dispatch += 1
    number, moment = filling.dispatch, written(at)
    flow = filling.chance.choice(filling.outgoing)
    more = {
        "organisation": f"{filling.chance.randrange(5000):010}",
        "reference": f"urn:uuid:{number:032x}",
        "case": CASE if number % 1000 == 0 else f"{number // 3:032x}",
    }
    consent = {"consent": CONSENT if number % 500 == 0 else f"{number:032x}", "consent_until": "2026-01-25"}
    began = filling.position
    rows["commands"].append((number, flow.asker, f"c{number}", "d" * 64, flow.contract, moment, moment, moment))
    _leaf(rows, filling, flow, at, person, dispatch=number, **more, **(consent if flow.consented else {}))
    state, steps = "denied", 1
    if flow.kind == "intent":
        _leaf(
            rows, filling, _end(flow), at + timedelta(seconds=2), person, dispatch=number, reference=more["reference"]
        )
        state, steps = "delivered", 2
    rows["dispatches"].append((
        number, more["reference"], number, 1, flow.contract, flow.partner, "", "lane", moment, person, state, steps,
        began if flow.kind == "intent" else None, moment,
    ))  # fmt: skip
    rows["timeline"] += [
        (number, step, "compose", "queued", "composed", moment, began + step - 1, 1) for step in range(1, steps + 1)
    ]


def _leaf(  # noqa: PLR0913  # what a leaf has
    rows: dict[str, list[Row]],
    filling: _Filling,
    flow: Flow,
    at: datetime,
    person: str,
    *,
    message: int | None = None,
    dispatch: int | None = None,
    **more: Any,  # noqa: ANN401  # of a trail
) -> int:
    position, filling.position = filling.position, filling.position + 1
    rows["leaves"].append((position, position.to_bytes(32), ENTRY, message, None, dispatch))
    rows["records"].append((position, person, SEALED))
    rows["trail"].append(trails.row(position, Trail(flow=flow, at=at, **more)))
    return position


def _incoming() -> Iterator[Flow]:
    names = ("belopp", "period", "arbetsgivare", "ort", "kommun", "land", "grund", "kod", "datum", "typ")
    for n in range(150):
        partner = f"partner{n % 10}"
        made = Flow(
            kind="decision", direction="in", partner=partner, contract=f"{partner}/kontrakt",
            information=f"slag{n % 7}",
            purposes=("fk:Arendehandlaggning", "fk:Kontroll"), basis=f"GRUND-{n % 40}", lagrum=("SFB-110-31@2025:937",),
            policy=f"{n % 3}" * 64, outcome="PERMIT", granted=names[: 3 + n % 7], protection="ingen",
            withheld=tuple(f"{one}=FIELD_NOT_IN_BASIS" for one in names[3 + n % 7 :]),
        )  # fmt: skip
        match n % 50:
            case 0:
                yield replace(made, outcome="REFER", granted=(), reasons=("FREE_TEXT",))
            case 1:
                yield replace(made, protection="sekretessmarkering")
            case 2:
                yield replace(made, outcome="DENY", granted=(), reasons=("NO_BASIS",))
            case _:
                yield made


def _outgoing() -> Iterator[Flow]:
    for n in range(60):
        asker = ("rehabilitering", "sjukpenning", "kontroll")[n % 3]
        made = Flow(
            kind="intent", direction="out", partner=f"partner{n % 10}", contract=f"partner{n % 10}/fraga",
            information="fraga", interaction="ask", asker=asker, basis=f"UT-{n % 20}", purposes=(f"fk:Andamal{n % 2}",),
            lagrum=("SFB-110-31@2025:937",), policy=f"{n % 3}" * 64, outcome="PERMIT", granted=("period", "kod"),
            protection="ingen",
        )  # fmt: skip
        match n % 20:
            case 0:
                yield replace(made, kind="decision", outcome="DENY", granted=(), reasons=("CASE_MISSING",))
            case 1:
                yield replace(made, consented=True)
            case _:
                yield made


def _end(flow: Flow) -> Flow:
    return Flow(
        kind="end", direction="out", partner=flow.partner, contract=flow.contract, asker=flow.asker, policy=flow.policy,
        state="delivered", released="yes",
    )  # fmt: skip


def _reviews() -> Iterator[Flow]:
    for noted in (True, False):
        yield Flow(
            kind="review", direction="in", partner="partner1", contract="partner1/kontrakt", outcome="PERMIT",
            state="permitted", answer="permit", role="jurist", waited="record", noted=noted, granted=("belopp",),
            protection="ingen",
        )  # fmt: skip


if __name__ == "__main__":
    main()
