"""Every broker, as a fixture. Add a driver here, and it is held to all of them."""

from __future__ import annotations

import pytest

from tests import builders
from tests.contracts import brokers


@pytest.fixture
def clock():
    return builders.Clock()


@pytest.fixture(params=["memory", "embedded", pytest.param("rabbitmq", marks=pytest.mark.services)])
def broker(request, tmp_path, clock):
    """Every broker."""
    if request.param == "rabbitmq":
        settings = request.getfixturevalue("virtual_host")(builders.QUEUES)
        made = brokers.rabbitmq(settings)
    else:
        made = brokers.opened(request.param, tmp_path, clock)
    with made as subject:
        yield subject


@pytest.fixture(params=["memory", "embedded"])
def leased(request, tmp_path, clock):
    """A broker whose loans end by the clock, and which knows the ids it was given."""
    with brokers.opened(request.param, tmp_path, clock) as subject:
        yield subject
