"""The one commit point: many messages in one transaction, written by one thread, durable before anybody is told.

1. `accept` and `refuse` put an entry in line and return a future. Beyond `backlog` they say no.
2. The thread takes the first in line and waits for its turn to write; whoever came meanwhile joins the group. So
   groups grow by themselves when the disk or another process is slow, and one message alone waits for nobody. While
   messages come in crowds the thread also waits `gather` for more: a commit costs much and a message in it little.
3. Everything of the group is inserted, then committed. **Before the commit nothing has happened; after it the messages
   are ours.** An error before or in it means UnavailableError for the group; resending is safe either way, because a
   message that was committed after all is found again.
4. Protected identities just learned are made known in memory; then the futures get their results, the relay a push.
5. The receipt is signed afterwards, by whoever waited. That it was is written with the next group, or after `later`
   by itself. It is for a package of evidence, and no message fails for its sake: what cannot be written is forgotten.

A message that the database cannot hold (not the disk's fault but its own) must not fail its neighbours: the group is
then written again one by one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue

from gateway import codes, logs
from gateway.database import Turn
from gateway.errors import ConflictError, GatewayError, UnavailableError
from gateway.message import Accepted, Ready, Refusal, Sign
from gateway.ports import Clock
from gateway.store import receipts
from gateway.store.entries import Group
from gateway.store.place import Place

LATER = timedelta(seconds=1)
"""Until a receipt that no message comes after is written by itself."""


def _nothing() -> None:
    pass


def _no_fault(_point: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Entry:
    """A message or a refusal in line, and who waits for it."""

    form: Ready | Refusal
    future: Future[Accepted | None]


class StoredJournal:
    """Keeps the promises of `ports.Journal` on the store."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        place: Place,
        *,
        clock: Clock,
        group: int = 128,
        backlog: int = 2000,
        gather: timedelta = timedelta(0),
        later: timedelta = LATER,
        learned: Callable[[], None] = _nothing,
        committed: Callable[[], None] = _nothing,
        pause: Callable[[float], object] = time.sleep,
        faults: Callable[[str], None] = _no_fault,
    ) -> None:
        """Open the store and start the writer thread.

        Args:
            place: The store. Raises IntegrityError if it is not there.
            clock: Gives the acceptance times.
            group: Most entries in one transaction.
            backlog: Most entries in line.
            gather: How long to wait for company, when the group before had some.
            later: After how long without a message what was signed is written by itself.
            learned: Called after a commit that changed what is known of protected identity, before its results.
            committed: Called after a commit that left events in the outbox.
            pause: Waits so many seconds for company.
            faults: Told each point of the way (`begin`, each table, `commit`, `committed`, `answer`); tests fail there.
        """
        self._session = place.open()
        self._clock = clock
        self._group = group
        self._backlog = backlog
        self._patience = gather.total_seconds()
        self._later = later.total_seconds()
        self._pause = pause
        self._learned = learned
        self._committed = committed
        self._fault = faults
        self._line: SimpleQueue[_Entry | None] = SimpleQueue()
        self._signs: deque[Sign] = deque()
        """Of receipts that were signed and are not written yet: others add them, only the thread takes them."""
        self._since: float | None = None
        """When the group that is being written was begun."""
        self._open = True
        self._door = threading.Lock()
        self._writer = threading.Thread(target=self._run, name="journal", daemon=True)
        self._writer.start()

    def accept(self, ready: Ready) -> Future[Accepted]:
        """Commit the message (`ports.Journal`). Raises UnavailableError at once if the line is full or closed."""
        return self._enter(ready)  # type: ignore[return-value]  # a Ready's future gets an Accepted

    def refuse(self, refusal: Refusal) -> Future[Accepted | None]:
        """Commit the refusal (`ports.Journal`). Raises UnavailableError at once if the line is full or closed."""
        return self._enter(refusal)

    def keep(self, sign: Sign) -> None:
        """Write that a receipt was signed, with a later commit (`ports.Journal`); beyond `backlog` it is forgotten."""
        if len(self._signs) < self._backlog:
            self._signs.append(sign)

    def close(self) -> None:
        """Commit what is in line, then stop. May be called twice."""
        with self._door:
            if self._open:
                self._open = False
                self._line.put(None)
        self._writer.join()

    def waiting(self) -> int:
        """Return how many entries are in line."""
        return self._line.qsize()

    def stuck(self) -> float:
        """Return for how many seconds the group that is being written has been: the store stands still, or nearly."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def _enter(self, form: Ready | Refusal) -> Future[Accepted | None]:
        future: Future[Accepted | None] = Future()
        with self._door:
            if not self._open:
                raise UnavailableError(codes.DRAINING)
            if self._line.qsize() >= self._backlog:
                raise UnavailableError(codes.OVERLOADED)
            self._line.put(_Entry(form, future))
        return future

    def _run(self) -> None:
        crowd = False
        while (first := self._next()) is not None:
            if crowd and self._open:
                self._pause(self._patience)
            group = [first]
            if first.future.set_running_or_notify_cancel():
                self._since = time.monotonic()
                self._write(group, gather=True)
                self._since = None
            crowd = len(group) > 1
        self._write_signs()
        self._session.close()

    def _next(self) -> _Entry | None:
        """Return the first in line; write what was signed meanwhile when nobody comes for a while."""
        while True:
            try:
                return self._line.get(timeout=self._later)
            except Empty:
                self._write_signs()

    def _write_signs(self) -> None:
        """Write what was signed, by itself. What fails stays for the next time, unless it is its own fault."""
        while signs := self._signed():
            try:
                with self._session.writing(Turn.JOURNAL):
                    receipts.write(self._session, signs)
            except Exception as error:  # noqa: BLE001  # the thread must live on; a receipt is worth no message
                if self._session.translation(error) is None or self._session.own_fault(error):
                    logs.fault(error)
                    self._forget(signs)
                return
            self._forget(signs)

    def _signed(self) -> list[Sign]:
        """Return the oldest that are not written, a group of them at most."""
        return list(self._signs.copy())[: self._group] if self._signs else []

    def _forget(self, signs: list[Sign]) -> None:
        """Let go of what was written, or cannot be: the oldest, as nobody else takes any."""
        for _ in signs:
            self._signs.popleft()

    def _write(self, group: list[_Entry], *, gather: bool) -> None:
        """Commit a group, and what was signed since the last; then answer it."""
        signs = self._signed()
        try:
            with self._session.writing(Turn.JOURNAL):
                self._fault("begin")
                if gather:
                    self._gather(group)
                written, answers = self._compose(group)
                written.write(self._fault)
                if signs:
                    receipts.write(self._session, signs)
                    self._fault("receipts")
                self._fault("commit")
        except Exception as error:  # noqa: BLE001  # the thread must live on, and somebody waits for an answer
            self._not_written(group, error, signs)
            return
        self._forget(signs)
        try:
            self._fault("committed")
            self._answer(group, written, answers)
        except Exception as error:  # noqa: BLE001  # as above; it is committed, and resending will find it
            _fail(group, UnavailableError(codes.INTERNAL, type(error).__name__), error)

    def _gather(self, group: list[_Entry]) -> None:
        """Let those join who came while the turn was waited for."""
        while len(group) < self._group:
            try:
                entry = self._line.get_nowait()
            except Empty:
                return
            if entry is None:  # closing: the mark must be found again, after this group
                self._line.put(None)
                return
            if entry.future.set_running_or_notify_cancel():
                group.append(entry)

    def _compose(self, group: list[_Entry]) -> tuple[Group, list[Accepted | GatewayError | None]]:
        known = [entry.form.provenance for entry in group if entry.form.provenance is not None]
        written = Group(self._session, self._clock.now(), known)
        answers: list[Accepted | GatewayError | None] = []
        for entry in group:
            if isinstance(entry.form, Refusal):
                answers.append(written.refuse(entry.form))
                continue
            try:
                answers.append(written.accept(entry.form))
            except ConflictError as error:
                answers.append(error)
        return written, answers

    def _not_written(self, group: list[_Entry], error: Exception, signs: list[Sign]) -> None:
        failure = self._session.translation(error)
        if failure is not None and not self._session.own_fault(error):
            _fail(group, failure, error)
            return
        self._forget(signs)  # the fault may be theirs, and no message fails for that
        if len(group) > 1 or signs:
            for entry in group:
                self._write([entry], gather=False)
        else:
            _fail(group, UnavailableError(codes.INTERNAL, type(error).__name__), error)

    def _answer(self, group: list[_Entry], written: Group, answers: list[Accepted | GatewayError | None]) -> None:
        if written.rows.learned:
            self._learned()
        self._fault("answer")
        for entry, answer in zip(group, answers, strict=True):
            if isinstance(answer, GatewayError):
                entry.future.set_exception(answer)
            else:
                entry.future.set_result(answer)
        if written.rows.outbox:
            self._committed()


def _fail(group: list[_Entry], failure: GatewayError, cause: Exception) -> None:
    failure.__cause__ = cause
    for entry in group:
        if not entry.future.done():
            entry.future.set_exception(failure)
