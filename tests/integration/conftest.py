"""One PKI and one store for the tests that change neither."""

import pytest

from tests import calling
from tests.integration import stage as stages

LONGEST = "test_soak"
"""Minutes by itself, most of them waiting: begun last, everybody would wait for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem != LONGEST)


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
