"""The partners: a process that sends everything, and does not give up.

Each message is sent, and the same bytes sent again after a cut, a silence or a "come back", until there is a receipt or
a final refusal. Refused for its time (it waited too long, or the gateway's clock is wrong) it is signed anew under the
same id, as a partner would: the gateway must know it again. A receipt counts if its signature holds.

Signing has a process of its own, which is a little ahead. Connections are kept, one for each worker and partner. What
came of each message is in `sent.jsonl`; the bytes of right ones in `sent.bin`, so that what must come of them can be
worked out from what was really sent.

    python -m ops.soak.sender FOLDER PORT MESSAGES SEED RATE WORKERS

Once a second it writes into `sent` how many messages are done.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import ssl
import sys
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import BinaryIO

import uvloop
from cryptography import x509

from gateway import codes
from gateway.cli.demo import answers
from gateway.cli.demo.clients import Answer
from gateway.cli.demo.payloads import Calendar
from gateway.swedish import swedish_day
from ops.soak.lines import Line
from ops.soak.traffic import CLIENTS, WARM, Intent, Kind, Pens, intents

TIMEOUT = 12.0
"""Seconds for one answer, then the connection is given up: a black hole is noticed by nothing else."""
FIRST, LONGEST = 0.1, 2.0
"""Seconds before sending again, doubled each time."""
_BATCH, _AHEAD = 16, 64
_KEPT = 1_000
"""Messages whose bytes and end are remembered for those that repeat them."""
_FAULT = {name: re.compile(rf"<{name}>([^<]+)</{name}>".encode()) for name in ("Code", "Reference")}
_RESEND = {code.name for code in codes.catalogue() if code.resend or code.step is codes.Step.RECEIVE}
"""Nothing was decided: a partner whose request arrived in pieces sends it again, too."""
_TIME = {codes.TIME_STALE.name, codes.TIME_FUTURE.name}
Signed = list[tuple[bytes, str]]

_pens: Pens | None = None


def ready_pens(data: Path) -> None:
    """Read the keys in the signing process."""
    global _pens  # noqa: PLW0603  # the signing process' only state
    _pens = Pens.read(data, Calendar(today=swedish_day(datetime.now(UTC))))


def signed(batch: list[Intent]) -> Signed:
    """Sign messages in the signing process, now; return bytes and times."""
    assert _pens is not None  # noqa: S101  # the initializer has run
    found = []
    for intent in batch:
        now = datetime.now(UTC)
        found.append((_pens.sign(intent, now), now.isoformat()))
    return found


class Connection:
    """One partner's kept connection, of one worker."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        """Nothing is opened before the first request."""
        self._port, self._context = port, context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, contract: str, body: bytes) -> Answer:
        """Send one request and return the answer. Raises OSError or EOFError: then nobody knows."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._exchange(contract, body)
        except BaseException:
            self.close()
            raise

    async def _exchange(self, contract: str, body: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._context, server_hostname="localhost"
            )
        reader, writer = self._streams
        writer.write(
            f"POST /soap/{contract} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml; charset=utf-8\r\n"
            f'SOAPAction: ""\r\nContent-Length: {len(body)}\r\n\r\n'.encode()
            + body
        )
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        content = await reader.readexactly(int(length[1]) if length else 0)
        if b"connection: close" in head:
            self.close()
        return Answer(status=int(head[9:12]), body=content)

    def close(self) -> None:
        """Cut it."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


