"""The pause after failures: doubles, has an end, and never is the same for all."""

from __future__ import annotations

import itertools
import random

import pytest

from gateway.broker import backoff


def low() -> float:
    return 0.0


def high() -> float:
    return 1.0


def test_it_doubles_until_the_longest_and_stays_there():
    waits = [backoff.pause(failures, high) for failures in range(1, 30)]
    assert waits[0] == backoff.FIRST
    doubling = [wait for wait in waits if wait < backoff.LONGEST]
    assert all(after == 2 * before for before, after in itertools.pairwise(doubling))
    assert waits[len(doubling) :] == [backoff.LONGEST] * (len(waits) - len(doubling))


@pytest.mark.parametrize("failures", [1, 2, 9, 10, 1000, 10**9])
def test_half_of_it_is_fixed_and_half_is_chance(failures):
    assert backoff.pause(failures, low) == backoff.pause(failures, high) / 2
    chance = random.Random(3).random  # noqa: S311  # jitter
    waits = {backoff.pause(failures, chance) for _ in range(50)}
    assert len(waits) == 50
    assert backoff.pause(failures, low) <= min(waits) <= max(waits) <= backoff.pause(failures, high)
