r"""One leaf's place in the log, as a file that proves itself (C2SP tlog-proof, `.tlog-proof`).

c2sp.org/tlog-proof@v1
index 1023
XqDXgvXPzP4ILs+L1hcr… (one hash a line, from the leaf's end to the root's)
<empty line>
<the signed checkpoint, as it is>
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from gateway.audit import checkpoint, note, tree
from gateway.errors import IntegrityError

_HEADER = "c2sp.org/tlog-proof@v1"
_PROOF = re.compile(
    rf"{re.escape(_HEADER)}\n(?:extra [A-Za-z0-9+/]*={{0,2}}\n)?index (0|[1-9][0-9]{{0,18}})\n"
    r"((?:[A-Za-z0-9+/]{43}=\n){0,63})\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Where a leaf stands, the path to the root, and the checkpoint that has that root."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    """The signed note, verbatim with all its signatures."""


def write(proof: Proof) -> bytes:
    """Return the file."""
    path = "".join(f"{b64encode(step).decode()}\n" for step in proof.path)
    return f"{_HEADER}\nindex {proof.index}\n{path}\n".encode() + proof.checkpoint


def read(data: bytes) -> Proof:
    """Read the file; nothing in it is proven yet. Raises IntegrityError."""
    head, middle, signed = data.partition(b"\n\n")
    try:
        match = _PROOF.fullmatch((head + middle).decode("ascii"))
    except UnicodeDecodeError:
        match = None
    if match is None:
        raise IntegrityError("the file is not a tlog-proof, version 1")
    path = tuple(b64decode(line) for line in match[2].splitlines())
    return Proof(index=int(match[1]), path=path, checkpoint=signed)


def verify(proof: Proof, leaf: bytes, key: note.Key) -> checkpoint.Checkpoint:
    """Prove that the log of `key` holds the leaf hash `leaf`, and return the checkpoint that says so.

    Raises IntegrityError.
    """
    signed = checkpoint.verify(proof.checkpoint, key)
    tree.verify_inclusion(leaf, proof.index, signed.size, proof.path, signed.root)
    return signed
