"""What lies on the broker, and under which names. Declared once, by `definitions.json`; programs only look.

    gw.in (direct)  --routing key <queue>.<nn>-->  gw.q.<queue>.<nn>  --policy-->  gw.dlx (topic)  --#-->  gw.dlq
    gw.commands (direct)  --the queue of commands only-->

* A queue of the configuration is N partitions. Each is a quorum queue with a single active consumer, and a person's
  events are always in the same one: that is what keeps them in order with many consumers.
* Arguments cannot be changed on a queue that is there; policies can. So arguments are the two that policies cannot set
  (type, single active consumer), and every limit is a policy.
* At-least-once dead-lettering needs `overflow` = `reject-publish`; with another the broker falls back to at-most-once
  without a word. A full queue therefore answers nack, and the event stays in the outbox.
* `gw.dlq` has no dead-letter exchange and no TTL. From 4.0 a quorum queue without a delivery limit has one of 20 and
  drops what is beyond it, so `gw.dlq` is given one that is never reached; 3.10 knows no word for "none".
* `gw.in` has no alternate exchange. A message that takes one counts as routed: it is confirmed and never returned, and
  the outbox would forget an event that is on nobody's queue.
* Policies choose by name, `apply-to` `queues`: 3.10 has no `quorum_queues`, and 4.x takes both. Nothing here is denied
  by 4.3 (no transient queue, no global prefetch, no mirroring).
* `gw-asker` is for our own systems that give commands: it writes to `gw.commands`, which leads to their queue and
  nowhere else, so that nobody can put an event of his own on a queue of events.
* `gw-consumer` reads every main queue; the kit checks the purpose. Where one consumer may not read another's queues,
  give each an account of its own with a narrower pattern.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence

from gateway.config import Queue
from gateway.message import Pseudonym
from gateway.outbound import commands

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | bool | None

EXCHANGE = "gw.in"
COMMANDS = "gw.commands"
PREFIX = "gw.q."
DEAD_EXCHANGE = "gw.dlx"
DEAD_QUEUE = "gw.dlq"
QUEUE_BYTES = 2 * 1024**3
"""Bytes a partition may hold: a million events of 2 KiB. Beyond it the outbox, on a larger disk, keeps the rest."""
DELIVERY_LIMIT = 8
"""What most queues have; a queue whose configuration says another number has a policy of its own."""
RESTARTS = 20
"""What a policy allows beyond the configured limit. Consumers keep that limit themselves (`consumer.py`); the broker
counts every delivery that comes back, also those that were only in hand when a consumer was restarted in good order,
and a few restarts must not make dead letters of events that nobody has tried."""
_NEVER = 1_000_000_000

ARGUMENTS: Mapping[str, Json] = {"x-queue-type": "quorum", "x-single-active-consumer": True}
DEAD_ARGUMENTS: Mapping[str, Json] = {"x-queue-type": "quorum"}

PERMISSIONS: Mapping[str, Mapping[str, str]] = {
    "gw-publisher": {"configure": "^$", "write": r"^gw\.in$", "read": "^$"},
    "gw-consumer": {"configure": "^$", "write": r"^gw\.dlx$", "read": r"^gw\.q\."},
    "gw-collector": {"configure": "^$", "write": "^$", "read": r"^gw\.dlq$"},
    "gw-monitor": {"configure": "^$", "write": "^$", "read": "^$"},
    "gw-asker": {"configure": "^$", "write": r"^gw\.commands$", "read": "^$"},
}
"""Least privilege, by account. A passive declare asks for none of the three."""
_TAGS = {"gw-monitor": ["monitoring"]}


def partition_of(person: Pseudonym, partitions: int) -> int:
    """Return which partition a person's events are in, 0 up to `partitions`.

    CRC-32 (ISO 3309, as in zip) of the pseudonym in UTF-8, modulo the number of partitions: the same in every process,
    version and language. A pseudonym is a keyed hash, so nobody can choose persons who fall together.
    """
    return zlib.crc32(person.encode()) % partitions


def routing_keys(queue: Queue) -> tuple[str, ...]:
    """Return the routing key of each partition, in order."""
    return tuple(f"{queue.name}.{number:02}" for number in range(queue.partitions))


def partitions(queue: Queue) -> tuple[str, ...]:
    """Return the broker's name of each partition, in order."""
    return tuple(PREFIX + key for key in routing_keys(queue))


