from __future__ import annotations

from functools import cache
from hashlib import sha256

import pytest

from gateway.audit import tree
from gateway.errors import IntegrityError

LARGEST = 200
"""Leaves: every proof of every tree up to this size is tried, and each with each of its hashes flipped."""
SHAPES = 64
"""Up to here also with hashes too many, too few, or of another place."""
INPUTS = [b"", b"\x00", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"]
"""The entries of the RFC 6962 reference implementation's test (certificate-transparency, merkletree)."""
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def plain_root(leaves: list[bytes]) -> bytes:
    """The definition, as RFC 6962 section 2.1 writes it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


LEAVES = [tree.leaf_hash(b"entry %d" % n) for n in range(LARGEST)]


@cache
def nodes(level: int, index: int) -> bytes:
    return plain_root(LEAVES[index << level : (index + 1) << level])


@cache
def root_of(size: int) -> bytes:
    return plain_root(LEAVES[:size])


def convinces(verify, *claim) -> bool:
    try:
        verify(*claim)
    except IntegrityError:
        return False
    return True


def flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def test_roots_are_those_of_the_reference_vectors():
    for size, expected in ROOTS.items():
        frontier = tree.Frontier()
        for entry in INPUTS[:size]:
            frontier.append(tree.leaf_hash(entry))
        assert frontier.root().hex() == expected


def test_the_empty_tree_has_the_hash_of_nothing_as_root():
    assert tree.Frontier().root() == tree.root(0, nodes) == tree.EMPTY == sha256(b"").digest()


def test_the_growing_root_is_the_defined_root_at_every_size():
    frontier = tree.Frontier()
    for size in range(1, LARGEST + 1):
        frontier.append(LEAVES[size - 1])
        assert frontier.root() == tree.root(size, nodes) == plain_root(LEAVES[:size])


def test_appending_tells_the_subtrees_it_completes():
    frontier = tree.Frontier()
    for index, leaf in enumerate(LEAVES):
        for level, done in enumerate(frontier.append(leaf)):
            assert (index + 1) % (1 << level) == 0
            assert done == nodes(level, index >> level)


def test_a_frontier_taken_up_goes_on_as_if_it_had_never_stopped():
    for size in range(LARGEST):
        frontier = tree.Frontier.of(size, nodes)
        frontier.append(LEAVES[size])
        assert frontier.root() == plain_root(LEAVES[: size + 1])


def test_a_frontier_of_the_wrong_number_of_subtrees_is_refused():
    with pytest.raises(IntegrityError):
        tree.Frontier(3, [b"x" * 32])


@pytest.mark.parametrize("size", range(1, LARGEST + 1))
def test_every_inclusion_proof_convinces_and_none_of_its_flips_does(size):
    root = root_of(size)
    for index in range(size):
        path = tree.inclusion(index, size, nodes)
        tree.verify_inclusion(LEAVES[index], index, size, path, root)
        wrong = [
            (flip(LEAVES[index]), index, size, path, root),
            (LEAVES[index], index, size, path, flip(root)),
            (LEAVES[index], index, size, (*path, b"\x00" * 32), root),
            (LEAVES[index], size, size, path, root),
            (LEAVES[index], -1, size, path, root),
        ]
        if size > SHAPES:
            wrong = []
        elif path:
            wrong += [
                (LEAVES[index], index, size, path[:-1], root),
                (LEAVES[index], index, size, path[1:], root),
                (LEAVES[index], index ^ 1, size, path, root),
            ]
        wrong += [
            (LEAVES[index], index, size, (*path[:n], flip(path[n]), *path[n + 1 :]), root) for n in range(len(path))
        ]
        assert not any(convinces(tree.verify_inclusion, *attempt) for attempt in wrong)


@pytest.mark.parametrize("second", range(1, LARGEST + 1))
def test_every_consistency_proof_convinces_and_none_of_its_flips_does(second):
    new = root_of(second)
    for first in range(1, second + 1):
        old = root_of(first)
        path = tree.consistency(first, second, nodes)
        tree.verify_consistency(first, second, old, new, path)
        wrong = [
            (first, second, flip(old), new, path),
            (first, second, old, flip(new), path),
            (first, second, old, new, (*path, b"\x00" * 32)),
        ]
        if second > SHAPES:
            wrong = []
        elif path:
            wrong += [(first, second, old, new, path[:-1]), (first, second, old, new, path[1:])]
        wrong += [(first, second, old, new, (*path[:n], flip(path[n]), *path[n + 1 :])) for n in range(len(path))]
        assert not any(convinces(tree.verify_consistency, *attempt) for attempt in wrong)


def test_every_log_begins_with_the_empty_one_and_needs_no_proof_of_it():
    root = plain_root(LEAVES[:5])
    assert tree.consistency(0, 5, nodes) == ()
    tree.verify_consistency(0, 5, tree.EMPTY, root, ())
    for old, path in ((flip(tree.EMPTY), ()), (tree.EMPTY, (root,))):
        with pytest.raises(IntegrityError):
            tree.verify_consistency(0, 5, old, root, path)


def test_a_shorter_log_is_not_consistent_with_a_longer_one():
    with pytest.raises(IntegrityError):
        tree.verify_consistency(5, 4, plain_root(LEAVES[:5]), plain_root(LEAVES[:4]), ())
    with pytest.raises(IntegrityError):
        tree.consistency(5, 4, nodes)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (4, 4), (-1, 4)])
def test_there_is_no_inclusion_proof_outside_the_tree(index, size):
    with pytest.raises(IntegrityError):
        tree.inclusion(index, size, nodes)
