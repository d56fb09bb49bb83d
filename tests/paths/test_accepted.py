"""Whole paths of messages that are accepted: receipt, log, events, and what is left out of them."""

from __future__ import annotations

import pytest
from lxml import etree

from tests import payloads
from tests.forge import SOAP_11, SOAP_12, WSA
from tests.world import event_of

FOLK = "skatteverket/folkbokforing"
AGI = "skatteverket/arbetsgivardeklaration"
AF = "arbetsformedlingen/ersattningsstod"
SJUK = "arbetsgivare/sjukanmalan"
CONTRACTS = (FOLK, AGI, AF, SJUK)
QUEUES = {
    FOLK: {"handlaggning.folkbokforing"},
    AGI: {"handlaggning.inkomst", "kontroll.inkomst", "kontroll.foraldrapenning"},
    AF: {"handlaggning.aktivitetsstod"},
    SJUK: {"handlaggning.sjukpenning"},
}
RECEIPT = "{urn:forsakringskassan:utbyte:receipt:1}"


def _events(world):
    return [event_of(event.body) for event in world.pending()]


@pytest.mark.parametrize("version", [SOAP_11, SOAP_12], ids=["soap11", "soap12"])
@pytest.mark.parametrize("contract", CONTRACTS)
def test_an_honest_message_is_receipted_logged_and_put_on_its_queues(world, contract, version):
    answer = world.send(contract, version=version)
    assert answer.accepted is not None, answer.error
    assert not answer.accepted.repeated
    root = etree.fromstring(answer.receipt.envelope)
    assert root.tag == f"{{{version}}}Envelope"
    relates = root.findtext(f".//{{{WSA}}}RelatesTo")
    assert relates == root.findtext(f".//{RECEIPT}MessageId") == answer.accepted.provenance.message_id
    assert root.findtext(f".//{RECEIPT}Digest") == answer.accepted.provenance.digest
    world.relay()
    assert {depth.queue for depth in world.broker.depths() if depth.ready} == QUEUES[contract]
    world.integrate()
    report = world.views.verify_log(world.signer.key)
    assert report.pending == 0
    assert report.size == len(answer.accepted.leaves)


def test_an_employers_receipt_stands_in_the_contracts_own_answer(world):
    answer = world.send(SJUK)
    payload = etree.fromstring(answer.receipt.envelope)[-1][0]
    space = "{urn:shs:emottagning:SkickaAnmalanFranArbetsgivare:1}"
    assert payload.tag == f"{space}SkickaAnmalanFranArbetsgivareResponse"
    assert payload.findtext(f"{space}tx-id") == answer.accepted.provenance.message_id
    assert payload.find(f"{RECEIPT}Receipt") is not None


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_same_bytes_again_give_the_first_receipt_and_no_second_event(world, contract):
    first = world.send(contract)
    before = len(world.pending())
    world.travel(seconds=30)
    again = world.resend(first)
    assert again.accepted.repeated
    assert again.accepted.accepted_at == first.accepted.accepted_at
    assert len(world.pending()) == before
    world.relay()
    world.resend(first)
    assert world.relay() == 0


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_same_message_signed_again_later_is_still_the_same(world, contract):
    first = world.send(contract, message_id="urn:uuid:11111111-1111-4111-8111-111111111111")
    world.travel(days=3)
    world.renew_lists()
    again = world.send(
        contract, first_payload(first, world, contract), message_id="urn:uuid:11111111-1111-4111-8111-111111111111"
    )
    assert again.accepted.repeated, again.error


def first_payload(answer, world, contract):
    """Return the payload exactly as it was first sent (an employer's ECDSA signature differs each time it is made)."""
    version = etree.QName(etree.fromstring(answer.sent.body)).namespace
    body = etree.fromstring(answer.sent.body).find(f"{{{version}}}Body")
    return etree.tostring(body[0], method="c14n", exclusive=True).decode()


