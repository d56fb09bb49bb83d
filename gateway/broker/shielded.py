"""The way onto the queues, past what is known now of protected identity (`events.shielding`).

It stands before the publisher of the relay, so every event passes it at the moment it goes, however long it has waited
and wherever it comes from: outbox, another attempt, a dead letter that is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from gateway import logs
from gateway.events import shielding
from gateway.events.shielding import Locating
from gateway.logs import Happened
from gateway.message import Event
from gateway.ports import Protections, Publication, Publisher


class ShieldedPublisher:
    """Keeps the promises of `ports.Publisher`; belongs to the relay's thread."""

    def __init__(
        self, publisher: Publisher, protections: Protections, locating: Locating, *, refresh: Callable[[], None]
    ) -> None:
        """`refresh` reads what is known of protected identity again; it is called before each submission."""
        self._publisher = publisher
        self._protections = protections
        self._locating = locating
        self._refresh = refresh

    def submit(self, events: Sequence[Event]) -> Future[Sequence[Publication]]:
        """Put events on their queues, as they may go now (`ports.Publisher`).

        While nothing can be known of anybody all answers are UNKNOWN: nothing was sent, and it is tried again.
        """
        self._refresh()
        standing = [(event, self._protections.status(event.partition)) for event in events]
        if any(shielding.unsettled(event, status) for event, status in standing):
            blind: Future[Sequence[Publication]] = Future()
            blind.set_result([Publication.UNKNOWN] * len(events))
            return blind
        going = [shielding.shielded(event, status, self._locating) for event, status in standing]
        for event, before in zip(going, events, strict=True):
            if event is not before:
                logs.tell(Happened.EVENT_SHIELDED, type=event.type)
        return self._publisher.submit(going)

    def close(self) -> None:
        """Close the publisher."""
        self._publisher.close()
