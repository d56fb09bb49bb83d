"""One PKI and one store for the tests that change neither."""

import pytest

from tests import calling
from tests.integration import stage as stages

LONGEST = (
    "test_cluster", "test_drills_restore", "test_crash_journal", "test_soak", "test_drills_database", "test_demo",
    "test_postgresql_copy", "test_consume", "test_rabbitmq_faults", "test_roles", "test_front_workers", "test_mailbox",
    "test_crash_gallring", "test_crash_dispatches", "test_law", "test_drills_broker", "test_drills_keys",
    "test_postgresql_roles", "test_outage",
)  # fmt: skip
"""Files that take a minute or more by themselves: begun last, everybody would wait for them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session")
def stage(tmp_path_factory):
    return stages.make(tmp_path_factory.mktemp("gateway"))


@pytest.fixture(scope="module")
def stand(stage):
    with stage.running() as running:
        yield running


@pytest.fixture(scope="session")
def country(tmp_path_factory):
    """Authorities, our certificate and a partner's, for calling its server; changes nothing."""
    return calling.Country.found(tmp_path_factory.mktemp("country"), calling.bodies())
