"""How the queues stand: ready, lent, consumers, summed over each queue's partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import codes
from gateway.broker.depth import Depth
from gateway.broker.rabbitmq import login, probe, topology
from gateway.broker.rabbitmq.management import Management
from gateway.config import Queue
from gateway.errors import UnavailableError
from gateway.services import RabbitMQ


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """How one partition stands."""

    name: str
    ready: int
    lent: int | None
    """None where only AMQP was asked: it does not tell."""
    consumers: int


def depths(settings: RabbitMQ, queues: Sequence[Queue]) -> Sequence[Depth]:
    """Return how each queue stands, in the configuration's order, and last `gw.dlq`.

    From the management interface where it is configured (its numbers are some seconds old), else over AMQP, exact at
    that moment but without what is lent. Raises UnavailableError, and ConfigError when an account's files do not fit.
    """
    names = {queue.name: topology.partitions(queue) for queue in queues} | {topology.DEAD_QUEUE: (topology.DEAD_QUEUE,)}
    every = [name for partitions in names.values() for name in partitions]
    told = _managed(settings) if settings.management is not None else _asked(settings, every)
    for name in every:
        if name not in told:
            raise UnavailableError(
                codes.STORE_UNAVAILABLE, f"the broker does not have {name}: see gateway broker check"
            )
    return [_sum(queue, [told[name] for name in partitions]) for queue, partitions in names.items()]


def _sum(queue: str, partitions: Sequence[Partition]) -> Depth:
    lent = [one.lent for one in partitions if one.lent is not None]
    return Depth(
        queue=queue,
        ready=sum(one.ready for one in partitions),
        unacked=sum(lent) if len(lent) == len(partitions) else None,
        consumers=sum(one.consumers for one in partitions),
    )


def _managed(settings: RabbitMQ) -> Mapping[str, Partition]:
    management = Management(settings)
    try:
        rows: Sequence[Mapping[str, Any]] = management.get("queues", settings.virtual_host)
    finally:
        management.close()
    return {
        row["name"]: Partition(
            name=row["name"],
            ready=int(row.get("messages_ready", 0)),
            lent=int(row.get("messages_unacknowledged", 0)),
            consumers=int(row.get("consumers", 0)),
        )
        for row in rows
    }


def _asked(settings: RabbitMQ, names: Sequence[str]) -> Mapping[str, Partition]:
    accounts = settings.accounts
    account = accounts.monitor or accounts.consumer or accounts.collector or accounts.of("publisher")
    hosts = login.parameters(settings, account, "gw-depths")
    seen = probe.look(hosts, queues=names)
    if seen.failed is not None:
        raise UnavailableError(codes.STORE_UNAVAILABLE, f"no answer at {login.hosts(hosts)}: {seen.failed}")
    return {
        name: Partition(name=name, ready=count.ready, lent=None, consumers=count.consumers)
        for name, count in seen.queues.items()
        if isinstance(count, probe.Count)
    }
