"""What the relay asks PostgreSQL after an outage is found by an index, whatever the planner believes of the table."""

from __future__ import annotations

import json
import random

import pytest

from gateway.database import CHUNK, Turn
from gateway.message import EventId, Pseudonym
from gateway.ports import Pending
from gateway.store import outbox
from gateway.store.outbox import StoredOutbox
from gateway.store.place import Duty
from tests import builders

pytestmark = pytest.mark.services

MANY = 20_000


@pytest.fixture
def relay(stored):
    opened = stored.acting(Duty.RELAY).open()
    yield opened
    opened.close()


def nodes(plan: dict) -> list[dict]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


def planned(session, name: str) -> list[dict]:
    """Prepare the statement for any values, as the driver does for what is asked often, and return its plan."""
    asked = outbox._OVERTAKING.replace("?", "$1", 1).replace("?", "$2", 1)
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute(f"PREPARE {name} (bigint, bigint) AS {asked}")
    ((plan,),) = session.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {name} (0, 500)").fetchall()
    return nodes((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])


def fill(owner, persons: int) -> None:
    with owner.writing(Turn.JOURNAL):
        owner.execute(
            "INSERT INTO outbox (id, message, event, type, partition, queues, body)"
            " SELECT n, 1, n::text, 't', md5((n % ?::bigint)::text), 'q', repeat('x', 1500)::bytea"
            " FROM generate_series(1, ?::bigint) n",
            (persons, MANY),
        )


@pytest.mark.parametrize("persons", [MANY, 3])
@pytest.mark.parametrize("analysed", ["never", "while it was empty", "while it was long"])
def test_no_plan_reads_the_backlog(stored, relay, analysed, persons):
    owner = stored.open()
    if analysed == "while it was empty":
        owner.execute("ANALYZE outbox")
    fill(owner, persons)
    if analysed == "while it was long":
        owner.execute("ANALYZE outbox")
    plan = planned(relay, "overtaking")
    owner.close()
    scans = {node.get("Alias"): node for node in plan if "Scan" in node["Node Type"]}
    assert scans["outbox"]["Index Name"] == "pk_outbox"
    assert scans["earlier"]["Index Name"] == "ix_outbox_partition"
    assert scans["earlier"]["Index Cond"] == "((partition = (outbox.partition)::text) AND (id < outbox.id))"
    assert not [node for node in plan if node["Node Type"] in {"Sort", "Hash", "Materialize", "Seq Scan"}]


KEPT = 12
"""Times after which a statement surely has the plan that it keeps: psycopg prepares it at the fifth, and PostgreSQL
makes one for any values at the sixth after that."""


def pending(first: int, last: int) -> list[Pending]:
    return [
        Pending(number=n, event=builders.event(EventId(str(n)), partition=Pseudonym(f"person {n}")))
        for n in range(first, last + 1)
    ]


def visited(session) -> int:
    """How many rows of the outbox this session has looked at, by whatever plan."""
    ((count,),) = session.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'outbox'"
    ).fetchall()
    return count


@pytest.fixture
def owner(stored):
    opened = stored.open()
    yield opened
    opened.close()


@pytest.fixture
def relaying(stored):
    opened = StoredOutbox(stored.acting(Duty.RELAY), clock=builders.Clock())
    yield opened
    opened.close()


@pytest.mark.parametrize("analysed", [False, True])
def test_what_was_planned_for_an_empty_outbox_forgets_in_a_full_one_by_looking_at_nothing_else(
    owner, relaying, analysed
):
    if analysed:
        owner.execute("ANALYZE outbox")
    session = relaying._session
    for _ in range(KEPT):
        relaying.settle(pending(1, 3 * CHUNK))
    ((prepared,),) = session.execute(
        "SELECT max(generic_plans) FROM pg_prepared_statements WHERE statement LIKE 'DELETE FROM outbox%'"
    ).fetchall()
    assert prepared > 0
    fill(owner, MANY)
    with session.writing(Turn.OUTBOX):
        before = visited(session)
        relaying._forget(pending(MANY // 2, MANY // 2 + 3 * CHUNK - 1))
        looked = visited(session) - before
    ((left,),) = owner.execute("SELECT count(*) FROM outbox").fetchall()
    assert (looked, left) == (3 * CHUNK, MANY - 3 * CHUNK)


@pytest.mark.parametrize(("size", "beside"), [(1000, False), (7500, False), (20_000, True)])
def test_an_event_of_ordinary_size_stands_in_its_row(owner, size, beside):
    body = random.Random(size).randbytes(size)  # noqa: S311  # nothing that could be compressed
    with owner.writing(Turn.JOURNAL):
        owner.insert(
            "outbox", "id, message, event, type, partition, queues, body", [(1, 1, "e-1", "inkomst", "p", "q", body)]
        )
    ((pieces,),) = owner.execute(
        "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'outbox'::regclass"
    ).fetchall()
    assert (pieces > 0) == beside
