"""People who answer, and the releaser that carries it out, at a world's store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import orjson

from gateway.inbound.reading import Waiting
from gateway.inbound.releasing import Done
from gateway.message import Ready, Refusal
from gateway.review import TRANSITIONS, Act, Action, Answer, Concerned, Kind, Opening
from gateway.store.place import SqlitePlace
from gateway.store.releases import StoredReleases
from gateway.store.reviews import Review, StoredReviews, Verdict
from gateway.wiring.releasing import Releaser, queues
from tests import builders, steps
from tests.builders import NOON

if TYPE_CHECKING:
    from tests.world import World

PROTECTING = "skyddade-personuppgifter"
EVERYBODY = ("jurist", "informationsagare", "dataskyddsombud", "skyddade-personuppgifter")


def act(  # as a person has it
    action: Action,
    at: datetime,
    *,
    by: str = "anna",
    roles: tuple[str, ...] = EVERYBODY,
    answer: Answer | None = None,
    reason: str = "uppgifterna behövs i ärendet",
    note: str | None = "avvägning 2026-17",
    fields: tuple[str, ...] | None = None,
    seen: tuple[str, ...] = (),
) -> Act:
    return Act(
        action=action,
        by=by,
        roles=roles,
        at=at,
        answer=answer,
        reason=reason,
        note=note,
        fields=None if fields is None else frozenset(fields),
        seen=seen,
    )


def done_by(reviews: StoredReviews, number: int, act_: Act) -> Verdict:
    """Do it; who approves has seen what waits now, unless it is said what was seen."""
    one = reviews.review(number) if act_.action is Action.APPROVE and not act_.seen else None
    if one is not None and one.fingerprint is not None:
        act_ = replace(act_, seen=(one.fingerprint,))
    return reviews.do(number, act_)


class Desk:
    """Where people answer what waits in a world."""

    def __init__(self, world: World, *, faults: Callable[[str], None] = lambda _point: None) -> None:
        place = SqlitePlace(world.store)
        self._world = world
        self.reviews = StoredReviews(place, clock=world.clock, protecting=PROTECTING)
        self.releases = StoredReleases(place, learned=world.protections.refresh, faults=faults)
        self.releaser = Releaser(
            self.releases,
            lambda: world.rules,
            lambda: queues(world.configuration),
            lease=lambda: True,
            clock=world.clock,
        )

    def open(self) -> list[Review]:
        """What waits for people."""
        return list(self.reviews.reviews())

    def one(self) -> Review:
        (found,) = self.open()
        return found

    def do(self, number: int, action: Action, **more) -> Verdict:
        """Do it; who approves has seen what waits now, unless it is said what was `seen`."""
        return done_by(self.reviews, number, act(action, self._world.clock.now(), **more))

    def answer(self, number: int, answer: Answer, *, by: str = "anna", second: str | None = "bo", **more) -> Verdict:
        """Answer, and have another agree where it takes two."""
        verdict = self.do(number, Action.ANSWER, answer=answer, by=by, **more)
        if not verdict.refused and verdict.state == "asked" and second is not None:
            verdict = self.do(number, Action.APPROVE, by=second)
        return verdict

    def settle(self) -> int:
        """Carry out what is answered, and what nobody answered in time."""
        return self.releaser.step()

    def leaf(self, number: int) -> dict[str, object]:
        """Open the record of the leaf that says what came of a review."""
        world = self._world
        place = self.reviews.review(number).outcome
        sealed = world.views.sealed_review(place)
        opened = world.rules.sealer.open(sealed, [world.views.at(place).hash])
        return orjson.loads(opened.records[0][1])  # type: ignore[no-any-return]

    def close(self) -> None:
        self.reviews.close()
        self.releases.close()


# --- at the store alone -----------------------------------------------------------------------------------------------


def opening(kind: Kind = Kind.RECORD, **more) -> Opening:
    """A review to be opened, as the paths make it."""
    given = {
        "kind": kind,
        "leaf": 0,
        "record": 1 if kind is Kind.RECORD else None,
        "partner": "arbetsgivare",
        "organisation": "5560000001",
        "contract": "arbetsgivare/sjukanmalan",
        "information": "sjukanmalan",
        "basis": "IN-AG-01",
        "lagrum": ("SFB-110-14@1",),
        "policy": builders.POLICY,
        "reasons": ("FREE_TEXT",),
        "role": "informationsagare",
        "four_eyes": kind is Kind.QUARANTINE,
        "balancing": False,
        "laws": ("OSL-10-2",),
        "opened_at": NOON,
        "expires_at": NOON + timedelta(days=14),
        "persons": (Concerned(record=1, person="a" * 32, own=True),),
    }
    return Opening(**{**given, **more})


def waits(message_id: str = "urn:uuid:1", **more) -> Ready:
    """A message whose one record waits for a person."""
    return replace(builders.ready(message_id), events=(), reviews=(opening(**more),))


def apart(body: bytes = b"<forbidden/>", **more) -> Refusal:
    """A quarantined message."""
    more = {"role": "dataskyddsombud", "reasons": ("QUARANTINE",), **more}
    return replace(builders.refusal(body, quarantined=True), review=opening(Kind.QUARANTINE, **more))


def done(waiting: Waiting, action: Action, at: datetime = NOON, **more) -> Done:
    """One review settled, as the way in makes it."""
    name = f"review {waiting.number} {action}"
    (leaf,) = steps.leaves(name, 1)
    return Done(
        review=waiting.number,
        follows=waiting.step,
        action=action,
        after=TRANSITIONS[waiting.state, action],
        at=at,
        leaf=leaf,
        sealed=replace(steps.sealed(name, 1), evidence=b""),
        **more,
    )
