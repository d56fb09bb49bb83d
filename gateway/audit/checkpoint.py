"""What the log promises at one moment: its size and root, as a signed note (C2SP tlog-checkpoint).

    utbyte.forsakringskassan.example/audit      origin: also the name of the key
    20852163                                    number of leaves, decimal
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=        root hash, base64
    <empty line and signatures>

A log never signs two checkpoints of which the longer does not begin with the shorter. We write no extension lines, and
read none: verifiers by others differ there.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from gateway.audit import note
from gateway.errors import IntegrityError

_TEXT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Size and root of the log `origin`."""

    origin: str
    size: int
    """Leaves."""
    root: bytes
    """32 bytes."""

    def __str__(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def parse(text: str) -> Checkpoint:
    """Read the text of a checkpoint. Raises IntegrityError."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise IntegrityError("the note is not a checkpoint of origin, size and root")
    return Checkpoint(origin=match[1], size=int(match[2]), root=b64decode(match[3]))


def sign(checkpoint: Checkpoint, signer: note.Signer) -> bytes:
    """Return the signed note. Raises IntegrityError if the key is another log's."""
    if checkpoint.origin != signer.key.name:
        raise IntegrityError(f"the key {signer.key.name} does not sign for {checkpoint.origin}")
    return signer.sign(str(checkpoint))


def verify(signed: bytes, key: note.Key) -> Checkpoint:
    """Return what `key` signed, for the log of its own name. Raises IntegrityError."""
    found = parse(note.verify(signed, (key,)))
    if found.origin != key.name:
        raise IntegrityError(f"the checkpoint is of {found.origin}, not of {key.name}")
    return found
