"""One identity, two contents: the first stands, the second is refused, whatever came between."""

from __future__ import annotations

import pytest

from tests import payloads

FOLK = "skatteverket/folkbokforing"
ID = "urn:uuid:22222222-2222-4222-8222-222222222222"


def _other():
    return payloads.folkbokforing(efternamn="Annansson")


def test_the_same_id_with_other_content_is_refused_and_the_first_stands(world):
    first = world.send(FOLK, message_id=ID)
    assert world.send(FOLK, _other(), message_id=ID).code == "GW-CONFLICT-DIGEST"
    assert world.resend(first).accepted.repeated
    assert len(world.pending()) == 1


def test_a_conflict_is_found_after_a_restart_and_after_the_events_are_gone(world):
    world.send(FOLK, message_id=ID)
    world.relay()
    world.consume()
    world.restart()
    assert world.send(FOLK, _other(), message_id=ID).code == "GW-CONFLICT-DIGEST"


def test_the_same_content_under_a_new_id_is_a_new_message(world):
    one, two = world.send(FOLK), world.send(FOLK)
    assert not two.accepted.repeated
    assert one.accepted.leaves != two.accepted.leaves
    assert len(world.pending()) == 2


@pytest.mark.parametrize("contract", ["skatteverket/arbetsgivardeklaration"])
def test_an_id_is_the_senders_over_all_its_contracts(world, contract):
    world.send(FOLK, message_id=ID)
    assert world.send(contract, message_id=ID).code == "GW-CONFLICT-DIGEST"


def test_a_refused_message_does_not_take_its_id(world):
    assert world.send(FOLK, "<Navetavisering><X/></Navetavisering>", message_id=ID).code == "GW-CONTRACT-SCHEMA"
    assert world.send(FOLK, message_id=ID).accepted is not None