class Sender:
    """Sends all messages, `workers` at a time."""

    def __init__(self, folder: Path, port: int, pool: ProcessPoolExecutor, *, rate: float) -> None:
        """`rate` is messages a second at most, 0 for as fast as it goes."""
        data = folder / "data"
        self._port, self._pool, self._rate = port, pool, rate
        self._contexts = {name: _context(data, name) for name, _ in CLIENTS.values()}
        self._certificate = x509.load_pem_x509_certificate((data / "keys" / "receipt.pem").read_bytes())
        self._lines = (folder / "sent.jsonl").open("wb")
        self._bytes: BinaryIO = (folder / "sent.bin").open("wb")
        self._queue: asyncio.Queue[tuple[Intent, bytes, str] | None] = asyncio.Queue(_AHEAD)
        self._ends: dict[int, asyncio.Future[bytes]] = {}
        self._order: deque[int] = deque()
        self.done = 0

    async def run(self, todo: list[Intent], workers: int) -> None:
        """Send them all; returns when each has its final answer."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed(todo, workers))
            for _ in range(workers):
                group.create_task(self._work())
        self._lines.close()
        self._bytes.close()

    def flush(self) -> None:
        """Have what was written so far on disk, for whoever looks."""
        self._lines.flush()
        self._bytes.flush()

    async def _feed(self, todo: list[Intent], workers: int) -> None:
        loop, began, rest = asyncio.get_running_loop(), time.monotonic(), iter(todo)
        ahead: deque[tuple[list[Intent], asyncio.Future[Signed]]] = deque()
        count = 0
        while True:
            while len(ahead) < 2 and (batch := list(islice(rest, _BATCH))):  # noqa: PLR2004  # one signed, one sent
                ahead.append((batch, loop.run_in_executor(self._pool, signed, batch)))
            if not ahead:
                break
            batch, future = ahead.popleft()
            for intent, (body, at) in zip(batch, await future, strict=True):
                if intent.number == WARM:
                    await asyncio.gather(*self._ends.values())
                    began = time.monotonic()
                if self._rate and intent.number > WARM:
                    await asyncio.sleep(began + (count - WARM) / self._rate - time.monotonic())
                self._remember(intent)
                await self._queue.put((intent, body, at))
                count += 1
        for _ in range(workers):
            await self._queue.put(None)

    def _remember(self, intent: Intent) -> None:
        self._ends[intent.number] = asyncio.get_running_loop().create_future()
        self._order.append(intent.number)
        if len(self._order) > _KEPT:
            self._ends.pop(self._order.popleft())

    async def _work(self) -> None:
        pairs = [{name: Connection(self._port, made) for name, made in self._contexts.items()} for _ in range(2)]
        while (found := await self._queue.get()) is not None:
            intent, body, at = found
            line = Line.of_intent(intent)
            line.signed_at = at
            if intent.of is not None and (before := self._ends.get(intent.of)) is not None:
                first = await before
                body = first if intent.kind is Kind.REPEATED and first else body
            if intent.kind in {Kind.RIGHT, Kind.TWIN}:
                line.body = (self._bytes.tell(), len(body))
                self._bytes.write(body)
            line.began = time.monotonic()
            times = 2 if intent.kind is Kind.TWIN else 1
            await asyncio.gather(*(self._deliver(intent, line, body, pair[line.client]) for pair in pairs[:times]))
            line.ended = time.monotonic()
            self._lines.write(line.write())
            self.done += 1
            if (end := self._ends.get(intent.number)) is not None:
                end.set_result(body)
        for pair in pairs:
            for connection in pair.values():
                connection.close()

    async def _deliver(self, intent: Intent, line: Line, body: bytes, connection: Connection) -> None:
        """Send until there is a final answer."""
        pause = FIRST
        while True:
            line.sent[hashlib.sha256(body).hexdigest()] += 1
            try:
                code = self._judge(line, await connection.post(intent.contract, body))
            except (OSError, EOFError, asyncio.LimitOverrunError):
                line.silent += 1
                code = ""
            if code is None:
                return
            if code in _TIME:
                loop = asyncio.get_running_loop()
                ((body, _),) = await loop.run_in_executor(self._pool, signed, [intent])
            await asyncio.sleep(pause)
            pause = min(LONGEST, pause * 2)

    def _judge(self, line: Line, answer: Answer) -> str | None:
        """Write down an answer; return None if it is final, else its code."""
        found = _FAULT["Code"].search(answer.body)
        if found is None:
            try:
                receipt = answers.read(answer, self._certificate)
            except answers.WrongAnswerError as error:
                line.odd.append(error.detail)
                return ""
            if isinstance(receipt, answers.Receipted):
                leaves = tuple(leaf.hex() for leaf in receipt.leaves)
                line.receipts.append((receipt.message_id, receipt.digest, str(receipt.outcomes), leaves))
            return None
        code = found[1].decode()
        quoted = _FAULT["Reference"].search(answer.body)
        reference = quoted[1].decode() if quoted else ""
        if code in _RESEND:
            line.away[code] += 1
            return code
        if code in _TIME:
            line.untimely.append(reference)
            return code
        line.code, line.reference = code, reference
        return None


def _context(data: Path, name: str) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(data / "pki" / "server-ca.pem"))
    folder = data / "clients" / name
    made.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    return made


async def _main(folder: Path, port: int, todo: list[Intent], rate: float, workers: int) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _gone)
    with ProcessPoolExecutor(1, get_context("spawn"), ready_pens, (folder / "data",)) as pool:
        sender = Sender(folder, port, pool, rate=rate)
        telling = asyncio.ensure_future(_tell(sender, folder / "sent"))
        await sender.run(todo, workers)
        telling.cancel()


def _gone() -> None:
    """End at once, with the process that signs."""
    for child in active_children():
        child.kill()
    os._exit(-signal.SIGTERM)


async def _tell(sender: Sender, path: Path) -> None:
    while True:
        sender.flush()
        path.with_suffix(".new").write_text(str(sender.done))
        path.with_suffix(".new").replace(path)
        await asyncio.sleep(1)


if __name__ == "__main__":
    _folder, _port, _messages, _seed, _rate, _workers = sys.argv[1:]
    _todo = list(intents(int(_messages), int(_seed)))
    uvloop.run(_main(Path(_folder), int(_port), _todo, float(_rate), int(_workers)))
