r"""`add-checkpoint`: what a log asks of a witness, and what it is answered (C2SP tlog-witness).

    old 20852014                                      how long the log was when this witness cosigned it last
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=      a consistency proof from there to the checkpoint (RFC 6962 2.1.2)
    <empty line>
    <the checkpoint, a signed note>

1. The request is well formed, else 400.
2. The log is known, else 404.
3. One of its keys signed the checkpoint, and none of them wrongly, else 403.
4. The old size is not beyond the checkpoint's, else 400.
5. It is the size that was cosigned last, else 409 with that size: so a log that does not know asks with 0.
6. Of the same size the log has the same root, else 409: it is another log. That is a fork: told, and kept as proof.
7. The proof proves that the log only grew, else 422. From nothing it must be empty, and a log without leaves has the
   root of the empty tree.
8. What was checked is on disk.
9. Only then it is cosigned, 200.

From 5 to 8 nobody else changes what is remembered, so that two requests at a time cannot roll it back. Should the
witness die between 8 and 9, the log asks again: it is told the new size, and the same checkpoint is cosigned.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway import logs
from gateway.audit import checkpoint, note, tree
from gateway.audit.checkpoint import Checkpoint
from gateway.errors import GatewayError, IntegrityError
from gateway.logs import Happened
from gateway.witness.state import Change, Folder, State

LARGEST: Final = 64 * 1024
"""Bytes of a request: 63 proof lines are under 3,000, and a checkpoint with signatures of every kind under 60,000."""
TEXT: Final = "text/plain; charset=utf-8"
SIZE: Final = "text/x.tlog.size"
_REQUEST: Final = re.compile(rb"old (0|[1-9][0-9]{0,18})\n((?:[A-Za-z0-9+/]{43}=\n){0,63})\n")
_FIRST: Final = 3
"""Lines of a checkpoint that say what is cosigned; what follows are extensions of the log's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered."""

    status: int
    body: str
    content_type: str = TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request that is well formed; nothing of it is proven."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes


class _NoError(Exception):
    """The answer is no."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _ForkError(_NoError):
    """The answer is no, to a checkpoint that does not go on from what was cosigned, though the log signed it."""


class Witness:
    """Cosigns what it has proven. May be asked by any thread."""

    def __init__(
        self,
        folder: Folder,
        *,
        now: Callable[[], datetime],
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Read key and state.

        Args:
            folder: Where they are.
            now: Tells the time of cosignatures, aware.
            faults: Told the points `checked`, `kept` and `signed`; tests fail there.

        Raises:
            ConfigError: The key cannot be used.
            IntegrityError: The state is gone, damaged or another key's.
        """
        self._folder = folder
        self._signer = folder.signer()
        self._now = now
        self._fault = faults

    def add(self, body: bytes) -> Answer:
        """Answer an add-checkpoint. Raises IntegrityError, UnavailableError: nothing was cosigned."""
        try:
            # 1. Well formed.
            asked = _parsed(body)
            # 2-4. Known, signed, and not backwards: what it is known by may grow meanwhile, and is never taken away.
            text, new = _proven(asked, self._folder.read())
            with self._folder.changing() as change:
                # 5-7. It goes on from what was cosigned last.
                _continued(asked, new, change.state)
                self._fault("checked")
                # 8. On disk.
                _kept(asked, new, change)
            self._fault("kept")
        except _ForkError as no:
            self._told(asked, new)
            return no.answer
        except _NoError as no:
            return no.answer
        # 9. Cosigned.
        line = self._signer.cosign(text, int(self._now().timestamp()))
        self._fault("signed")
        return Answer(status=200, body=line)

    def _told(self, asked: _Asked, new: Checkpoint) -> None:
        """Keep what the log signed beside what is remembered, and tell: the two together may prove a fork."""
        logs.tell(Happened.WITNESS_FORK, origin=new.origin, size=new.size)
        self._folder.keep(asked.note)


def _parsed(body: bytes) -> _Asked:
    match = _REQUEST.match(body)
    if match is None or len(body) > LARGEST:
        raise _no(400, "not an old size, at most 63 hashes, an empty line and a checkpoint (C2SP tlog-witness)")
    lines = match[2].splitlines()
    proof = tuple(b64decode(line) for line in lines)
    if any(b64encode(step) != line for step, line in zip(proof, lines, strict=True)):
        raise _no(400, "a hash is not in canonical base64")
    return _Asked(old=int(match[1]), proof=proof, note=body[match.end() :])


def _proven(asked: _Asked, state: State) -> tuple[str, Checkpoint]:
    """Return the checkpoint's text, and what it says in the lines that are cosigned."""
    origin = asked.note.partition(b"\n")[0].decode("utf-8", "replace")
    known = state.logs.get(origin)
    try:
        text = note.signatures(asked.note, ())[0]
        new = _read(text)
    except IntegrityError as error:
        raise _no(400, error.detail) from None
    if known is None:
        raise _no(404, "a log that this witness does not know; gateway witness add has it know one")
    try:
        note.verify(asked.note, known.keys)
    except IntegrityError as error:
        raise _no(403, error.detail) from None
    if asked.old > new.size:
        raise _no(400, f"the old size is beyond the checkpoint's, {new.size}")
    return text, new


def _read(text: str) -> Checkpoint:
    """Read a checkpoint; its extension lines, if any, are not ours to understand (C2SP tlog-checkpoint)."""
    lines = text.removesuffix("\n").split("\n")
    if "" in lines:
        raise IntegrityError("a checkpoint has no empty lines")
    return checkpoint.parse("".join(f"{line}\n" for line in lines[:_FIRST]))


def _continued(asked: _Asked, new: Checkpoint, state: State) -> None:
    known = state.logs[new.origin]
    if asked.old != known.size:
        raise _NoError(Answer(status=409, body=f"{known.size}\n", content_type=SIZE))
    if new.size == known.size and new.root != known.root and known.checkpoint:
        raise _ForkError(_no(409, f"of {new.size} leaves this witness has cosigned another root").answer)
    if not new.size and new.root != tree.EMPTY:
        raise _no(422, "a log without leaves has the root of the empty tree")
    try:
        tree.verify_consistency(known.size, new.size, known.root, new.root, asked.proof)
    except IntegrityError as error:
        raise _ForkError(_no(422, error.detail).answer) from None


def _kept(asked: _Asked, new: Checkpoint, change: Change) -> None:
    known = change.state.logs[new.origin]
    if new.size > known.size or not known.checkpoint:
        grown = replace(known, size=new.size, root=new.root, checkpoint=asked.note.decode())
        change.to(change.state.having(new.origin, grown))


def _no(status: int, why: str) -> _NoError:
    return _NoError(Answer(status=status, body=f"{why}\n"))


def failed(error: GatewayError) -> Answer:
    """Return what is answered where the witness itself is at fault; the log may ask again."""
    if isinstance(error, IntegrityError):
        logs.integrity(error)
    else:
        logs.fault(error)
    return Answer(status=500, body="the witness cannot answer; its operator is told\n")
