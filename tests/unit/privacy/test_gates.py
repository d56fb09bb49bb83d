"""Every gate, both ways: what it stops and what it lets through. Each row is a rule, and its name is the row's key."""

import re
from collections import Counter
from datetime import date
from itertools import chain
from types import SimpleNamespace

import pytest

from gateway.config.law import Channel, Condition, Direction, SubjectRole, Trigger
from gateway.message import Category, Outcome, Protection
from gateway.privacy import contents, grounds
from gateway.privacy.gates import GATES
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Cited, Selection
from gateway.privacy.rule import InForce
from gateway.privacy.setting import NOTHING, Way
from tests.unit.privacy.laid import (
    CASE_PERIOD,
    DAY,
    IN_FORCE,
    SUBJECT,
    actor,
    consent,
    origin,
    party,
    period,
    proof,
    request,
    rule,
    setting,
)

PASSES = None
COMPANY = "5560269986"


def deny(reason):
    return Outcome.DENY, reason


def refer(reason):
    return Outcome.REFER, reason


def case(name, question, said, request_=None, rule_=None, **in_):
    """Return a row: what `question` says of a request and a rule that would else fit."""
    return pytest.param(question, request_ or {}, rule_ or {}, in_, said, id=name)


def selection(*by, subjects=40, **more):
    return Selection(by=frozenset(by), subjects=subjects, **more)


def in_force(**changes):
    given = {"versions": IN_FORCE.versions, "open_test": False, "unread": False, "excluded": frozenset()}
    return InForce(**(given | changes))


WHO = [
    case("the log has taken an entry", grounds.audited, PASSES),
    case("the log has not", grounds.audited, deny(Reason.AUDIT_UNAVAILABLE), {"audit_ready": False}),
    case("whether the log has is not known", grounds.audited, deny(Reason.AUDIT_UNAVAILABLE), {"audit_ready": None}),
    case("the organisation is the one that is proved", grounds.proved, PASSES),
    case(
        "the certificate is another organisation's",
        grounds.proved,
        deny(Reason.PARTNER_MISMATCH),
        {"partner": party(proved="2021000555")},
    ),
    case("nothing is proved", grounds.proved, deny(Reason.PARTNER_UNPROVEN), {"partner": party(proved=None)}),
    case("an empty proof proves nothing", grounds.proved, deny(Reason.PARTNER_UNPROVEN), {"partner": party(proved="")}),
    case("a test is about a test number", grounds.identity_of_place, PASSES),
    case(
        "a test is about a real person",
        grounds.identity_of_place,
        deny(Reason.PRODUCTION_IDENTITY_IN_TEST),
        {"subject": "198202252386"},
    ),
    case("production may", grounds.identity_of_place, PASSES, {"subject": "198202252386", "environment": "prod"}),
    case(
        "a test may be about a company",
        grounds.identity_of_place,
        PASSES,
        {"subject": "5560004615", "subject_role": SubjectRole.JURIDISK},
    ),
    case(
        "a person is no company because somebody says so",
        grounds.identity_of_place,
        deny(Reason.PRODUCTION_IDENTITY_IN_TEST),
        {"subject": "198202252386", "subject_role": SubjectRole.JURIDISK},
    ),
    case(
        "979 is a number that somebody may have",
        grounds.identity_of_place,
        deny(Reason.PRODUCTION_IDENTITY_IN_TEST),
        {"subject": "189001019794"},
    ),
    case("980 is not", grounds.identity_of_place, PASSES, {"subject": "189001019802"}),
    case("nor is 999", grounds.identity_of_place, PASSES, {"subject": "189001019992"}),
    case("the series holds to 1910", grounds.identity_of_place, PASSES, {"subject": "191012249833"}),
    case(
        "born later somebody may have 980",
        grounds.identity_of_place,
        deny(Reason.PRODUCTION_IDENTITY_IN_TEST),
        {"subject": "191101019801"},
    ),
    case(
        "a number that is listed is nobody's, whatever its series",
        grounds.identity_of_place,
        PASSES,
        {"subject": "198202252386"},
        test_numbers=frozenset({"198202252386"}),
    ),
    case(
        "of 238 none is that is not listed",
        grounds.identity_of_place,
        deny(Reason.PRODUCTION_IDENTITY_IN_TEST),
        {"subject": "198202252386"},
        test_numbers=frozenset({"198202252394"}),
    ),
    case(
        "a samordningsnummer is listed too",
        grounds.identity_of_place,
        PASSES,
        {"subject": "191401682396"},
        test_numbers=frozenset({"191401682396"}),
    ),
]

PURPOSE = [
    case("a purpose of the list", grounds.of_the_closed_list, PASSES),
    *(
        case(f"{wrong!r} is none", grounds.of_the_closed_list, deny(Reason.PURPOSE_UNKNOWN), {"purpose": wrong})
        for wrong in (None, "", "övrigt", "fk:Ovrigt", "FK:KONTROLL", "Arendehandlaggning")
    ),
    *(
        case(
            f"{direction} for {purpose}: {'yes' if allowed else 'no'}",
            grounds.for_the_direction,
            PASSES if allowed else deny(Reason.PURPOSE_NOT_FOR_DIRECTION),
            {"direction": direction, "purpose": purpose},
        )
        for direction, purpose, allowed in [
            (Direction.INBOUND_PUSH, "fk:Kontroll", True),
            (Direction.INBOUND_ANSWER, "fk:Statistik", True),
            (Direction.INBOUND_PUSH, "fk:UtlamnandeForfattning", False),
            (Direction.FK_QUESTION, "fk:Kontroll", True),
            (Direction.FK_QUESTION, "fk:UtlamnandeForfattning", False),
            (Direction.FK_PUSH, "fk:UtlamnandeForfattning", True),
            (Direction.FK_PUSH, "fk:Arendehandlaggning", True),
            (Direction.FK_PUSH, "fk:Kontroll", False),
            (Direction.FK_ANSWER, "fk:UtlamnandeForfattning", True),
            (Direction.FK_ANSWER, "fk:UtlamnandeInternationell", True),
            (Direction.FK_ANSWER, "fk:Arendehandlaggning", False),
            (Direction.PARTNER_QUESTION, "fk:UtlamnandeForfattning", True),
            (Direction.PARTNER_QUESTION, "fk:Kontroll", False),
            *((direction, "fk:AnnatForenligt", False) for direction in Direction),
            (None, "fk:Arendehandlaggning", False),
        ]
    ),
    case(
        "a system of ours acts for what it is there for",
        grounds.for_the_asker,
        PASSES,
        {"actor": actor(mandate=frozenset({"fk:Arendehandlaggning"}))},
    ),
    case(
        "and for nothing else",
        grounds.for_the_asker,
        deny(Reason.PURPOSE_NOT_FOR_ASKER),
        {"actor": actor(mandate=frozenset({"fk:Kontroll"}))},
    ),
    case("and not without a mandate", grounds.for_the_asker, deny(Reason.PURPOSE_NOT_FOR_ASKER)),
]

