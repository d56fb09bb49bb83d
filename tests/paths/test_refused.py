"""Whole paths of messages that are refused: the right reason, one leaf, no receipt, no event, nothing kept."""

from __future__ import annotations

import pytest

from tests import payloads
from tests.attacks.catalogue import Sent

FOLK = "skatteverket/folkbokforing"
AGI = "skatteverket/arbetsgivardeklaration"
AF = "arbetsformedlingen/ersattningsstod"
SJUK = "arbetsgivare/sjukanmalan"
CONTRACTS = (FOLK, AGI, AF, SJUK)


@pytest.fixture(autouse=True)
def _nothing_came_through(world):
    yield
    assert world.pending() == []
    assert world.views.counts()["messages"] == 0


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_message_changed_on_its_way_is_refused(world, contract):
    old = b"2026-01-15T10:05:00Z"
    assert world.tamper(world.compose(contract), old, b"2026-01-15T10:55:00Z").code == "GW-SIG-DIGEST"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_message_older_than_five_minutes_and_the_skew_is_refused(world, contract):
    sent = world.compose(contract)
    world.travel(minutes=6, seconds=1)
    assert world.deliver(sent).code == "GW-TIME-STALE"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_message_from_the_future_is_refused(world, contract):
    sent = world.compose(contract)
    world.travel(minutes=-2)
    assert world.deliver(sent).code == "GW-TIME-FUTURE"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_revoked_signing_certificate_is_refused_from_then_on(world, contract):
    world.revoke(f"{contract.partition('/')[0]}-sign")
    assert world.send(contract).code == "GW-CERT-REVOKED"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_revoked_peer_certificate_is_a_stranger_and_leaves_no_trace_in_the_log(world, contract):
    world.revoke(f"{contract.partition('/')[0]}-tls")
    assert world.send(contract).code == "GW-PEER-CERTIFICATE"
    assert world.views.counts()["leaves"] == 0


@pytest.mark.parametrize("contract", CONTRACTS)
def test_without_a_fresh_revocation_list_nothing_is_judged_and_the_sender_may_resend(world, contract):
    world.renew_lists(until=world.clock.now())
    world.travel(minutes=1)
    answer = world.send(contract)
    assert answer.code == "GW-UNAVAILABLE-REVOCATION"
    assert answer.error.code.resend


@pytest.mark.parametrize("contract", CONTRACTS)
def test_an_expired_certificate_is_refused(world, contract):
    world.travel(days=366)
    world.renew_lists()
    assert world.send(contract).code in ("GW-PEER-CERTIFICATE", "GW-CERT-EXPIRED")


@pytest.mark.parametrize("peer", ["stranger-tls", "none", "arbetsformedlingen-tls"])
def test_a_stranger_does_not_grow_the_log(world, peer):
    code = {"stranger-tls": "GW-PEER-UNKNOWN", "none": "GW-PEER-MISSING"}.get(peer, "GW-PEER-CONTRACT")
    assert world.send(FOLK, peer=peer).code == code
    assert world.views.counts()["leaves"] == 0


def test_an_employer_may_not_carry_another_employers_message(world):
    assert world.send(SJUK, peer="arbetsgivare-b-tls").code == "GW-SIGNER-PEER"


def test_an_employer_may_not_speak_for_another(world):
    other = payloads.ORGANISATIONS["arbetsgivare-b"]
    payload = payloads.sjukanmalan(signer=world.scene.signer("arbetsgivare"), organisation=other)
    assert world.send(SJUK, payload).code == "GW-CONTRACT-SENDER"


def test_a_purpose_that_nobody_has_is_refused(world):
    assert world.send(AF, payloads.ersattningsstod(syfte="Marknadsföring")).code == "GW-PURPOSE-DENIED"


@pytest.mark.parametrize(
    ("contract", "more"),
    [
        (AGI, "<agd:Diagnoskod>F32</agd:Diagnoskod>"),
        (AF, '<x:Fackforbund xmlns:x="urn:x">Ja</x:Fackforbund>'),
        (SJUK, '<x:sjukdom xmlns:x="urn:x">F32</x:sjukdom>'),
    ],
)
def test_forbidden_data_quarantines_the_whole_message_sealed_apart(world, contract, more):
    payload = {
        AGI: lambda: payloads.arbetsgivardeklaration(
            payloads.income(), payloads.income(payloads.PERSONS[1], more=more)
        ),
        AF: lambda: payloads.ersattningsstod(more=more),
        SJUK: lambda: payloads.sjukanmalan(signer=world.scene.signer("arbetsgivare"), more=more),
    }[contract]()
    answer = world.send(contract, payload)
    assert answer.code == "GW-PURPOSE-QUARANTINED"
    (row,) = world.views.refusals()
    assert row.quarantined
    assert b"F32" not in row.detail.encode()


def test_a_refused_message_leaves_nothing_of_a_person_in_the_file(world):
    """The raw bytes of the whole database are searched: nothing was written and deleted again either."""
    for contract in CONTRACTS:
        world.tamper(world.compose(contract), b"2026-01-15T10:05:00Z", b"2026-01-15T10:55:00Z")
        world.send(contract, '<x xmlns="urn:x"/>')
    world.send(AF, payloads.ersattningsstod(syfte="Marknadsföring"))
    world.send(AGI, payloads.arbetsgivardeklaration(payloads.income(more="<agd:Diagnos>F32</agd:Diagnos>")))
    world.send(SJUK, payloads.sjukanmalan(signer=world.scene.signer("arbetsgivare"), organisation="5566778899"))
    assert all(answer.code for answer in world.ledger.answers)
    world.integrate()
    for file in world.store.iterdir():
        raw = file.read_bytes()
        for name in world.ledger.names:
            assert name.encode() not in raw, file.name


def test_a_denied_message_is_denied_again_under_the_same_id(world):
    refused = world.send(AF, payloads.ersattningsstod(syfte="Marknadsföring"), message_id="urn:uuid:1")
    assert refused.code == "GW-PURPOSE-DENIED"
    assert world.send(AF, payloads.ersattningsstod(syfte="Reklam"), message_id="urn:uuid:1").code == "GW-PURPOSE-DENIED"


@pytest.mark.parametrize("body", [b"", b"<", b"\x00", b"<x/>", b"\xff\xfe"])
def test_bytes_that_are_no_envelope_are_refused_with_one_leaf(world, body):
    answer = world.deliver(Sent(body=body, contract=FOLK))
    assert answer.error is not None
    assert answer.error.code.step == "parse"
    assert world.views.counts()["leaves"] == 1
