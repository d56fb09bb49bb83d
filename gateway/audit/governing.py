"""The leaves of what governs the gateway: a register of law taken into use, and what the queues are declared to serve.

Neither is about a person, so nobody's history has them; they are in the same log, as what was decided is worth no more
than what it was decided by. The leaf of a register stands before the first decision that names it, and that of a
declaration before the first event that is routed by it. A register's own files are kept beside it (`store.registers`),
in full; the leaf has their digests, and who answers for the rows that are new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from gateway.audit import leaf
from gateway.config.archive import Change
from gateway.message import Leaf


def taken(  # noqa: PLR0913  # each is a fact of the leaf
    law: Mapping[str, bytes],
    changes: tuple[Change, ...],
    *,
    policy: str,
    predecessor: str | None,
    by: str,
    at: datetime,
    salt: bytes,
) -> Leaf:
    """Make the leaf of a register that is taken into use for the first time.

    Args:
        law: Its files, by name.
        changes: How its rows differ from its predecessor's.
        policy: Its hash.
        predecessor: The hash of the one that was taken into use before; None for the first.
        by: Operating system's user, machine and process.
        at: When.
        salt: `leaf.SALT` fresh random bytes.
    """
    record = {
        "by": by,
        "changes": [
            {"approved_by": one.approved_by, "author": one.author, "how": one.how.value, "row": one.row}
            for one in changes
        ],
        "files": [{"name": name, "sha256": sha256(law[name]).hexdigest()} for name in sorted(law)],
        "kind": "register",
        "policy": policy,
        "predecessor": predecessor,
        "taken": leaf.utc(at),
        "v": leaf.VERSION,
    }
    return leaf.committed(leaf.Kind.REGISTER, record, policy=policy, pseudonym=None, salt=salt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a queue says it is for."""

    types: tuple[str, ...]
    """Of events; sorted, as everything here."""
    purposes: tuple[str, ...]
    benefits: tuple[str, ...]


def declared(  # noqa: PLR0913  # each is a fact of the leaf
    before: Mapping[str, Declared],
    after: Mapping[str, Declared],
    *,
    policy: str,
    by: str,
    at: datetime,
    salt: bytes,
) -> Leaf:
    """Make the leaf of queues whose declarations have changed: those that have, as they were and as they are.

    Args:
        before: By queue, what was declared last.
        after: What is declared from now on.
        policy: The register that holds now.
        by: Operating system's user, machine and process.
        at: When.
        salt: `leaf.SALT` fresh random bytes.
    """
    record = {
        "by": by,
        "declared": leaf.utc(at),
        "kind": "declaration",
        "policy": policy,
        "queues": [
            {"after": _written(after.get(name)), "before": _written(before.get(name)), "queue": name}
            for name in sorted(before.keys() | after)
            if before.get(name) != after.get(name)
        ],
        "v": leaf.VERSION,
    }
    return leaf.committed(leaf.Kind.DECLARATION, record, policy=policy, pseudonym=None, salt=salt)


def _written(declared: Declared | None) -> dict[str, tuple[str, ...]] | None:
    if declared is None:
        return None
    return {"benefits": declared.benefits, "purposes": declared.purposes, "types": declared.types}