BASIS = [
    case("the register has the basis", grounds.there_is_a_basis, PASSES),
    case("its direction", grounds.about_this_direction, PASSES),
    case(
        "to ask is not to answer",
        grounds.about_this_direction,
        deny(Reason.BASIS_OTHER_DIRECTION),
        {"direction": Direction.INBOUND_ANSWER},
    ),
    case(
        "the contract and kind that are carried",
        grounds.about_what_is_carried,
        PASSES,
        {"contract": "a/b", "kind": "konton"},
        {"contract": "a/b"},
    ),
    case(
        "another contract",
        grounds.about_what_is_carried,
        deny(Reason.BASIS_OTHER_CONTENT),
        {"contract": "a/c", "kind": "konton"},
        {"contract": "a/b"},
    ),
    case(
        "another kind",
        grounds.about_what_is_carried,
        deny(Reason.BASIS_OTHER_CONTENT),
        {"contract": "a/b", "kind": "lan"},
        {"contract": "a/b"},
    ),
    case("a basis holds on its first day", grounds.valid, PASSES, {}, {"valid_from": DAY}),
    case("and on its last", grounds.valid, PASSES, {}, {"valid_until": DAY}),
    case("not before", grounds.valid, deny(Reason.BASIS_NOT_YET_VALID), {}, {"valid_from": date(2026, 3, 3)}),
    case("and not after", grounds.valid, deny(Reason.BASIS_EXPIRED), {}, {"valid_until": date(2026, 3, 1)}),
    case(
        "where the event's day counts, a basis that has ended since holds",
        grounds.valid,
        PASSES,
        {"event": date(2025, 11, 30)},
        {"valid_until": date(2025, 11, 30), "by_event_day": True},
    ),
    case(
        "and one that had not begun does not",
        grounds.valid,
        deny(Reason.BASIS_NOT_YET_VALID),
        {"event": date(2025, 11, 30)},
        {"valid_from": date(2025, 12, 1), "by_event_day": True},
    ),
    case(
        "nor one that is still to begin when we decide",
        grounds.valid,
        deny(Reason.BASIS_NOT_YET_VALID),
        {"event": date(2026, 3, 3)},
        {"valid_from": date(2026, 3, 3), "by_event_day": True},
    ),
    case(
        "but a day to come is judged by a basis that has begun",
        grounds.valid,
        PASSES,
        {"event": date(2026, 3, 3)},
        {"valid_from": DAY, "by_event_day": True},
    ),
    case("the basis' own purpose", grounds.for_the_basis, PASSES, {"purpose": "fk:Kontroll"}),
    case("another purpose", grounds.for_the_basis, deny(Reason.PURPOSE_NOT_IN_BASIS), {"purpose": "fk:Information"}),
    case("no citation is asked for", grounds.quoted, PASSES),
    case("what is quoted is accepted", grounds.quoted, PASSES, {"quoted": ("1 §",)}, {"cited": frozenset({"1 §"})}),
    case("nothing is quoted", grounds.quoted, deny(Reason.CITED_BASIS_MISMATCH), {}, {"cited": frozenset({"1 §"})}),
    case(
        "one of two is not accepted",
        grounds.quoted,
        deny(Reason.CITED_BASIS_MISMATCH),
        {"quoted": ("1 §", "2 §")},
        {"cited": frozenset({"1 §"})},
    ),
    case("every paragraph is in force", grounds.in_force, PASSES),
    case("one is not", grounds.in_force, deny(Reason.LAGRUM_NOT_IN_FORCE), in_force=None),
    case("the paragraph of the basis, in its version", grounds.cited, PASSES),
    case(
        "another paragraph that happens to be in force",
        grounds.cited,
        deny(Reason.LAGRUM_NOT_IN_BASIS),
        {"lagrum": Cited(id="SFB-114-8-3", version="2024:13")},
    ),
    case("a paragraph without a name", grounds.cited, deny(Reason.LAGRUM_NOT_IN_BASIS), {"lagrum": None}),
    case(
        "the version of another day",
        grounds.cited,
        deny(Reason.LAGRUM_NOT_IN_FORCE),
        {"lagrum": Cited(id="L-1", version="1")},
    ),
    case(
        "no version at all",
        grounds.cited,
        deny(Reason.LAGRUM_NOT_IN_FORCE),
        {"lagrum": Cited(id="L-1", version="")},
    ),
    case("what has been read, for real", grounds.read_by_somebody, PASSES, strict=True),
    case(
        "a basis that nobody has read, for real",
        grounds.read_by_somebody,
        refer(Reason.LAW_UNVERIFIED),
        {},
        {"verified": False},
        strict=True,
    ),
    case(
        "a paragraph that nobody has read, for real",
        grounds.read_by_somebody,
        refer(Reason.LAW_UNVERIFIED),
        strict=True,
        in_force=in_force(unread=True),
    ),
    case(
        "in a test it may be tried",
        grounds.read_by_somebody,
        PASSES,
        {},
        {"verified": False},
        in_force=in_force(unread=True),
    ),
]

