"""The gateway as it is wired routes by compatibility, and says so in its AsyncAPI document."""

from __future__ import annotations

import pytest

from gateway.errors import ConfigError
from gateway.events import asyncapi
from gateway.events.compose import Own, Routes
from gateway.privacy import labels
from tests.unit.privacy.statute import QUEUE, agreed, basis, delivered, delivered_law, law


def routes():
    own = Own.of(delivered(), agreed().outgoing)
    return Routes.build(delivered().queues, delivered().bases, own, serves=labels.serving(delivered_law().rules))


def test_every_queue_of_the_delivered_register_may_have_what_it_gets_by_where_the_data_comes_from():
    serves = labels.serving(delivered_law().rules)
    queues = {queue.name: queue for queue in delivered().queues}
    rows = {row.id: row for row in delivered().bases}
    found = routes().by_basis
    assert found
    for id_, route in found.items():
        assert all(serves(queues[name], rows[id_]) for name in route.queues)


def test_absence_goes_to_the_control_of_foraldrapenningsformaner_and_nowhere_else():
    assert routes().by_basis["SKV-AGI-FRANVARO-01"].queues == ("kontroll.foraldrapenning",)


def test_a_queue_whose_purposes_are_among_the_labels_and_not_compatible_gets_nothing():
    sensitive = basis(fields=["medlem"], purposes=["fk:UnderlagRattighetSkyldighet", "fk:Arendehandlaggning"])
    made = law(sensitive)
    queue = (
        delivered()
        .queues[0]
        .model_copy(update={"types": tuple(QUEUE["types"]), "purposes": ("fk:Kontroll",), "benefits": ()})
    )
    wide = sensitive.model_copy(update={"purposes": (*sensitive.purposes, "fk:Kontroll")})
    assert Routes.build([queue], [wide]).by_basis["B-1"].queues == (queue.name,)
    with pytest.raises(ConfigError, match="no queue may have its events"):
        Routes.build([queue], [wide], serves=labels.serving(made.rules))


def test_the_document_for_consumers_is_made_by_the_same_rule():
    own = Own.of(delivered(), agreed().outgoing)
    document = asyncapi.build(delivered().queues, delivered().bases, own, serves=labels.serving(delivered_law().rules))
    assert document["channels"]["kontroll.foraldrapenning"]["x-bases"] == ["SKV-AGI-FRANVARO-01"]
