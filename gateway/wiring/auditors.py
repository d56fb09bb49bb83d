"""The auditors' listener: who may ask, the reading that is written first, and the store asked on behalf of a duty.

It is a process of its own (`gateway serve --role auditor`) with nothing of the front's: it needs the accounts of those
duties that its readers have, the keys of pseudonyms and of sealing, and receives no message. Its readings name the
reader that the certificate proves, never the account that the process runs as.

A page's mark is bound to the question as it was asked: sent with another question, with other parameters or about
somebody else, it is refused, so nobody can make one up.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from typing import Final

import orjson

from gateway import __version__, codes, inquiries
from gateway.audit.reading import Reading
from gateway.config import Configuration
from gateway.config.doors import Door as Configured
from gateway.config.doors import Reader
from gateway.errors import ContractError, MalformedError, UntrustedError
from gateway.ports import Clock
from gateway.store.place import Duty
from gateway.store.questions import QUESTIONS, Key, Page, Question, WrongQuestion, described, mark, marked
from gateway.store.readings import Readings
from gateway.store.sessions import Sessions
from gateway.transport import auditing
from gateway.transport.auditing import Ask, Told
from gateway.wiring.asking import Asking, answered, asking
from gateway.wiring.doors import Door, present
from gateway.wiring.drivers import place
from gateway.wiring.rules import sealer

_TAG: Final = 32
"""Hex characters of a mark's tag."""


class Auditing(Door[Reader]):
    """The listener, with all it needs."""

    table = "auditors"

    def __init__(
        self, configuration: Configuration, *, clock: Clock, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Open the store for each duty that a reader has. Raises ConfigError, IntegrityError, UnavailableError."""
        super().__init__(configuration)
        self._clock, self._random = clock, random
        self._marks = random(32)
        self._sessions: dict[Duty, Sessions] = {}
        self._readings: dict[Duty, Readings] = {}
        self.widen(configuration)
        self.desk = auditing.Desk(
            self.terms(configuration),
            ask=self.ask,
            listing=orjson.dumps([described.described(one) for one in QUESTIONS.values()]),
            document=orjson.dumps(described.openapi(QUESTIONS.values(), version=__version__)),
        )

    def found(self, configuration: Configuration) -> Configured[Reader]:
        """Return `[auditors]`. Raises ConfigError."""
        return present(configuration.gateway.auditors, "auditors.reader")

    def ask(self, ask: Ask) -> Told:
        """Write the reading down, then answer.

        Raises ContractError, MalformedError, UntrustedError, UnavailableError, IntegrityError.
        """
        question = QUESTIONS.get(ask.question)
        if question is None:
            raise MalformedError(codes.PATH)
        if question.duty.value not in ask.reader.duties:
            raise UntrustedError(inquiries.READER_DUTY)
        try:
            asked = self._asking(question, ask)
            self._read(ask, asked)
            return self._answered(asked)
        except WrongQuestion as error:
            raise ContractError(inquiries.QUESTION_WRONG, str(error)) from None

    def close(self) -> None:
        """Answer what was asked, then stop. The server must have ended."""
        self.desk.close()
        for sessions in self._sessions.values():
            sessions.close()
        for readings in self._readings.values():
            readings.close()

    def widen(self, configuration: Configuration) -> None:
        """Open the store for duties that are new, and read the keys."""
        self._sealer = sealer(configuration.gateway.keys)
        duties = {Duty(duty) for reader in self.found(configuration).clients for duty in reader.duties}
        for duty in sorted(duties - self._sessions.keys()):
            where = place(configuration, duty)
            self._readings[duty] = Readings(where, sealer=self._sealer, random=self._random)
            self._sessions[duty] = Sessions(where)

    def _asking(self, question: Question, ask: Ask) -> Asking:
        made = asking(self.configuration, question, ask.parameters, ask.about, Page(limit=ask.limit))
        if ask.after is None:
            return made
        after, _, tag = ask.after.rpartition(".")
        if not hmac.compare_digest(self._tag(made, after), tag):
            raise WrongQuestion("after is no mark that an answer to this very question ended with")
        return Asking(
            question=question, given=made.given, subjects=made.subjects, page=Page(limit=ask.limit, after=marked(after))
        )

    def _tag(self, asked: Asking, marked_: str) -> str:
        told = repr((asked.question.id, sorted(asked.given.items()), asked.subjects, marked_))
        return hmac.digest(self._marks, told.encode(), hashlib.sha256).hex()[:_TAG]

    def _read(self, ask: Ask, asked: Asking) -> None:
        told, whose = asked.told()
        self._readings[asked.question.duty].read(
            Reading(
                reader=ask.reader.id,
                purpose=ask.purpose,
                case=ask.case,
                question=asked.question.id,
                parameters=told,
                pseudonym=whose,
                at=self._clock.now(),
            )
        )

    def _answered(self, asked: Asking) -> Told:
        began = time.perf_counter()
        with self._sessions[asked.question.duty].lent() as session, session.reading():
            answer = answered(session, asked, now=self._clock.now(), sealer=self._sealer)
        seconds = time.perf_counter() - began
        more = None if answer.more is None else self._marked(asked, answer.more)
        content = described.answered(asked.question, answer, more=more, seconds=seconds)
        return Told(content=orjson.dumps(content), rows=len(answer.rows))

    def _marked(self, asked: Asking, key: Key) -> str:
        made = mark(key)
        return f"{made}.{self._tag(asked, made)}"
