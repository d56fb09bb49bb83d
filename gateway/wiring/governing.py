"""What a process judges and routes by, put on record before it does: at its start, and at every reload.

1. The register of law is kept whole, with a leaf the first time that it is taken into use.
2. What the queues serve is compared with what was declared last, and a change is written with a leaf.

Only then are the rules used. If either cannot be written the process does not start, or goes on by its old rules: a
decision by a register that nobody can read again is no decision that anybody can answer for (SFB 114 kap. 13 §).
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping

from gateway import logs
from gateway.audit import governing, leaf
from gateway.audit.governing import Declared
from gateway.config import Configuration, Queue, archive
from gateway.logs import Happened
from gateway.message import Leaf
from gateway.ports import Clock
from gateway.store import registers
from gateway.store.place import Place
from gateway.store.registers import Made, Predecessor
from gateway.trust.sealing import Sealer
from gateway.wiring.rules import Random


def govern(configuration: Configuration, where: Place, *, clock: Clock, seals: Sealer, random: Random) -> None:
    """Keep the register and write down what the queues serve, where either is new. Call it before judging by them.

    Args:
        configuration: What is judged and routed by from now on.
        where: The store, on behalf of a duty that judges.
        clock: UTC.
        seals: For the leaves' records.
        random: For their salts.

    Raises:
        UnavailableError: not written; nothing may be judged by it.
        IntegrityError: what is kept is not what it says.
    """
    at, by, law, policy = clock.now(), process(), configuration.files, configuration.policy

    def kept(before: Predecessor) -> Made:
        predecessor, files = before or (None, {})
        changes = archive.changes(files, law)
        made = governing.taken(
            law, changes, policy=policy, predecessor=predecessor, by=by, at=at, salt=random(leaf.SALT)
        )
        return _sealed(made, seals)

    def changed(before: Mapping[str, Declared]) -> Made:
        made = governing.declared(before, queues, policy=policy, by=by, at=at, salt=random(leaf.SALT))
        return _sealed(made, seals)

    queues = {queue.name: _declared(queue) for queue in configuration.queues}
    if registers.keep(where, law, policy, at, kept):
        logs.tell(Happened.REGISTER_TAKEN, policy=policy)
    if registers.declare(where, queues, at, by, changed):
        logs.tell(Happened.QUEUES_DECLARED, policy=policy)


def process() -> str:
    """Return who runs this, for the record: user, machine and process."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user needs no name
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}:{os.getpid()}"


def _declared(queue: Queue) -> Declared:
    return Declared(
        types=tuple(sorted(queue.types)),
        purposes=tuple(sorted(queue.purposes)),
        benefits=tuple(sorted(queue.benefits)),
    )


def _sealed(made: Leaf, seals: Sealer) -> Made:
    return made, seals.seal(b"", [made])
