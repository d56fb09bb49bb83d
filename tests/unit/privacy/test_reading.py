"""Reading a request: what is missing and malformed has a name, what no request has is refused."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from datetime import UTC, date, datetime

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.law import Channel, Direction, SubjectRole, Trigger
from gateway.dispatch import Period
from gateway.errors import ConfigError
from gateway.message import Category, Outcome, Protection
from gateway.privacy import answers, inputs, reading, tables
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Actor, Cited, Consent, DataProvenance, Judged, Party, Selection, Verdict
from gateway.privacy.words import Words
from tests.builders import NUMBERS
from tests.effort import effort
from tests.unit.privacy.asking import BANK, asking

WORDS = Words({"diagnos": Category.HALSA, "facklig": Category.KANSLIG})


def test_every_input_finds_its_place():
    request = reading.read(
        asking(
            actor__relation="relative",
            suspicionRef="P-1",
            consentRef={"ref": "S-1", "scope": ["region"], "validTo": "2026-06-30"},
            dataProvenance=[
                {
                    "collectedFor": "fk:Kontroll",
                    "everProcessedFor": ["fk:Kontroll"],
                    "sourceBasis": "SKV-AGI-FRANVARO-01",
                    "gallras": "2027-01-01",
                }
            ],
            selection={"by": ["diagnos"], "subjects": 400, "concernsBenefit": True, "use": "control"},
            intendedUse="decision_proposal",
            recentSubjects=17,
            given=["HuvudDiagnos", "FackligTillhorighet", "Farg"],
            caseProof__requestHash="AB" * 32,
        ),
        WORDS,
    )
    assert (request.missing, request.invalid) == ((), ())
    assert request.id == "req-2026-03-02-0001"
    assert (request.direction, request.channel) == (Direction.FK_QUESTION, Channel.REQUEST_REPLY)
    assert request.partner == Party(
        organisation="5560004615", type="kreditinstitut", system="bankens-system", proved="5560004615"
    )
    assert request.actor == Actor(
        id="h-17", role="handlaggare", unit="bostadsbidrag-nord", automated=False, relation="relative"
    )
    assert (request.purpose, request.lagrum) == ("fk:Arendehandlaggning", Cited(id="SFB-110-33", version="2025:937"))
    assert (request.basis, request.case, request.benefit) == ("FK-BANK-01", "A-1", "bostadsbidrag")
    assert request.proof is not None
    assert (request.proof.open, request.proof.case, request.proof.subject) == (True, "A-1", NUMBERS[0])
    assert (request.proof.capacity, request.proof.request) == ("forsakrad", "ab" * 32)
    assert request.proof.period == Period(first=date(2026, 1, 1), last=date(2026, 12, 31))
    assert (request.subject, request.subject_role) == (NUMBERS[0], SubjectRole.FORSAKRAD)
    assert (request.event, request.period) == (
        date(2026, 1, 1),
        Period(first=date(2026, 1, 1), last=date(2026, 1, 31)),
    )
    assert (request.fields, request.trigger) == ({"saldo"}, Trigger.ON_REQUEST)
    assert request.provenance == (
        DataProvenance(
            collected_for="fk:Kontroll",
            processed_for=frozenset({"fk:Kontroll"}),
            basis="SKV-AGI-FRANVARO-01",
            gallras=date(2027, 1, 1),
        ),
    )
    assert (request.protection, request.environment, request.audit_ready) == (Protection.NONE, "test", True)
    assert (request.suspicion, request.use, request.recent_subjects) == ("P-1", "decision_proposal", 17)
    assert request.consent == Consent(reference="S-1", scope=frozenset({"region"}), until=date(2026, 6, 30))
    assert request.selection == Selection(by=frozenset({"diagnos"}), subjects=400, concerns_benefit=True, use="control")
    assert set(request.given.values()) == {Category.HALSA, Category.KANSLIG}


@pytest.mark.parametrize(
    ("written", "read"),
    [("none", None), (" Ingen ", None), ("null", None), ("SAKNAS", None), ("PM-1", "PM-1"), ("ingen-17", "ingen-17")],
)
def test_to_write_that_there_is_no_suspicion_refers_to_none(written, read):
    assert reading.read(asking(suspicionRef=written)).suspicion == read


@pytest.mark.parametrize("use", ["Decision Proposal", "beslutsforslag", "decision_proposals", True])
def test_a_use_that_is_not_on_the_list_is_none(use):
    request = reading.read(asking(intendedUse=use))
    assert (request.use, request.invalid) == (None, ("intendedUse",))


@pytest.mark.parametrize("use", ["decision_proposal", "triage", "read_by_person"])
def test_a_use_that_is_on_the_list_is_read(use):
    request = reading.read(asking(intendedUse=use))
    assert (request.use, request.invalid) == (use, ())


def test_no_field_of_a_request_is_forgotten():
    whole = reading.read(
        asking(
            suspicionRef="P-1",
            consentRef={"scope": ["region"], "validTo": "2026-06-30"},
            selection={"by": ["lan"], "subjects": 1},
            intendedUse="decision_proposal",
            recentSubjects=1,
            given=["Diagnos"],
        ),
        WORDS,
    )
    of_the_ways = {"contract", "kind"}  # what carries it, where something does
    assert {one.name for one in fields(whole) if getattr(whole, one.name) in (None, {}, 0)} == of_the_ways


def test_an_automated_process_acts_by_its_id():
    request = reading.read(asking(actor=..., automated=True, processId="rimfrost"))
    assert (request.missing, request.invalid) == ((), ())
    assert request.actor == Actor(id="rimfrost", role="", unit="", automated=True)


@pytest.mark.parametrize(
    ("changes", "missing", "invalid"),
    [
        ({"actor": ...}, ("actor",), ()),
        ({"automated": True, "processId": "p"}, (), ("actor",)),
        ({"actor": ..., "automated": True}, ("processId",), ()),
        ({"processId": "p"}, (), ("processId",)),
        ({"actor": ..., "automated": "ja"}, (), ("automated",)),
        ({"actor": ..., "automated": False}, ("actor",), ()),
        ({"actor__unit": ""}, ("actor.unit",), ()),
    ],
)
def test_a_person_or_a_process_acts_not_both_and_not_neither(changes, missing, invalid):
    request = reading.read(asking(**changes))
    assert (request.missing, request.invalid) == (missing, invalid)


@pytest.mark.parametrize(("said", "relation"), [("none", None), ("Ingen", None), ("relative", "relative"), ("", None)])
def test_an_actor_may_be_said_to_be_bound_to_nobody(said, relation):
    actor = reading.read(asking(actor__relation=said)).actor
    assert actor is not None
    assert actor.relation == relation


MANDATORY = [
    "requestId",
    "direction",
    "channelType",
    "partner",
    "partner__orgNr",
    "partner__type",
    "partner__system",
    "partner__authN",
    "partner__authN__orgNr",
    "partner__authN__signature",
    "actor",
    "actor__id",
    "actor__role",
    "actor__unit",
    "purpose",
    "lagrum",
    "lagrum__id",
    "lagrum__version",
    "basisId",
    "caseRef",
    "caseProof",
    "caseProof__open",
    "caseProof__caseRef",
    "caseProof__subject",
    "caseProof__capacity",
    "caseProof__period",
    "caseProof__period__fom",
    "caseProof__period__tom",
    "benefit",
    "subject",
    "subject__pid",
    "subject__role",
    "eventDate",
    "period",
    "period__fom",
    "period__tom",
    "fieldsRequested",
    "trigger",
    "dataProvenance",
    "sidStatus",
    "environment",
    "auditReady",
]


@pytest.mark.parametrize("name", MANDATORY)
@pytest.mark.parametrize("nothing", [..., None, ""], ids=["absent", "null", "empty"])
def test_every_mandatory_input_is_missed_by_its_whole_name(name, nothing):
    request = reading.read(asking(**{name: nothing}))
    assert request.missing == (name.replace("__", "."),)
    assert request.invalid == ()


def test_all_that_is_missing_is_told_at_once():
    mandatory = [name for name, wanted in inputs.REQUEST.inputs.items() if wanted.mandatory]
    assert reading.read({}).missing == (*mandatory, "actor")


def test_an_empty_list_of_provenance_says_that_there_is_none_and_an_empty_list_of_fields_says_nothing():
    assert reading.read(asking(dataProvenance=[])).provenance == ()
    assert reading.read(asking(fieldsRequested=[])).missing == ("fieldsRequested",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("direction", "sideways"),
        ("direction", 7),
        ("channelType", "fax"),
        ("partner", "Banken AB"),
        ("partner__orgNr", "55600046"),
        ("partner__orgNr", 5560004615),
        ("partner__orgNr", "5510004615"),
        ("partner__authN", "signed"),
        ("partner__authN__signature", "yes"),
        ("partner__authN__signature", 1),
        ("lagrum", "SFB-110-33@2025:937"),
        ("purpose", ["fk:Kontroll"]),
        ("purpose", "x" * 201),
        ("purpose", "fk:Kontroll\nfk:Statistik"),
        ("requestId", "\ud800"),
        ("subject__pid", "1234"),
        ("subject__role", "make"),
        ("subject__pid", "8901019802"),
        ("eventDate", "2026-02-30"),
        ("eventDate", "20260201"),
        ("eventDate", "2026-02-01T10:00:00Z"),
        ("eventDate", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("eventDate", 20260201),
        ("period", {"fom": "2026-02-01", "tom": "2026-01-31"}),
        ("period", ["2026-01-01", "2026-01-31"]),
        ("caseProof__period", {"fom": "2026-02-01", "tom": "2026-01-31"}),
        ("caseProof__open", "true"),
        ("caseProof__requestHash", "abc"),
        ("fieldsRequested", "saldo"),
        ("fieldsRequested", ["saldo", 1]),
        ("fieldsRequested", [f"falt{chr(97 + number % 26)}{number}" for number in range(1001)]),
        ("fieldsRequested", [NUMBERS[0]]),
        ("fieldsRequested", [f"{NUMBERS[0][:8]}-{NUMBERS[0][8:]}"]),
        ("fieldsRequested", ["p-1890-01-01-9802"]),
        ("trigger", "bored"),
        ("dataProvenance", {"collectedFor": "fk:Kontroll"}),
        ("dataProvenance", ["fk:Kontroll"]),
        ("sidStatus", False),
        ("sidStatus", "kanske"),
        ("environment", "staging"),
        ("auditReady", 1),
        ("auditReady", "true"),
        ("recentSubjects", -1),
        ("recentSubjects", True),
        ("recentSubjects", 1.0),
        pytest.param("recentSubjects", 10**5000, id="huge"),
        ("suspicionRef", {}),
        ("given", [NUMBERS[0]]),
    ],
)
def test_what_is_no_such_thing_is_told_by_its_name_and_is_not_there(name, value):
    request = reading.read(asking(**{name: value}), WORDS)
    assert request.invalid == (name.replace("__", "."),)
    assert request.missing == ()


def test_names_in_lists_of_tables_have_their_place():
    request = reading.read(
        asking(
            dataProvenance=[
                {"collectedFor": "fk:Kontroll", "everProcessedFor": [], "sourceBasis": "B-1"},
                {"collectedFor": "fk:Kontroll", "everProcessedFor": "fk:Kontroll", "gallras": "snart"},
            ]
        )
    )
    assert request.missing == ("dataProvenance[1].sourceBasis",)
    assert request.invalid == ("dataProvenance[1].everProcessedFor", "dataProvenance[1].gallras")
    assert request.provenance is None


def test_a_consent_without_a_last_day_is_half_a_consent():
    request = reading.read(asking(consentRef={"scope": ["region"]}))
    assert (request.missing, request.consent) == (("consentRef.validTo",), None)


def test_unknown_elements_need_the_words_to_be_judged_by():
    assert reading.read(asking(given=["Diagnos"])).invalid == ("given",)
    assert reading.read(asking(given=[])).invalid == ()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (NUMBERS[0], NUMBERS[0]),
        (f"{NUMBERS[0][:8]}-{NUMBERS[0][8:]}", NUMBERS[0]),
        ("556000-4615", "5560004615"),
        ("165560004615", "5560004615"),
    ],
)
def test_numbers_are_compared_without_hyphen_or_century_of_organisations(written, read):
    assert reading.read(asking(subject__pid=written)).subject == read


@pytest.mark.parametrize("status", [("protected", Protection.SKYDDAD_FOLKBOKFORING), ("unknown", Protection.UNKNOWN)])
def test_the_status_of_protection_may_be_what_our_own_service_says(status):
    written, read = status
    assert reading.read(asking(sidStatus=written)).protection is read


@pytest.mark.parametrize(
    ("evidence", "proved"),
    [
        ({"orgNr": "5560004615", "signature": True}, "5560004615"),
        ({"orgNr": "5560004615", "signature": False}, None),
        ({"orgNr": "2021005521", "signature": True}, "2021005521"),
    ],
)
def test_only_a_signature_that_held_proves_anything(evidence, proved):
    party = reading.read(asking(partner__authN=evidence)).partner
    assert party is not None
    assert party.proved == proved


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (asking(ändamål="x"), ["ändamål", "purpose"]),
        (asking(partner__name="Banken"), ["partner.name", "orgNr, type, system, authN"]),
        (asking(period__from="2026-01-01"), ["period.from", "fom, tom"]),
        (asking(dataProvenance=[{"purpose": "x"}]), ["dataProvenance[0].purpose", "collectedFor"]),
        (asking(**{NUMBERS[0]: 1}), ["a key that is no name"]),
        ({str(number) * 300: 1 for number in range(50)}, ["40 more unknown keys"]),
    ],
)
def test_an_unknown_key_is_refused_with_file_key_and_the_accepted_ones(data, told):
    with pytest.raises(ConfigError) as refused:
        reading.read(data, source="fråga.json")
    assert refused.value.detail.startswith("fråga.json: unknown key ")
    assert all(text in refused.value.detail for text in told)
    assert NUMBERS[0] not in refused.value.detail


@pytest.mark.parametrize("data", [[], "x", 1, None, True])
def test_a_request_is_a_table(data):
    with pytest.raises(ConfigError, match="a request is one table; accepted keys: requestId, "):
        reading.read(data)


# --- Files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"purpose": "a", "purpose": "b"}', "twice"),
        (b'{"period": {"fom": 1, "fom": 2}}', "twice"),
        (b'purpose = "a"\npurpose = "b"\n', "not TOML: line 2"),
        (b'{"recentSubjects": NaN}', "not JSON"),
        (b'{"recentSubjects": -Infinity}', "not JSON"),
        (b'{"recentSubjects": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a": ' * 20_000 + b"1" + b"}" * 20_000, "nested too deeply"),
        (b"a = " + b"[" * 20_000, "nested too deeply"),
        (b"a" + b".a" * 20_000 + b" = 1", "more than 500 dots"),
        (b"\xff\xfe", "not UTF-8"),
        (b"", "not JSON"),
        (b"[1, 2]", "not TOML"),
        (b'{"requestId": "' + b"x" * 300_000 + b'"}', "larger than"),
        (b"\x00", "not TOML"),
        (b'{"requestId": ' + NUMBERS[0].encode() + b"]", "not JSON: line 1"),
        (b"requestId = " + NUMBERS[0].encode() + b" 7", "not TOML: line 1"),
    ],
)
def test_a_file_that_is_no_table_is_refused_without_a_word_of_it(body, told):
    with pytest.raises(ConfigError) as refused:
        tables.parse(body, "fråga")
    assert refused.value.detail.startswith("fråga: ")
    assert told in refused.value.detail
    assert NUMBERS[0] not in refused.value.detail


def test_a_list_in_json_is_no_request():
    with pytest.raises(ConfigError, match="not a table with names"):
        tables.parse(b"[]", "a.json")


def test_json_and_toml_say_the_same():
    text = "\n".join(
        [
            *(f"{name} = {json.dumps(value)}" for name, value in BANK.items() if not isinstance(value, dict)),
            "period = { fom = 2026-01-01, tom = 2026-01-31 }",
            'lagrum = { id = "SFB-110-33", version = "2025:937" }',
            f'subject = {{ pid = "{NUMBERS[0]}", role = "forsakrad" }}',
            "[actor]",
            *(f"{name} = {json.dumps(value)}" for name, value in BANK["actor"].items()),
            "[partner]",
            *(f"{name} = {json.dumps(BANK['partner'][name])}" for name in ("orgNr", "type", "system")),
            'authN = { orgNr = "5560004615", signature = true, certificate = "sha256:ab" }',
            "[caseProof]",
            'open = true\ncaseRef = "A-1"\ncapacity = "forsakrad"',
            f'subject = "{NUMBERS[0]}"',
            "period = { fom = 2026-01-01, tom = 2026-12-31 }",
        ]
    )
    from_json = reading.read(tables.parse(b"\xef\xbb\xbf" + json.dumps(BANK).encode(), "a"))
    assert reading.read(tables.parse(text.encode(), "a")) == from_json
    assert tomllib.loads(text).keys() == BANK.keys()


# --- Whatever strangers write ---------------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text()
    | st.sampled_from([NUMBERS[0], "2026-01-01", "none", "prod", "\ud800", "x" * 5000])
    | st.dates()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_PLACES = [name.split("__") for name in MANDATORY]


@effort(200)
@given(st.lists(st.tuples(st.sampled_from(_PLACES), _JSON), min_size=1, max_size=4))
def test_any_value_anywhere_is_read_or_refused_and_never_breaks(changes):
    data = asking()
    for path, value in changes:
        inner = data
        for part in path[:-1]:
            inner = inner.get(part) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[path[-1]] = value
    try:
        request = reading.read(data, WORDS)
    except ConfigError as refused:
        told = refused.detail
    else:
        told = json.dumps(answers.answer(verdict(), request))
        assert len(reading.fingerprint(request)) == 64
    assert NUMBERS[0] not in told


@effort(100)
@given(_JSON)
def test_any_value_instead_of_a_request_is_read_or_refused(data):
    try:
        request = reading.read(data, WORDS)
    except ConfigError:
        return
    assert request.missing


@effort(200)
@given(st.binary(max_size=400) | st.text(st.characters(codec="utf-8"), max_size=400).map(str.encode))
def test_any_bytes_are_a_table_or_refused(body):
    told: object = {}
    try:
        told = tables.parse(body, "x")
    except ConfigError as refused:
        told = refused
    assert isinstance(told, dict) or str(told).startswith("GW-CONFIG: x: ")


@pytest.mark.parametrize("name", MANDATORY)
def test_the_schema_misses_what_reading_misses(name):
    validator = jsonschema.Draft202012Validator(reading.schema())
    assert validator.is_valid(asking())
    assert not validator.is_valid(asking(**{name: ...}))
    assert not validator.is_valid(asking(**{name: 17}))


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown": 1},
        {"partner__name": "x"},
        {"automated": True, "processId": "p"},
        {"processId": "p"},
        {"actor": ..., "automated": True},
        {"fieldsRequested": []},
        {"purpose": ""},
        {"purpose": "  "},
        {"eventDate": "igår"},
    ],
)
def test_the_schema_refuses_what_reading_refuses(changes):
    assert not jsonschema.Draft202012Validator(reading.schema()).is_valid(asking(**changes))


def test_the_schema_takes_a_process_and_all_that_is_optional():
    whole = asking(
        actor=...,
        automated=True,
        processId="p",
        suspicionRef="P-1",
        consentRef={"scope": ["region"], "validTo": "2026-06-30"},
        dataProvenance=[{"collectedFor": "fk:Kontroll", "everProcessedFor": [], "sourceBasis": "B-1"}],
        selection={"by": ["lan"], "subjects": 1},
        intendedUse="decision_proposal",
        recentSubjects=1,
        given=["Diagnos"],
    )
    jsonschema.validate(whole, reading.schema(), jsonschema.Draft202012Validator)
    assert reading.read(whole, WORDS).missing == ()


# --- Fingerprint ----------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_of_what_is_asked_and_not_of_its_proof():
    asked = reading.fingerprint(reading.read(asking()))
    assert asked == reading.fingerprint(
        reading.read(
            asking(
                caseProof__caseRef="A-9",
                caseProof__requestHash=asked,
                sidStatus="protected",
                auditReady=False,
                partner__authN__signature=False,
                partner__orgNr="5560004615",
                recentSubjects=9,
            )
        )
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"requestId": "req-2"},
        {"direction": "fk_push"},
        {"channelType": "batch"},
        {"partner__orgNr": "2021005521"},
        {"partner__type": "kommun"},
        {"partner__system": "annat"},
        {"actor__id": "h-18"},
        {"actor__role": "chef"},
        {"actor__unit": "syd"},
        {"actor": ..., "automated": True, "processId": "h-17"},
        {"purpose": "fk:Kontroll"},
        {"lagrum__id": "SFB-110-31"},
        {"lagrum__version": "2010:110"},
        {"basisId": "FK-BANK-02"},
        {"caseRef": "A-2"},
        {"benefit": "bostadstillagg"},
        {"subject__pid": NUMBERS[1]},
        {"subject__role": "annan_fysisk"},
        {"eventDate": "2026-01-02"},
        {"period__fom": "2026-01-02"},
        {"period__tom": "2026-01-30"},
        {"fieldsRequested": ["konto"]},
        {"trigger": "own_initiative"},
        {"suspicionRef": "P-1"},
        {"consentRef": {"scope": ["region"], "validTo": "2026-06-30"}},
        {"environment": "prod"},
        {"selection": {"by": ["lan"], "subjects": 1}},
        {"intendedUse": "decision_proposal"},
    ],
)
def test_another_question_has_another_fingerprint(changes):
    assert reading.fingerprint(reading.read(asking(**changes))) != reading.fingerprint(reading.read(asking()))


def test_the_order_of_fields_does_not_matter_to_the_fingerprint():
    one, other = asking(fieldsRequested=["a", "b"]), asking(fieldsRequested=["b", "a"])
    assert reading.fingerprint(reading.read(one)) == reading.fingerprint(reading.read(other))


# --- Answer ---------------------------------------------------------------------------------------------------------


def verdict(**more: object) -> Verdict:
    return Verdict(
        outcome=Outcome.DENY,
        reasons=(Reason.INPUT_MISSING,),
        granted=frozenset(),
        withheld={},
        obligations=(),
        policy="ab" * 32,
        lagrum=("SFB-110-33@2025:937",),
        basis="FK-BANK-01",
        quarantined=False,
        gates=(Judged(gate="0 audit", result="pass"), Judged(gate="1 who", result="deny", reasons=("X",))),
        decision="cd" * 16,
        decided_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
    )._replace(**more)


def test_the_answer_has_the_agreed_names_and_is_json():
    told = answers.answer(
        verdict(
            outcome=Outcome.PERMIT,
            reasons=(),
            granted=frozenset({"b", "a"}),
            withheld={"c": Reason.FIELD_NOT_IN_BASIS},
            obligations=("log_before_release",),
        )
    )
    assert json.loads(json.dumps(told)) == told
    assert told | {"textSv": ""} == {
        "decision": "PERMIT",
        "reasonCodes": [],
        "textSv": "",
        "fieldsGranted": ["a", "b"],
        "fieldsWithheld": [{"field": "c", "reason": "FIELD_NOT_IN_BASIS"}],
        "obligations": ["log_before_release"],
        "policySetHash": "ab" * 32,
        "lagrumVersions": ["SFB-110-33@2025:937"],
        "decisionId": "cd" * 16,
        "basisId": "FK-BANK-01",
        "quarantined": False,
        "coarse": "OK-REDUCED",
        "gates": [
            {"gate": "0 audit", "result": "pass", "reasons": []},
            {"gate": "1 who", "result": "deny", "reasons": ["X"]},
        ],
        "inputsMissing": [],
        "inputsInvalid": [],
        "decidedAt": "2026-03-02T12:00:00+00:00",
    }
    assert told["textSv"].startswith("Tillåtet.")


def test_what_was_missing_and_malformed_is_in_the_answer():
    request = reading.read(asking(basisId=..., eventDate="igår"))
    told = answers.answer(verdict(), request)
    assert (told["inputsMissing"], told["inputsInvalid"]) == (["basisId"], ["eventDate"])
    assert "basisId" in told["textSv"]
    assert "eventDate ska vara en dag" in told["textSv"]


@pytest.mark.parametrize(
    ("more", "coarse"),
    [
        ({"outcome": Outcome.PERMIT}, "OK"),
        ({"outcome": Outcome.PERMIT, "withheld": {"adress": Reason.PROTECTED_IDENTITY}}, "OK"),
        ({"outcome": Outcome.PERMIT, "withheld": {"adress": Reason.PROTECTION_UNKNOWN}}, "OK"),
        ({"outcome": Outcome.PERMIT, "withheld": {"adress": Reason.FIELD_NOT_IN_BASIS}}, "OK-REDUCED"),
        ({"outcome": Outcome.DENY, "reasons": (Reason.PROTECTED_IDENTITY,)}, "DENIED"),
        ({"outcome": Outcome.REFER, "reasons": (Reason.PROTECTED_IDENTITY,)}, "REFERRED"),
    ],
)
def test_a_partner_is_told_one_of_four_words_and_never_why(more, coarse):
    assert answers.coarse(verdict(**more)) == coarse


def test_a_number_written_where_a_name_should_be_is_not_told_again():
    hyphen = f"{NUMBERS[0][:8]}-{NUMBERS[0][8:]}"
    request = reading.read(
        asking(partner__type=hyphen, purpose=hyphen, basisId=hyphen, benefit=hyphen, lagrum__id=f"x{hyphen}")
    )
    told = json.dumps(answers.answer(verdict(granted=frozenset({hyphen}), withheld={hyphen: "X"}), request))
    assert NUMBERS[0][8:] not in told
