"""What differs between the broker and the definitions, and how to mend it. Looks, and changes nothing.

1. Over AMQP, as each account: does it log in, and is what it needs there?
2. Over the management interface, where it is configured, as the monitor: arguments, the policy in effect, bindings in
   both directions (one too many puts a person's data where it does not belong), queues nobody knows.
3. Permissions are told to administrators only. What the monitor may not see is named, never passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.broker.rabbitmq import login, probe, topology
from gateway.broker.rabbitmq.management import Management, NotAllowedError
from gateway.config import Queue
from gateway.errors import UnavailableError
from gateway.services import RabbitMQ

_IMPORT = "gateway broker definitions --no-accounts > it.json; rabbitmqctl import_definitions it.json"
_FOR_QUORUM = {"all", "queues", "quorum_queues"}
"""`apply-to` of policies that hold for our queues; 3.10 does not know the last."""
_ANEW = f"arguments cannot be changed: let it drain, delete it, then {_IMPORT}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it should be."""

    what: str
    found: str
    mend: str


@dataclass(slots=True, kw_only=True)
class Report:
    """What was found."""

    differences: list[Difference] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""


def check(settings: RabbitMQ, queues: Sequence[Queue]) -> Report:
    """Compare the broker with `topology.definitions`. Raises ConfigError when files of an account do not fit."""
    report = Report()
    # 1. Over AMQP.
    missing = set()
    for found in _over_amqp(settings, queues):
        report.differences.append(found)
        missing.add(found.what)
    # 2. and 3. Over the management interface.
    if settings.management is None:
        report.unseen.append("arguments, policies, bindings, permissions: rabbitmq.management is not configured")
        return report
    management = Management(settings)
    wanted: Mapping[str, Any] = topology.definitions(queues, settings.virtual_host)
    try:
        report.differences += [
            found
            for found in (
                *_exchanges(management, wanted),
                *_queues(management, wanted),
                *_policies(management, wanted),
                *_bindings(management, wanted),
            )
            if found.what not in missing
        ]
        report.differences += _permissions(management, wanted)
    except NotAllowedError as error:
        report.unseen.append(f"permissions: the monitor is no administrator ({error.detail})")
    except UnavailableError as error:
        report.unseen.append(f"arguments, policies, bindings, permissions: {error.detail}")
    finally:
        management.close()
    return report


def _over_amqp(settings: RabbitMQ, queues: Sequence[Queue]) -> Iterator[Difference]:
    main = [name for queue in queues for name in topology.partitions(queue)]
    accounts = settings.accounts
    asked = [
        ("publisher", accounts.publisher, [topology.EXCHANGE], []),
        ("consumer", accounts.consumer, [topology.DEAD_EXCHANGE], main),
        ("collector", accounts.collector, [], [topology.DEAD_QUEUE]),
        ("monitor", accounts.monitor, [], []),
        ("asker", accounts.asker, [topology.COMMANDS], []),
    ]
    for duty, account, exchanges, names in asked:
        if account is None:
            continue
        hosts = login.parameters(settings, account, f"gw-{duty}.check")
        seen = probe.look(hosts, exchanges=exchanges, queues=names)
        if seen.failed is not None:
            mend = f"see the broker's log; the account needs the virtual host {settings.virtual_host}"
            yield Difference(
                what=f"account {duty}", found=f"no log-in at {login.hosts(hosts)}: {seen.failed}", mend=mend
            )
            continue
        for name, why in seen.exchanges.items():
            if why is not None:
                yield Difference(what=f"exchange {name}", found=f"missing ({why})", mend=_IMPORT)
        for name, count in seen.queues.items():
            if isinstance(count, str):
                yield Difference(what=f"queue {name}", found=f"missing ({count})", mend=_IMPORT)


