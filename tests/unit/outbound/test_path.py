"""The straight line, from what was queued to what is committed."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from functools import cache

import jsonschema
import pytest
from lxml import etree

from gateway import codes, endings
from gateway.audit import leaf
from gateway.dispatch import Finding
from gateway.errors import ConfigError, ContractError, IntegrityError, PurposeError, UncertainError
from gateway.message import ContractId, Outcome, PartnerId, Protection, Received
from gateway.outbound import path
from gateway.outbound.states import State
from gateway.partners import Endpoint, Mailbox, Partner
from gateway.privacy import disclosure
from gateway.soap import envelope
from gateway.trust import chain, peer, signature
from tests import payloads, sending
from tests.authorities import OURSELVES
from tests.rules import ROOT


@pytest.fixture(params=["question", "navet", "summons"])
def queued(scene, request):
    return getattr(scene, request.param)()


@cache
def schema(type_):
    name = type_.removeprefix("se.forsakringskassan.utbyte.")
    return jsonschema.Draft202012Validator(json.loads((ROOT / "schemas/events" / f"{name}.json").read_text()))


def event(one):
    """Read an event, held to the schema that consumers have."""
    read = json.loads(one.body)
    schema(one.type).validate(read)
    return read


def far_side(scene, signed):
    """Verify what we send as a partner would that runs this very gateway."""
    folder = scene.read_.gateway.data / "pki"
    trust = {
        "anchors": [folder / "agencies.pem"],
        "intermediates": [folder / "intermediates.pem"],
        "revocation": [folder / "agencies.crl"],
        "subject": {"organisation": OURSELVES},
    }
    us = Partner.model_validate(
        {"id": "fk", "name": "fk", "kind": "agency", "partner_type": "fk", "contracts": [], "trust": trust}
    )
    believed = chain.Trust.build({us.id: us})
    received = Received(
        body=signed.envelope,
        content_type=signed.content_type,
        contract=ContractId("fk/x"),
        peer=scene.authorities.client().der,
        at=scene.now,
    )
    parsed = envelope.parse(peer.admit(received, believed), scene.rules.limits)
    return signature.verify(parsed, believed, scene.rules.limits)


# --- the whole line ---------------------------------------------------------------------------------------------------


def test_a_dispatch_walks_from_queued_to_delivered(scene, queued):
    signed = scene.signed(queued)
    answered = scene.read(signed, scene.answer(signed))
    delivered = path.deliver(answered, scene.held(signed.composed), scene.rules, scene.now)
    assert answered.result.finding is Finding.DONE
    end, told = json.loads(delivered.leaves[0].record), event(delivered.events[-1])
    assert (end["kind"], end["state"], end["released"]) == ("end", "delivered", "yes")
    assert end["intent"] == signed.composed.intent.hash.hex()
    assert told["data"]["state"] == "delivered"
    assert told["data"]["events"] == [one.id for one in delivered.events[:-1]]
    assert len(delivered.leaves) == 1 + len(delivered.decisions)


def test_what_we_send_is_proven_by_the_same_code_as_what_we_take(scene, queued):
    signed = scene.signed(queued)
    verified = far_side(scene, signed)
    proven, composed = verified.provenance, signed.composed
    assert (proven.message_id, proven.digest) == (queued.dispatch, composed.digest)
    assert (proven.organisation, proven.action) == (OURSELVES, composed.action)
    assert etree.tostring(verified.payload, method="c14n", exclusive=True) == composed.payload


def test_the_digest_is_of_the_canonical_content_alone(scene, queued):
    composed = scene.composed(queued)
    assert composed.digest == hashlib.sha256(composed.payload).hexdigest()
    assert etree.tostring(etree.fromstring(composed.payload), method="c14n", exclusive=True) == composed.payload


def test_every_attempt_says_the_same_under_the_same_id_at_its_own_time(scene, queued):
    composed, place = scene.composed(queued), scene.rules.place(queued)
    first = path.sign(composed, place, scene.rules, scene.now)
    again = path.recompose(queued, scene.held(composed), scene.rules)
    second = path.sign(again, place, scene.rules, scene.now + timedelta(hours=2))
    assert again == composed
    assert (first.message_id, first.composed.payload) == (second.message_id, second.composed.payload)
    assert first.envelope != second.envelope
    assert far_side(replace(scene, now=scene.now + timedelta(hours=2)), second).provenance.digest == composed.digest


def test_the_payload_is_sealed_to_its_intent(scene, queued):
    composed = scene.composed(queued)
    opened = scene.rules.sealer.open(composed.sealed, [composed.intent.hash])
    assert opened.evidence == composed.payload
    assert opened.records == ((composed.intent.salt, composed.intent.record),)
    with pytest.raises(IntegrityError):
        scene.rules.sealer.open(composed.sealed, [scene.composed(queued).intent.hash])


def test_the_answer_is_sealed_with_all_its_leaves(scene, queued):
    signed = scene.signed(queued)
    reply = scene.answer(signed)
    delivered = path.deliver(scene.read(signed, reply), scene.held(signed.composed), scene.rules, scene.now)
    opened = scene.rules.sealer.open(delivered.sealed, [one.hash for one in delivered.leaves])
    assert opened.evidence == reply.body
    for one, (salt, record) in zip(delivered.leaves, opened.records, strict=True):
        leaf.check(one.entry, salt=salt, record=record)


# --- permit and compose -----------------------------------------------------------------------------------------------


def test_the_intent_names_fields_recipient_and_law_and_no_value(scene):
    composed = scene.composed(scene.summons())
    said = json.loads(composed.intent.record)
    assert said["granted"] == sorted(sending.MEETING)
    assert (said["partner"], said["organisation"]) == ("arbetsgivare", payloads.ORGANISATIONS["arbetsgivare"])
    assert (said["basis"], said["consent"], said["case"]) == ("FK-KALLELSE-AG-01", "S-1", "A-4711")
    assert said["digest"] == composed.digest
    assert said["person"]["number"] == payloads.PERSON
    for value in ("Testgatan", "Testsson", "2026-03-10"):
        assert value.encode() not in composed.intent.record + composed.intent.entry
    assert payloads.PERSON.encode() not in composed.intent.entry


def test_what_the_law_stops_is_raised_with_the_whole_decision(scene):
    queued = scene.summons(consent=None)
    with pytest.raises(disclosure.Stopped) as caught:
        path.permit(queued, scene.rules, scene.now)
    assert caught.value.decision.outcome is Outcome.DENY
    assert caught.value.code is endings.DENIED


def test_what_is_withheld_is_in_nothing_that_leaves(scene):
    scene.known.protection = Protection.SEKRETESSMARKERING
    signed = scene.signed(scene.summons())
    assert "plats" not in signed.composed.parcel.fields
    assert b"Testgatan" not in signed.envelope
    assert json.loads(signed.composed.intent.record)["withheld"] == [{"field": "plats", "reason": "PROTECTED_IDENTITY"}]


def test_the_partner_is_told_purpose_and_paragraph_from_the_decision(scene):
    payload = scene.composed(scene.question()).payload.decode()
    assert ">9 kap. 1 § förordningen (2017:819)" in payload
    assert "Handläggning av ärende om aktivitetsstöd" in payload


def test_what_the_contract_has_no_place_for_is_the_askers_to_mend(scene):
    queued = scene.summons(fields={**sending.MEETING, "form": "BREV"})
    with pytest.raises(ContractError) as caught:
        scene.composed(queued)
    assert caught.value.code is endings.COMMAND_FORMAT
    assert "BREV" not in caught.value.detail


def test_a_body_that_is_not_canonical_is_never_signed(scene):
    class Careless(sending.Courier):
        def __init__(self, inner):
            self.inner = inner

        def body(self, contract, arguments):
            return self.inner.body(contract, arguments).replace(b">", b" >", 1)

    scene.courier = Careless(scene.courier)
    with pytest.raises(IntegrityError):
        scene.composed(scene.question())


def test_the_order_of_a_contract_comes_from_the_endpoints_settings(scene):
    assert b">00000079-FO01-0001<" in scene.composed(scene.navet()).payload


@pytest.mark.parametrize(
    ("gone", "code"),
    [
        ("partner", endings.COMMAND_RECIPIENT),
        ("contract", endings.COMMAND_RECIPIENT),
        ("endpoint", endings.COMMAND_RECIPIENT),
    ],
)
def test_what_is_no_more_since_the_command_came_is_told(scene, gone, code):
    queued = scene.navet()
    rules, partner = scene.rules, scene.rules.partners[sending.SKV]
    match gone:
        case "partner":
            partners = {name: one for name, one in rules.partners.items() if name != sending.SKV}
        case "endpoint":
            partners = {**rules.partners, sending.SKV: partner.model_copy(update={"endpoint": ()})}
        case "contract":
            partners = rules.partners
            queued = replace(queued, command=replace(queued.command, contract=ContractId("skatteverket/folkbokforing")))
    scene.rules = replace(rules, partners=partners)
    with pytest.raises(ContractError) as caught:
        scene.composed(queued)
    assert caught.value.code is code


# --- recompose --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["payload", "intent", "other payload", "other entry", "other dispatch", "destroyed"])
def test_a_stored_content_that_is_not_the_intents_is_never_sent(scene, broken):
    queued, other = scene.question(), scene.navet()
    composed, elsewhere = scene.composed(queued), scene.composed(other)
    held = scene.held(composed)
    match broken:
        case "payload":
            held = replace(held, contents={})
        case "intent":
            held = replace(held, intent=None)
        case "other payload":
            held = replace(held, contents={"payload": elsewhere.sealed})
        case "other entry":
            held = replace(held, intent=scene.held(elsewhere).intent)
        case "other dispatch":
            held = scene.held(elsewhere)
        case "destroyed":
            held = replace(held, contents={"payload": replace(composed.sealed, wrapped_key=b"")})
    with pytest.raises(IntegrityError):
        path.recompose(queued, held, scene.rules)


def test_a_hidden_record_that_its_entry_does_not_commit_to_is_found(scene):
    queued = scene.question()
    composed, twin = scene.composed(queued), scene.composed(queued)
    forged = replace(composed.intent, salt=twin.intent.salt)
    held = scene.held(composed)
    held = replace(held, contents={"payload": scene.rules.sealer.seal(composed.payload, [forged])})
    with pytest.raises(IntegrityError):
        path.recompose(queued, held, scene.rules)


def test_a_payload_that_was_changed_under_a_right_seal_is_found(scene):
    queued = scene.question()
    composed = scene.composed(queued)
    held = replace(scene.held(composed), contents={"payload": scene.rules.sealer.seal(b"<a></a>", [composed.intent])})
    with pytest.raises(IntegrityError):
        path.recompose(queued, held, scene.rules)


def test_withheld_fields_stay_withheld_in_later_attempts_whatever_is_known_then(scene):
    scene.known.protection = Protection.UNKNOWN
    queued = scene.summons()
    composed = scene.composed(queued)
    scene.known.protection = Protection.NONE
    again = path.recompose(queued, scene.held(composed), scene.rules)
    assert again == composed
    assert "plats" not in again.parcel.fields


# --- sign -------------------------------------------------------------------------------------------------------------


def test_the_address_is_signed_and_a_mailbox_has_one_of_its_own(scene):
    queued = scene.summons()
    composed = scene.composed(queued)
    box = scene.rules.partners[sending.EMPLOYER].mailbox
    assert isinstance(box, Mailbox)
    signed = path.sign(composed, box, scene.rules, scene.now)
    assert signed.to == "urn:forsakringskassan:utbyte:brevlada:arbetsgivare"
    assert far_side(replace(scene, now=scene.now), signed).provenance.digest == composed.digest
    expires = (scene.now + box.unread).strftime("<wsu:Expires>%Y-%m-%dT%H:%M:%S").encode()
    assert expires in signed.envelope
    place = scene.rules.place(queued)
    assert isinstance(place, Endpoint)
    assert path.sign(composed, place, scene.rules, scene.now).to == place.address


# --- deliver ----------------------------------------------------------------------------------------------------------


def delivered(scene, queued, payload=None, **changes):
    signed = scene.signed(queued)
    answered = scene.read(signed, scene.answer(signed, payload, **changes))
    return path.deliver(answered, scene.held(signed.composed), scene.rules, scene.now)


def test_answers_go_to_the_askers_queue_alone_and_name_the_command(scene):
    queued = scene.question()
    made = delivered(scene, queued)
    assert {one.queues for one in made.events} == {("svar.aktivitetsstod",)}
    assert {event(one)["commandid"] for one in made.events} == {queued.command.id}
    assert len({one.partition for one in made.events}) == 1


def test_the_same_answer_to_two_questions_gives_two_events(scene):
    first, second = scene.navet(), scene.navet(id=sending.CommandId("k-another"))
    payload = sending.navet_answer(payloads.post())
    one, two = (delivered(scene, queued, payload, message_id=None) for queued in (first, second))
    assert one.answered.provenance.message_id == two.answered.provenance.message_id
    assert one.events[0].id != two.events[0].id
    assert delivered(scene, first, payload).events[0].id == one.events[0].id


def test_nobody_found_is_an_answer(scene):
    made = delivered(scene, scene.navet(), sending.navet_answer())
    told = event(made.events[-1])["data"]
    assert (told["notFound"], told["events"], len(made.leaves)) == (True, [], 1)


def test_a_protection_that_navet_tells_of_is_learned_and_hides_at_once(scene):
    marked = payloads.post(marking="<Sekretessmarkering>J</Sekretessmarkering>")
    made = delivered(scene, scene.navet(), sending.navet_answer(marked))
    assert [one.protection for one in made.learned] == [Protection.SEKRETESSMARKERING]
    assert b"Testgatan" not in b"".join(one.body for one in made.events)
    assert "sekretess" not in made.events[-1].body.decode()


def test_forbidden_data_in_an_answer_spoils_it(scene):
    queued = scene.question()
    signed = scene.signed(queued)
    more = '<er:Tillagg xmlns:er="urn:x"><er:Diagnos>F32</er:Diagnos></er:Tillagg>'
    answered = scene.read(signed, scene.answer(signed, sending.af_answer(signed, more=more)))
    with pytest.raises(PurposeError) as caught:
        path.deliver(answered, scene.held(signed.composed), scene.rules, scene.now)
    assert caught.value.code is codes.PURPOSE_QUARANTINED
    assert "F32" not in str(caught.value)


def test_an_answer_on_another_paragraph_than_a_basis_has_may_not_be_received(scene):
    queued = scene.question()
    signed = scene.signed(queued)
    answered = scene.read(signed, scene.answer(signed, sending.af_answer(signed, lag="1 kap. 1 § annat (2000:1)")))
    with pytest.raises(PurposeError) as caught:
        path.deliver(answered, scene.held(signed.composed), scene.rules, scene.now)
    assert caught.value.code is codes.PURPOSE_DENIED


def test_an_asker_gets_nothing_that_its_queue_may_not_serve(scene):
    queue = scene.rules.queues["svar.aktivitetsstod"]
    for change in ({"purposes": ("fk:Kontroll",)}, {"benefits": ("sjukpenning",)}, {"benefits": ()}):
        other = queue.model_copy(update=change)
        rules = replace(scene.rules, queues={**scene.rules.queues, queue.name: other})
        signed = scene.signed(scene.question())
        answered = scene.read(signed, scene.answer(signed))
        with pytest.raises(PurposeError):
            path.deliver(answered, scene.held(signed.composed), rules, scene.now)


def test_an_asker_that_is_no_more_waits_for_its_configuration(scene):
    signed = scene.signed(scene.question())
    answered = scene.read(signed, scene.answer(signed))
    with pytest.raises(ConfigError):
        path.deliver(answered, scene.held(signed.composed), replace(scene.rules, askers={}), scene.now)


def test_outcomes_tell_of_attempts_the_first_failure_and_what_was_withheld(scene):
    scene.known.protection = Protection.UNKNOWN
    signed = scene.signed(scene.summons())
    answered = scene.read(signed, scene.answer(signed))
    held = scene.held(signed.composed, attempts=3, first_failure="GW-FAR-LOST")
    told = event(path.deliver(answered, held, scene.rules, scene.now).events[-1])["data"]
    assert (told["attempts"], told["firstFailure"], told["withheld"]) == (3, "GW-FAR-LOST", ["plats"])


def test_no_outcome_holds_anything_of_what_was_said(scene, queued):
    told = delivered(scene, queued).events[-1].body.decode()
    for secret in (payloads.PERSON, "Testsson", "Testgatan", "sekretess", "protection"):
        assert secret not in told


# --- ends without an answer -------------------------------------------------------------------------------------------


def ended(scene, queued, state, code, *, composed=None, **more):
    held = sending.held(queued) if composed is None else scene.held(composed)
    return path.ended(queued, held, path.End(state=state, code=code.name, **more), scene.rules, scene.now)


@pytest.mark.parametrize(
    ("state", "code", "released"),
    [
        (State.REFUSED, endings.REFUSED, "unknown"),
        (State.EXPIRED, endings.EXPIRED, "no"),
        (State.EXPIRED, endings.UNREAD, "no"),
        (State.UNRESOLVED, endings.UNRESOLVED, "unknown"),
        (State.WITHDRAWN, endings.WITHDRAWN, "no"),
        (State.UNUSABLE, endings.UNUSABLE, "yes"),
    ],
)
def test_every_intent_has_an_end_and_every_asker_is_told(scene, state, code, released):
    queued = scene.question()
    composed = scene.composed(queued)
    made = ended(scene, queued, state, code, composed=composed, partner_code="F-1")
    (one,) = made.leaves
    said, told = json.loads(one.record), event(made.events[0])
    assert (said["state"], said["code"], said["released"], said["partner_code"]) == (state, code.name, released, "F-1")
    assert said["intent"] == composed.intent.hash.hex()
    assert (told["data"]["state"], told["data"]["code"], told["data"]["partnerCode"]) == (state, code.name, "F-1")
    assert told["id"] == f"{queued.dispatch.removeprefix('urn:uuid:')}-{state}"
    assert scene.rules.sealer.open(made.sealed, [one.hash]).records == ((one.salt, one.record),)
    assert made.events[0].queues == ("svar.aktivitetsstod",)


@pytest.mark.parametrize(
    ("state", "before", "first"),
    [
        (State.REFUSED, None, "GW-FAR-REFUSED"),
        (State.REFUSED, "GW-FAR-BUSY", "GW-FAR-BUSY"),
        (State.EXPIRED, None, None),
        (State.EXPIRED, "GW-FAR-UNREACHABLE", "GW-FAR-UNREACHABLE"),
    ],
)
def test_a_late_failure_never_masks_the_first(scene, state, before, first):
    queued = scene.question()
    composed = scene.composed(queued)
    code = endings.REFUSED if state is State.REFUSED else endings.EXPIRED
    held = scene.held(composed, first_failure=before)
    made = path.ended(queued, held, path.End(state=state, code=code.name), scene.rules, scene.now)
    assert event(made.events[0])["data"]["firstFailure"] == first
    assert json.loads(made.leaves[0].record)["first_failure"] == first


def test_what_was_stopped_by_law_has_a_leaf_and_reasons_but_no_word_of_protection(scene):
    scene.known.protection = Protection.SEKRETESSMARKERING
    queued = scene.summons(fields={**sending.MEETING, "meddelande": "fri text"})
    with pytest.raises(disclosure.Stopped) as caught:
        path.permit(queued, scene.rules, scene.now)
    made = ended(scene, queued, State.REFERRED, caught.value.code, decision=caught.value.decision)
    (one,) = made.leaves
    said, told = json.loads(one.record), event(made.events[0])["data"]
    assert (said["kind"], said["direction"], said["outcome"]) == ("decision", "out", "REFER")
    assert said["protection"] == "sekretessmarkering"
    assert told["reasons"] == ["FREE_TEXT"]
    assert "PROTECT" not in made.events[0].body.decode()
    assert "sekretess" not in made.events[0].body.decode()


def test_what_ends_before_anything_was_decided_leaves_no_leaf(scene):
    made = ended(scene, scene.question(), State.WITHDRAWN, endings.WITHDRAWN)
    assert (made.leaves, made.sealed, len(made.events)) == ((), None, 1)


def test_a_spoilt_answer_is_sealed_and_named_by_its_hash(scene):
    queued = scene.question()
    composed = scene.composed(queued)
    made = ended(scene, queued, State.UNUSABLE, endings.UNUSABLE, composed=composed, evidence=b"<genuine/>")
    (one,) = made.leaves
    assert scene.rules.sealer.open(made.sealed, [one.hash]).evidence == b"<genuine/>"
    assert json.loads(one.record)["answer"] == hashlib.sha256(b"<genuine/>").hexdigest()


def test_an_end_can_be_told_although_the_partner_is_no_more(scene):
    queued = scene.question()
    composed = scene.composed(queued)
    scene.rules = replace(scene.rules, partners={})
    made = ended(scene, queued, State.EXPIRED, endings.EXPIRED, composed=composed)
    assert json.loads(made.leaves[0].record)["organisation"] is None


def test_the_configuration_that_changed_under_an_attempt_leaves_it_uncertain(scene):
    signed = scene.signed(scene.question())
    reply = scene.answer(signed)
    partner = scene.rules.partners[PartnerId("arbetsformedlingen")]
    moved = tuple(one.model_copy(update={"address": one.address.replace("9452", "9999")}) for one in partner.endpoint)
    for changed in ({"endpoint": moved}, {"endpoint": ()}):
        rules = replace(scene.rules, partners={partner.id: partner.model_copy(update=changed)})
        with pytest.raises(UncertainError):
            path.read(signed, reply, rules)