ON_BENEFITS = (Condition(benefits=("bostadsbidrag",), subject_roles=(SubjectRole.FORSAKRAD,)),)
OR_SUSPICION = (*ON_BENEFITS, Condition(suspicion=True))
MATCH = [
    case("the type of partner", grounds.partner_of_type, PASSES),
    case(
        "another type",
        grounds.partner_of_type,
        deny(Reason.PARTNER_TYPE_MISMATCH),
        {"partner": party(type="arbetsgivare")},
    ),
    case("no type", grounds.partner_of_type, deny(Reason.PARTNER_TYPE_MISMATCH), {"partner": None}),
    case("the insured", grounds.subject_in_role, PASSES),
    *(
        case(
            f"not the insured but {role}",
            grounds.subject_in_role,
            deny(Reason.SUBJECT_ROLE_NOT_IN_BASIS),
            {"subject_role": role},
        )
        for role in (SubjectRole.ANNAN_FYSISK, SubjectRole.JURIDISK, None)
    ),
    case(
        "a business partner is asked about a company",
        grounds.subject_in_role,
        PASSES,
        {"subject_role": SubjectRole.JURIDISK, "subject": COMPANY},
        {"subject_roles": frozenset({SubjectRole.JURIDISK})},
    ),
    case(
        "and a person's number is no company's, though the role says so",
        grounds.subject_in_role,
        deny(Reason.SUBJECT_ROLE_NOT_IN_BASIS),
        {"subject_role": SubjectRole.JURIDISK},
        {"subject_roles": frozenset({SubjectRole.JURIDISK})},
    ),
    case(
        "nobody insured has a company's number",
        grounds.subject_in_role,
        deny(Reason.SUBJECT_ROLE_NOT_IN_BASIS),
        {"subject": COMPANY},
    ),
    case("a benefit of ours", grounds.benefit_of_the_closed_list, PASSES),
    *(
        case(
            f"{wrong!r} is none",
            grounds.benefit_of_the_closed_list,
            deny(Reason.BENEFIT_UNKNOWN),
            {"benefit": wrong, "direction": direction},
        )
        for wrong, direction in [
            (None, Direction.FK_QUESTION),
            ("", Direction.FK_ANSWER),
            (" -", Direction.PARTNER_QUESTION),
            ("forskoleavgift", Direction.FK_PUSH),
            ("forskoleavgift", Direction.INBOUND_PUSH),
        ]
    ),
    case(
        "a partner's case is of its own kind",
        grounds.benefit_of_the_closed_list,
        PASSES,
        {"benefit": "forskoleavgift", "direction": Direction.FK_ANSWER},
    ),
    case("a basis that names no benefit", grounds.benefit_of_the_basis, PASSES, {"benefit": "sjukpenning"}),
    case(
        "a benefit that it names",
        grounds.benefit_of_the_basis,
        PASSES,
        {},
        {"benefits": frozenset({"bostadsbidrag"})},
    ),
    case(
        "one that it does not",
        grounds.benefit_of_the_basis,
        deny(Reason.BENEFIT_NOT_IN_BASIS),
        {"benefit": "sjukpenning"},
        {"benefits": frozenset({"bostadsbidrag"})},
    ),
    case(
        "a basis that names none at all",
        grounds.benefit_of_the_basis,
        deny(Reason.BENEFIT_NOT_IN_BASIS),
        {},
        {"benefits": frozenset()},
    ),
    case("on request", grounds.set_off_as_allowed, PASSES),
    *(
        case(f"not {trigger}", grounds.set_off_as_allowed, deny(Reason.TRIGGER_NOT_IN_BASIS), {"trigger": trigger})
        for trigger in (Trigger.OWN_INITIATIVE, Trigger.CONTINUOUS, None)
    ),
    case("by question and answer", grounds.by_the_channel, PASSES),
    *(
        case(f"not by {channel}", grounds.by_the_channel, deny(Reason.CHANNEL_NOT_IN_BASIS), {"channel": channel})
        for channel in (Channel.DIRECT_ACCESS, Channel.BATCH, Channel.MESSAGE, None)
    ),
    case("no alternatives", grounds.conditions, PASSES),
    case("an alternative in all that it names", grounds.conditions, PASSES, {}, {"any_of": ON_BENEFITS}),
    case(
        "the right benefit about somebody else",
        grounds.conditions,
        deny(Reason.CONDITIONS_NOT_MET),
        {"subject_role": SubjectRole.ANNAN_FYSISK},
        {"any_of": ON_BENEFITS},
    ),
    case(
        "sjukpenning without suspicion",
        grounds.conditions,
        deny(Reason.CONDITIONS_NOT_MET),
        {"benefit": "sjukpenning"},
        {"any_of": OR_SUSPICION},
    ),
    case(
        "sjukpenning with suspicion",
        grounds.conditions,
        PASSES,
        {"benefit": "sjukpenning", "suspicion": "PM-1"},
        {"any_of": OR_SUSPICION},
    ),
    case(
        "suspicion that refers to nothing",
        grounds.conditions,
        deny(Reason.CONDITIONS_NOT_MET),
        {"benefit": "sjukpenning", "suspicion": " - "},
        {"any_of": OR_SUSPICION},
    ),
    case(
        "suspicion does not open what is for some benefits only",
        grounds.conditions,
        deny(Reason.CONDITIONS_NOT_MET),
        {"benefit": "sjukpenning", "suspicion": "PM-1"},
        {"any_of": ON_BENEFITS},
    ),
    case("no consent is asked for", grounds.consented, PASSES),
    case("consent on its last day", grounds.consented, PASSES, {"consent": consent()}, {"consent": True}),
    case("no consent", grounds.consented, deny(Reason.CONSENT_MISSING), {}, {"consent": True}),
    case(
        "consent for others",
        grounds.consented,
        deny(Reason.CONSENT_OTHER_RECIPIENT),
        {"consent": consent(scope=frozenset({"region"}))},
        {"consent": True},
    ),
    case(
        "consent that ended yesterday",
        grounds.consented,
        deny(Reason.CONSENT_EXPIRED),
        {"consent": consent(until=date(2026, 3, 1))},
        {"consent": True},
    ),
    case("no suspicion is asked for", grounds.suspected, PASSES),
    case("suspicion with its reference", grounds.suspected, PASSES, {"suspicion": "PM-1"}, {"suspicion": True}),
    *(
        case(
            f"{wrong!r} is no suspicion",
            grounds.suspected,
            deny(Reason.SUSPICION_MISSING),
            {"suspicion": wrong},
            {"suspicion": True},
        )
        for wrong in (None, "", " ", "-")
    ),
]

