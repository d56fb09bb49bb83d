"""The speed of light for one message: what its unavoidable primitives cost, each alone, on this machine, now.

Written against lxml, cryptography and SQLite directly, without a line of the gateway's, so that the path is compared
with what the libraries could do at best. All figures are CPU seconds of this process: the machine is shared.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree
from pysqlite3 import dbapi2

DS = "{http://www.w3.org/2000/09/xmldsig#}"
GROUP = 32
"""Messages in one transaction: what natural group commit reaches under load."""


class Light:
    """The primitives of one contract's messages, each a method; `walk` is all of them for one message after another.

    A primitive repeated alone finds everything in the processor's caches and would flatter the sum. So they are run as
    a path runs them: all of them on one message, then on the next.
    """

    NAMES = ("parse", "c14n and digest", "verify RSA", "XSD", "seal", "sign receipt P-256", "commit share")

    def __init__(self, message: bytes, schema: Path, folder: Path) -> None:
        """`message` is any of those to be walked: all have the same signer. The Body must be valid by `schema`."""
        self._parser = etree.XMLParser(resolve_entities=False, no_network=True)
        self._validator = etree.XMLSchema(etree.parse(str(schema)))
        token = base64.b64decode(etree.fromstring(message, self._parser).find(".//{*}BinarySecurityToken").text)
        self._public = x509.load_der_x509_certificate(token).public_key()
        self._receipt_key = ec.generate_private_key(ec.SECP256R1())
        self._receipt = b"<r>" + b"x" * 1200 + b"</r>"
        self._commit = _committer(folder, len(message))

    def walk(self, messages: Sequence[bytes]) -> list[float]:
        """Do what must be done for each; return CPU seconds per message of each primitive, in the order of NAMES."""
        spent = [0.0] * len(self.NAMES)
        clock = time.thread_time
        for message in messages:
            marks = [clock()]
            root = etree.fromstring(message, self._parser)
            marks.append(clock())
            body, header = root[1], root[0]
            security = next(iter(header.iterchildren("{*}Security")))
            stamp, signature = security.find("{*}Timestamp"), security.find(f"{DS}Signature")
            parts = [body, stamp, *header.iterchildren("{http://www.w3.org/2005/08/addressing}MessageID")]
            for part in parts:
                hashlib.sha256(_canonical(part)).digest()
            info = _canonical(signature[0])
            marks.append(clock())
            self._public.verify(base64.b64decode(signature[1].text), info, padding.PKCS1v15(), hashes.SHA256())
            marks.append(clock())
            if not self._validator.validate(body[0]):
                sys.exit("the benchmark's own message does not keep its schema")
            marks.append(clock())
            _seal(message)
            marks.append(clock())
            hashlib.sha256(self._receipt).digest()
            self._receipt_key.sign(self._receipt, ec.ECDSA(hashes.SHA256()))
            marks.append(clock())
            for n, (before, after) in enumerate(pairwise(marks)):
                spent[n] += after - before
        start = clock()
        self._commit(len(messages))
        spent[-1] = clock() - start
        return [seconds / len(messages) for seconds in spent]


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _base64(element: etree._Element) -> bytes:
    return base64.b64decode(element.text)


_KEK = AESGCM(os.urandom(32))


def _seal(message: bytes) -> object:
    key = os.urandom(32)
    data = AESGCM(key)
    return (
        data.encrypt(os.urandom(12), message, b"evidence"),
        data.encrypt(os.urandom(12), message[:700], b"record"),
        _KEK.encrypt(os.urandom(12), key, b"key"),
    )


def _committer(folder: Path, size: int) -> Callable[[int], None]:
    """One durable transaction of some messages: a unique row with the sealed bytes, and an audit row, each."""
    connection = dbapi2.connect(str(folder / "light.db"), isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE message (id BLOB NOT NULL UNIQUE, evidence BLOB NOT NULL)",
        "CREATE TABLE leaf (n INTEGER PRIMARY KEY, entry BLOB NOT NULL)",
    ):
        connection.execute(statement)
    evidence, entry = os.urandom(size + 28), os.urandom(300)

    def commit(count: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO message VALUES (?, ?)", [(os.urandom(16), evidence) for _ in range(count)])
        connection.executemany("INSERT INTO leaf (entry) VALUES (?)", [(entry,) for _ in range(count)])
        connection.commit()

    return commit
