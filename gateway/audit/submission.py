"""What a log sends to a witness, and where a witness says it stands (C2SP tlog-witness, `add-checkpoint`)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

SIZE: Final = "text/x.tlog.size"
"""What a witness's answer is called that says where it stands."""
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


def write(old: int, proof: Sequence[bytes], signed: bytes) -> bytes:
    """Return the body of a request.

    Args:
        old: Leaves that the witness has cosigned.
        proof: That the checkpoint's log begins with those (`tree.consistency`); none where there are none.
        signed: The checkpoint, a signed note.
    """
    lines = "".join(f"{b64encode(step).decode()}\n" for step in proof)
    return f"old {old}\n{lines}\n".encode() + signed


def size(content_type: str, body: bytes) -> int | None:
    """Return where a witness that answered 409 says it stands; None where it says something else."""
    match = _SIZE.fullmatch(body)
    return int(match[1]) if match is not None and content_type == SIZE else None
