"""Which checkpoint has its quorum: the same one as going through all of them finds, however the witnesses came."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import cosignature, policy
from gateway.store.cosignatures import Cosigned, StoredCosignatures
from gateway.store.log import READINGS
from gateway.store.published import Published
from tests import builders

WITNESSES = [
    cosignature.Signer(f"w{n}.example", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)).key for n in range(1, 6)
]
MEMBERS = "".join(f"witness w{n} {key}\n" for n, key in enumerate(WITNESSES[:4], start=1))
"""The fifth is in no policy."""
SIZES = 30
POLICIES = [
    "quorum w1\n",
    "group g any w1 w2 w3\nquorum g\n",
    "group g 2 w1 w2 w3\nquorum g\n",
    "group g all w1 w2 w3 w4\nquorum g\n",
    "group a 1 w1 w2\ngroup b 1 w3 w4\ngroup g all a b\nquorum g\n",
]


def cosigned(kept: StoredCosignatures, size: int, keys) -> None:
    kept.add(size, [Cosigned(key=key, time=1, line=f"{key.name}\n") for key in keys], builders.Clock().now())


@pytest.mark.parametrize("text", POLICIES)
@pytest.mark.parametrize("seed", range(4))
def test_the_newest_checkpoint_with_the_quorum_is_found_however_the_witnesses_came(file, text, seed):
    chance, agreed = random.Random(seed), policy.parse((MEMBERS + text).encode())  # noqa: S311  # the same every time
    kept, expected = StoredCosignatures(file, "o"), [0] * (SIZES + 1)
    rare = chance.choice(WITNESSES)
    met = []
    for size in range(1, SIZES + 1):
        some = {key for key in WITNESSES if chance.random() < (0.05 if key is rare else 0.4)}
        cosigned(kept, size, some)
        met += [size] if agreed.met(some) else []
        expected[size] = met[-1] if met else 0
    assert (kept.witnessed(agreed) or 0) == expected[SIZES]
    for least in range(1, SIZES + 1):
        assert kept.witnessed(agreed, least) == (met[-1] if met and met[-1] >= least else None)


def test_a_checkpoint_of_no_leaves_may_have_the_quorum(file):
    agreed, kept = policy.parse((MEMBERS + "group g 2 w1 w2\nquorum g\n").encode()), StoredCosignatures(file, "o")
    assert kept.witnessed(agreed) is None
    cosigned(kept, 0, WITNESSES[:2])
    assert kept.witnessed(agreed) == 0


def test_a_quorum_of_long_ago_is_found_at_once(file):
    agreed, kept = policy.parse((MEMBERS + "group g 2 w1 w2\nquorum g\n").encode()), StoredCosignatures(file, "o")
    cosigned(kept, 1, WITNESSES[:2])
    rows = [("o", size, str(WITNESSES[0]), 1, "w1\n", "x" * 27) for size in range(2, 20_000)]
    file.insert("cosignatures", "origin, size, witness, time, line, at", rows)
    instructions = []
    file.connection.set_progress_handler(lambda: instructions.append(1) and None, 100)
    found = kept.witnessed(agreed)
    file.connection.set_progress_handler(None, 0)
    assert found == 1
    assert (
        len(instructions) < 20
    )  # hundreds of SQLite's instructions, where going through all takes hundreds of thousands


def test_the_log_of_readings_is_published_like_the_other(store, clock):
    log = builders.readings(store)
    log.read(builders.reading("Q1"))
    log.close()
    grown = builders.integrate(store, clock, READINGS)
    published = Published(store, log=READINGS)
    assert published.read("checkpoint").startswith(f"{builders.ORIGIN}/readings\n1\n".encode())
    assert published.read("tile/0/000.p/1") == grown.root
    assert len(published.read("tile/entries/000.p/1")) > 32
    assert published.read("tile/0/000.p/2") is None
    published.close()
    audit = Published(store)
    assert audit.read("tile/0/000.p/1") is None
    audit.close()
