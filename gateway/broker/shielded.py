"""The way onto the queues, past what is known now of protected identity (`events.shielding`).

It stands before the publisher of the relay, so every event passes it at the moment it goes, however long it has waited
and wherever it comes from: outbox, another attempt, a dead letter that is sent again. What may not go as it is does not
go: it is HELD, for whoever may write in the log what was withheld since the decision (`inbound.shielding`). Only what
that has committed goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from gateway.events import shielding
from gateway.events.shielding import PROTECTED, Hiding
from gateway.message import Event, Protection
from gateway.ports import Protections, Publication, Publisher


class ShieldedPublisher:
    """Keeps the promises of `ports.Publisher`; belongs to the relay's thread."""

    def __init__(
        self, publisher: Publisher, protections: Protections, hiding: Hiding, *, refresh: Callable[[], None]
    ) -> None:
        """`refresh` reads what is known of protected identity again; it is called before each submission."""
        self._publisher = publisher
        self._protections = protections
        self._hiding = hiding
        self._refresh = refresh

    def submit(self, events: Sequence[Event]) -> Future[Sequence[Publication]]:
        """Put events on their queues that may go as they are (`ports.Publisher`); the others are HELD.

        While nothing can be known of anybody all answers are UNKNOWN: nothing was sent, and it is tried again.
        """
        self._refresh()
        standing = [(event, self._protections.status(event.partition)) for event in events]
        if any(shielding.unsettled(event, status) for event, status in standing):
            return _done([Publication.UNKNOWN] * len(events))
        held = [self._waits(event, status) for event, status in standing]
        going = [event for event, waits in zip(events, held, strict=True) if not waits]
        if len(going) == len(events):
            return self._publisher.submit(events)
        return _beside(self._publisher.submit(going), held) if going else _done([Publication.HELD] * len(events))

    def close(self) -> None:
        """Close the publisher."""
        self._publisher.close()

    def _waits(self, event: Event, status: Protection) -> bool:
        """Tell whether an event may not go as it is, or nobody knows whom it names."""
        if event.related is None:
            return True
        beside = Protection.NONE
        for person in event.related:
            known = self._protections.status(person)
            beside = known if known in PROTECTED else beside
        return shielding.shielded(event, status, beside, self._hiding) is not None


def _done(answers: Sequence[Publication]) -> Future[Sequence[Publication]]:
    done: Future[Sequence[Publication]] = Future()
    done.set_result(answers)
    return done


def _beside(going: Future[Sequence[Publication]], held: Sequence[bool]) -> Future[Sequence[Publication]]:
    """Return the answers of what goes, each at its event's place, and HELD for the others."""
    whole: Future[Sequence[Publication]] = Future()

    def answered(done: Future[Sequence[Publication]]) -> None:
        error = done.exception()
        if error is not None:
            whole.set_exception(error)
            return
        answers = iter(done.result())
        whole.set_result([Publication.HELD if waits else next(answers) for waits in held])

    going.add_done_callback(answered)
    return whole
