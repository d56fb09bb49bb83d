"""Dead letters come home: from the broker into the store, where people judge them.

A step:

1. Take what the broker has given up, unless something is in hand from a step that failed.
2. Record it durably. A letter recorded before is the same letter, so this may be done again and again.
3. Acknowledge it: the broker forgets it.

Dying between 2 and 3 brings the letter again, and it is recorded once. Several collectors do no harm. What could not be
recorded stays in hand: a broker lends a letter once to a connection, and would not give it to us again.

Failing backs off (`backoff`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from gateway import logs
from gateway.broker import backoff
from gateway.errors import GatewayError
from gateway.logs import Happened
from gateway.ports import DeadLetter, DeadLetters, Registrar

BATCH = 100
"""Letters recorded in one transaction; each may be as large as the largest event."""
WAIT = 0.5
"""Seconds to wait for a letter at a time: how long `stop` may take."""


class Collector:
    """`start` makes a thread of it; `step` does one round, for tests."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        source: DeadLetters,
        registrar: Registrar,
        *,
        random: Callable[[], float],
        batch: int = BATCH,
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Nothing is opened here; source and registrar belong to the collector's thread until `stop` returns.

        Args:
            source: Where dead letters come from.
            registrar: Where they are kept.
            random: 0 up to 1, for the jitter.
            batch: Letters recorded at once.
            alarm: Told every error of the thread, which goes on.
            faults: Told each point of a step (`taken`, `recorded`, `acknowledged`); tests fail there.
        """
        self._source = source
        self._registrar = registrar
        self._random = random
        self._batch = batch
        self._alarm = alarm
        self._fault = faults
        self._hand: Sequence[DeadLetter] = ()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)

    def start(self) -> None:
        """Go on collecting in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the step it is in; what is not acknowledged comes again."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def step(self, *, wait: float = 0.0) -> int:
        """Bring one batch home; return how many letters were new. Raises UnavailableError, IntegrityError."""
        # 1. Take.
        if not self._hand:
            self._hand = self._source.take(limit=self._batch, wait=wait)
            self._fault("taken")
        if not self._hand:
            return 0
        # 2. Record.
        new = self._registrar.record(self._hand)
        self._fault("recorded")
        # 3. Acknowledge.
        self._source.ack(self._hand)
        self._hand = ()
        self._fault("acknowledged")
        if new:
            logs.tell(Happened.LETTERS_RECORDED, count=new)
        return new

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self.step(wait=WAIT)
                failures = 0
            except GatewayError as error:
                self._alarm(error)
                failures += 1
                self._stopping.wait(backoff.pause(failures, self._random))
