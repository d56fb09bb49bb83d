"""A kept message is read again as it was read when it came, and not by the clock or the lists of now."""

from __future__ import annotations

import pytest

from gateway.errors import UntrustedError
from gateway.soap import envelope
from gateway.trust import peer, signature

FOLK = "skatteverket/folkbokforing"


def kept(world, body, provenance):
    return peer.kept(
        body,
        contract=provenance.contract,
        partner=provenance.partner,
        organisation=provenance.organisation,
        peer=provenance.signer,
        at=provenance.received_at,
    )


def reread(world, body, provenance):
    return signature.reread(envelope.reopen(kept(world, body, provenance), world.rules.limits))


def test_it_says_what_it_said_a_year_later_and_when_its_signer_is_revoked(world):
    answer = world.send(FOLK)
    first = answer.accepted.provenance
    world.travel(days=400)
    again = reread(world, answer.sent.body, first)
    assert again.provenance == first
    assert again.evidence == answer.sent.body


@pytest.mark.parametrize("old", [b"Testsson", b"2026-01-15T10:0"])
def test_a_changed_byte_is_another_message(world, old):
    answer = world.send(FOLK)
    body = answer.sent.body
    assert old in body
    changed = body.replace(old, old[:-1] + bytes([old[-1] ^ 1]), 1)
    with pytest.raises(UntrustedError):
        reread(world, changed, answer.accepted.provenance)


def test_what_comes_by_itself_is_never_read_this_way(world):
    """The way in judges signer and freshness: a message a year old is refused there, though it can be read again."""
    sent = world.compose(FOLK)
    world.travel(days=30)
    assert world.deliver(sent).accepted is None