HASH = "a" * 64
PURPOSE_OF_IT, PARTNER = request().purpose, party().organisation
CASE = [
    case("a case is named", grounds.case_named, PASSES),
    *(
        case(f"{wrong!r} is no case", grounds.case_named, deny(Reason.CASE_MISSING), {"case": wrong})
        for wrong in (None, "", " ", "-")
    ),
    case("the case is open", grounds.case_open, PASSES),
    case("the case is closed", grounds.case_open, deny(Reason.NO_OPEN_CASE), {"proof": proof(open=False)}),
    case("there is no proof", grounds.case_open, deny(Reason.NO_OPEN_CASE), {"proof": None}),
    case("the same case", grounds.case_same, PASSES),
    case("a proof of another case", grounds.case_same, deny(Reason.CASE_MISMATCH), {"case": "A-2"}),
    case("the same person", grounds.case_about_subject, PASSES),
    case(
        "a case about somebody else",
        grounds.case_about_subject,
        deny(Reason.CASE_OTHER_SUBJECT),
        {"subject": "189001119800"},
    ),
    case("the same capacity", grounds.case_in_capacity, PASSES),
    case("a word of the requester's own", grounds.case_in_capacity, PASSES, {"proof": proof(capacity="sökande")}),
    case("written otherwise", grounds.case_in_capacity, PASSES, {"proof": proof(capacity=" Forsakrad")}),
    case("written in Swedish", grounds.case_in_capacity, PASSES, {"proof": proof(capacity="Försäkrad")}),
    *(
        case(
            f"{wrong!r} is another role, however it is spelt",
            grounds.case_in_capacity,
            deny(Reason.CASE_OTHER_CAPACITY),
            {"proof": proof(capacity=wrong)},
        )
        for wrong in ("Annan fysisk person", "annan-fysisk", "juridisk person")
    ),
    case(
        "a legal person's case in Swedish",
        grounds.case_in_capacity,
        PASSES,
        {"proof": proof(capacity="juridisk person"), "subject_role": SubjectRole.JURIDISK},
    ),
    case(
        "another person's case in Swedish",
        grounds.case_in_capacity,
        PASSES,
        {"proof": proof(capacity="annan fysisk person"), "subject_role": SubjectRole.ANNAN_FYSISK},
    ),
    case(
        "the insured's case is not another person's",
        grounds.case_in_capacity,
        deny(Reason.CASE_OTHER_CAPACITY),
        {"proof": proof(capacity="försäkrad"), "subject_role": SubjectRole.ANNAN_FYSISK},
    ),
    case("made for this purpose", grounds.proof_of_this_request, PASSES, {"proof": proof(purpose=PURPOSE_OF_IT)}),
    case(
        "made for another purpose",
        grounds.proof_of_this_request,
        deny(Reason.PROOF_OTHER_REQUEST),
        {"proof": proof(purpose="fk:Statistik")},
    ),
    case("made for this partner", grounds.proof_of_this_request, PASSES, {"proof": proof(organisation=PARTNER)}),
    case(
        "made for another partner",
        grounds.proof_of_this_request,
        deny(Reason.PROOF_OTHER_REQUEST),
        {"proof": proof(organisation="2021000555")},
    ),
    case(
        "made for a partner, and there is none",
        grounds.proof_of_this_request,
        deny(Reason.PROOF_OTHER_REQUEST),
        {"proof": proof(organisation=PARTNER), "partner": None},
    ),
    case(
        "made for this request, and for another purpose than it has",
        grounds.proof_of_this_request,
        deny(Reason.PROOF_OTHER_REQUEST),
        {"proof": proof(request=HASH, purpose="fk:Statistik")},
        fingerprint=HASH,
    ),
    case("no proof is not one of another request", grounds.proof_of_this_request, PASSES, {"proof": None}),
    *(
        case(
            f"a machine's proof that is {how}",
            grounds.proof_bound,
            said,
            {"proof": proof(**given), "actor": actor(automated=True)},
            strict=True,
        )
        for how, given, said in (
            ("bound by purpose and partner", {"purpose": PURPOSE_OF_IT, "organisation": PARTNER}, PASSES),
            ("bound by a fingerprint", {"request": HASH}, PASSES),
            ("bound to nothing", {}, refer(Reason.PROOF_NOT_BOUND)),
            ("bound to a purpose alone", {"purpose": PURPOSE_OF_IT}, refer(Reason.PROOF_NOT_BOUND)),
            ("bound to a partner alone", {"organisation": PARTNER}, refer(Reason.PROOF_NOT_BOUND)),
        )
    ),
    case(
        "an official answers for the proof", grounds.proof_bound, PASSES, {"actor": actor(automated=False)}, strict=True
    ),
    case(
        "in a test a proof need not be bound",
        grounds.proof_bound,
        PASSES,
        {"actor": actor(automated=True)},
        strict=False,
    ),
    case(
        "where there is no proof nothing is bound",
        grounds.proof_bound,
        PASSES,
        {"proof": None, "actor": actor(automated=True)},
        strict=True,
    ),
    case("nobody acts, and nothing is bound", grounds.proof_bound, PASSES, {"actor": None}, strict=True),
    case(
        "in the case as somebody else",
        grounds.case_in_capacity,
        deny(Reason.CASE_OTHER_CAPACITY),
        {"proof": proof(capacity="annan_fysisk")},
    ),
    case("in no capacity", grounds.case_in_capacity, deny(Reason.CASE_OTHER_CAPACITY), {"proof": proof(capacity=" ")}),
    case("a proof that is bound to no request", grounds.proof_of_this_request, PASSES),
    case(
        "a proof of this request",
        grounds.proof_of_this_request,
        PASSES,
        {"proof": proof(request=HASH)},
        fingerprint=HASH,
    ),
    case(
        "a proof of another request",
        grounds.proof_of_this_request,
        deny(Reason.PROOF_OTHER_REQUEST),
        {"proof": proof(request=HASH)},
        fingerprint="b" * 64,
    ),
    case(
        "a proof that nobody compared",
        grounds.proof_of_this_request,
        deny(Reason.PROOF_OTHER_REQUEST),
        {"proof": proof(request=HASH)},
    ),
]

