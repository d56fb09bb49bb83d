"""How each kind of fault is done, and undone.

`inject` does one fault, waits, and undoes it, whatever happens meanwhile; it holds the target, so that two never work
on the same server or link. It returns what was really done, for the report: a fault that found nothing to work on (a
worker that was not there) did not happen.
"""

from __future__ import annotations

import http.client
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.broker.rabbitmq import topology
from ops.dev.servers import lifecycle
from ops.dev.servers.management import ManagementError
from ops.dev.servers.processes import Process, ServerError, waited
from ops.dev.servers.state import VIRTUAL_HOST
from ops.soak import consumer
from ops.soak.fleet import Fleet, names
from ops.soak.proxy import Proxy, Side
from ops.soak.schedule import GROUPS, LOST, Group, Kind, Planned
from ops.soak.units import Unit

_LOOK = 0.05
"""Seconds between two looks whether something was lost."""
_TINY = 4_096
"""Bytes that a queue may hold when it is full: about one event."""
_WITHIN = 15.0
"""Seconds for the broker to notice that it is beyond a limit."""
_FARTHEST = 900.0
"""Seconds that a clock jumps at most: beyond every message's life, and every lease."""
_DISPATCHERS = 75.0
"""The same of a dispatcher, beyond what partners bear: what it puts off meanwhile waits as long when it is right again.
"""

