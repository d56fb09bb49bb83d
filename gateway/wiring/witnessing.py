"""Asks witnesses to cosign the log, and keeps what they say. Nothing waits for it: the log goes on without.

One process gathers, by lease, beside the integrator. A step, every `[audit.witnesses] interval`:

1. Take the newest checkpoint. Those in between are never asked about: a witness sees that the log only grew.
2. Ask every witness that has not cosigned it, all at once, with the proof from where it stood last. One that failed is
   left alone for a while, twice as long each time. One that is slow is not waited for: its answer counts when it comes.
3. One that stood elsewhere says where (409): ask it again from there.
4. Keep the lines of those whose signature is right, by their key in the policy and by no other.
5. Tell if a checkpoint has waited longer than `maximum_absence` for the quorum.

A witness that says it has cosigned a longer log of our name, or another, is either wrong or has seen what was done to
us: that is told as loud as can be, and does not stop us, or one witness could.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from gateway import backoff, logs
from gateway.audit import cosignature, note, policy, submission, tree
from gateway.audit.policy import Policy
from gateway.config import Witnesses
from gateway.errors import DeliveryError, GatewayError, IntegrityError, UnavailableError
from gateway.logs import Happened
from gateway.ports import Clock
from gateway.store.cosignatures import Cosigned, StoredCosignatures
from gateway.store.lease import Lease
from gateway.store.log import AUDIT, Log, Signed, StoredLog
from gateway.store.place import Place
from gateway.transport.posting import Answer, Link

ROUNDS: Final = 3
"""Questions to one witness in one step: one, one from where it says it stood, and one more if it moved meanwhile."""
LONGEST: Final = 300.0
"""Seconds that a witness that fails is left alone at most."""
SKEW: Final = 300
"""Seconds that a witness's clock may be ahead of ours."""
_TEXT: Final = "text/plain; charset=utf-8"


class _Asked:
    """One witness, and how it stands with us."""

    def __init__(self, witness: policy.Witness, link: Link, size: int) -> None:
        self.name = witness.name
        self.key = witness.key
        self.link = link
        self.size = size
        """What we believe it has cosigned last."""
        self.done = -1
        """The size of ours that it cosigned last, as is kept."""
        self.moves = 0
        """How often it said, one time after the other, that it stands elsewhere."""
        self.failures = 0
        self.due: datetime | None = None
        """Left alone until then."""
        self.waiting: tuple[Signed, Future[Answer]] | None = None