TEXT = {"fields": frozenset({"saldo", "bilaga"}), "standing": True}
PROTECTION = [
    case("known not to be protected", contents.protection_known, PASSES),
    case("known to be", contents.protection_known, PASSES, {"protection": Protection.SEKRETESSMARKERING}),
    *(
        case(
            f"nobody knows: {direction}, {status}",
            contents.protection_known,
            refer(Reason.PROTECTION_UNKNOWN),
            {"protection": status, "direction": direction},
        )
        for status in (Protection.UNKNOWN, None)
        for direction in Direction
    ),
    case(
        "a required field that locates",
        contents.required_field_withheld,
        refer(Reason.PROTECTED_IDENTITY),
        {"fields": ["kontor"]},
        {"required": frozenset({"kontor"})},
        hides=Reason.PROTECTED_IDENTITY,
    ),
    case(
        "of somebody who is not protected",
        contents.required_field_withheld,
        PASSES,
        {"fields": ["kontor"]},
        {"required": frozenset({"kontor"})},
    ),
    case(
        "one that is not required",
        contents.required_field_withheld,
        PASSES,
        {"fields": ["kontor", "saldo"]},
        {"required": frozenset({"saldo"})},
        hides=Reason.PROTECTED_IDENTITY,
    ),
    *(
        case(
            f"free text, whatever has been decided: {status}",
            contents.free_text_of_the_protected,
            said,
            {"fields": ["saldo", "bilaga"], "protection": status},
            TEXT,
        )
        for status, said in [
            (Protection.NONE, PASSES),
            (Protection.UNKNOWN, refer(Reason.FREE_TEXT)),
            (Protection.SEKRETESSMARKERING, refer(Reason.FREE_TEXT)),
            (Protection.SKYDDAD_FOLKBOKFORING, refer(Reason.FREE_TEXT)),
        ]
    ),
    case(
        "free text that says nothing",
        contents.free_text_of_the_protected,
        PASSES,
        {"fields": ["bilaga"], "silent": ["bilaga"], "protection": Protection.UNKNOWN},
        TEXT,
    ),
    case(
        "free text that the basis does not name",
        contents.free_text_of_the_protected,
        PASSES,
        {"fields": ["saldo", "bilaga"], "protection": Protection.UNKNOWN},
    ),
]

HEALTH = {"fields": frozenset({"sjukdom", "medlem", "dom", "saldo"})}
NO_HEALTH = {"forbidden": frozenset({Category.HALSA}), "forbidden_fields": frozenset({"sjukdom"})}
EXCLUDES = {"in_force": in_force(excluded=frozenset({"OSL-25-1"}))}
LEFT = {"referred": {"bilaga": Category.FRITEXT, "telefon": Category.KONTAKT}}
CATEGORY = [
    case("nothing that is forbidden", contents.forbidden, PASSES, {}, NO_HEALTH),
    case("a field that is", contents.forbidden, deny(Reason.FORBIDDEN_CATEGORY), {"fields": ["sjukdom"]}, NO_HEALTH),
    case(
        "one that others get too is taken away",
        contents.forbidden,
        PASSES,
        {"fields": ["sjukdom", "saldo"], "shared": ["sjukdom"]},
        NO_HEALTH,
    ),
    case(
        "an unknown element that gives it away",
        contents.forbidden,
        deny(Reason.FORBIDDEN_CATEGORY),
        {"given": {"halsa": Category.HALSA}},
        NO_HEALTH,
    ),
    case(
        "an unknown element of another category",
        contents.forbidden,
        PASSES,
        {"given": {"kontakt": Category.KONTAKT}},
        NO_HEALTH,
    ),
    *(
        case(
            f"{field} for {purpose}, never used before",
            contents.sensitive_for_the_purpose,
            said,
            {"fields": [field], "purpose": purpose},
            HEALTH,
        )
        for field, purpose, said in [
            ("sjukdom", "fk:Arendehandlaggning", PASSES),
            ("sjukdom", "fk:UnderlagRattighetSkyldighet", PASSES),
            ("sjukdom", "fk:Information", PASSES),
            ("sjukdom", "fk:UtlamnandeForfattning", PASSES),
            ("sjukdom", "fk:Kontroll", deny(Reason.HEALTH_PROVENANCE)),
            ("sjukdom", "fk:Planering", deny(Reason.HEALTH_PROVENANCE)),
            ("sjukdom", "fk:Statistik", deny(Reason.HEALTH_PROVENANCE)),
            ("medlem", "fk:Arendehandlaggning", PASSES),
            ("medlem", "fk:UtlamnandeForfattning", PASSES),
            ("medlem", "fk:Information", deny(Reason.SENSITIVE_PURPOSE)),
            ("medlem", "fk:Kontroll", deny(Reason.SENSITIVE_PURPOSE)),
            ("dom", "fk:Kontroll", PASSES),
            ("saldo", "fk:Planering", PASSES),
        ]
    ),
    case(
        "with a provenance gate 9 asks",
        contents.sensitive_for_the_purpose,
        PASSES,
        {"fields": ["sjukdom"], "purpose": "fk:Kontroll", "provenance": (origin(),)},
        HEALTH,
    ),
    case("a rule that excludes nothing", contents.secrecy, PASSES, {"fields": ["sjukdom"]}, HEALTH),
    case(
        "care data on a rule that excludes it",
        contents.secrecy,
        deny(Reason.SECRECY_NOT_BROKEN),
        {"fields": ["sjukdom"]},
        HEALTH,
        **EXCLUDES,
    ),
    case(
        "also where the basis does not name it",
        contents.secrecy,
        deny(Reason.SECRECY_NOT_BROKEN),
        {"fields": ["sjukdom"]},
        **EXCLUDES,
    ),
    case(
        "but not what others get, and this one does not",
        contents.secrecy,
        PASSES,
        {"fields": ["sjukdom", "saldo"], "shared": ["sjukdom"]},
        **EXCLUDES,
    ),
    *(
        case(
            f"health from {partner} by {direction}, that no secrecy of its own is told of",
            contents.secrecy,
            said,
            {"fields": ["sjukdom"], "direction": direction, "partner": party(type=partner)},
            HEALTH | {"secrecy": {"bilaga": "OSL-24-8"}},
            **EXCLUDES,
        )
        for partner, direction, said in [
            ("region", Direction.FK_QUESTION, deny(Reason.SECRECY_NOT_BROKEN)),
            ("vardgivare", Direction.INBOUND_ANSWER, deny(Reason.SECRECY_NOT_BROKEN)),
            ("region", Direction.INBOUND_PUSH, deny(Reason.SECRECY_NOT_BROKEN)),
            ("region", Direction.FK_ANSWER, PASSES),
            ("kreditinstitut", Direction.FK_QUESTION, PASSES),
        ]
    ),
    case(
        "what a region has that is not about health",
        contents.secrecy,
        PASSES,
        {"fields": ["saldo"], "partner": party(type="region")},
        HEALTH,
        **EXCLUDES,
    ),
    case(
        "health from nobody",
        contents.secrecy,
        PASSES,
        {"fields": ["sjukdom"], "partner": None},
        HEALTH | {"secrecy": {"bilaga": "OSL-24-8"}},
        **EXCLUDES,
    ),
    case(
        "health from a region on a rule that excludes other secrecy",
        contents.secrecy,
        PASSES,
        {"fields": ["sjukdom"], "partner": party(type="region")},
        HEALTH,
        in_force=in_force(excluded=frozenset({"OSL-24-8"})),
    ),
    case("other data on it", contents.secrecy, PASSES, {"fields": ["saldo"]}, HEALTH, **EXCLUDES),
    case(
        "other secrecy",
        contents.secrecy,
        PASSES,
        {"fields": ["sjukdom"]},
        HEALTH,
        in_force=in_force(excluded=frozenset({"OSL-24-8"})),
    ),
    case("no free text", contents.free_text, PASSES, {}, LEFT),
    case(
        "free text that would go",
        contents.free_text,
        refer(Reason.FREE_TEXT),
        {"fields": ["bilaga"]},
        LEFT | {"fields": frozenset({"bilaga"})},
    ),
    case("free text that would not", contents.free_text, PASSES, {"fields": ["bilaga", "saldo"]}, LEFT),
    case(
        "free text that has come",
        contents.free_text,
        refer(Reason.FREE_TEXT),
        {"fields": ["bilaga"], "direction": Direction.INBOUND_PUSH},
        LEFT,
    ),
    case(
        "a standing decision has answered",
        contents.free_text,
        PASSES,
        {"fields": ["bilaga"]},
        {"fields": frozenset({"bilaga"}), "referred": {}},
    ),
    case("nothing else is left to a person", contents.left_to_a_person, PASSES, {"fields": ["bilaga"]}, LEFT),
    case(
        "another category is",
        contents.left_to_a_person,
        refer(Reason.REFERRED_CATEGORY),
        {"fields": ["telefon"]},
        LEFT | {"fields": frozenset({"telefon"})},
    ),
]