def logical(name: str) -> str:
    """Return the configuration's name of a partition; a name that is none comes back as it is."""
    found = re.fullmatch(re.escape(PREFIX) + r"(.+)\.\d{2}", name)
    return found[1] if found else name


def broker_limit(queue: Queue) -> int:
    """Return how many redeliveries the broker allows before it gives an event up by itself."""
    return queue.delivery_limit + RESTARTS


def policy(limit: int) -> dict[str, Json]:
    """Return what a main queue is under, with so many redeliveries."""
    return {
        "dead-letter-exchange": DEAD_EXCHANGE,
        "dead-letter-strategy": "at-least-once",
        "delivery-limit": limit,
        "max-length-bytes": QUEUE_BYTES,
        "overflow": "reject-publish",
    }


def policies(queues: Sequence[Queue], vhost: str) -> list[dict[str, Json]]:
    """Return every policy, the broadest first."""

    def made(name: str, pattern: str, definition: Mapping[str, Json], priority: int) -> dict[str, Json]:
        return {
            "vhost": vhost,
            "name": name,
            "pattern": pattern,
            "apply-to": "queues",
            "definition": definition,
            "priority": priority,
        }

    special = [queue for queue in queues if queue.delivery_limit != DELIVERY_LIMIT]
    return [
        made("gw-queues", r"^gw\.q\.", policy(DELIVERY_LIMIT + RESTARTS), 0),
        made("gw-dead-letters", r"^gw\.dlq$", {"delivery-limit": _NEVER}, 0),
        *(
            made(
                f"gw-queue-{queue.name}",
                rf"^gw\.q\.{re.escape(queue.name)}\.[0-9]{{2}}$",
                policy(broker_limit(queue)),
                10,
            )
            for queue in special
        ),
    ]


def password_hash(password: str, salt: bytes) -> str:
    """Return what RabbitMQ keeps of a password (`rabbit_password_hashing_sha256`); `salt` is four bytes of chance."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(
    queues: Sequence[Queue],
    vhost: str,
    *,
    passwords: Mapping[str, str] | None = None,
    random: Callable[[int], bytes] | None = None,
) -> dict[str, Json]:
    """Return the content of `definitions.json`: everything the broker must have, with least-privilege accounts.

    Args:
        queues: As configured.
        vhost: The virtual host.
        passwords: By account name, for accounts that log in by password. The others log in by certificate (EXTERNAL),
            whose common name is the account's; an empty hash lets no password in.
        random: Gives so many bytes of chance, for the salts; needed where there are passwords.
    """
    hashes = {}
    if passwords and random:
        hashes = {name: password_hash(password, random(4)) for name, password in passwords.items()}
    return {
        "users": [
            {
                "name": name,
                "password_hash": hashes.get(name, ""),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": _TAGS.get(name, []),
            }
            for name in PERMISSIONS
        ],
        "vhosts": [{"name": vhost}],
        "permissions": [{"user": name, "vhost": vhost, **rights} for name, rights in PERMISSIONS.items()],
        "policies": policies(queues, vhost),
        "exchanges": [
            _exchange(EXCHANGE, "direct", vhost),
            _exchange(COMMANDS, "direct", vhost),
            _exchange(DEAD_EXCHANGE, "topic", vhost),
        ],
        "queues": [
            *(_queue(name, vhost, ARGUMENTS) for queue in queues for name in partitions(queue)),
            _queue(DEAD_QUEUE, vhost, DEAD_ARGUMENTS),
        ],
        "bindings": [
            *(_binding(EXCHANGE, PREFIX + key, key, vhost) for queue in queues for key in routing_keys(queue)),
            *(
                _binding(COMMANDS, PREFIX + key, key, vhost)
                for queue in queues
                if commands.TYPE in queue.types
                for key in routing_keys(queue)
            ),
            _binding(DEAD_EXCHANGE, DEAD_QUEUE, "#", vhost),
        ],
    }


def document(definitions: Mapping[str, Json]) -> str:
    """Return definitions as the text of their file."""
    return json.dumps(definitions, indent=2, ensure_ascii=False) + "\n"


def _exchange(name: str, kind: str, vhost: str) -> dict[str, Json]:
    return {
        "name": name,
        "vhost": vhost,
        "type": kind,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }


def _queue(name: str, vhost: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
    return {"name": name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": arguments}


def _binding(exchange: str, queue: str, key: str, vhost: str) -> dict[str, Json]:
    return {
        "source": exchange,
        "vhost": vhost,
        "destination": queue,
        "destination_type": "queue",
        "routing_key": key,
        "arguments": {},
    }
