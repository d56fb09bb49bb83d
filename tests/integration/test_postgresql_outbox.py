"""What the relay asks PostgreSQL after an outage is found by an index, whatever the planner believes of the table."""

from __future__ import annotations

import json

import pytest

from gateway.database import Turn
from gateway.store import outbox
from gateway.store.place import Duty

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
