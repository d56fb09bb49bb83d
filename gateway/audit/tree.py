"""The Merkle tree over the leaves: roots, proofs, and what it takes to believe them (RFC 6962 section 2.1).

    leaf hash  SHA-256(0x00 || entry)        node hash  SHA-256(0x01 || left || right)        empty tree  SHA-256("")

A tree of n > 1 leaves is split at the largest power of two smaller than n. So every *complete* subtree (2**level
leaves, starting at a multiple of 2**level) keeps its hash for ever, however the tree grows. All functions here ask for
hashes of complete subtrees only, by (level, index): whoever stores those can answer any proof, and nothing is computed
twice.

Proofs are verified with the iterative algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from gateway.errors import IntegrityError
from gateway.message import LeafHash

EMPTY = sha256(b"").digest()
"""Root of the tree without leaves."""

Nodes = Callable[[int, int], bytes]
"""(level, index) -> hash of the complete subtree over leaves index * 2**level up to (index + 1) * 2**level."""


def leaf_hash(entry: bytes) -> LeafHash:
    """Return the hash of one entry. The prefix keeps leaves and nodes apart (RFC 6962 section 2.1)."""
    return LeafHash(sha256(b"\x00" + entry).digest())


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over two subtrees."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: enough to append leaves and to tell the root, 32 bytes per level."""

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        """`edge` holds the complete subtrees of a tree of `size` leaves, largest first."""
        self.size = size
        self._edge = list(edge)
        if len(self._edge) != size.bit_count():
            raise IntegrityError(f"a tree of {size} leaves has {size.bit_count()} subtrees, not {len(self._edge)}")

    @classmethod
    def of(cls, size: int, nodes: Nodes) -> Frontier:
        """Take up a tree of `size` leaves where it was left."""
        return cls(size, (nodes(level, index) for level, index in _complete(0, size)))

    def append(self, leaf: bytes) -> list[bytes]:
        """Add one leaf hash and return the subtrees it completes: level 0 (itself), 1, 2 … as long as they do."""
        done = [leaf]
        index = self.size
        while index & 1:
            leaf = sha256(b"\x01" + self._edge.pop() + leaf).digest()
            done.append(leaf)
            index >>= 1
        self._edge.append(leaf)
        self.size += 1
        return done

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        return _fold(self._edge) if self._edge else EMPTY


def root(size: int, nodes: Nodes) -> bytes:
    """Return the root of the tree over the first `size` leaves."""
    return _range(0, size, nodes) if size else EMPTY


def inclusion(index: int, size: int, nodes: Nodes) -> tuple[bytes, ...]:
    """Return the path that proves leaf `index` to be in the tree of `size` leaves, leaf's end first.

    Raises IntegrityError if the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise IntegrityError(f"leaf {index} is not in a tree of {size} leaves")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range(middle, end, nodes))
            end = middle
        else:
            path.append(_range(start, middle, nodes))
            start = middle
    return tuple(reversed(path))


def consistency(first: int, second: int, nodes: Nodes) -> tuple[bytes, ...]:
    """Return the proof that the tree of `second` leaves begins with the whole tree of `first` (RFC 6962 2.1.2).

    Raises IntegrityError if the first is the longer. Nothing needs proving of an empty first tree.
    """
    if not 0 <= first <= second:
        raise IntegrityError(f"a tree of {second} leaves does not contain one of {first}")
    path: list[bytes] = []
    start, end, known = 0, second, True
    while first and first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(_range(middle, end, nodes))
            end = middle
        else:
            path.append(_range(start, middle, nodes))
            start, known = middle, False
    if not known:
        path.append(_range(start, end, nodes))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> None:
    """Prove that `leaf` stands at `index` under the root `expected`. Raises IntegrityError."""
    # 1. An index beyond the tree has no proof.
    if not 0 <= index < size:
        raise IntegrityError(f"leaf {index} is not in a tree of {size} leaves")
    # 2. Walk from the leaf to the root.
    here, last, result = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise IntegrityError("the inclusion proof is too long")
        if here & 1 or here == last:
            result = node_hash(step, result)
            here, last = _climb(here, last)
        else:
            result = node_hash(result, step)
        here, last = here >> 1, last >> 1
    # 3. The walk must end at the top, in that root.
    if last != 0 or not hmac.compare_digest(result, expected):
        raise IntegrityError(f"leaf {index} is not under the root of {size} leaves")


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> None:
    """Prove that the tree of `second` leaves only adds to the tree of `first`. Raises IntegrityError."""
    if not 0 <= first <= second:
        raise IntegrityError(f"a log of {second} leaves is shorter than one of {first}")
    # 1. Nothing to prove: the same tree, or an empty first one.
    if first in (0, second):
        same = first_root == (second_root if first else EMPTY)
        if path or not same:
            raise IntegrityError(f"two trees of {first} leaves have different roots, or a proof that none needs")
        return
    # 2. A complete first tree is itself the first hash of the proof.
    steps = [first_root, *path] if first.bit_count() == 1 else list(path)
    if not steps:
        raise IntegrityError("the consistency proof is empty")
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    # 3. Walk up both trees at once.
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise IntegrityError("the consistency proof is too long")
        if here & 1 or here == last:
            old, new = node_hash(step, old), node_hash(step, new)
            here, last = _climb(here, last)
        else:
            new = node_hash(new, step)
        here, last = here >> 1, last >> 1
    # 4. Both walks must end at the top, each in its root.
    if last != 0 or not hmac.compare_digest(old, first_root) or not hmac.compare_digest(new, second_root):
        raise IntegrityError(f"the log of {second} leaves does not begin with the log of {first}")


def _climb(here: int, last: int) -> tuple[int, int]:
    """Skip the levels where a lone right edge is carried up unchanged."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last


def _split(count: int) -> int:
    """Return the largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _complete(start: int, end: int) -> list[tuple[int, int]]:
    """Cover leaves start up to end with complete subtrees, left to right, as (level, index)."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        parts.append((level, start >> level))
        start += 1 << level
    return parts


def _range(start: int, end: int, nodes: Nodes) -> bytes:
    return _fold([nodes(level, index) for level, index in _complete(start, end)])


def _fold(parts: Sequence[bytes]) -> bytes:
    result = parts[-1]
    for left in reversed(parts[:-1]):
        result = node_hash(left, result)
    return result
