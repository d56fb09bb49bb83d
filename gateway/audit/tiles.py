"""The tree and its entries cut into tiles: small immutable files that any auditor can mirror (C2SP tlog-tiles).

A hash tile of level L holds up to 256 hashes of complete subtrees of 2**(8 L) leaves; hash number i of that level
stands in tile i // 256. All other hashes of the tree are computed from a tile's own. An entry bundle holds 256 entries.

    tile/<L>/<N>[.p/<W>]        W hashes of 32 bytes; W missing means 256
    tile/entries/<N>[.p/<W>]    W times: length in 16 bits, most significant first, then the entry

N is written in groups of three digits, all but the last with an x before: 1234067 is x001/x234/067.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gateway.audit.leaf import LARGEST
from gateway.audit.tree import Nodes, node_hash
from gateway.errors import IntegrityError

HEIGHT = 8
"""Levels of the tree in one tile."""
WIDTH = 256
"""Hashes, or entries, in a full tile."""
HASH = 32
"""Bytes of a hash."""
_PATH = re.compile(r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Where a tile stands, and how much of it is filled."""

    level: int
    """0 for leaf hashes, 1 for subtrees of 256 leaves …"""
    number: int
    width: int
    """1 to 256 hashes."""

    def path(self) -> str:
        """Return the tile's path below the log's prefix."""
        return f"tile/{self.level}/{_number(self.number, self.width)}"


def entries_path(number: int, width: int) -> str:
    """Return the path of entry bundle `number`, of which `width` entries are filled."""
    return f"tile/entries/{_number(number, width)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a path below the log's prefix names."""

    level: int | None
    """Of a tile; None for an entry bundle."""
    number: int
    width: int
    """1 to 256."""

    def within(self, size: int) -> bool:
        """Tell whether a tree of `size` leaves fills so much of it."""
        filled = size >> (HEIGHT * (self.level or 0))
        return self.number * WIDTH + self.width <= filled


def asked(path: str) -> Asked | None:
    """Return what `path` names; None for any path that no tile or bundle has, however it may be meant."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    found = Asked(
        level=None if match[1] == "entries" else int(match[1]),
        number=int(match[2].replace("/", "").replace("x", "")),
        width=int(match[3] or WIDTH),
    )
    # Leading groups of x000, and a width of 256 or more, are other spellings of what has one.
    written = _number(found.number, found.width) if found.width <= WIDTH else ""
    return found if written == path[match.start(2) :] else None


def tiles(size: int) -> Iterator[Tile]:
    """Yield every tile of a tree of `size` leaves, level by level, from the left."""
    level = 0
    while size:
        for number in range(-(-size // WIDTH)):
            yield Tile(level=level, number=number, width=min(WIDTH, size - number * WIDTH))
        level, size = level + 1, size // WIDTH


def nodes(read: Callable[[int, int], bytes]) -> Nodes:
    """Return the hashes of complete subtrees, computed from tiles.

    Args:
        read: (level, number) -> the tile's hashes as stored; raises IntegrityError for a tile it does not have.
    """

    def node(level: int, index: int) -> bytes:
        span = 1 << (level % HEIGHT)
        number, offset = divmod(index * span, WIDTH)
        data = read(level // HEIGHT, number)[offset * HASH : (offset + span) * HASH]
        if len(data) != span * HASH:
            raise IntegrityError(f"tile {level // HEIGHT}/{number} is too short")
        hashes = split(data)
        while len(hashes) > 1:
            hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
        return hashes[0]

    return node


def split(data: bytes) -> list[bytes]:
    """Return the hashes of a tile. Raises IntegrityError if they are not whole."""
    if len(data) % HASH or len(data) > WIDTH * HASH:
        raise IntegrityError(f"a tile of {len(data)} bytes is not up to {WIDTH} hashes")
    return [data[at : at + HASH] for at in range(0, len(data), HASH)]


def bundle(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle. Raises IntegrityError for an entry that its 16-bit length cannot tell."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > LARGEST:
            raise IntegrityError(f"an entry of {len(entry)} bytes is larger than {LARGEST}")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def unbundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle. Raises IntegrityError if it is cut."""
    entries, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        at += 2 + length
        if at > len(data):
            raise IntegrityError("an entry bundle is cut short")
        entries.append(data[at - length : at])
    return entries


def _number(number: int, width: int) -> str:
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03}")
    return "/".join(reversed(groups)) + (f".p/{width}" if width != WIDTH else "")
