"""What partners answered to what we sent, and where it is kept: for whoever verifies it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.database import Session, instant, written
from gateway.dispatch import DispatchId
from gateway.message import ContractId, OrganisationNumber, PartnerId
from gateway.outbound.states import Happening
from gateway.store.gaps import STRETCH, Passed

_KEPT: Final = (
    "SELECT d.id, d.dispatch, d.contract, d.partner, d.organisation, t.step, t.happening, t.at, t.digest, "
    "(SELECT c.digest FROM timeline c WHERE c.dispatch = d.id AND c.digest IS NOT NULL AND c.happening = 'compose' "
    "ORDER BY c.step DESC LIMIT 1) FROM dispatches d JOIN timeline t ON t.dispatch = d.id "
    "WHERE d.id >= ? AND d.id < ? AND t.happening IN ('answer', 'acknowledge') AND t.at >= ? AND t.at < ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One answer."""

    number: int
    dispatch: DispatchId
    contract: ContractId
    partner: PartnerId
    organisation: OrganisationNumber
    """Empty for an agency."""
    step: int
    happening: Happening
    at: datetime
    digest: str | None
    """Of its exact bytes."""
    content: str | None
    """Of what was sent: what a receipt must quote."""
    destroyed: bool
    """A rule has destroyed it."""


def kept(
    session: Session, *, partner: str | None, between: tuple[datetime | None, datetime | None], passed: Passed
) -> Iterator[Kept]:
    """Yield every answer, a stretch of dispatches at a time.

    Args:
        session: Of the store, as its archivist.
        partner: Whose; None: everybody's.
        between: From when to before when it came.
        passed: Is told how it goes on.
    """
    since, until = (None if one is None else written(one) for one in between)
    sql, more = (_KEPT, ()) if partner is None else (f"{_KEPT} AND d.partner = ?", (partner,))
    with session.translated():
        (last,) = session.execute("SELECT coalesce(max(id), 0) FROM dispatches").fetchone()
    for first in range(0, last + 1, STRETCH):
        values = (first, first + STRETCH, since or "", until or "9", *more)
        with session.translated(), session.reading():
            rows = session.execute(f"{sql} ORDER BY d.id, t.step", values).fetchall()
            gone = session.execute(
                "SELECT first, last FROM gallrade WHERE data = 'content' AND first < ? AND last >= ?",
                (first + STRETCH, first),
            ).fetchall()
        for row in rows:
            yield _kept(row, destroyed=any(one <= row[0] <= other for one, other in gone))
        passed("answers", min(first + STRETCH, last), last)


def _kept(row: tuple[object, ...], *, destroyed: bool) -> Kept:
    number, dispatch, contract, partner, organisation, step, happening, at, digest, content = row
    return Kept(
        number=int(str(number)),
        dispatch=DispatchId(str(dispatch)),
        contract=ContractId(str(contract)),
        partner=PartnerId(str(partner)),
        organisation=OrganisationNumber(str(organisation)),
        step=int(str(step)),
        happening=Happening(str(happening)),
        at=instant(str(at)),
        digest=None if digest is None else str(digest),
        content=None if content is None else str(content),
        destroyed=destroyed,
    )