LOCKED = SimpleNamespace(
    rules={"B-1": (rule(benefits=frozenset({"foraldrapenning"}), purposes=frozenset({"fk:Kontroll"})),)}
).rules
CONSENTED = {"B-1": (rule(),), "B-2": (rule(), rule(consent=True))}
ORIGIN = [
    case("nothing is told of where it comes from", contents.compatible, PASSES),
    case(
        "collected to handle cases, used to control",
        contents.compatible,
        PASSES,
        {"provenance": (origin(),), "purpose": "fk:Kontroll"},
    ),
    case(
        "a copy for statistics",
        contents.compatible,
        deny(Reason.STATISTICS_ONLY),
        {"provenance": (origin(collected_for="statistik"),)},
    ),
    case(
        "one of two origins is wrong",
        contents.compatible,
        deny(Reason.STATISTICS_ONLY),
        {"provenance": (origin(), origin(collected_for="statistik"))},
    ),
    case(
        "for another purpose a person weighs",
        contents.compatible,
        refer(Reason.COMPATIBILITY_OPEN),
        {"provenance": (origin(),), "purpose": "fk:AnnatForenligt"},
    ),
    case(
        "a DENY stands over that, in whatever order",
        contents.compatible,
        deny(Reason.STATISTICS_ONLY),
        {"provenance": (origin(), origin(collected_for="statistik")), "purpose": "fk:AnnatForenligt"},
    ),
    case(
        "absence data in a case on sjukpenning",
        contents.compatible,
        deny(Reason.BENEFIT_LOCK),
        {"provenance": (origin(collected_for="fk:Kontroll"),), "purpose": "fk:Kontroll", "benefit": "sjukpenning"},
        rules=LOCKED,
    ),
    case(
        "an origin that the register does not know",
        contents.compatible,
        deny(Reason.PROVENANCE_UNKNOWN),
        {"provenance": (origin(basis="X"),)},
    ),
    case(
        "health data that only ever controlled",
        contents.compatible,
        deny(Reason.HEALTH_PROVENANCE),
        {"provenance": (origin(collected_for="fk:Kontroll"),), "purpose": "fk:Planering", "fields": ["sjukdom"]},
        HEALTH,
    ),
    case(
        "health data that has handled a case",
        contents.compatible,
        PASSES,
        {
            "provenance": (origin(collected_for="fk:Kontroll", processed_for=frozenset({"fk:Arendehandlaggning"})),),
            "purpose": "fk:Kontroll",
            "fields": ["sjukdom"],
        },
        HEALTH,
    ),
    case("data that came without consent", contents.still_consented, PASSES, {"provenance": (origin(),)}),
    case(
        "data that came by a basis that nobody knows",
        contents.still_consented,
        PASSES,
        {"provenance": (origin(basis="B-0"),)},
        rules=CONSENTED,
    ),
    case("and none at all", contents.still_consented, PASSES, {"provenance": None}, rules=CONSENTED),
    *(
        case(
            f"data that came by consent: {name}",
            contents.still_consented,
            said,
            {"provenance": (origin(basis="B-2"), origin()), "consent": given},
            rules=CONSENTED,
        )
        for name, given, said in [
            ("none now", None, deny(Reason.CONSENT_MISSING)),
            ("withdrawn", consent(until=date(2026, 3, 1)), deny(Reason.CONSENT_EXPIRED)),
            ("its last day", consent(until=DAY), PASSES),
        ]
    ),
    case("data that is kept for ever", contents.not_to_be_gone, PASSES, {"provenance": (origin(),)}),
    case(
        "data that goes tomorrow",
        contents.not_to_be_gone,
        PASSES,
        {"provenance": (origin(gallras=date(2026, 3, 3)),)},
    ),
    case(
        "data that should be gone today",
        contents.not_to_be_gone,
        deny(Reason.PAST_GALLRING),
        {"provenance": (origin(), origin(gallras=DAY))},
    ),
]

