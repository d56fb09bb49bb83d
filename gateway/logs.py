"""What the programs tell their operators: closed events, closed keys, closed shapes; JSON lines on stderr.

Personal data is kept out three times over (GDPR art. 5.1 c and f; OSL 26 kap. 1 §):

1. An event is a member of `Happened`, and its row in `EVENTS` lists every key it may carry. Other keys are dropped and
   counted; under `strict` (tests) they raise.
2. Each key has a shape: a code, a contract, a hash, a number. What does not fit the shape is withheld, whole.
3. Belt and braces: every text is searched for person numbers, e-mail addresses, PEM blocks, bearer tokens and markup.

Exceptions are told by type and place, never by text: the text of a foreign exception may quote a message. What the
libraries log through `logging` takes the same way, by its template and without its arguments; so do uncaught errors.
Persons are never told of at all: the reference, a leaf's hash, leads those who may to the sealed record.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import BinaryIO

import orjson
import structlog

from gateway import codes
from gateway.errors import IntegrityError

Fact = str | int | float | bool | None
"""What a key may hold."""


class Happened(StrEnum):
    """Everything that is told: `subject.what`."""

    MESSAGE_ACCEPTED = "message.accepted"
    MESSAGE_REPEATED = "message.repeated"
    MESSAGE_REFUSED = "message.refused"
    MESSAGE_UNAVAILABLE = "message.unavailable"
    PEER_UNKNOWN = "peer.unknown"
    SERVER_STARTED = "server.started"
    ROLES_STARTED = "roles.started"
    SERVER_STOPPING = "server.stopping"
    SERVER_STOPPED = "server.stopped"
    WORKER_ENDED = "worker.ended"
    RELOADED = "configuration.reloaded"
    REGISTER_TAKEN = "register.taken"
    """A register of law is judged by for the first time."""
    QUEUES_DECLARED = "queues.declared"
    """What queues serve has changed."""
    RELOAD_REFUSED = "configuration.refused"
    REVOCATION_READ = "revocation.read"
    KEYS_READ = "keys.read"
    TRUST_KEPT = "trust.kept"
    """Revocation lists, or certificates of ours, are used for the first time."""
    """Keys, or certificates that we show."""
    BROKER_READY = "broker.ready"
    BROKER_LOST = "broker.lost"
    BROKER_BLOCKED = "broker.blocked"
    LETTERS_RECORDED = "letters.recorded"
    EVENT_FAILED = "event.failed"
    EVENT_BURIED = "event.buried"
    EVENT_LATE = "event.late"
    EVENTS_HELD = "events.held"
    EVENT_SHIELDED = "event.shielded"
    """Its person has been protected since it was composed: what locates was taken out."""
    INBOX_WAITS = "inbox.waits"
    COMMAND_TAKEN = "command.taken"
    COMMAND_REPEATED = "command.repeated"
    COMMAND_REFUSED = "command.refused"
    DISPATCH_ATTEMPTED = "dispatch.attempted"
    MAILBOX_FETCHED = "mailbox.fetched"
    MAILBOX_ACKNOWLEDGED = "mailbox.acknowledged"
    DISPATCH_ENDED = "dispatch.ended"
    """Also when a person must decide."""
    DISPATCHER_TROUBLE = "dispatcher.trouble"
    REVIEW_SETTLED = "review.settled"
    PARTNER_FAILING = "partner.failing"
    PARTNER_RESTING = "partner.resting"
    PARTNER_WELL = "partner.well"
    WITNESS_STARTED = "witness.started"
    WITNESS_FORK = "witness.fork"
    """A log has asked this witness to cosign what does not go on from what it cosigned before."""
    WITNESS_FAILING = "witness.failing"
    WITNESS_WELL = "witness.well"
    WITNESS_DISAGREES = "witness.disagrees"
    """It has cosigned a log of our name that is longer than ours, or another: one of the two has been changed."""
    QUORUM_MISSING = "quorum.missing"
    QUORUM_MET = "quorum.met"
    STAMP_MADE = "stamp.made"
    STAMP_FAILED = "stamp.failed"
    GALLRAD = "gallring.done"
    """Something was destroyed by a rule."""
    GALLRING_REFUSED = "gallring.refused"
    """Something is due by a rule that is not verified, and stays."""
    QUESTION_ANSWERED = "question.answered"
    """Who asked, and about whom, is in the log of readings, which operators do not read."""
    QUESTION_REFUSED = "question.refused"
    INTEGRITY = "integrity"
    FAULT = "fault"
    LIBRARY = "library"


class Shape(StrEnum):
    """What a text under a key must look like: a regular expression for the whole of it."""

    NUMBER = ""
    PARTNER = r"[a-z][a-z0-9-]{0,63}"
    CONTRACT = r"[a-z][a-z0-9-]{0,63}/[a-z][a-z0-9-]{0,63}"
    CODE = r"GW(-[A-Z]+)+"
    WORD = r"[a-z][a-z_]{0,31}"
    HASH = r"[0-9a-f]{32,64}"
    NAME = r"[A-Za-z_][\w.]{0,127}"
    PLACE = r"[A-Za-z_][\w.]{0,127}:\d{1,6}"
    ADDRESS = r"[A-Za-z0-9.\-\[\]:]{1,128}"
    TEXT = r"(?s:.*)"


@dataclass(frozen=True, slots=True)
class Row:
    """How one event is told."""

    level: str
    keys: Mapping[str, Shape]


_MESSAGE = {
    "partner": Shape.PARTNER,
    "contract": Shape.CONTRACT,
    "reference": Shape.HASH,
    "ms": Shape.NUMBER,
}
_WHERE = {"error": Shape.NAME, "place": Shape.PLACE}
_SERVER = {"address": Shape.ADDRESS, "workers": Shape.NUMBER, "process": Shape.NUMBER}
_EVENT = {"queue": Shape.ADDRESS, "reference": Shape.HASH}
_COMMAND = {"asker": Shape.ADDRESS, "contract": Shape.CONTRACT, "reference": Shape.HASH, "records": Shape.NUMBER}
_PARTNER = {"partner": Shape.PARTNER, "contract": Shape.CONTRACT}
_DISPATCH = {"reference": Shape.HASH, "state": Shape.WORD, "code": Shape.CODE}
_LOG = {"origin": Shape.TEXT, "size": Shape.NUMBER}
_WITNESS = {"origin": Shape.TEXT, "witness": Shape.TEXT}
_STOPPED = _MESSAGE | {"code": Shape.CODE, "step": Shape.WORD}

EVENTS: Mapping[Happened, Row] = {
    Happened.MESSAGE_ACCEPTED: Row("info", _MESSAGE | {"records": Shape.NUMBER}),
    Happened.MESSAGE_REPEATED: Row("info", _MESSAGE | {"records": Shape.NUMBER}),
    Happened.MESSAGE_REFUSED: Row("warning", _STOPPED),
    Happened.MESSAGE_UNAVAILABLE: Row("error", _STOPPED),
    Happened.PEER_UNKNOWN: Row("warning", {"count": Shape.NUMBER, "code": Shape.CODE}),
    Happened.SERVER_STARTED: Row("info", _SERVER | {"version": Shape.ADDRESS}),
    Happened.ROLES_STARTED: Row("info", _SERVER | {"roles": Shape.TEXT, "version": Shape.TEXT}),
    Happened.SERVER_STOPPING: Row("info", _SERVER),
    Happened.SERVER_STOPPED: Row("info", _SERVER),
    Happened.WORKER_ENDED: Row("error", {"process": Shape.NUMBER, "exit": Shape.NUMBER}),
    Happened.RELOADED: Row("info", {"policy": Shape.HASH, "restart": Shape.TEXT}),
    Happened.REGISTER_TAKEN: Row("info", {"policy": Shape.HASH}),
    Happened.QUEUES_DECLARED: Row("info", {"policy": Shape.HASH}),
    Happened.RELOAD_REFUSED: Row("error", {"detail": Shape.TEXT}),
    Happened.REVOCATION_READ: Row("info", {}),
    Happened.KEYS_READ: Row("info", {}),
    Happened.TRUST_KEPT: Row("info", {}),
    Happened.BROKER_READY: Row("info", {"link": Shape.TEXT}),
    Happened.BROKER_LOST: Row("warning", {"link": Shape.TEXT, "why": Shape.NAME}),
    Happened.BROKER_BLOCKED: Row("warning", {"link": Shape.TEXT}),
    Happened.LETTERS_RECORDED: Row("warning", {"count": Shape.NUMBER}),
    Happened.EVENT_FAILED: Row("warning", _EVENT | {"error": Shape.NAME, "attempt": Shape.NUMBER, "final": Shape.WORD}),
    Happened.EVENT_BURIED: Row("error", _EVENT | {"reason": Shape.WORD}),
    Happened.EVENT_LATE: Row("warning", _EVENT),
    Happened.EVENTS_HELD: Row("info", {"count": Shape.NUMBER}),
    Happened.EVENT_SHIELDED: Row("info", {"type": Shape.NAME}),
    Happened.INBOX_WAITS: Row("warning", {"queue": Shape.ADDRESS, "code": Shape.CODE, "attempt": Shape.NUMBER}),
    Happened.COMMAND_TAKEN: Row("info", _COMMAND),
    Happened.COMMAND_REPEATED: Row("info", _COMMAND),
    Happened.COMMAND_REFUSED: Row("warning", {"code": Shape.CODE, "detail": Shape.TEXT}),
    Happened.DISPATCH_ATTEMPTED: Row("info", _PARTNER | _DISPATCH | {"attempt": Shape.NUMBER, "ms": Shape.NUMBER}),
    Happened.MAILBOX_FETCHED: Row("info", _MESSAGE),
    Happened.MAILBOX_ACKNOWLEDGED: Row("info", _MESSAGE),
    Happened.DISPATCH_ENDED: Row("info", _DISPATCH),
    Happened.DISPATCHER_TROUBLE: Row("error", {"code": Shape.CODE, "detail": Shape.TEXT}),
    Happened.REVIEW_SETTLED: Row("info", {"review": Shape.NUMBER, "kind": Shape.WORD, "state": Shape.WORD}),
    Happened.PARTNER_FAILING: Row("warning", _PARTNER | {"code": Shape.CODE}),
    Happened.PARTNER_RESTING: Row("warning", _PARTNER),
    Happened.PARTNER_WELL: Row("info", _PARTNER),
    Happened.WITNESS_STARTED: Row("info", _SERVER | {"witness": Shape.TEXT, "logs": Shape.NUMBER}),
    Happened.WITNESS_FORK: Row("critical", _LOG),
    Happened.WITNESS_FAILING: Row("warning", _WITNESS | {"detail": Shape.TEXT, "attempt": Shape.NUMBER}),
    Happened.WITNESS_WELL: Row("info", _WITNESS),
    Happened.WITNESS_DISAGREES: Row("critical", _LOG | {"witness": Shape.TEXT, "detail": Shape.TEXT}),
    Happened.QUORUM_MISSING: Row("error", _LOG | {"seconds": Shape.NUMBER}),
    Happened.QUORUM_MET: Row("info", _LOG),
    Happened.STAMP_MADE: Row("info", _LOG | {"day": Shape.TEXT}),
    Happened.STAMP_FAILED: Row("error", _LOG | {"day": Shape.TEXT, "detail": Shape.TEXT, "late": Shape.NUMBER}),
    Happened.GALLRAD: Row("info", {"rule": Shape.ADDRESS, "count": Shape.NUMBER}),
    Happened.GALLRING_REFUSED: Row("error", {"rule": Shape.ADDRESS, "count": Shape.NUMBER}),
    Happened.QUESTION_ANSWERED: Row("info", {"question": Shape.NAME, "records": Shape.NUMBER, "ms": Shape.NUMBER}),
    Happened.QUESTION_REFUSED: Row("warning", {"code": Shape.CODE, "step": Shape.WORD}),
    Happened.INTEGRITY: Row("critical", {"code": Shape.CODE, "detail": Shape.TEXT}),
    Happened.FAULT: Row("error", _WHERE),
    Happened.LIBRARY: Row("warning", _WHERE | {"logger": Shape.NAME, "text": Shape.TEXT}),
}

_SHAPES = {shape: re.compile(shape.value, re.ASCII if shape is not Shape.TEXT else 0) for shape in Shape}
_WITHHELD = "[withheld]"
_REDACTED = "[redacted]"
_LONGEST = 300
"""Characters of free text: a sentence for an operator, not a document."""

_PERSONAL = re.compile(
    r"-----BEGIN[^-]*-----.*?(-----END[^-]*-----|$)"  # a key or a certificate
    r"|bearer\s+\S+"
    r"|[^\s@<>]+@[^\s@<>]+\.\w+"  # e-mail
    r"|<.*>"  # markup: a piece of a message
    r"|\d(?:[\s+\-\u00ad\u2010-\u2015\u2212]?\d){9,}",  # ten digits or more: a person's number, however it is parted
    re.IGNORECASE | re.DOTALL,
)
_SUSPECT = re.compile(r"[@<\d]|-----|bearer", re.IGNORECASE)
"""What any of them must hold: most texts hold none, and are done with here."""
_TEN_DIGITS = 10**9


def redacted(text: str) -> str:
    """Return `text` without what looks like a person's number, an address, a secret or a piece of a message."""
    return _PERSONAL.sub(_REDACTED, text) if _SUSPECT.search(text) else text


