"""One country for all tests of the line, and rules of its own for each."""

from dataclasses import replace

import pytest

from gateway.transport.bodies import Bodies
from tests import rules, sending


@pytest.fixture(scope="session")
def country(tmp_path_factory):
    contracts = rules.contracts()
    bodies = Bodies(rules.ROOT / "schemas", contracts.outgoing.values())
    return sending.Scene.found(tmp_path_factory.mktemp("sending"), contracts, bodies)


@pytest.fixture
def scene(country):
    known = sending.Known()
    return replace(country, known=known, rules=replace(country.rules, protections=known))
