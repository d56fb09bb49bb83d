"""Schemas are compiled rightly whatever other threads compile and parse meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lxml import etree

from gateway.adapters.registry import Registry

SCHEMAS = Path(__file__).parents[3] / "schemas"


def test_many_compile_at_once_while_others_parse():
    over = threading.Event()

    def parse() -> None:
        while not over.is_set():
            etree.fromstring(b"<a/>", etree.XMLParser(no_network=True, resolve_entities=False))

    def load(_: int) -> int:
        return len(Registry.load(SCHEMAS).kinds())

    parsers = [threading.Thread(target=parse) for _ in range(2)]
    for one in parsers:
        one.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(load, range(60)))) == 1
    finally:
        over.set()
        for one in parsers:
            one.join()