def place(error: BaseException) -> str:
    """Return `module:line` where it was raised: the innermost frame of ours, else the innermost."""
    return _place(error.__traceback__)


def _place(trace: TracebackType | None) -> str:
    found = "unknown:0"
    ours = False
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", "unknown"))
        mine = module.startswith("gateway")
        if mine or not ours:
            found = f"{module}:{trace.tb_lineno}"
        ours = ours or mine
        trace = trace.tb_next
    return found


class _Sink:
    """Where lines go: a stream, or whatever stderr is at the moment. What cannot be written is lost, and counted.

    A full disk or a closed pipe must not turn a committed message into a fault.
    """

    def __init__(self, stream: BinaryIO | None) -> None:
        self._stream = stream
        self.lost = 0

    def write(self, line: bytes) -> None:
        try:
            (self._stream or sys.stderr.buffer).write(line)
        except (OSError, ValueError, AttributeError):
            self.lost += 1

    def flush(self) -> None:
        with suppress(OSError, ValueError, AttributeError):
            (self._stream or sys.stderr.buffer).flush()


class Log:
    """One stream of JSON lines. Safe to share between threads."""

    def __init__(self, stream: BinaryIO | None = None, *, strict: bool = False) -> None:
        """Write to `stream`, else to stderr.

        `strict` raises IntegrityError for what is not in `EVENTS`; else it is dropped and counted.
        """
        self.dropped: Counter[str] = Counter()
        """Keys that were dropped and values that were withheld, by `event/key`."""
        self._strict = strict
        self._sink = _Sink(stream)
        self._logger = structlog.wrap_logger(
            structlog.BytesLogger(self._sink),  # type: ignore[arg-type]  # write and flush are all it uses
            processors=[
                self._allow,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
                _render,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        ).bind()

    @property
    def lost(self) -> int:
        """How many lines could not be written."""
        return self._sink.lost

    def tell(self, happened: str, **facts: Fact) -> None:
        """Write one line. A member of `Happened` that has no row, or another name, is dropped, or raises if strict."""
        row = EVENTS.get(happened)  # type: ignore[call-overload]  # any text may be looked up
        if row is None:
            self._drop(str(happened) if happened.isidentifier() else "unknown")
            return
        getattr(self._logger, row.level)(happened, **facts)

    def _drop(self, what: str) -> None:
        self.dropped[what] += 1
        if self._strict:
            raise IntegrityError(f"a log line may not hold {what}")

    def _allow(self, _logger: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
        happened = Happened(str(event["event"]))
        keys = EVENTS[happened].keys
        kept: dict[str, object] = {"event": happened.value}
        for key, value in event.items():
            if key == "event":
                continue
            shape = keys.get(key)
            if shape is None:
                self._drop(f"{happened}/{key}")
                continue
            kept[key] = self._shaped(happened, key, shape, value)
        return kept

    def _shaped(self, happened: Happened, key: str, shape: Shape, value: object) -> object:
        if value is None or isinstance(value, bool):
            return value
        if shape is Shape.NUMBER:
            if isinstance(value, int | float) and abs(value) < _TEN_DIGITS:
                return value
        elif isinstance(value, str) and _SHAPES[shape].fullmatch(value):
            whole = shape is Shape.HASH and not value.isdecimal()  # a hash may hold ten digits in a row by chance
            return value if whole else redacted(value[:_LONGEST])
        self.dropped[f"{happened}/{key}"] += 1
        return _WITHHELD


def _render(_logger: object, _method: str, event: MutableMapping[str, object]) -> bytes:
    return orjson.dumps(event)


class _Foreign(logging.Handler):
    """What libraries log: the template without its arguments, and an exception's type and place without its text."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        facts: dict[str, Fact] = {"logger": record.name, "text": str(record.msg)}
        if error is not None:
            facts |= {"error": type(error).__name__, "place": place(error)}
        tell(Happened.LIBRARY, **facts)


_current: Log | None = None


def tell(happened: Happened, **facts: Fact) -> None:
    """Write one line to the current log: stderr where nothing was configured."""
    global _current  # noqa: PLW0603  # one process has one log
    if _current is None:
        _current = Log()
    _current.tell(happened, **facts)


def fault(error: BaseException) -> None:
    """Tell of an error that nobody expected: its type and place, never its text."""
    tell(Happened.FAULT, error=type(error).__name__, place=place(error))


def integrity(error: IntegrityError) -> None:
    """Tell that our own records disagree."""
    tell(Happened.INTEGRITY, code=codes.INTEGRITY.name, detail=error.detail)


def configure(stream: BinaryIO | None = None, *, strict: bool = False) -> None:
    """Send our events, the libraries' logs, warnings and uncaught errors to `stream` (stderr if None)."""
    global _current  # noqa: PLW0603  # as above
    _current = Log(stream, strict=strict)
    root = logging.getLogger()
    root.handlers[:] = [_Foreign()]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        # Set by name: uvicorn compares its own logger's level, which is 0 unless set, with "trace".
        logging.getLogger(name).setLevel(logging.WARNING)
    # Each lost connection is ten errors to pika, and one line, `broker.lost`, to us.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda _kind, error, _trace: fault(error)
    threading.excepthook = lambda caught: fault(caught.exc_value) if caught.exc_value else None


@contextmanager
def captured() -> Iterator[io.BytesIO]:
    """Collect the lines instead, strictly: for tests, and for programs that show them in another way."""
    global _current  # noqa: PLW0603  # as above
    before, stream = _current, io.BytesIO()
    _current = Log(stream, strict=True)
    try:
        yield stream
    finally:
        _current = before