FIELDS = [
    case("fields of the kind", contents.fields_known, PASSES, {"fields": ["saldo", "sjukdom"]}),
    case("a field of no kind", contents.fields_known, deny(Reason.FIELD_UNKNOWN), {"fields": ["saldo", "skonummer"]}),
    case("what is required is there", contents.fields_required, PASSES, {}, {"required": frozenset({"saldo"})}),
    case(
        "what is required is not",
        contents.fields_required,
        deny(Reason.FIELD_REQUIRED),
        {"fields": ["rantor"]},
        {"required": frozenset({"saldo"})},
    ),
    case(
        "what is required says nothing",
        contents.fields_required,
        deny(Reason.FIELD_REQUIRED),
        {"silent": ["saldo"]},
        {"required": frozenset({"saldo"})},
    ),
    case("something is left", contents.something_left, PASSES, {"fields": ["saldo", "telefon"]}),
    *(
        case(f"nothing is left: {name}", contents.something_left, deny(Reason.NOTHING_LEFT), *more, **where)
        for name, more, where in [
            ("nothing was asked for", [{"fields": []}], {}),
            ("fields are not known", [{"fields": None}], {}),
            ("only surplus", [{"fields": ["telefon", "sjukdom"]}], {}),
            ("only what says nothing", [{"silent": ["saldo", "rantor"]}], {}),
            ("only what locates", [{"fields": ["kontor"]}], {"hides": Reason.PROTECTED_IDENTITY}),
        ]
    ),
]

PERIOD = [
    case(
        "a basis that the decision's day picks",
        contents.period_in_one_text,
        PASSES,
        {},
        {"valid_until": date(2026, 1, 30)},
    ),
    *(
        case(
            f"a text that ended on {ended}",
            contents.period_in_one_text,
            said,
            {},
            {"valid_until": ended, "by_event_day": True},
        )
        for ended, said in [
            (date(2026, 1, 31), PASSES),
            (date(2026, 1, 30), deny(Reason.PERIOD_AFTER_BASIS)),
        ]
    ),
    case(
        "and no period",
        contents.period_in_one_text,
        PASSES,
        {"period": None},
        {"valid_until": DAY, "by_event_day": True},
    ),
    case("no longest time", contents.period_named, PASSES, {"period": None}, {"longest_period": None}),
    case("a longest time, and a period", contents.period_named, PASSES),
    case("a longest time, and none", contents.period_named, deny(Reason.PERIOD_MISSING), {"period": None}),
    case("the whole case", contents.period_in_case, PASSES, {"period": CASE_PERIOD}),
    *(
        case(f"outside the case: {name}", contents.period_in_case, deny(Reason.PERIOD_OUTSIDE_CASE), changes)
        for name, changes in [
            ("a day too early", {"period": period(date(2024, 12, 31))}),
            ("a day too late", {"period": period(last=date(2027, 1, 1))}),
            ("backwards", {"period": period(date(2026, 1, 2), date(2026, 1, 1))}),
            ("ten years", {"period": period(date(2016, 1, 1))}),
            ("there is no case", {"proof": None}),
        ]
    ),
    case(
        "the longest time",
        contents.period_short_enough,
        PASSES,
        {"period": period(last=date(2026, 1, 31))},
        {"longest_period": 31},
    ),
    case(
        "a day more",
        contents.period_short_enough,
        deny(Reason.PERIOD_TOO_LONG),
        {"period": period(last=date(2026, 2, 1))},
        {"longest_period": 31},
    ),
]

INFORMING = {"purpose": "fk:Information"}
SELECTION = [
    case("nobody is picked", contents.picked_by_sensitive, PASSES),
    case("by what they are paid", contents.picked_by_sensitive, PASSES, {"selection": selection("saldo")}),
    *(
        case(
            f"by {key}",
            contents.picked_by_sensitive,
            deny(Reason.SELECTION_SENSITIVE),
            {"selection": selection("saldo", key, concerns_benefit=True, use="control")},
        )
        for key in ("medlem", "kanslig", "brott", "dom", "FackforeningsKod")
    ),
    case(
        "by what nobody knows what it is",
        contents.picked_by_sensitive,
        deny(Reason.SELECTION_KEY_UNKNOWN),
        {"selection": selection("fodelseland")},
    ),
    case(
        "one person is not a selection",
        contents.picked_by_sensitive,
        PASSES,
        {"selection": selection("medlem", subjects=1)},
    ),
    case(
        "nobody is, to begin with",
        contents.picked_by_sensitive,
        deny(Reason.SELECTION_SENSITIVE),
        {"selection": selection("medlem", subjects=0)},
    ),
    *(
        case(
            f"by health, {name}",
            contents.picked_by_health,
            said,
            {"selection": selection(key, **more), "purpose": purpose},
        )
        for name, key, purpose, more, said in [
            ("to inform", "sjukdom", "fk:Information", {}, deny(Reason.SELECTION_HEALTH)),
            ("by the category itself", "halsa", "fk:Information", {}, deny(Reason.SELECTION_HEALTH)),
            ("by an element's name", "DiagnosKod", "fk:Information", {}, deny(Reason.SELECTION_HEALTH)),
            ("for something else", "sjukdom", "fk:Planering", {"use": "study"}, deny(Reason.SELECTION_HEALTH)),
            ("on a benefit", "sjukdom", "fk:Information", {"concerns_benefit": True}, PASSES),
            ("to handle", "sjukdom", "fk:Arendehandlaggning", {"use": "handling"}, PASSES),
            ("to follow up", "sjukdom", "fk:StyrningUppfoljning", {"use": "follow_up"}, PASSES),
            ("to control", "sjukdom", "fk:Kontroll", {"use": "control"}, PASSES),
            (
                "to hand out",
                "sjukdom",
                "fk:UtlamnandeForfattning",
                {"use": "control"},
                deny(Reason.SELECTION_HEALTH),
            ),
            ("but by something else", "saldo", "fk:Information", {}, PASSES),
        ]
    ),
    case("as many as cases are handled", contents.one_by_one, PASSES, {"recent_subjects": 100}),
    case("one more", contents.one_by_one, refer(Reason.BULK_ONE_BY_ONE), {"recent_subjects": 101}),
    case(
        "a process asks for as many as there are",
        contents.one_by_one,
        PASSES,
        {"recent_subjects": 4000, "actor": actor(automated=True)},
    ),
]

WEIGHING = [
    case("nothing is weighed", contents.weighed, PASSES),
    case("something is", contents.weighed, refer(Reason.BALANCING_TEST_OPEN), in_force=in_force(open_test=True)),
]