def _exchanges(management: Management, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    there = {one["name"]: one for one in management.get("exchanges", _vhost(wanted))}
    for one in wanted["exchanges"]:
        found, what = there.get(one["name"]), f"exchange {one['name']}"
        if found is None:
            yield Difference(what=what, found="missing", mend=_IMPORT)
            continue
        for key in ("type", "durable", "auto_delete", "internal", "arguments"):
            if found.get(key) != one[key]:
                yield Difference(what=what, found=f"{key} is {found.get(key)}, not {one[key]}", mend=_ANEW)


def _queues(management: Management, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    there = {one["name"]: one for one in management.get("queues", _vhost(wanted))}
    for one in wanted["queues"]:
        found, what = there.pop(one["name"], None), f"queue {one['name']}"
        if found is None:
            yield Difference(what=what, found="missing", mend=_IMPORT)
            continue
        if found.get("arguments") != one["arguments"]:
            said = f"arguments are {found.get('arguments')}, not {dict(one['arguments'])}"
            yield Difference(what=what, found=said, mend=_ANEW)
    for name in there:
        if name.startswith(topology.PREFIX):
            mend = "let its consumer drain it, then delete it; or put the queue back into queues.toml"
            yield Difference(what=f"queue {name}", found="not in the configuration", mend=mend)


def _policies(management: Management, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    # Not what the queues' own rows say of it: after a change those are some seconds behind.
    there = management.get("policies", _vhost(wanted))
    operators = management.get("operator-policies", _vhost(wanted))
    for queue in wanted["queues"]:
        name = queue["name"]
        right, found = _in_effect(name, wanted["policies"]), _in_effect(name, there)
        if found["definition"] != right["definition"]:
            said = f"{found['name']} is in effect: {_unlike(found['definition'], right['definition'])}"
            yield Difference(what=f"policy of {name}", found=said, mend=_IMPORT)
        operator = _in_effect(name, operators)
        if operator["definition"]:
            said = f"operator policy {operator['name']} is in effect too: {operator['definition']}"
            mend = "rabbitmqctl clear_operator_policy: it overrides limits of ours"
            yield Difference(what=f"operator policy of {name}", found=said, mend=mend)


def _unlike(found: Mapping[str, Any], right: Mapping[str, Any]) -> str:
    """Say only what differs: a policy has many words."""
    words = sorted(word for word in found.keys() | right.keys() if found.get(word) != right.get(word))
    said = []
    for word in words:
        wanted = f"should be {right[word]}" if word in right else "should not be set"
        said.append(f"{word} is {found.get(word, 'not set')} and {wanted}")
    return ", ".join(said)


def _in_effect(queue: str, policies: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the one that the broker chooses: of those that match, the one with the highest priority."""
    matching = [
        one for one in policies if one["apply-to"] in _FOR_QUORUM and re.search(one["pattern"], queue) is not None
    ]
    return max(matching, key=lambda one: int(one["priority"]), default={"name": "none", "definition": {}})


def _bindings(management: Management, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    def keyed(rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
        return {(row["source"], row["routing_key"], row["destination"]) for row in rows if row["source"]}

    ours = (topology.EXCHANGE, topology.COMMANDS, topology.DEAD_EXCHANGE)
    found = keyed(management.get("bindings", _vhost(wanted)))
    right = keyed(wanted["bindings"])
    for source, key, name in sorted(right - found):
        yield Difference(what=f"binding {source} --{key}--> {name}", found="missing", mend=_IMPORT)
    for source, key, name in sorted(found - right):
        if source in ours or name.startswith(topology.PREFIX) or name == topology.DEAD_QUEUE:
            mend = "remove it: events go where the configuration does not send them"
            yield Difference(what=f"binding {source} --{key}--> {name}", found="not in the definitions", mend=mend)


def _permissions(management: Management, wanted: Mapping[str, Any]) -> Iterator[Difference]:
    there = {row["user"]: row for row in management.get("vhosts", _vhost(wanted), "permissions")}
    for one in wanted["permissions"]:
        found = there.get(one["user"])
        if found is None:
            yield Difference(what=f"permissions of {one['user']}", found="none", mend=_granted(one))
        elif any(found.get(key) != one[key] for key in ("configure", "write", "read")):
            said = ", ".join(f"{key} {found.get(key)!r}, not {one[key]!r}" for key in ("configure", "write", "read"))
            yield Difference(what=f"permissions of {one['user']}", found=said, mend=_granted(one))


def _granted(right: Mapping[str, str]) -> str:
    return "rabbitmqctl set_permissions -p {vhost} {user} '{configure}' '{write}' '{read}'".format(**right)


def _vhost(wanted: Mapping[str, Any]) -> str:
    return str(wanted["vhosts"][0]["name"])
