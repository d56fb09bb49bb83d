"""Fixtures that many kinds of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World, crashes_are_expected


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a world in which nothing has happened, to be copied."""
    world = World(tmp_path_factory.mktemp("untouched"))
    world.close()
    return world.store


@pytest.fixture
def world(tmp_path: Path, untouched: Path) -> Iterator[World]:
    """A country in memory; every invariant is checked when the test ends."""
    with crashes_are_expected():
        made = World(tmp_path, template=untouched)
        yield made
        made.check()
        made.close()
