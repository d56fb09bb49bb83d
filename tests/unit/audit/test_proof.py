from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.audit import checkpoint, proof, tree
from gateway.errors import IntegrityError
from tests import builders

LEAVES = [tree.leaf_hash(b"%d" % n) for n in range(7)]


def nodes(level: int, index: int) -> bytes:
    frontier = tree.Frontier()
    for leaf in LEAVES[index << level : (index + 1) << level]:
        frontier.append(leaf)
    return frontier.root()


def proved(index: int, size: int = len(LEAVES)) -> proof.Proof:
    grown = checkpoint.Checkpoint(origin=builders.ORIGIN, size=size, root=tree.root(size, nodes))
    signed = checkpoint.sign(grown, builders.signer())
    return proof.Proof(index=index, path=tree.inclusion(index, size, nodes), checkpoint=signed)


@pytest.mark.parametrize("index", range(7))
def test_a_proof_file_proves_its_leaf_and_no_other(index):
    one = proof.read(proof.write(proved(index)))
    assert one == proved(index)
    assert proof.verify(one, LEAVES[index], builders.signer().key).size == 7
    with pytest.raises(IntegrityError):
        proof.verify(one, LEAVES[index - 1], builders.signer().key)


def test_the_file_is_as_c2sp_writes_it():
    lines = proof.write(proved(2)).decode().split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 2"]
    assert [len(line) for line in lines[2:5]] == [44, 44, 44]
    assert lines[5:8] == ["", builders.ORIGIN, "7"]


def test_a_log_of_one_leaf_needs_no_path():
    one = proof.read(proof.write(proved(0, 1)))
    assert one.path == ()
    proof.verify(one, LEAVES[0], builders.signer().key)


def test_an_extra_line_is_read_over():
    data = proof.write(proved(3)).replace(b"\nindex", b"\nextra AAAA\nindex")
    proof.verify(proof.read(data), LEAVES[3], builders.signer().key)


def test_a_proof_under_another_logs_checkpoint_is_refused():
    with pytest.raises(IntegrityError):
        proof.verify(proved(3), LEAVES[3], builders.signer("other.example").key)
    with pytest.raises(IntegrityError):
        proof.verify(replace(proved(3), checkpoint=b""), LEAVES[3], builders.signer().key)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\n\n",
        proof.write(proved(2)).replace(b"@v1", b"@v2"),
        proof.write(proved(2)).replace(b"index 2", b"index 02"),
        proof.write(proved(2)).replace(b"index 2", b"index x"),
        proof.write(proved(2)).replace(b"=\n", b"\n", 1),
        proof.write(proved(2)).replace(b"\n\n", b"\n", 2),
    ],
)
def test_a_malformed_proof_file_is_refused(data):
    with pytest.raises(IntegrityError):
        proof.read(data)
