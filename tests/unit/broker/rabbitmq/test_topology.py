"""What the broker must have, and where a person's events lie."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from gateway.broker.rabbitmq import topology
from gateway.config import Queue, load

ROOT = Path(__file__).parents[4]
QUEUES = (
    Queue(name="handlaggning.inkomst", types=("i",), purposes=("p",), partitions=3),
    Queue(name="kontroll.inkomst", types=("i",), purposes=("p",), partitions=1, delivery_limit=2),
)


@pytest.fixture
def made():
    return topology.definitions(QUEUES, "gateway")


def test_the_delivered_definitions_are_those_of_the_delivered_queues():
    configuration = load(ROOT / "config" / "gateway.toml")
    generated = topology.document(topology.definitions(configuration.queues, "gateway"))
    assert (ROOT / "ops/rabbitmq/definitions.json").read_text() == generated, (
        "gateway broker definitions > ops/rabbitmq/definitions.json"
    )


def test_the_delivered_definitions_hold_no_secret():
    users = json.loads((ROOT / "ops/rabbitmq/definitions.json").read_text())["users"]
    assert {user["name"]: user["password_hash"] for user in users} == dict.fromkeys(topology.PERMISSIONS, "")


@pytest.mark.parametrize("partitions", [1, 2, 4, 99])
def test_a_person_is_where_crc32_says_for_ever(partitions):
    # ISO 3309's check value: another hash would part a person's events while queues are full.
    assert topology.partition_of("123456789", partitions) == 0xCBF43926 % partitions


def test_persons_are_spread_evenly():
    found = Counter(topology.partition_of(hashlib.sha256(str(n).encode()).hexdigest(), 4) for n in range(4000))
    assert all(900 < count < 1100 for count in found.values())


def test_each_partition_is_a_quorum_queue_with_one_active_consumer_bound_by_its_own_key(made):
    queues = {queue["name"]: queue for queue in made["queues"]}
    names = [f"gw.q.handlaggning.inkomst.0{n}" for n in range(3)] + ["gw.q.kontroll.inkomst.00"]
    assert set(queues) == {*names, "gw.dlq"}
    for name in names:
        assert queues[name]["arguments"] == {"x-queue-type": "quorum", "x-single-active-consumer": True}
        (binding,) = (one for one in made["bindings"] if one["destination"] == name)
        assert (binding["source"], binding["routing_key"]) == ("gw.in", name.removeprefix("gw.q."))


def policy_of(made, queue: str) -> dict:
    """The one that wins, as the broker chooses: the highest priority whose pattern is found in the name."""
    matching = [one for one in made["policies"] if re.search(one["pattern"], queue)]
    return max(matching, key=lambda one: one["priority"])["definition"]


def test_every_main_queue_gives_up_at_least_once_and_refuses_when_full(made):
    for queue in made["queues"]:
        if queue["name"] != "gw.dlq":
            policy = policy_of(made, queue["name"])
            assert policy["overflow"] == "reject-publish"  # with another, at-least-once is silently at-most-once
            assert policy["dead-letter-strategy"] == "at-least-once"
            assert policy["dead-letter-exchange"] == "gw.dlx"
            assert policy["max-length-bytes"] > 0


def test_the_broker_allows_more_redeliveries_than_consumers_do(made):
    assert policy_of(made, "gw.q.handlaggning.inkomst.00")["delivery-limit"] == 8 + topology.RESTARTS
    assert policy_of(made, "gw.q.kontroll.inkomst.00")["delivery-limit"] == 2 + topology.RESTARTS


def test_a_queue_whose_name_begins_like_anothers_is_not_under_its_policy():
    made = topology.definitions([QUEUES[1], Queue(name="kontroll.inkomst.x", types=("i",), purposes=("p",))], "gateway")
    assert policy_of(made, "gw.q.kontroll.inkomst.x.00")["delivery-limit"] == 8 + topology.RESTARTS


def test_dead_letters_are_never_given_up_or_forgotten(made):
    policy = policy_of(made, "gw.dlq")
    assert set(policy) == {"delivery-limit"}  # 4.x would drop after 20
    assert policy["delivery-limit"] >= 1_000_000


def test_nothing_hides_an_unroutable_event_from_mandatory(made):
    assert all(exchange["arguments"] == {} for exchange in made["exchanges"])


def test_no_account_may_configure_and_each_writes_and_reads_its_own_only(made):
    rights = {row["user"]: row for row in made["permissions"]}
    assert all(row["configure"] == "^$" for row in rights.values())

    def may(user: str, what: str, name: str) -> bool:
        return re.search(rights[user][what], name) is not None

    every = ["gw.in", "gw.dlx", "gw.dlq", "gw.q.handlaggning.inkomst.00", "gw.inn", "xgw.q.a", "amq.topic", ""]
    assert [name for name in every if may("gw-publisher", "write", name)] == ["gw.in"]
    assert [name for name in every if may("gw-consumer", "write", name)] == ["gw.dlx"]
    assert [name for name in every if may("gw-consumer", "read", name)] == ["gw.q.handlaggning.inkomst.00"]
    assert [name for name in every if may("gw-collector", "read", name)] == ["gw.dlq"]
    quiet = [("gw-publisher", "read"), ("gw-collector", "write"), ("gw-monitor", "read"), ("gw-monitor", "write")]
    assert not [(user, name) for user, what in quiet for name in every[:-1] if may(user, what, name)]


def test_nothing_is_used_that_3_10_does_not_know_or_4_3_denies(made):
    assert {policy["apply-to"] for policy in made["policies"]} == {"queues"}
    assert all(thing["durable"] for thing in (*made["queues"], *made["exchanges"]))
    assert all(queue["arguments"]["x-queue-type"] == "quorum" for queue in made["queues"])


def test_a_password_is_kept_as_rabbitmq_keeps_it():
    made = topology.definitions(QUEUES, "gateway", passwords={"gw-monitor": "secret"}, random=lambda n: b"salt"[:n])
    (monitor,) = (user for user in made["users"] if user["name"] == "gw-monitor")
    raw = base64.b64decode(monitor["password_hash"])
    assert (raw[:4], raw[4:]) == (b"salt", hashlib.sha256(b"salt" + b"secret").digest())
    assert [user["name"] for user in made["users"] if not user["password_hash"]] == [
        "gw-publisher", "gw-consumer", "gw-collector", "gw-asker",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "logical"),
    [("gw.q.a.b.00", "a.b"), ("gw.q.a.12", "a"), ("gw.dlq", "gw.dlq"), ("gw.q.a", "gw.q.a"), ("x", "x")],
)
def test_a_partitions_name_leads_back_to_its_queue(name, logical):
    assert topology.logical(name) == logical
