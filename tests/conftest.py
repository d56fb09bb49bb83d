"""Fixtures that many kinds of tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.config import Queue
from gateway.services import PostgreSQL, RabbitMQ
from gateway.store.place import PostgresPlace
from tests import builders, tokens
from tests.services import Found, own
from tests.world import World, crashes_are_expected

SERVED = ("contracts", "integration")
"""Where `make test` looks for tests that need servers."""


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Refuse a test that no run would find."""
    places = [Path(__file__).parent / name for name in SERVED]
    for one in items:
        if one.get_closest_marker("services") and not any(one.path.is_relative_to(place) for place in places):
            raise pytest.UsageError(f"{one.nodeid} needs servers: move it to tests/{' or tests/'.join(SERVED)}")


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


@pytest.fixture(scope="session")
def servers() -> Found:
    """The running RabbitMQ and PostgreSQL, which other tests use too. Where none runs, asking for one fails."""
    found = Found.look()
    if found.has("postgresql"):
        found.sweep()
    return found


@pytest.fixture
def database(servers: Found) -> Iterator[PostgreSQL]:
    """A new, empty database of `gateway_owner`."""
    with servers.database() as made:
        yield made


@pytest.fixture
def stored(servers: Found, tmp_path: Path) -> PostgresPlace:
    """A new store on PostgreSQL, as its owner sees it; the anchor is in `tmp_path`."""
    return builders.stored(servers, tmp_path)


@pytest.fixture
def virtual_host(servers: Found) -> Iterator[Callable[[Sequence[Queue]], RabbitMQ]]:
    """Makes virtual hosts with the topology of some queues; they are deleted when the test ends."""
    with ExitStack() as stack:
        yield lambda queues: stack.enter_context(servers.virtual_host(queues))


@pytest.fixture(scope="session")
def own_rabbitmq() -> Iterator[Found]:
    """A RabbitMQ to be killed and paused. Leave it running."""
    with own("rabbitmq") as found:
        yield found


@pytest.fixture(scope="session")
def own_postgresql() -> Iterator[Found]:
    """A PostgreSQL to be killed and paused. Leave it running."""
    with own("postgresql") as found:
        yield found


@pytest.fixture(scope="session")
def box(tmp_path_factory) -> tokens.Box:
    """A token of this process's own."""
    return tokens.Box.make(tmp_path_factory.mktemp("token"))
