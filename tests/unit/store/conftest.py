import pytest

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
    opened = store.open()
    yield opened
    opened.close()
