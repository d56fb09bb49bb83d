"""One checkpoint that some leaves can all be proven by, with everybody who vouches for it: for evidence.

A checkpoint that an authority has stamped (RFC 3161) proves more than a newer one that none has: that the leaves were
there on that day. So the first stamped one that covers the leaves is taken where there is one, else the one that the
log shows (`cosignatures`). Either has the lines of the witnesses who cosigned it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway import codes
from gateway.audit import note, tree
from gateway.audit.policy import Policy
from gateway.database import Session
from gateway.errors import UnavailableError
from gateway.store.cosignatures import StoredCosignatures
from gateway.store.log import Signed, StoredLog
from gateway.store.place import Place
from gateway.store.stamps import Stamped, StoredStamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """What the leaves are proven by."""

    checkpoint: bytes
    """The signed note, with the witnesses' lines behind the log's."""
    size: int
    paths: Mapping[int, tuple[bytes, ...]]
    """By the leaf's index, from it to the root."""
    witnesses: tuple[str, ...]
    """vkeys of those who cosigned it."""
    stamp: Stamped | None


def vouched(place: Place, key: note.Key, policy: Policy | None, leaves: Sequence[int]) -> Vouched:
    """Return the checkpoint that proves these leaves, given by index, and their paths.

    Raises UnavailableError where no checkpoint covers them yet, IntegrityError where a tile is not as it was signed.
    """
    session = place.open()
    try:
        with session.translated(), session.reading():
            return _vouched(session, key, policy, leaves)
    finally:
        session.close()


def _vouched(session: Session, key: note.Key, policy: Policy | None, leaves: Sequence[int]) -> Vouched:
    log, cosignatures = StoredLog(session), StoredCosignatures(session, key.name)
    least = max(leaves, default=-1) + 1
    stamp = next((one for one in StoredStamps(session, key.name).all() if one.size >= least), None)
    signed = _stamped(stamp) if stamp is not None else cosignatures.shown(policy, least)
    if signed.size < least:
        raise UnavailableError(codes.STORE_UNAVAILABLE, f"leaf {least - 1} is not signed for yet")
    lines = cosignatures.of(signed.size)
    nodes = log.nodes()
    return Vouched(
        checkpoint=signed.note if stamp is None else signed.note + "".join(lines.values()).encode(),
        size=signed.size,
        paths={index: tree.inclusion(index, signed.size, nodes) for index in leaves},
        witnesses=tuple(str(one) for one in lines),
        stamp=stamp,
    )


def _stamped(stamp: Stamped) -> Signed:
    return Signed(size=stamp.size, root=b"", note=stamp.note)
