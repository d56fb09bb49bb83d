"""A package of evidence put together from the store: what `audit.evidence` packs, opened, proven, and read as files.

1. The leaves that were asked for, opened where their seals still are (`unsealing`).
2. One checkpoint that covers them all, and each leaf's path up to it.
3. What they tell of: the originals, with what the store's facts say beside each.
4. What they were judged by: the registers of law that they name.
5. What was signed, by whom, and what was known of them then (`signatures`).
6. Who else vouches: the witnesses' keys and policy, and time stamps.

What cannot be had is said in words, never left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from gateway.audit import evidence, note
from gateway.audit import policy as policies
from gateway.audit.policy import Policy
from gateway.config import Configuration, archive
from gateway.errors import ConfigError
from gateway.message import PartnerId
from gateway.store import registers, vouching
from gateway.store.dispatch_views import DispatchViews
from gateway.store.place import Duty
from gateway.store.stamps import Stamped
from gateway.wiring import signatures
from gateway.wiring.drivers import place
from gateway.wiring.unsealing import Unsealed, Unsealing

_EVER: Final = datetime.max.replace(tzinfo=UTC)
_TIMES: Final = ("received", "composed", "ended", "decided")
"""Where a record says when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the package is to be evidence of."""

    words: str
    """In Swedish; nobody's number."""
    leaves: Sequence[int]
    """Their positions, growing."""
    originals: bool
    """Whether the exact bytes of messages go with it: they may be about others too."""
    by: str
    """Who asked, for what purpose and case."""
    at: datetime


def package(
    configuration: Configuration, asked: Asked, views: DispatchViews, opened: Unsealing, key: note.Key
) -> evidence.Package:
    """Put the package together.

    Args:
        configuration: The installation's.
        asked: What it is to be evidence of.
        views: The store, as its archivist.
        opened: What opens the leaves.
        key: The log's public key.

    Raises:
        UnavailableError: No checkpoint covers the leaves yet.
        IntegrityError: A seal is broken, or what is kept disagrees with the log.
        ConfigError: The witnesses' policy cannot be read.
    """
    where = place(configuration, Duty.ARCHIVIST)
    # 1. The leaves.
    leaves = [one for position in asked.leaves if (one := opened.leaf(position)) is not None]
    # 2. What proves them.
    policy, written = _policy(configuration)
    proven = vouching.vouched(where, key, policy, [one.entry.position for one in leaves])
    # 3. What they tell of.
    originals = {name: dict(files) for name, files in opened.originals.items()} if asked.originals else {}
    for one in leaves:
        if one.original in originals:
            originals[one.original].setdefault("facts.json", _facts(views, one))
    # 4. The law.
    law = {policy: archive.packed(files) for policy in _named(leaves) if (files := registers.read(where, policy))}
    # 5. Who signed.
    signed = signatures.shown(configuration, where, _signed(leaves, originals))
    for name, files in signed.originals.items():
        originals[name] |= files
    # 6. Who else vouches.
    stamps = {} if proven.stamp is None else _stamps(configuration, proven.stamp)
    return evidence.Package(
        asked=asked.words,
        made=asked.at,
        by=asked.by,
        checkpoint=proven.checkpoint,
        keys=(str(key), *proven.witnesses),
        leaves=tuple(_proven(one, proven.paths[one.entry.position], originals) for one in leaves),
        originals=originals,
        law=law,
        certificates=signed.certificates,
        stamps=stamps,
        policy=written,
        missing=(*signed.missing, *_missing(proven, asked)),
    )


def _proven(one: Unsealed, path: tuple[bytes, ...], originals: Mapping[str, object]) -> evidence.Proven:
    return evidence.Proven(
        index=one.entry.position,
        entry=one.entry.entry,
        path=path,
        salt=one.salt,
        record=one.record,
        why_not="" if one.record is not None else "gallrad",
        about=(one.original,) if one.original is not None and one.original in originals else (),
    )


def _policy(configuration: Configuration) -> tuple[Policy | None, bytes | None]:
    path = configuration.gateway.audit.witnesses.policy
    if path is None:
        return None, None
    try:
        written = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"audit.witnesses.policy: {path}: {error.strerror}") from None
    return policies.parse(written), written


def _named(leaves: Iterable[Unsealed]) -> Sequence[str]:
    """Return the registers that entries name."""
    return sorted({said["policy"] for one in leaves if "policy" in (said := orjson.loads(one.entry.entry))})


def _facts(views: DispatchViews, one: Unsealed) -> bytes:
    """Return what the store knows of a message or a dispatch beside its seal: what our receipt said; the timeline."""
    entry = one.entry
    facts: dict[str, object] = {}
    if entry.message is not None and (message := views.message(entry.message)) is not None:
        facts = {**_plain(message), "leaves": [leaf.hash.hex() for leaf in views.leaves(entry.message)]}
    elif entry.dispatch is not None and (dispatch := views.of_number(entry.dispatch)) is not None:
        facts = {"dispatch": dispatch, "timeline": [_plain(step) for step in views.timeline(dispatch)]}
    return orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)


def _plain(form: Any) -> dict[str, object]:  # noqa: ANN401  # a frozen form of the views
    said = {field.name: getattr(form, field.name) for field in fields(form)}
    return {name: list(value) if isinstance(value, range) else value for name, value in said.items()}


def _signed(leaves: Iterable[Unsealed], originals: Mapping[str, Mapping[str, bytes]]) -> Iterator[signatures.Original]:
    """Yield what is there in original, with whose it is and when, as its first leaf that can be read tells."""
    for name, files in originals.items():
        mine = [one for one in leaves if one.original == name]
        known = next((one for one in mine if one.record is not None), None)
        if known is not None:
            partner, at = _sender(known)
            message = known.entry.message
            yield signatures.Original(name=name, message=message, partner=PartnerId(partner), at=at, files=files)


def _sender(one: Unsealed) -> tuple[str, datetime]:
    """Return the partner on the other side, and when: the time that a certificate had to hold."""
    said = orjson.loads(one.record or b"{}")
    at = next((said[name] for name in _TIMES if said.get(name)), None)
    return said.get("partner", ""), _EVER if at is None else datetime.fromisoformat(at)


def _stamps(configuration: Configuration, stamp: Stamped) -> dict[str, bytes]:
    day, anchors = stamp.day.isoformat(), configuration.gateway.audit.stamps.anchors
    found = {f"{day}.tsr": stamp.token, f"{day}.checkpoint": stamp.note}
    return found if anchors is None else {**found, "anchors.pem": anchors.read_bytes()}


def _missing(proven: vouching.Vouched, asked: Asked) -> Iterator[str]:
    if not asked.originals:
        yield "Meddelandena i original är inte med: de kan handla om fler personer. De kan begäras var för sig."
    if not proven.witnesses:
        yield "Inget vittne har signerat checkpointen."
    if proven.stamp is None:
        yield "Ingen tidsstämpel täcker löven ännu."
