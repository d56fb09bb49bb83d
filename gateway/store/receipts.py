"""Our receipts, as far as they cannot be composed again: when, with whose key, and the signature itself.

All else that a receipt says is the message's row and its leaves, which stay for good. So a hundred bytes make it again
to the byte, and the signature tells whether it is. The first that is kept of a message stands; a repeated message is
answered with the same content under a later time, and that is not written down.

It is written with the next commit after it was signed, never before the answer: a receipt that was signed in the last
second before a crash is not here. The partner has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from gateway.database import Session, chunks, instant, places, written
from gateway.message import Accepted, Fingerprint, Sign
from gateway.store.entries import FACTS, read_accepted
from gateway.store.place import Place

_MESSAGE = f"SELECT {FACTS}, id FROM messages WHERE id = ?"  # noqa: S608  # our own words
_SIGN = "SELECT at, certificate, signature FROM receipts WHERE message = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a receipt says, and its signature where that was kept."""

    accepted: Accepted
    sign: Sign | None


def write(session: Session, signs: Sequence[Sign]) -> None:
    """Write the signatures of receipts, inside a transaction; of a message that has one, none."""
    rows = [
        (sign.message, written(sign.at), sign.certificate, sign.value) for sign in signs if sign.message is not None
    ]
    for part in chunks(rows):
        session.execute(
            f"INSERT INTO receipts (message, at, certificate, signature) VALUES {places(len(part), 4)} "  # noqa: S608  # our own words
            "ON CONFLICT DO NOTHING",
            list(chain.from_iterable(part)),
        )


def read(place: Place, message: int) -> Told | None:
    """Return what our receipt of a message says, by the message's number; None where there is no such.

    Raises UnavailableError.
    """
    session = place.open()
    try:
        with session.translated(), session.reading():
            row = session.execute(_MESSAGE, (message,)).fetchone()
            if row is None:
                return None
            accepted = read_accepted(session, row)
            kept = session.execute(_SIGN, (message,)).fetchone()
    finally:
        session.close()
    sign = None
    if kept is not None:
        at, certificate, value = kept
        sign = Sign(message=message, at=instant(at), certificate=Fingerprint(certificate), value=bytes(value))
    return Told(accepted=accepted, sign=sign)
