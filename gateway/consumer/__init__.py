"""For FK's own systems: receive a queue's events, for a declared purpose, each of them once.

    from gateway import consumer
    from gateway.config import load

    with consumer.connect(load(path), queue="handlaggning.inkomst", purpose="fk:Arendehandlaggning") as inbox:
        for event in inbox.events():
            with event.handling(database) as new:    # a DB-API connection: one transaction, committed before the ack
                if new:
                    save(database, event.data)

    inbox     connecting, the order of things, and what happens when handling fails
    incoming  one event, parsed: labels, data, attempt; handled inside its `with`
    seen      idempotency: a table in the consumer's own database, written in the consumer's own transaction
    asking    the other way: have something sent to a partner, or asked of it

Nothing of the server is imported until `connect` is called. `docs/consumer.md` is the guide.
"""

from __future__ import annotations

from gateway.consumer.asking import Commands
from gateway.consumer.asking import connect as commands
from gateway.consumer.inbox import Inbox, connect
from gateway.consumer.incoming import Incoming, PoisonError
from gateway.consumer.seen import CREATE, forget, once
from gateway.privacy.labels import intersect

__all__ = [
    "CREATE",
    "Commands",
    "Inbox",
    "Incoming",
    "PoisonError",
    "commands",
    "connect",
    "forget",
    "intersect",
    "once",
]
