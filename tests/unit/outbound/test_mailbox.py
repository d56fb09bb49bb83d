"""What a partner's fetching and acknowledging make, and what a mailbox is told and tells."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from lxml import etree

from gateway import codes
from gateway.adapters.forsakringskassan import brevlada
from gateway.adapters.forsakringskassan.brevlada import Acknowledged, Fetched, Page, Waiting
from gateway.audit import leaf
from gateway.consumer.asking import composed
from gateway.dispatch import DispatchId
from gateway.errors import IntegrityError, UntrustedError
from gateway.message import Digest, LeafHash, PartnerId, Received
from gateway.outbound import mailbox, pull
from gateway.outbound.states import Happening, State
from gateway.soap import xml
from gateway.transport.bodies import Bodies
from tests import payloads, rules, sending
from tests.attacks.catalogue import NOW
from tests.sending import EMPLOYER, Scene

H, S = Happening, State
ID = DispatchId("urn:uuid:a888e315-4d24-58af-b700-8ac1407f001f")
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    contracts = rules.contracts()
    bodies = Bodies(rules.ROOT / "schemas", contracts.outgoing.values())
    return Scene.found(tmp_path_factory.mktemp("scene"), contracts, bodies)


def laid(scene, state=S.DEPOSITED, **changes):
    """A summons in an employer's mailbox, as the store holds it."""
    queued = scene.summons()
    composed = scene.composed(queued)
    command = command_of(scene, queued)
    held = scene.held(composed, state=state, attempts=0, step=3, due=NOW + timedelta(days=5))
    held = replace(held, expires=NOW + timedelta(days=30), contents={**held.contents, "command": command})
    return replace(held, **changes)


def command_of(scene, queued):
    """Seal the command of a dispatch as it came."""
    given = queued.command
    data = {
        "contract": given.contract,
        "purpose": given.purpose,
        "case": {
            "reference": given.case.reference,
            "benefit": given.case.benefit,
            "period": {"first": str(given.case.period.first), "last": str(given.case.period.last)},
        },
        "person": given.person.number,
        "fields": {**given.fields, "kontakt": list(given.fields["kontakt"])},
        "recipients": [
            {"partner": one.partner, "organisation": one.organisation, "basis": one.basis} for one in given.recipients
        ],
        "expires": given.expires.isoformat().replace("+00:00", "Z"),
    }
    body = composed(given.asker, given.id, data, given.at)
    return scene.rules.sealer.seal(body, [])


# --- steps ------------------------------------------------------------------------------------------------------------


def test_the_first_fetching_gives_a_day_to_acknowledge_and_never_less_than_there_was(scene):
    held = laid(scene)
    assert mailbox.fetch(held, NOW).due == held.due
    late = NOW + timedelta(days=5) - timedelta(seconds=1)
    assert mailbox.fetch(held, late).due == late + mailbox.GRACE
    again = replace(held, state=S.FETCHED)
    assert mailbox.fetch(again, late).due == held.due


def test_fetching_tells_nobody_and_has_nothing_to_seal(scene):
    step = mailbox.fetch(laid(scene), NOW)
    assert (step.happening, step.before, step.after) == (H.FETCH, S.DEPOSITED, S.FETCHED)
    assert (step.leaves, step.events, step.records, step.code) == ((), (), None, None)


@pytest.mark.parametrize("state", sorted(set(State) - {S.DEPOSITED, S.FETCHED}))
def test_what_does_not_lie_in_a_mailbox_is_not_fetched(scene, state):
    with pytest.raises(IntegrityError):
        mailbox.fetch(laid(scene, state), NOW)


@pytest.mark.parametrize("state", sorted(set(State) - {S.FETCHED}))
def test_what_was_not_fetched_is_not_acknowledged(scene, state):
    with pytest.raises(IntegrityError):
        mailbox.acknowledge(laid(scene, state), b"<x/>", scene.rules, NOW, retention=WEEK)


def test_acknowledging_seals_the_partners_bytes_ends_the_disclosure_and_tells_the_asker(scene):
    held, evidence = laid(scene, S.FETCHED), b"<signed/>"
    step = mailbox.acknowledge(held, evidence, scene.rules, NOW, retention=WEEK)
    assert (step.happening, step.after, step.due, step.content) == (H.ACKNOWLEDGE, S.DELIVERED, NOW + WEEK, "answer")
    assert step.digest == hashlib.sha256(evidence).hexdigest()
    opened = scene.rules.sealer.open(step.records, [one.hash for one in step.leaves])
    assert opened.evidence == evidence
    record = json.loads(opened.records[0][1])
    assert (record["kind"], record["state"], record["released"], record["code"]) == ("end", "delivered", "yes", None)
    assert record["intent"] == held.intent[1].hash.hex()
    assert record["organisation"] == payloads.ORGANISATIONS["arbetsgivare"]
    (event,) = step.events
    told = json.loads(event.body)
    assert (told["data"]["state"], told["dispatchid"], event.queues) == ("delivered", held.id, ("svar.rehabilitering",))


