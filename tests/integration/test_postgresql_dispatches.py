"""What the dispatcher asks PostgreSQL is found by an index, whatever the planner believes of the tables."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta

import pytest

from gateway.database import Turn, written
from gateway.outbound.ports import Lane
from gateway.store import dispatches as storing
from gateway.store.dispatches import StoredDispatches
from gateway.store.place import Duty
from tests import builders
from tests.builders import NOON

pytestmark = pytest.mark.services
MANY = 5000
COLUMNS = f"{storing._DISPATCH}, state"


@pytest.fixture
def owner(stored):
    opened = stored.open()
    yield opened
    opened.close()


@pytest.fixture
def dispatcher(stored):
    opened = stored.acting(Duty.DISPATCHER).open()
    yield opened
    opened.close()


def fill(owner) -> None:
    """Many that have ended, many that stand in a shut lane, many whose time has not come, and few that are due."""
    now, later = written(NOON - timedelta(hours=1)), written(NOON + timedelta(days=1))
    with owner.writing(Turn.JOURNAL):
        owner.execute("INSERT INTO commands VALUES (1, 'a', 'c', 'd', 'k', '', '', '')")
        for first, partner, state, due in (
            (1, "ended", "delivered", None),
            (100_000, "shut", "composed", now),
            (200_000, "later", "waiting", later),
            (300_000, "shut", "deposited", None),
        ):
            rows = [
                (
                    n,
                    f"urn:uuid:{n}",
                    1,
                    n,
                    "k",
                    partner,
                    "",
                    f"{partner}  k",
                    later,
                    due,
                    None if state == "delivered" else later,
                    now,
                    state,
                )
                for n in range(first, first + MANY)
            ]
            owner.insert("dispatches", COLUMNS, rows)
        owner.insert(
            "dispatches",
            COLUMNS,
            [
                (
                    900_000 + n,
                    f"urn:uuid:due{n}",
                    1,
                    900_000 + n,
                    "k",
                    "few",
                    "",
                    "few  k",
                    later,
                    now,
                    later,
                    now,
                    "queued",
                )
                for n in range(3)
            ],
        )


def nodes(plan: dict) -> list[dict]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


QUESTIONS = [
    (storing._HEADS, ()),
    (storing._LINE, ("text", "text", "text", "bigint")),
    (storing._OVER, ("text", "bigint")),
    (storing._INTERRUPTED, ()),
    (storing._INSTRUCTED, ("bigint",)),
    (storing._STANDS, ("text",)),
    (storing._KNOWN, ("text", "text")),
    (storing._TAKEN, ("bigint",)),
]


_names = itertools.count()


def planned(session, sql: str, types: tuple[str, ...]) -> list[dict]:
    """Prepare the statement for any values, as the driver does for what is asked often, and return its plan."""
    for number in range(len(types)):
        sql = sql.replace("?", f"${number + 1}", 1)
    session.execute("SET plan_cache_mode = force_generic_plan")
    name = f"asked_{next(_names)}"
    session.execute(f"PREPARE {name} {'(' + ', '.join(types) + ')' if types else ''} AS {sql}")
    values = ", ".join("5" if one == "bigint" else "'x'" for one in types)
    ((plan,),) = session.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {name} {f'({values})' if types else ''}").fetchall()
    return nodes((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])


@pytest.mark.parametrize("analysed", ["never", "while they were empty", "while they were long"])
def test_no_plan_reads_a_whole_table(owner, dispatcher, analysed):
    if analysed == "while they were empty":
        owner.execute("ANALYZE")
    fill(owner)
    if analysed == "while they were long":
        owner.execute("ANALYZE")
    for sql, types in QUESTIONS:
        plan = planned(dispatcher, sql, types)
        assert not [node for node in plan if node["Node Type"] in {"Seq Scan", "Hash", "Materialize"}], sql
        found = {node["Index Name"] for node in plan if "Index Name" in node}
        assert found, sql
    heads = planned(dispatcher, storing._HEADS, ())
    assert {node["Index Name"] for node in heads if "Index Name" in node} == {"ix_dispatches_due"}
    assert not [node for node in heads if node["Node Type"] == "Sort"]
    line = planned(dispatcher, *QUESTIONS[1])
    assert not [node for node in line if node["Node Type"] == "Sort"]


def test_what_is_due_is_found_among_many_by_few_pages(stored, owner, dispatcher):
    fill(owner)
    owner.execute("ANALYZE")
    dispatches = StoredDispatches(stored.acting(Duty.DISPATCHER), clock=builders.Clock())
    found = dispatches.due(NOON, limit=8, busy=[], shut=[Lane("shut", None, "k")])
    assert [one.partner for one in found] == ["few"] * 3
    dispatches.close()
    lines = [row[0] for row in dispatcher.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {storing._HEADS}")]
    read = next(line for line in lines if "Buffers" in line)
    pages = sum(int(part.partition("=")[2]) for part in read.split() if part.startswith(("hit=", "read=")))
    assert pages < 100, read
