"""Commands come in: from their queue into the store, from where the dispatcher takes them.

A step:

1. Take what lies on the queue, unless something is in hand from a step that failed.
2. Read each command, and keep it durably. One that came before is the same command: this may be done again and again.
3. Acknowledge it: the queue forgets it.

A command that is wrong becomes a dead letter at once, with its code as the reason: whoever gave it mends it and gives
it a new id. The kit that askers use (`consumer.commands`) reads a command by the same rules before it goes out, so only
what changed meanwhile, or came another way, ends here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from gateway import logs
from gateway.broker import backoff
from gateway.errors import ConflictError, ContractError, GatewayError
from gateway.logs import Happened
from gateway.outbound import commands
from gateway.outbound.commands import Agreed
from gateway.outbound.ports import Dispatches
from gateway.ports import Consumer, Delivery
from gateway.trust.sealing import Sealer

BATCH = 20
"""Commands taken at once; each is a transaction of its own."""
WAIT = 0.5
"""Seconds to wait for a command at a time: how long `stop` may take."""


class Entrance:
    """`start` makes a thread of it; `step` does one round, for tests."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        source: Consumer,
        dispatches: Dispatches,
        *,
        agreed: Callable[[], Agreed],
        sealer: Sealer,
        random: Callable[[], float],
        taken: Callable[[], None] = lambda: None,
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        faults: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Nothing is opened here; source and dispatches belong to this thread until `stop` returns.

        Args:
            source: The queue of commands.
            dispatches: Where commands are kept.
            agreed: Gives askers and partners as they are configured now.
            sealer: Seals what a command says.
            random: 0 up to 1, for the jitter.
            taken: Told that there is something to dispatch.
            alarm: Told every error of the thread, which goes on.
            faults: Told each point of a step (`taken`, `kept`, `acknowledged`); tests fail there.
        """
        self._source = source
        self._dispatches = dispatches
        self._agreed = agreed
        self._sealer = sealer
        self._random = random
        self._told = taken
        self._alarm = alarm
        self._fault = faults
        self._hand: Sequence[Delivery] = ()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="entrance", daemon=True)

    def start(self) -> None:
        """Go on taking commands in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the step it is in; what is not acknowledged comes again."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def step(self, *, wait: float = 0.0) -> int:
        """Keep one batch; return how many commands were new. Raises UnavailableError, IntegrityError."""
        if not self._hand:
            self._hand = self._source.take(limit=BATCH, wait=wait)
            if self._hand:
                self._fault("taken")
        new = 0
        while self._hand:
            new += self._keep(self._hand[0])
            self._hand = self._hand[1:]
        if new:
            self._told()
        return new

    def _keep(self, delivery: Delivery) -> bool:
        try:
            command, digest = commands.read(delivery.body, self._agreed())
            queued = commands.queue(command)
            sealed = [self._sealer.seal(delivery.body, []) for _ in queued]
            taken = self._dispatches.take(command, queued, sealed, digest)
        except (ContractError, ConflictError) as error:
            logs.tell(Happened.COMMAND_REFUSED, code=error.code.name, detail=error.detail)
            self._source.reject(delivery, reason=error.code.name, again=False)
            return False
        self._fault("kept")
        self._source.ack([delivery])
        self._fault("acknowledged")
        logs.tell(
            Happened.COMMAND_REPEATED if taken.repeated else Happened.COMMAND_TAKEN,
            asker=command.asker,
            contract=command.contract,
            reference=queued[0].dispatch.rpartition(":")[2].replace("-", ""),
            records=len(queued),
        )
        return not taken.repeated

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