Undo = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A fault that happened."""

    planned: Planned
    what: str
    """To whom, and how much."""
    began: float
    ended: float
    """Seconds since the first fault."""


def possible(fleet: Fleet) -> list[Kind]:
    """Return the kinds that can happen in this installation."""
    kinds = list(Kind)
    absent: set[Kind] = set() if fleet.disk is not None else {Kind.STORE_FULL}
    if fleet.wanted.broker == "embedded":
        absent |= {*GROUPS[Group.LIMIT], Kind.BROKER_KILL, Kind.BROKER_STOP, Kind.BROKER_PAUSE}
        absent.add(Kind.ACKNOWLEDGEMENTS_LOST)
    if fleet.wanted.store == "sqlite":
        absent |= {Kind.DATABASE_KILL, Kind.DATABASE_STOP, Kind.DATABASE_PAUSE}
    return [kind for kind in kinds if kind not in absent]


def inject(planned: Planned, fleet: Fleet, healed: threading.Event, elapsed: Callable[[], float]) -> Done | None:
    """Do a fault, wait for its end or for `healed`, and undo it. Returns None where there was nothing to do it to.

    The first of its group happens even if it had to wait for its target until all is to be healed, as short as it can.
    """
    lock = fleet.locks.setdefault(planned.target, threading.Lock())
    with lock:
        if healed.is_set() and not planned.first:
            return None
        began = elapsed()
        found = _lost(planned.kind, fleet, healed) if planned.kind in LOST else _begin(planned, fleet)
        if found is None:
            return None
        what, undo = found
        try:
            healed.wait(planned.seconds)
        finally:
            undo()
        return Done(planned=planned, what=what, began=round(began, 2), ended=round(elapsed(), 2))


def _begin(planned: Planned, fleet: Fleet) -> tuple[str, Undo] | None:
    kind = planned.kind
    if kind in GROUPS[Group.PROCESS]:
        return _process(planned, fleet)
    if kind in GROUPS[Group.SERVER]:
        return _server(kind, fleet)
    if kind in GROUPS[Group.NETWORK]:
        name = planned.target.removeprefix("link ")
        return _network(planned, name, fleet.links[name])
    if kind in GROUPS[Group.CLOCK]:
        return _clock(planned, fleet)
    if kind is Kind.STORE_FULL:
        return _full(fleet)
    return _limit(kind, fleet)


def _nothing() -> None:
    pass


def _process(planned: Planned, fleet: Fleet) -> tuple[str, Undo] | None:
    name = _one(planned.target, planned.size)
    victim = _victim(planned, fleet.units[name])
    if victim is None:
        return None
    what = f"{name} {victim.pid}"
    match planned.kind.name.rpartition("_")[2]:
        case "KILL":
            victim.send(signal.SIGKILL)
        case "DRAIN":
            victim.send(signal.SIGTERM)
        case _:
            victim.send(signal.SIGSTOP)
            return what, lambda: victim.send(signal.SIGCONT)
    return what, _nothing


def _one(role: str, size: float) -> str:
    found = names(role)
    return found[int(size * len(found))]


def _victim(planned: Planned, unit: Unit) -> Process | None:
    if planned.kind not in {Kind.FRONT_WORKER_KILL, Kind.FRONT_WORKER_PAUSE}:
        return unit.main
    workers = unit.workers()
    return workers[int(planned.size * len(workers))] if workers else None


def _server(kind: Kind, fleet: Fleet) -> tuple[str, Undo]:
    name: lifecycle.Name = "rabbitmq" if kind.name.startswith("BROKER") else "postgresql"
    folder = fleet.services
    if kind.name.endswith("PAUSE"):
        lifecycle.pause(folder, name)
        return name, lambda: lifecycle.resume(folder, name)
    lifecycle.down(folder, name, kill=kind.name.endswith("KILL"))
    return name, lambda: lifecycle.up(folder, name)


def _network(planned: Planned, name: str, link: Proxy) -> tuple[str, Undo] | None:
    size = planned.size
    match planned.kind:
        case Kind.SLOW:
            link.slow(seconds := round(0.02 + size * 0.4, 3), jitter=seconds / 2)
            return f"{name}, {seconds} s", link.heal
        case Kind.THROTTLE:
            link.throttle(rate := int(4_096 + size * 60_000))
            return f"{name}, {rate} bytes/s", link.heal
        case Kind.REFUSE:
            link.refuse()
            link.cut()
            return name, link.heal
        case Kind.BLACK_HOLE:
            link.black_hole()
            return name, link.heal
        case _:
            return _broken(planned, name, link) if link.connections else None


def _broken(planned: Planned, name: str, link: Proxy) -> tuple[str, Undo]:
    """Break connections while much is on its way: first slow, so that what was done is not yet answered, then gone."""
    match planned.kind:
        case Kind.CUT:
            after, what = link.cut, name
        case Kind.RESET:
            after, what = link.reset, name
        case _:
            towards = Side.CLIENT if planned.size < 0.5 else Side.SERVER  # noqa: PLR2004  # one or the other
            after, what = partial(link.half_close, towards), f"{name}, towards the {towards}"
    link.slow(seconds := round(0.1 + planned.size * 0.3, 3))

    def undo() -> None:
        after()
        link.heal()

    return f"{what}, {seconds} s slow before", undo


def _lost(kind: Kind, fleet: Fleet, healed: threading.Event) -> tuple[str, Undo] | None:
    """Withhold from one side what the other answers, until there is something to answer; then reset the link."""
    link = fleet.links[LOST[kind]]
    match kind:
        case Kind.ANSWERS_LOST:
            link.withhold(Side.CLIENT)
            done = partial(link.passed, Side.SERVER)
        case _:
            link.withhold(Side.SERVER)
            done = partial(consumer.handled, fleet.handled)
    try:
        before = done()
        while done() == before:
            if healed.wait(_LOOK):
                return None
        link.reset()
    finally:
        link.heal()
    return LOST[kind], _nothing


def _clock(planned: Planned, fleet: Fleet) -> tuple[str, Undo]:
    role = planned.target.removeprefix("clock ")
    # Whose clock, and how far, out of one number: the parts must not depend on each other.
    name, rest = _one(role, planned.size), planned.size * len(names(role)) % 1
    far = 1.0 + rest**2 * (_DISPATCHERS if role == "dispatcher" else _FARTHEST)
    seconds = round(far if planned.kind is Kind.CLOCK_FORWARD else -far, 1)
    _written(fleet, name, seconds)
    return f"{name}, {seconds:+} s", lambda: _written(fleet, name, 0.0)


def _written(fleet: Fleet, name: str, seconds: float) -> None:
    file = fleet.clock(name)
    new = file.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(file)


def _full(fleet: Fleet) -> tuple[str, Undo]:
    disk = fleet.disk
    assert disk is not None, "planned only where there is one"  # noqa: S101

    def undo() -> None:
        disk.free()
        if fleet.wanted.store == "postgresql" and "postgresql" not in lifecycle.running(fleet.services):
            lifecycle.up(fleet.services, "postgresql")  # it could not write its log, and gave up: its own unit's work

    return f"{disk.fill()} bytes taken", undo


def _limit(kind: Kind, fleet: Fleet) -> tuple[str, Undo]:
    match kind:
        case Kind.MEMORY_ALARM:
            return _alarmed(fleet, "mem_alarm", "set_vm_memory_high_watermark", ("0.000001", "0.4"))
        case Kind.DISK_ALARM:
            return _alarmed(fleet, "disk_free_alarm", "set_disk_free_limit", ("1000000GB", "200MB"))
        case _:
            return _overfull(fleet)


def _alarmed(fleet: Fleet, name: str, command: str, limits: tuple[str, str]) -> tuple[str, Undo]:
    """Lower a limit until the broker says that it is beyond it. Raises ServerError if it never says so."""
    tiny, configured = limits
    fleet.control(command, tiny)
    if not waited(lambda: _tells(fleet, name), within=_WITHIN):
        raise ServerError(f"{command} {tiny}: no {name}")
    return "", lambda: fleet.control(command, configured)


def _tells(fleet: Fleet, name: str) -> bool:
    """Say whether the broker tells of an alarm; one that has just started tells nothing yet."""
    try:
        return any(node.get(name) for node in fleet.management.call("GET", "nodes"))
    except (OSError, http.client.HTTPException, ManagementError):
        return False


def _overfull(fleet: Fleet) -> tuple[str, Undo]:
    """Let queues hold next to nothing, and nobody take from them."""
    consumers = [main for name in names("consumer") if (main := fleet.units[name].main) is not None]
    for one in consumers:
        one.send(signal.SIGSTOP)
    _limited(fleet, _TINY)

    def undo() -> None:
        _limited(fleet, None)
        for one in consumers:
            one.send(signal.SIGCONT)

    return f"{_TINY} bytes a partition, and {len(consumers)} consumers stopped", undo


def _limited(fleet: Fleet, size: int | None) -> None:
    """Let the queues hold so many bytes, or as many as the topology says."""
    for policy in topology.policies(fleet.configuration.queues, VIRTUAL_HOST):
        definition = policy["definition"]
        assert isinstance(definition, dict)  # noqa: S101  # as RabbitMQ has it
        if "max-length-bytes" in definition:
            changed = definition | ({} if size is None else {"max-length-bytes": size})
            body = {**policy, "definition": changed}
            fleet.management.call("PUT", "policies", VIRTUAL_HOST, str(policy["name"]), body=body)
