"""The partner that has a mailbox: it asks what waits, fetches and acknowledges, by REST and by signed SOAP in turn.

What it could not get it asks for again; what it has read and could not say so, it says again. Its books tell what it
got, and what it sent: a request of its that is refused stands in the log, too.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from itertools import cycle
from pathlib import Path

import requests

from gateway import codes
from gateway.cli.demo.answers import WrongAnswerError
from gateway.cli.demo.clients import signing_key
from gateway.cli.demo.farsides.books import Books
from gateway.cli.demo.mail import Letter, Mailbox, TurnedAwayError, Way
from gateway.trust import pki
from ops.soak.errands import READER

TIMEOUT = 6.0
_LOOK = 0.5
_AGAIN = {code.name for code in codes.catalogue() if code.resend or code.step is codes.Step.RECEIVE} | {
    codes.TIME_STALE.name,
    codes.TIME_FUTURE.name,
    codes.MAILBOX_UNKNOWN.name,  # acknowledged by an attempt whose answer was lost, or its time is out
}
"""Answers after which it just goes on asking."""


class Reader:
    """Asks from `start` to `stop`."""

    def __init__(self, demo: pki.Demo, data: Path, port: int, books: Books) -> None:
        """`port` is where the gateway is reached."""
        self.sent: Counter[str] = Counter()
        """SHA-256 of what was sent -> how often."""
        self.silent = 0
        """Requests without an answer."""
        self.odd: list[str] = []
        """Answers that must not be."""
        self.fetched: Counter[str] = Counter()
        self._books = books
        self._read: dict[str, tuple[Way, Letter]] = {}
        """Fetched, and not known to be acknowledged."""
        self._ended = threading.Event()
        folder, self._session = data / "clients" / READER, requests.Session()
        self._session.trust_env = False
        self._session.verify = str(data / "pki" / "server-ca.pem")
        self._session.cert = (str(folder / "tls.pem"), str(folder / "tls.key"))
        self._mailbox = Mailbox(
            "arbetsgivare",
            self._session,
            f"https://127.0.0.1:{port}",
            signer=signing_key(demo.clients[READER].sign),
            certificate=demo.receipt.certificate,
            sent=self._sending,
            timeout=TIMEOUT,
        )
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the request in hand."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._session.close()

    def _run(self) -> None:
        ways = cycle(Way)
        way = next(ways)
        while True:
            try:
                if self._look(way):
                    way = next(ways)
            except requests.RequestException:
                self.silent += 1
            except TurnedAwayError as error:
                if error.said not in _AGAIN:
                    self.odd.append(error.said)
            except WrongAnswerError as error:
                self.odd.append(error.detail)
            if self._ended.wait(_LOOK):
                return

    def _look(self, way: Way) -> bool:
        """Acknowledge what was read, and fetch one more; return whether there was one."""
        for name in self._mailbox.waiting(way):
            if new := name not in self._read:
                letter = self._mailbox.fetch(way, name)
                self._books.see(name, letter.digest)
                self._books.process(name, lambda letter=letter: letter.digest)  # type: ignore[misc]
                self._read[name] = way, letter
                self.fetched[way] += 1
            self._mailbox.acknowledge(*self._read[name])
            if new:
                return True
        return False

    def _sending(self, content: bytes) -> None:
        self.sent[hashlib.sha256(content).hexdigest()] += 1
