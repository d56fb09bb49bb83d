import pytest

from gateway.sqlite import File
from gateway.store import create
from tests import builders


@pytest.fixture
def store(tmp_path):
    """The folder of a new, empty store."""
    return builders.store(tmp_path / "store")


@pytest.fixture
def clock():
    return builders.Clock()


@pytest.fixture
def file(store):
    """A connection of the test's own."""
    opened = File(store / create.DATABASE)
    yield opened
    opened.close()
