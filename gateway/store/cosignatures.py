"""What witnesses have cosigned, and which checkpoint is shown because of it.

A cosignature is kept as the line of the note that it is. It is of a log (by origin, so that every log here may have
witnesses) and of one of its checkpoints, and is never changed: the note that is shown is the checkpoint as the log
signed it, and behind that the lines of those who cosigned it.

Where the policy wants a quorum, the newest checkpoint that has it is shown, though the log has gone on since: whoever
verifies by the policy must find one that passes. Where none ever had it, or no quorum is wanted, the newest is. A proof
of a leaf that is newer than the quorum stands on the newest checkpoint, with what cosignatures there are: better than
no proof, and whoever asks for the quorum sees that it is not there yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.audit import checkpoint, cosignature, note
from gateway.audit.policy import Policy
from gateway.database import Session, Turn, instant, written
from gateway.errors import ConfigError, IntegrityError
from gateway.store.log import AUDIT, Log, Signed, StoredLog

_BEYOND: Final = 2**63 - 1
"""More leaves than a log can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """A line of a witness's, proven to be its own."""

    key: cosignature.Key
    time: int
    """Seconds since 1970, by the witness's clock."""
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the witnesses have come with a log."""

    size: int
    """Of its newest checkpoint."""
    witnessed: int | None
    """Of the newest that has the quorum; None where none has."""
    waiting: timedelta
    """For how long the oldest checkpoint after that has been there; nothing where the newest has the quorum."""
    last: Mapping[str, int]
    """Name of each witness in the policy -> the size it cosigned last; 0 where it never did."""


class StoredCosignatures:
    """Belongs to one thread. Raises the driver's errors: whoever holds the transaction translates them."""

    def __init__(self, session: Session, origin: str, log: Log = AUDIT) -> None:
        """`session` is of the store; `origin` is the log's own, `log` its tables."""
        self._session = session
        self._origin = origin
        self._log = log

    def add(self, size: int, cosigned: Sequence[Cosigned], at: datetime) -> None:
        """Keep what witnesses said of the checkpoint of `size`; what is there already stays as it is."""
        rows = [(self._origin, size, str(one.key), one.time, one.line, written(at)) for one in cosigned]
        with self._session.writing(Turn.LOG):
            self._session.insert(
                "cosignatures",
                "origin, size, witness, time, line, at",
                rows,
                "ON CONFLICT (origin, size, witness) DO NOTHING",
            )

    def of(self, size: int) -> Mapping[cosignature.Key, str]:
        """Return who cosigned the checkpoint of `size`, and with which line."""
        rows = self._session.execute(
            "SELECT witness, line FROM cosignatures WHERE origin = ? AND size = ? ORDER BY witness",
            (self._origin, size),
        ).fetchall()
        return {_key(witness): line for witness, line in rows}

    def last(self, key: cosignature.Key, beyond: int = _BEYOND) -> int:
        """Return the most leaves, below `beyond`, that a witness cosigned; 0 where it never did."""
        row = self._session.execute(
            "SELECT max(size) FROM cosignatures WHERE origin = ? AND witness = ? AND size < ?",
            (self._origin, str(key), beyond),
        ).fetchone()
        return int(row[0] or 0)

    def witnessed(self, policy: Policy, least: int = 0) -> int | None:
        """Return the size of the newest checkpoint, not below `least`, that has the quorum; None where none has.

        Where a quorum's worth of witnesses cannot have come, given how far each came last, nothing is searched: so a
        quorum that has been missing for months is found as fast as one of a second ago.
        """
        beyond = _BEYOND
        while True:
            reach = policy.reach({one.key: self.last(one.key, beyond) for one in policy.witnesses.values()})
            beyond = min(beyond, reach + 1)
            row = self._session.execute(
                "SELECT size FROM cosignatures WHERE origin = ? AND size >= ? AND size < ? "
                "GROUP BY size HAVING count(*) >= ? ORDER BY size DESC LIMIT 1",
                (self._origin, least, beyond, policy.least()),
            ).fetchone()
            if row is None or policy.met(self.of(row[0]).keys()):
                return None if row is None else int(row[0])
            beyond = row[0]

    def standing(self, policy: Policy, now: datetime) -> Standing:
        """Return how far the witnesses have come."""
        size = StoredLog(self._session, self._log).last().size
        witnessed = size if policy.least() == 0 else self.witnessed(policy)
        row = self._session.execute(
            f"SELECT min(at) FROM {self._log.checkpoints} WHERE size > ?",  # noqa: S608  # our own name
            (-1 if witnessed is None else witnessed,),
        ).fetchone()
        waiting = max(timedelta(0), now - instant(row[0])) if row[0] else timedelta(0)
        last = {one.name: self.last(one.key) for one in policy.witnesses.values()}
        return Standing(size=size, witnessed=witnessed, waiting=waiting, last=last)

    def shown(self, policy: Policy | None, least: int = 0) -> Signed:
        """Return the checkpoint that is shown, with its cosignatures.

        Args:
            policy: What a checkpoint must have; None where nobody witnesses.
            least: The fewest leaves it may have: a proof needs one that covers its leaf.

        Raises:
            IntegrityError: The log has no checkpoint, or lacks one that was cosigned.
        """
        size = self.witnessed(policy, least) if policy is not None and policy.least() else None
        signed = StoredLog(self._session, self._log).last() if size is None else self._signed(size)
        lines = "".join(self.of(signed.size).values())
        return Signed(size=signed.size, root=signed.root, note=signed.note + lines.encode())

    def check(self, key: note.Key) -> int:
        """Prove that every cosignature kept is the witness's own, of a checkpoint of this log; return how many.

        Raises IntegrityError, which names log, size and witness.
        """
        count = 0
        rows = self._session.execute(
            f"SELECT c.size, c.witness, c.line, p.note FROM cosignatures c LEFT JOIN {self._log.checkpoints} p "  # noqa: S608
            "ON p.size = c.size WHERE c.origin = ? ORDER BY c.size",
            (self._origin,),
        )
        for size, witness, line, signed in rows:
            if signed is None:
                raise IntegrityError(f"{witness} has cosigned {self._origin} at {size} leaves, which was never signed")
            checkpoint.verify(bytes(signed), key)
            if not cosignature.verify(bytes(signed) + line.encode(), [_key(witness)]):
                raise IntegrityError(f"the cosignature by {witness} of {self._origin} at {size} leaves is not its own")
            count += 1
        return count

    def _signed(self, size: int) -> Signed:
        row = self._session.execute(
            f"SELECT size, root, note FROM {self._log.checkpoints} WHERE size = ?",  # noqa: S608  # our own name
            (size,),
        ).fetchone()
        if row is None:
            raise IntegrityError(f"the checkpoint of {size} leaves, which witnesses cosigned, is not there")
        return Signed(size=row[0], root=row[1], note=bytes(row[2]))


def _key(witness: str) -> cosignature.Key:
    try:
        return cosignature.Key.parse(witness)
    except ConfigError as error:
        raise IntegrityError(f"a cosignature is kept by a name that is no key: {error.detail}") from None