class Witnessing:
    """`start` makes a thread of it; `step` does one round, for tests."""

    def __init__(  # noqa: PLR0913  # settings, each by its name
        self,
        place: Place,
        witnesses: Policy,
        settings: Witnesses,
        *,
        key: note.Key,
        clock: Clock,
        holder: str,
        chance: Callable[[], float],
        alarm: Callable[[GatewayError], None] = lambda _error: None,
        log: Log = AUDIT,
    ) -> None:
        """Open the store. Raises IntegrityError, UnavailableError, ConfigError.

        Args:
            place: The store, on behalf of the integrator.
            witnesses: Who is asked, by whose addresses, and the quorum.
            settings: `[audit.witnesses]`.
            key: The log's, by the name of its origin.
            clock: UTC.
            holder: Names this process and no other.
            chance: Gives 0 up to 1.
            alarm: Told every error of the thread.
            log: Which log.
        """
        self._settings = settings
        self._policy = witnesses
        self._clock = clock
        self._chance = chance
        self._alarm = alarm
        self._origin = key.name
        timeout = settings.timeout.total_seconds()
        links = {
            one.name: Link(one.url, timeout=timeout, anchors=settings.anchors)
            for one in witnesses.witnesses.values()
            if one.url
        }
        self._session = place.open()
        self._log = StoredLog(self._session, log)
        self._kept = StoredCosignatures(self._session, key.name, log)
        self._lease = Lease(place, f"witnesses {log.lease}", holder=holder, clock=clock)
        with self._session.translated():
            self._asked = [
                _Asked(one, links[one.name], self._kept.last(one.key))
                for one in witnesses.witnesses.values()
                if one.url
            ]
        self._pool = ThreadPoolExecutor(max(1, len(self._asked)), thread_name_prefix="witness")
        self._missing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witnessing", daemon=True)

    def start(self) -> None:
        """Go on stepping in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, give the lease back and close the connections; what is asked is waited for."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        try:
            self._lease.release()
        except UnavailableError as error:
            self._alarm(error)
        for one in self._asked:
            one.link.close()
        self._lease.close()
        self._session.close()

    def step(self) -> int | None:
        """Ask once about the newest checkpoint; return its size, None where another process gathers.

        Raises UnavailableError, IntegrityError: our own store's. What witnesses do wrong is told, and never raised.
        """
        with self._session.translated():
            if not self._lease.hold():
                return None
            # 1. The newest checkpoint.
            signed = self._log.last()
            for _ in range(ROUNDS):
                # 2. Whoever has not cosigned it.
                asked = self._ask(signed)
                # 3. and 4. What they say.
                self._hear(asked)
                if not asked:
                    break
            # 5. The quorum.
            self._judge()
            return signed.size

    def _ask(self, signed: Signed) -> list[Future[Answer]]:
        """Ask everybody who is to be asked; return what they will answer."""
        now = self._clock.now()
        asked = []
        for one in self._asked:
            rested = one.due is None or one.due <= now
            if one.waiting is None and one.done < signed.size and rested:
                proof = tree.consistency(one.size, signed.size, self._log.nodes())
                body = submission.write(one.size, proof, signed.note)
                asked.append(self._pool.submit(one.link.post, "/add-checkpoint", body, _TEXT))
                one.waiting = signed, asked[-1]
        return asked

    def _hear(self, asked: list[Future[Answer]]) -> None:
        """Wait for those who were asked now, and hear whoever has answered."""
        wait(asked, timeout=self._settings.timeout.total_seconds())
        for one in self._asked:
            if one.waiting is not None and one.waiting[1].done():
                signed, answer = one.waiting
                one.waiting = None
                try:
                    self._heard(one, signed, answer.result())
                except DeliveryError as error:
                    self._failed(one, error.detail)

    def _heard(self, one: _Asked, signed: Signed, answer: Answer) -> None:
        match answer.status:
            case HTTPStatus.OK:
                self._cosigned(one, signed, answer.body)
            case HTTPStatus.CONFLICT if (size := submission.size(answer.content_type, answer.body)) is not None:
                self._elsewhere(one, signed, size)
            case HTTPStatus.CONFLICT | HTTPStatus.UNPROCESSABLE_ENTITY:
                self._disagrees(one, signed, "it has cosigned another log of this name")
            case HTTPStatus.NOT_FOUND:
                self._failed(one, "it does not know this log: its operator runs gateway witness add with our vkey")
            case HTTPStatus.FORBIDDEN:
                self._failed(one, "it knows this log by another key: its operator runs gateway witness add with ours")
            case status:
                self._failed(one, f"status {status}")

    def _cosigned(self, one: _Asked, signed: Signed, body: bytes) -> None:
        try:
            _, by = note.signatures(signed.note + body, [one.key])
        except IntegrityError as error:
            self._failed(one, error.detail)
            return
        now = self._clock.now()
        lines = {cosignature.time(signature): note.line(key, signature) for key, signature in by}
        if not lines or max(lines) > now.timestamp() + SKEW:
            self._failed(one, "its clock is ahead of ours" if lines else "it did not cosign by the key in the policy")
            return
        time = max(lines)
        self._kept.add(signed.size, [Cosigned(key=one.key, time=time, line=lines[time])], now)
        one.size = one.done = signed.size
        if one.failures:
            logs.tell(Happened.WITNESS_WELL, origin=self._origin, witness=one.name)
        one.failures, one.moves, one.due = 0, 0, None

    def _elsewhere(self, one: _Asked, signed: Signed, size: int) -> None:
        """Go on from where the witness stands, if our log has been there."""
        one.moves += 1
        if size > signed.size:
            self._disagrees(one, signed, f"it has cosigned {size} leaves of this log, which is longer than ours")
        elif size < one.done:
            self._disagrees(one, signed, f"it has cosigned {one.done} leaves, and remembers {size}: its memory is old")
        elif size == one.size or one.moves >= ROUNDS:
            self._failed(one, "it says where it stands, and does not go on from there")
        else:
            one.size = size

    def _disagrees(self, one: _Asked, signed: Signed, detail: str) -> None:
        logs.tell(Happened.WITNESS_DISAGREES, origin=self._origin, size=signed.size, witness=one.name, detail=detail)
        self._failed(one, detail)

    def _failed(self, one: _Asked, detail: str) -> None:
        one.failures, one.moves = one.failures + 1, 0
        first = self._settings.interval.total_seconds()
        pause = backoff.pause(one.failures, self._chance, first=first, longest=max(first, LONGEST))
        one.due = self._clock.now() + timedelta(seconds=pause)
        # A witness that is asked anew is asked as one of whom nothing is known: what we believed may be the fault.
        one.size = max(one.done, 0)
        logs.tell(Happened.WITNESS_FAILING, origin=self._origin, witness=one.name, detail=detail, attempt=one.failures)

    def _judge(self) -> None:
        standing = self._kept.standing(self._policy, self._clock.now())
        missing = standing.waiting > self._settings.maximum_absence
        if missing and not self._missing:
            logs.tell(
                Happened.QUORUM_MISSING,
                origin=self._origin,
                size=standing.size,
                seconds=int(standing.waiting.total_seconds()),
            )
        elif self._missing and not missing:
            logs.tell(Happened.QUORUM_MET, origin=self._origin, size=standing.size)
        self._missing = missing

    def _run(self) -> None:
        while not self._stopping.wait(self._settings.interval.total_seconds()):
            try:
                self.step()
            except IntegrityError as error:
                self._alarm(error)
                return
            except GatewayError as error:
                self._alarm(error)