def test_without_its_command_nothing_is_acknowledged(scene):
    with pytest.raises(IntegrityError, match="command is gone"):
        mailbox.acknowledge(laid(scene, S.FETCHED, contents={}), b"<x/>", scene.rules, NOW, retention=WEEK)


def test_emptied_the_record_is_the_same_and_the_content_is_gone(scene):
    held = laid(scene)
    sealed, (_, entry) = held.contents["payload"], held.intent
    new = mailbox.emptied(sealed, entry, scene.rules.sealer)
    before, after = (scene.rules.sealer.open(one, [entry.hash]) for one in (sealed, new))
    assert (before.records, before.evidence != b"", after.evidence) == (after.records, True, b"")
    assert new.wrapped_key != sealed.wrapped_key
    ((salt, record),) = after.records
    leaf.check(entry.entry, salt=salt, record=record)


def test_a_record_that_is_another_leafs_is_not_sealed_anew(scene):
    one, other = laid(scene), laid(scene)
    with pytest.raises(IntegrityError):
        mailbox.emptied(one.contents["payload"], other.intent[1], scene.rules.sealer)


# --- words ------------------------------------------------------------------------------------------------------------

WAITING = Waiting(id=ID, contract="a/b", deposited_at=NOW, expires_at=NOW, fetched_at=NOW)
TOLD = [
    Page(messages=(), more=False),
    Page(messages=(WAITING, replace(WAITING, fetched_at=None)), more=True),
    Fetched(partner=PartnerId("p"), id=ID, content_type="text/xml; charset=utf-8", envelope=b"<e>\xc3\xa5</e>" * 99),
    Acknowledged(partner=PartnerId("p"), id=ID, digest=Digest("a" * 64), at=NOW, leaf=LeafHash(bytes(32))),
]


@pytest.mark.parametrize("told", TOLD, ids=lambda one: type(one).__name__)
def test_answers_keep_the_schema_and_are_canonical_as_they_are_written(told):
    text, action = brevlada.answer(told)
    element = xml.reparse(text.encode())
    assert xml.canonical(element) == text.encode()
    rules.contracts().keep(brevlada.SCHEMA, element)
    assert action == f"{brevlada.NAMESPACE}:{etree.QName(element).localname}"


# --- whose ------------------------------------------------------------------------------------------------------------


def certified(scene, credential: str):
    der = scene.authorities.credentials[credential].der
    received = Received(body=b"", content_type="", contract="-/brevlada", peer=der, at=NOW)
    return pull.certified(received, scene.rules)


def test_one_certificate_may_open_the_mailboxes_of_several_classes(scene):
    opened = certified(scene, "arbetsgivare-tls")
    assert [one.partner for one in opened] == ["akassa", "arbetsgivare", "kommun", "region"]
    assert {one.organisation for one in opened} == {payloads.ORGANISATIONS["arbetsgivare"]}


def test_an_agency_without_a_mailbox_opens_none(scene):
    with pytest.raises(UntrustedError) as caught:
        certified(scene, "skatteverket-tls")
    assert caught.value.code is codes.PEER_UNKNOWN


def test_an_agency_with_a_mailbox_opens_its_own_whatever_organisation_that_is(scene):
    partner = scene.rules.partners[sending.SKV]
    with_box = partner.model_copy(update={"mailbox": scene.rules.partners[EMPLOYER].mailbox})
    other = replace(scene.rules, partners={**scene.rules.partners, partner.id: with_box})
    der = scene.authorities.credentials["skatteverket-tls"].der
    received = Received(body=b"", content_type="", contract="-/brevlada", peer=der, at=NOW)
    (opened,) = pull.certified(received, other)
    assert pull._box(opened, other) == (sending.SKV, None)


def test_without_a_certificate_nothing_is_opened(scene):
    received = Received(body=b"", content_type="", contract="-/brevlada", peer=None, at=NOW)
    with pytest.raises(UntrustedError) as caught:
        pull.certified(received, scene.rules)
    assert caught.value.code is codes.PEER_MISSING