OWN = party(type="enskild")
NUMBERED_PROCESS = actor(id=SUBJECT, automated=True)
ACTOR = [
    case("nobody acts", contents.own_data, PASSES, {"partner": None, "direction": Direction.FK_ANSWER}),
    case("a stranger", contents.own_case, PASSES),
    case("the own case", contents.own_case, deny(Reason.OWN_CASE), {"actor": actor(relation="own")}),
    case(
        "by the own number, however written",
        contents.own_case,
        deny(Reason.OWN_CASE),
        {"actor": actor(id=f"{SUBJECT[:8]}-{SUBJECT[8:]}")},
    ),
    case("without its century", contents.own_case, deny(Reason.OWN_CASE), {"actor": actor(id=SUBJECT[2:])}),
    case("by the end of a number", contents.own_case, PASSES, {"actor": actor(id=f"handlaggare-{SUBJECT[3:]}")}),
    case("a process is nobody's", contents.own_case, PASSES, {"actor": actor(relation="own", automated=True)}),
    case("what is not for the registered alone", contents.own_data, PASSES),
    case(
        "an official reports for nobody, and asks for nobody's own data",
        contents.own_data,
        PASSES,
        {"partner": party(type="enskild"), "direction": Direction.INBOUND_PUSH},
    ),
    *(
        case(f"{name}, {direction}", question, said, {"actor": who, "direction": direction, "partner": OWN})
        for direction in (Direction.PARTNER_QUESTION, Direction.FK_ANSWER)
        for name, question, who, said in [
            ("the registered", contents.own_data, actor(id=SUBJECT), PASSES),
            ("is no official in the own case", contents.own_case, actor(id=SUBJECT), PASSES),
            ("somebody else", contents.own_data, actor(), deny(Reason.NOT_OWN_DATA)),
            ("a process by that number", contents.own_data, NUMBERED_PROCESS, deny(Reason.NOT_OWN_DATA)),
            ("nobody", contents.own_data, None, deny(Reason.NOT_OWN_DATA)),
        ]
    ),
    case("bound to nobody", contents.bound_to_subject, PASSES),
    *(
        case(
            f"bound as {relation}",
            contents.bound_to_subject,
            refer(Reason.CONFLICT_OF_INTEREST),
            {"actor": actor(relation=relation)},
        )
        for relation in ("relative", "same_address", "colleague", "granne")
    ),
    case("a person reads it", contents.no_machine_decides, PASSES),
    *(
        case(f"use: {use}", contents.no_machine_decides, said, {"use": use})
        for use, said in [
            ("decision_proposal", deny(Reason.DECISION_PROPOSAL)),
            ("Decision-Proposal", deny(Reason.DECISION_PROPOSAL)),
            ("triage", PASSES),
        ]
    ),
]

TABLES = [WHO, PURPOSE, BASIS, MATCH, CASE, PROTECTION, CATEGORY, ORIGIN, FIELDS, PERIOD, SELECTION, WEIGHING, ACTOR]


@pytest.mark.parametrize(("question", "bent", "rule_", "in_", "said"), list(chain.from_iterable(TABLES)))
def test_a_question_says_what_its_paragraph_says(question, bent, rule_, in_, said):
    assert question(request(**bent), rule(**rule_), setting(**in_)) == said


def asked():
    return [question for gate in GATES for question, _ in gate.questions]


def test_every_question_is_tested_for_what_it_stops_and_for_what_it_lets_through():
    said = Counter((row.values[0], row.values[-1] is PASSES) for row in chain.from_iterable(TABLES))
    untested = {question.__name__ for question in asked() for way in (True, False) if not said[question, way]}
    assert untested == {"there_is_a_basis"}  # what it stops is `NOTHING`, below


def test_what_is_not_in_the_register_is_no_basis_and_lets_nothing_through():
    assert grounds.there_is_a_basis(request(), NOTHING, setting()) == deny(Reason.BASIS_UNKNOWN)
    lets_through = {
        question.__name__
        for question in asked()
        if question(request(fields=["saldo"], given={"halsa": Category.HALSA}), NOTHING, setting(in_force=None)) is None
    }
    assert not lets_through & {
        "valid", "for_the_basis", "quoted", "in_force", "cited", "partner_of_type", "subject_in_role",
        "benefit_of_the_basis", "set_off_as_allowed", "by_the_channel", "consented", "suspected", "forbidden",
        "fields_known", "something_left", "period_short_enough", "weighed",
    }  # fmt: skip


def test_there_are_sixteen_gates_in_order_and_no_question_stands_twice():
    assert [gate.number for gate in GATES] == list(range(16))
    assert len({gate.name for gate in GATES}) == len(GATES)
    assert len(asked()) == len(set(asked()))


def test_every_question_of_the_rooms_is_in_the_table():
    """A question that nobody asks would look as if it were law."""
    takes = ("request", "_request")
    written = {
        function
        for room in (grounds, contents)
        for name, function in vars(room).items()
        if callable(function)
        and not name.startswith("_")
        and getattr(function, "__module__", "") == room.__name__
        and function.__code__.co_varnames[:1][0] in takes
    }
    assert written == set(asked())


def test_every_question_cites_what_it_follows_from():
    cites = re.compile(r"§|art\. ?\d|HFD|JO \d|RF \d|987/2009")
    own = {
        "quoted",
        "cited",
        "read_by_somebody",
        "left_to_a_person",
        "set_off_as_allowed",
    }
    assert {question.__name__ for question in asked() if not cites.search(question.__doc__)} == own


def test_a_request_that_is_laid_before_us_is_asked_everything_but_what_a_contract_and_an_asker_settle():
    only_carried = {"for_the_asker", "about_what_is_carried", "quoted"}
    on = {question.__name__ for gate in GATES for question, ways in gate.questions if Way.ASKED in ways}
    assert {question.__name__ for question in asked()} - on == only_carried


def test_what_comes_in_is_asked_what_a_message_can_answer_and_every_condition_that_its_basis_makes():
    on = {question.__name__ for gate in GATES for question, ways in gate.questions if Way.IN in ways}
    assert on == {
        "valid", "quoted", "in_force", "read_by_somebody", "partner_of_type", "conditions", "consented", "suspected",
        "forbidden", "secrecy", "free_text", "left_to_a_person", "weighed",
    }  # fmt: skip


def test_a_request_that_fits_passes_every_question():
    fitting = request(actor=actor(mandate=frozenset({"fk:Arendehandlaggning"})), kind="konton")
    said = {question.__name__: question(fitting, rule(), setting()) for question in asked()}
    assert {name for name, finding in said.items() if finding is not None} == set()
