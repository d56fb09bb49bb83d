"""Rules of gallring, and what destroys by them, for tests that start at the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from gateway.audit import gallring
from gateway.config.retention import ANY, COUNTED, DataClass, Rule
from gateway.privacy.retention import Retention
from gateway.store.destruction import Destruction
from gateway.store.holds import StoredHolds
from gateway.store.place import Duty, Place
from gateway.trust.sealing import KEY, Sealer
from tests import builders

MONTHS = 12
MONTH = timedelta(days=31)
SEALS = Sealer("kek-1", b"k" * KEY, lambda count: b"r" * count)


def rule(data: DataClass = DataClass.EVIDENCE, **more) -> Rule:
    bases = "bases" in more
    return Rule(
        **{
            "id": f"R-{data.value}",
            "data": data,
            "retention": None if bases else ANY,
            "months": MONTHS,
            "after": COUNTED[data],
            "lagrum": ("SFB-114-15",),
            "beslut": "RA-MS 2026:1",
            "author": "anna",
            "approved_by": ("bo", "cecilia"),
            "verified": True,
            "giltig_fom": date(2020, 1, 1),
            **more,
        }
    )


ALL = tuple(rule(data, months=MONTHS + (data in {DataClass.RECORD, DataClass.DISPATCH})) for data in DataClass)


def retention(*given: Rule, bases=(), lenient: bool = False) -> Retention:
    return Retention(given or ALL, bases, day=date(2028, 1, 1), lenient=lenient)


def salt(number: int) -> bytes:
    return builders.salt(f"gallring {number}")


def made(what: gallring.Destroyed):
    one = gallring.destroyed(what, salt=salt(what.number))
    return one, SEALS.seal(b"", [one])


def destruction(
    place: Place,
    clock: builders.Clock,
    *,
    holder: str | None = None,
    batch: int = 100,
    faults: Callable[[str], None] = lambda _point: None,
) -> Destruction:
    return Destruction(
        place.acting(Duty.GALLRING), clock=clock, by="anna@here:1", make=made, holder=holder, batch=batch, faults=faults
    )


def holds(place: Place, clock: builders.Clock, faults: Callable[[str], None] = lambda _point: None) -> StoredHolds:
    def make(number, done, covers, by, second, reason, at):  # noqa: PLR0917  # as `holds.Make` has it
        one = gallring.held(
            number, done, kind=covers.kind.value, about=covers.number, partner=covers.partner, by=by, second=second,
            reason=reason, at=at, salt=salt(-number),
        )  # fmt: skip
        return one, SEALS.seal(b"", [one])

    return StoredHolds(place.acting(Duty.GALLRING), clock=clock, make=make, role="role", faults=faults)