def test_without_a_message_id_the_digest_is_the_identity(world):
    first = world.send(FOLK, message_id=None, to=None)
    world.travel(minutes=1)
    again = world.send(FOLK, message_id=None, to=None)
    assert again.accepted.repeated
    assert again.accepted.provenance.message_id == f"urn:sha256:{first.accepted.provenance.digest}"
    assert not world.send(FOLK, payloads.folkbokforing(efternamn="Annansson"), message_id=None).accepted.repeated


def test_two_employers_may_use_the_same_message_id(world):
    one = world.send(SJUK, message_id="urn:uuid:1")
    b = world.authorities.credentials["arbetsgivare-b-sign"]
    payload = payloads.sjukanmalan(signer=b, organisation=payloads.ORGANISATIONS["arbetsgivare-b"])
    two = world.send(SJUK, payload, message_id="urn:uuid:1", credential=b, peer="arbetsgivare-b-tls")
    assert two.accepted is not None, two.error
    assert not two.accepted.repeated
    assert {event["messageref"] for event in _events(world)} == {event["messageref"] for event in _events(world)}
    assert len({event["id"] for event in _events(world)}) == len(one.outcomes) + len(two.outcomes)


# --- what is left out -------------------------------------------------------------------------------------------------


def test_a_field_without_basis_is_withheld_and_its_value_is_nowhere(world):
    answer = world.send(
        AGI, payloads.arbetsgivardeklaration(payloads.income(more=_field("Gatuadress", "Hemligvägen", "218")))
    )
    assert answer.outcomes == ["PERMIT"]
    assert [one.code for one in answer.accepted.outcomes] == ["OK-REDUCED"]
    (event,) = _events(world)
    assert "gatuadress" not in event["data"]["fields"]
    assert "gatuadress" in [one["field"] for one in event["data"]["withheld"]]
    assert not any("Hemligvägen" in str(one) for one in _events(world))


def _field(name: str, value: str, code: str) -> str:
    return f'<agd:{name} faltkod="{code}">{value}</agd:{name}>'


def test_an_unknown_field_is_taken_and_left_behind(world):
    answer = world.send(
        AGI, payloads.arbetsgivardeklaration(payloads.income(more=_field("Framtid", "Framtidsvärde", "999")))
    )
    assert answer.outcomes == ["PERMIT"]
    assert "Framtidsvärde" not in str(_events(world))


def test_absence_from_before_the_law_is_denied_and_the_income_beside_it_passes(world):
    absence = payloads.absence(on="2024-12-30", period="202412")
    answer = world.send(AGI, payloads.arbetsgivardeklaration(payloads.income(), absence))
    assert answer.outcomes == ["PERMIT", "DENY"]
    assert [event["data"]["kind"] for event in _events(world)] == ["inkomst"]
    assert len(answer.accepted.leaves) == 2
    assert b">PARTIAL<" in answer.receipt.envelope


def test_absence_goes_only_to_the_queue_that_controls_parental_benefits(world):
    world.send(AGI, payloads.arbetsgivardeklaration(payloads.absence()))
    (event,) = world.pending()
    assert event.queues == ("kontroll.foraldrapenning",)
    assert event_of(event.body)["benefits"] == "foraldrapenning tillfallig_foraldrapenning"


def test_free_text_is_referred_to_a_person_and_gives_no_event(world):
    payload = payloads.sjukanmalan(
        signer=world.scene.signer("arbetsgivare"), more="<fritext>Ring mig på måndag</fritext>"
    )
    answer = world.send(SJUK, payload)
    assert answer.outcomes == ["REFER"]
    assert _events(world) == []


def test_an_answer_on_a_basis_that_weighs_interests_is_referred_from_the_day_it_does(world):
    general = {"syfte": payloads.SYFTE_ALLMAN, "lag": payloads.LAGPARAGRAF_ALLMAN}
    before = world.send(AF, payloads.ersattningsstod(**general, first="2025-11-30"))
    after = world.send(AF, payloads.ersattningsstod(**general, first="2025-12-01"))
    assert (before.outcomes, after.outcomes) == (["PERMIT"], ["REFER"])


