"""An event is a CloudEvent that others read, says nothing of the person outside its data, and has a place to go."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import jsonschema
import orjson
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from gateway import codes
from gateway.config import Queue
from gateway.errors import ConfigError, ContractError, IntegrityError
from gateway.events import compose
from gateway.message import EventId, LeafHash, OrganisationNumber, Protection, Pseudonym
from gateway.privacy import purpose
from tests.unit.privacy.statute import PERSON, QUEUE, UNPROTECTED, basis, known, lagrum, law, record, valid

LEAF = LeafHash(bytes(range(32)))
PSEUDONYM = Pseudonym("p" * 43)

ENVELOPE = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "format": "uri", "minLength": 1},
        "type": {"type": "string", "pattern": r"^se\.forsakringskassan\.utbyte\.[a-z0-9]+\.v\d+$"},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "format": "uri"},
        "subject": {"type": "string", "minLength": 1},
        "time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
        "noonward": {"type": "boolean"},
        "data": {
            "type": "object",
            "required": ["kind", "person", "fields", "withheld"],
            "additionalProperties": False,
            "properties": {
                "kind": {"type": "string"},
                "person": {
                    "type": "object",
                    "required": ["id", "kind", "checkDigitValid"],
                    "additionalProperties": False,
                    "properties": {
                        "id": {"type": "string"},
                        "kind": {"enum": ["personnummer", "samordningsnummer", "annat"]},
                        "checkDigitValid": {"type": "boolean"},
                    },
                },
                "fields": {"type": "object"},
                "withheld": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "reason"],
                        "additionalProperties": False,
                        "properties": {"field": {"type": "string"}, "reason": {"pattern": "^[A-Z_]+$"}},
                    },
                },
            },
        },
    },
    "patternProperties": {"^[a-z0-9]{1,20}$": {"type": ["string", "boolean", "integer", "object"]}},
    "additionalProperties": False,
}
"""CloudEvents 1.0.2: context attributes section 3, JSON format section 3, and what our own data holds."""


def queue(name="prov", **changes):
    return Queue.model_validate(QUEUE | {"name": name} | changes)


def composed(record_=None, *, basis_=None, status=UNPROTECTED, **where):
    basis_ = basis_ or basis()
    permitted = purpose.permit(valid(record_ or record(), **where), law(basis_), status)
    routes = compose.Routes.build([queue(benefits=basis_.benefits or ())], [basis_])
    return compose.event(permitted, permitted.decisions[0], pseudonym=PSEUDONYM, leaf=LEAF, routes=routes)


def read(event):
    return json.loads(event.body)


def test_an_event_carries_the_record_and_the_labels():
    told = read(composed(basis_=basis(benefits=["sjukpenning", "foraldrapenning"])))
    assert told["type"] == "se.forsakringskassan.utbyte.prov.v1"
    assert told["source"] == "urn:se:forsakringskassan:utbyte:skatteverket:prov"
    assert told["dataschema"] == "urn:se:forsakringskassan:utbyte:skatteverket:prov:prov:v1"
    assert told["time"] == "2026-03-02T12:00:00.000Z"
    assert told["subject"] == PSEUDONYM
    assert told["purposes"] == "fk:Arendehandlaggning"
    assert told["benefits"] == "foraldrapenning sjukpenning"
    assert (told["basis"], told["lagrum"]) == ("B-1", "L-1@1 SFB-114-8-3@2024:13")
    assert (told["retention"], told["noonward"], told["protection"]) == ("SFB 114:15", True, "ingen")
    assert base64.b64decode(told["auditleaf"], validate=True) == LEAF
    assert told["data"] == {
        "kind": "prov",
        "person": {"id": PERSON.number, "kind": "personnummer", "checkDigitValid": True},
        "fields": {"belopp": 100, "period": "2026-01"},
        "withheld": [],
    }


def test_an_event_without_a_lock_to_benefits_has_no_such_attribute():
    assert "benefits" not in read(composed())


def test_withheld_fields_are_told_by_name_and_reason_and_never_by_value():
    event = composed(
        record(fields={"belopp": 1, "arbetsgivare": "HEMLIG", "adress": "HEMLIG"}),
        status=known(everyone=Protection.SEKRETESSMARKERING),
    )
    assert read(event)["data"]["withheld"] == [
        {"field": "arbetsgivare", "reason": "PROTECTED_IDENTITY"},
        {"field": "adress", "reason": "FIELD_NOT_IN_BASIS"},
    ]
    assert read(event)["protection"] == "sekretessmarkering"
    assert b"HEMLIG" not in event.body


def test_the_json_format_of_cloudevents_is_kept():
    told = read(composed(basis_=basis(benefits=["sjukpenning"])))
    jsonschema.validate(told, ENVELOPE, cls=jsonschema.Draft202012Validator)


def test_others_software_reads_the_event():
    event = composed()
    foreign = JSONFormat().read(CloudEvent, event.body)
    assert foreign.get_id() == event.id
    assert foreign.get_type() == event.type
    assert foreign.get_subject() == PSEUDONYM
    assert foreign.get_time() == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert foreign.get_extension("purposes") == "fk:Arendehandlaggning"
    assert foreign.get_extension("noonward") is True
    assert foreign.get_data()["fields"] == {"belopp": 100, "period": "2026-01"}


def test_the_person_and_the_senders_own_words_stand_in_data_and_nowhere_else():
    told = read(composed(message_id=f"urn:{PERSON.number}"))
    del told["data"]
    assert PERSON.number not in json.dumps(told)
    assert "2021005448" not in json.dumps(told)


def test_the_body_is_canonical_json():
    nested = ({"z": None, "å": 'é\u2028\n"\\\x01', "a": True},)
    body = composed(record(fields={"period": nested, "belopp": 2**53 - 1})).body
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**64, 10**40])
def test_a_number_that_json_cannot_hold_exactly_is_the_senders_fault(number):
    with pytest.raises(ContractError) as caught:
        composed(record(fields={"belopp": number}))
    assert caught.value.code is codes.CONTRACT_CONTENT
    assert caught.value.detail == "record 1: a number beyond 2^53-1"


def test_a_time_in_another_zone_is_told_in_utc():
    moment = datetime(2026, 3, 2, 13, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    assert read(composed(at=moment))["time"] == "2026-03-02T12:00:00.123Z"


def test_an_event_knows_its_queues_and_its_partition():
    event = composed()
    assert event.queues == ("prov",)
    assert event.partition == PSEUDONYM
    assert event.id == read(event)["id"]


def test_the_same_record_of_the_same_message_has_the_same_id_on_every_attempt():
    one, other = valid(message_id="urn:uuid:7"), valid(message_id="urn:uuid:7", at=datetime(2026, 3, 9, tzinfo=UTC))
    assert compose.event_id(one.provenance, 1) == compose.event_id(other.provenance, 1)


def test_ids_differ_by_position_message_and_sender():
    ids = {
        compose.event_id(valid(message_id=message, partner=partner).provenance, position)
        for message in ("m", "m1", "kerket\0m")
        for partner in ("skatteverket", "skatte")
        for position in (1, 11)
    }
    assert len(ids) == 12


def test_no_sender_can_be_written_as_another():
    one, other = valid(partner="a1").provenance, valid(partner="a").provenance
    shifted = replace(other, organisation=OrganisationNumber(f"1{one.organisation}"))
    assert compose.message_ref(one) != compose.message_ref(shifted)


def test_events_of_one_message_share_their_reference():
    event = composed(record(3))
    assert event.id == EventId(f"{read(event)['messageref']}-3")


def test_what_did_not_pass_gives_no_event():
    routes = compose.Routes.build([queue()], [basis()])
    permitted = purpose.permit(valid(record(1, fields={"fritext": "x"})), law(basis()), UNPROTECTED)
    with pytest.raises(IntegrityError, match="record 1: REFER on basis B-1 gives no event"):
        compose.event(permitted, permitted.decisions[0], pseudonym=PSEUDONYM, leaf=LEAF, routes=routes)


def test_a_decision_by_another_law_gives_no_event():
    permitted = purpose.permit(valid(record()), law(basis("B-2")), UNPROTECTED)
    with pytest.raises(IntegrityError, match="B-2"):
        compose.event(
            permitted,
            permitted.decisions[0],
            pseudonym=PSEUDONYM,
            leaf=LEAF,
            routes=compose.Routes.build([queue()], [basis()]),
        )


def test_an_event_goes_to_every_queue_of_its_type_that_may_have_it():
    wide = basis(purposes=["fk:Arendehandlaggning", "fk:Kontroll"], benefits=["sjukpenning", "foraldrapenning"])
    queues = [
        queue("a", benefits=["sjukpenning"]),
        queue("b", purposes=["fk:Kontroll"], benefits=["sjukpenning", "foraldrapenning"]),
        queue("c", benefits=[]),
        queue("d", purposes=["fk:Kontroll", "fk:Planering"], benefits=["sjukpenning"]),
    ]
    open_ = basis("B-2", purposes=["fk:Arendehandlaggning", "fk:Kontroll", "fk:Planering"])
    routes = compose.Routes.build(queues, [wide, open_])
    assert routes.by_basis["B-1"].queues == ("a", "b")
    assert routes.by_basis["B-2"].queues == ("a", "b", "c", "d")


def test_a_basis_whose_events_no_queue_may_have_is_refused_at_start():
    with pytest.raises(ConfigError) as caught:
        compose.Routes.build([queue()], [basis(), basis("B-2", purposes=["fk:Kontroll"], benefits=["sjukpenning"])])
    assert caught.value.detail == (
        "basis B-2: no queue may have its events: needs a queue of type se.forsakringskassan.utbyte.prov.v1 with "
        "purposes among fk:Kontroll and benefits among sjukpenning"
    )


def test_a_queue_of_an_unknown_type_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"queue x: types: unknown se\.x\.v1; accepted: se\.forsakringskassan"):
        compose.Routes.build([queue(), queue("x", types=["se.x.v1"])], [basis()])


def test_a_queue_that_can_never_get_anything_is_refused():
    with pytest.raises(ConfigError, match="queue x: no basis lets it have anything"):
        compose.Routes.build([queue(), queue("x", purposes=["fk:Statistik"])], [basis()])


def test_two_queues_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="queue prov: name is used twice"):
        compose.Routes.build([queue(), queue()], [basis()])


def test_names_of_attributes_are_what_cloudevents_allows():
    names = orjson.loads(composed(basis_=basis(benefits=["sjukpenning"])).body).keys()
    assert all(name.isascii() and name.isalnum() and name == name.lower() and len(name) <= 20 for name in names)


def test_lagrum_and_labels_hold_no_space_of_their_own():
    with pytest.raises(ValueError, match="id"):
        lagrum("SFB 110")
    with pytest.raises(ValueError, match="version"):
        lagrum(version="2024 13")
