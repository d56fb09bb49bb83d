"""What the log tells of one person's disclosures, for a registerutdrag: the trail and the facts, nothing sealed.

Asked as the auditors' questions are (`questions`), and with the same words of what a disclosure is. A person is found
by pseudonym alone, so that what a message holds of anybody else is never here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.codes import STORE_UNAVAILABLE
from gateway.database import Row, Session, instant, written
from gateway.errors import UnavailableError
from gateway.message import Protection, Pseudonym
from gateway.privacy.extract import Disclosed, Refused
from gateway.store.questions import whole
from gateway.store.questions.asking import DISCLOSED, RELEASED

MOST = 50_000
"""Leaves of one person that an extract is made of: some tens of megabytes, and far beyond any person's life."""
_PAGE = 1000
_HASH = "(SELECT l.hash FROM leaves l WHERE l.position = t.position)"
_COLUMNS = (
    "t.at, t.position, f.direction, f.interaction, f.partner, t.organisation, f.contract, f.information, f.granted, "
    f"f.purposes, f.lagrum, f.basis, {RELEASED}, t.reference, {_HASH}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the log tells of one person."""

    disclosed: Sequence[Disclosed]
    refused: Sequence[Refused]
    protection: Protection
    """What the newest leaf that knows says; UNKNOWN where none does."""


def disclosed(
    session: Session, about: Pseudonym, *, since: datetime | None = None, until: datetime | None = None
) -> Told:
    """Return what the log tells of one person from `since`, up to and without `until`.

    `session` is of a store opened on behalf of the auditor, inside `reading`.

    Raises UnavailableError: the trail is not whole, or tells of more than an extract holds.
    """
    whole(session)
    period = ("" if since is None else written(since), "9999" if until is None else written(until))
    rows = [_disclosed(row) for row in _rows(session, about, period)]
    left = [one for one in rows if one.released != "no"]  # what is known not to have left was meant, and stopped
    refused = session.execute(
        f"SELECT t.at, f.basis {_of(session)} WHERE r.pseudonym = ? AND t.at >= ? AND t.at < ? AND "
        "f.kind = 'decision' AND f.direction = 'out' AND f.outcome = 'DENY' ORDER BY t.at, t.position",
        (about, *period),
    ).fetchall()
    return Told(
        disclosed=left,
        refused=[Refused(at=instant(at), basis=basis) for at, basis in refused],
        protection=_protection(session, about),
    )


def first(session: Session) -> datetime | None:
    """Return the time of the oldest leaf that there is a trail of: from when the log can be asked."""
    row = session.execute("SELECT at FROM trail ORDER BY position LIMIT 1").fetchone()
    return None if row is None else instant(row[0])


def _rows(session: Session, about: Pseudonym, period: tuple[str, str]) -> Iterator[Row]:
    sql = (
        f"SELECT {_COLUMNS} {_of(session)} WHERE r.pseudonym = ? AND t.at >= ? AND t.at < ? AND {DISCLOSED} "
        "AND (t.at, t.position) > (?, ?) ORDER BY t.at, t.position LIMIT ?"
    )
    after, read = ("", -1), 0
    while True:
        page = session.execute(sql, (about, *period, *after, _PAGE)).fetchall()
        yield from page
        read += len(page)
        if read > MOST:
            raise UnavailableError(STORE_UNAVAILABLE, f"more than {MOST} leaves: ask for a shorter time")
        if len(page) < _PAGE:
            return
        after = tuple(page[-1][:2])


def _of(session: Session) -> str:
    """Return where a person's trail stands; in the order that finds few rows first."""
    join = session.join
    return f"FROM records r {join} trail t ON t.position = r.position {join} flows f ON f.id = t.flow"


def _disclosed(row: Row) -> Disclosed:
    at, _, direction, interaction, partner, organisation, contract, information, granted, *rest = row
    purposes, lagrum, basis, arrived, reference, hash_ = rest
    return Disclosed(
        at=instant(at),
        direction=direction,
        interaction=interaction,
        partner=partner,
        organisation=organisation,
        contract=contract,
        information=information,
        granted=tuple((granted or "").split()),
        purposes=tuple((purposes or "").split()),
        lagrum=tuple((lagrum or "").split()),
        basis=basis,
        released=arrived,
        reference=reference,
        leaf=bytes(hash_).hex(),
    )


def _protection(session: Session, about: Pseudonym) -> Protection:
    row = session.execute(
        f"SELECT f.protection {_of(session)} WHERE r.pseudonym = ? AND f.protection IS NOT NULL "
        "AND f.protection <> ? ORDER BY t.position DESC LIMIT 1",
        (about, Protection.UNKNOWN.value),
    ).fetchone()
    return Protection.UNKNOWN if row is None else Protection(row[0])