# --- protected identity -----------------------------------------------------------------------------------------------

LOCATING = {"folkbokforingsadress", "lan", "kommun"}


def _fields(event):
    return set(event["data"]["fields"])


def test_a_marked_person_is_sent_on_without_anything_that_locates(world):
    marked = payloads.folkbokforing(marking="<Sekretessmarkering>J</Sekretessmarkering>")
    answer = world.send(FOLK, marked)
    (event,) = _events(world)
    assert event["protection"] == "sekretessmarkering"
    assert not _fields(event) & LOCATING
    assert "efternamn" in _fields(event)
    assert "Testgatan" not in str(event)
    assert [one.code for one in answer.accepted.outcomes] == ["OK"], "the receipt must not tell"


def test_an_unmarked_person_is_sent_on_whole(world):
    world.send(FOLK)
    (event,) = _events(world)
    assert event["protection"] == "ingen"
    assert _fields(event) >= LOCATING


def test_what_folkbokforingen_said_is_remembered_for_other_contracts(world):
    income = payloads.arbetsgivardeklaration(payloads.income())
    world.send(AGI, income)
    world.send(FOLK)
    world.send(AGI, income)
    world.send(
        FOLK, payloads.folkbokforing(marking="<Sekretessmarkering>J</Sekretessmarkering>", changed="20260111000000")
    )
    world.send(AGI, income)
    incomes = [event for event in _events(world) if event["data"]["kind"] == "inkomst"]
    assert [event["protection"] for event in incomes] == ["okand", "ingen", "sekretessmarkering"]
    assert ["arbetsgivare" in _fields(event) for event in incomes] == [False, True, False]


def test_an_older_statement_never_lifts_a_newer_protection(world):
    marked = "<Sekretessmarkering>J</Sekretessmarkering>"
    world.send(FOLK, payloads.folkbokforing(marking=marked, changed="20260111000000"))
    world.send(FOLK, payloads.folkbokforing(changed="20260110000000"))
    world.send(AGI, payloads.arbetsgivardeklaration(payloads.income()))
    assert _events(world)[-1]["protection"] == "sekretessmarkering"
    world.send(FOLK, payloads.folkbokforing(changed="20260112000000"))
    world.send(AGI, payloads.arbetsgivardeklaration(payloads.income()))
    assert _events(world)[-1]["protection"] == "ingen"


def test_what_is_known_of_protection_survives_a_restart(world):
    world.send(FOLK, payloads.folkbokforing(marking="<SkyddadFolkbokforing>J</SkyddadFolkbokforing>"))
    world.restart()
    world.send(SJUK)
    assert _events(world)[-1]["protection"] == "skyddad_folkbokforing"
    assert "arbetsgivare" not in _fields(_events(world)[-1])


def test_the_receipt_of_a_protected_person_is_like_any_other(world):
    """Nothing in an answer may tell an employer that an employee is protected (OSL 21 kap. 3 §)."""
    plain = world.send(SJUK)
    world.send(FOLK, payloads.folkbokforing(marking="<SkyddadFolkbokforing>J</SkyddadFolkbokforing>"))
    protected = world.send(SJUK)
    assert plain.accepted.outcomes == protected.accepted.outcomes
    assert len(plain.receipt.envelope) == len(protected.receipt.envelope)


def test_many_persons_in_one_message_are_one_leaf_and_one_event_each(world):
    posts = [payloads.post(person) for person in payloads.PERSONS]
    answer = world.send(FOLK, payloads.folkbokforing(*posts))
    assert len(set(answer.accepted.leaves)) == len(posts)
    assert [event["data"]["person"]["id"] for event in _events(world)] == list(payloads.PERSONS)
    world.relay()
    world.integrate()
    for leaf in answer.accepted.leaves:
        assert world.views.proof(leaf) is not None
