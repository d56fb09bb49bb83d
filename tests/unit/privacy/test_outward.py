"""A wrong row for what goes out, or a wrong asker, is refused at start, with its name and what would be accepted."""

from datetime import date

import pytest

from gateway import config
from gateway.config.law import Direction
from gateway.dispatch import Interaction
from gateway.errors import ConfigError
from gateway.message import Category, ContractId, FieldSpec, PartnerId
from gateway.privacy.law import Law
from tests.unit.privacy import going, statute
from tests.unit.privacy.going import (
    AGREED,
    KINDS,
    MESSAGE,
    QUESTION,
    asker,
    basis,
    configuration,
    lagrum,
    law,
    question,
)
from tests.unit.privacy.statute import QUEUE


def refused(*bases, kinds=KINDS, agreed=AGREED, read=None, **more):
    with pytest.raises(ConfigError) as caught:
        Law.build(read or configuration(*bases, **more), kinds, agreed)
    return caught.value.detail


EMPLOYER = {"partner_types": ("skatteverket", "arbetsgivare")}
ROW = "bases/prov.toml: [[basis]] 2 (OUT-1@2024-03-01): "


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"purposes": ["fk:Kontroll"]}, "purposes: unknown fk:Kontroll; accepted: fk:Arendehandlaggning, fk:Under"),
        ({"purposes": ["fk:AnnatForenligt"]}, "purposes: unknown fk:AnnatForenligt"),
        ({"benefits": ["sjukpening"]}, "benefits: unknown sjukpening"),
        ({"lagrum": ["L-9"]}, "lagrum: unknown L-9"),
        ({"contract": "skatteverket/annat"}, "contract: unknown skatteverket/annat; accepted: skatteverket/brev"),
        ({"contract": going.CONTRACT, "kind": "prov"}, "contract: no partner has skatteverket/prov"),
        ({"kind": "fraga"}, "kind: unknown fraga; accepted: brev"),
        ({"direction": "fk_question"}, "direction: unknown fk_question; accepted: fk_push"),
        ({"fields": ["belop"]}, "fields: unknown belop"),
        ({"partner_types": ["arbetsgivare"]}, "partner_types: unknown arbetsgivare; accepted: skatteverket"),
        ({"giltig_tom": date(2020, 1, 1)}, "giltig_tom: is before giltig_fom"),
        ({"author": "B "}, "approved_by: the author may not approve"),
        ({"approved_by": ["b", "B"]}, "approved_by: at least two different people"),
        (
            {"fields": ["diagnos"], "forbidden": ["halsa"]},
            "fields: diagnos is of the category halsa, which the basis f",
        ),
        ({"fields": ["fritext"], "referred": []}, "referred: fritext is free text: a person reads it"),
        ({"required": ["telefon"]}, "required: unknown telefon; accepted: arbetsgivare, belopp"),
        ({"lagrum": ["L-2", "L-5"]}, "consent: L-5 rests on the person's consent; write true"),
        ({"cited": ["1 §"]}, "cited: is about what a partner cites, and here we do; take it away"),
        ({"purpose_text": " "}, "purpose_text: is missing; write the purpose in words, as the partner is told it"),
        ({"purpose_text": None}, "purpose_text: is missing; write the purpose in words, as the partner is told it"),
    ],
)
def test_a_wrong_basis_is_refused_by_name_with_what_is_accepted(change, told):
    assert refused(basis(**change)).startswith(f"{ROW}{told}")


def test_a_message_for_what_a_question_may_be_for_and_the_other_way_round_is_refused():
    assert "unknown fk:UtlamnandeForfattning" in refused(question(purposes=["fk:UtlamnandeForfattning"]))
    law(question(purposes=["fk:Kontroll", "fk:Planering"]))
    law(basis(purposes=["fk:UtlamnandeForfattning", "fk:Arendehandlaggning"]))


def test_what_comes_in_is_not_told_to_the_partner():
    row = statute.basis("IN-2", purpose_text="x", lagrum=["L-2"])
    assert refused(row).startswith("bases/prov.toml: [[basis]] 2 (IN-2@2024-03-01): purpose_text: is what we tell")


def test_what_a_partner_must_cite_stands_where_the_partner_asks_and_nowhere_else_on_the_way_out():
    asked = {"direction": "partner_question", "contract": None, "kind": "konton", "fields": ["saldo"]}
    row = basis(**asked, purposes=["fk:UtlamnandeForfattning"], cited=["7 kap. 2 a § lagen (2020:2)"])
    own = statute.information(saldo="ekonomi")
    law(row, information=[own])
    answer = row.model_copy(update={"direction": Direction.FK_ANSWER})
    assert refused(answer, information=[own]).startswith(f"{ROW}cited: is about what a partner cites")


def test_without_contracts_that_go_out_nothing_may_say_that_something_does():
    assert refused(basis(), agreed={}, askers=[]).startswith(f"{ROW}contract: unknown skatteverket/brev")
    assert refused(agreed={}).startswith("asker prov: contracts: unknown skatteverket/fraga")


def test_a_basis_for_a_message_without_what_the_contract_needs_is_refused():
    agreed = {**AGREED, MESSAGE: going.Agreed(Interaction.SEND, "brev", frozenset({"telefon", "diagnos"}))}
    assert refused(basis(), agreed=agreed) == (
        f"{ROW}fields: without them the contract has no message; write diagnos, telefon too"
    )


@pytest.mark.parametrize("forbidden", [[], ["halsa"], ["halsa", "kanslig"]])
def test_an_employer_may_not_be_allowed_anything_of_a_special_category(forbidden):
    row = basis(partner_types=["arbetsgivare"], forbidden=forbidden)
    assert refused(row, **EMPLOYER).startswith(f"{ROW}forbidden: an employer may not have it; write brott")
    law(basis(partner_types=["arbetsgivare"], forbidden=["halsa", "kanslig", "brott"]), **EMPLOYER)


def test_free_text_to_an_employer_is_always_read_by_a_person():
    row = {"partner_types": ["arbetsgivare"], "forbidden": ["halsa", "kanslig", "brott"], "fields": ["fritext"]}
    told = refused(basis(**row, referred=[], standing_decision="Dnr 1"), **EMPLOYER)
    assert told == f"{ROW}referred: what is written freely to an employer is read by a person; write fritext there"
    law(basis(**row, standing_decision="Dnr 1"), **EMPLOYER)


@pytest.mark.parametrize(
    "name", ["sekretessmarkering", "skyddad_folkbokforing", "harSkyddadIdentitet", "kvarskrivning"]
)
def test_nobody_may_be_told_that_somebodys_identity_is_protected(name):
    kinds = {**KINDS, MESSAGE: {"brev": {**going.WORDS, name: FieldSpec(category=Category.IDENTITET)}}}
    assert (
        refused(basis(fields=[name]), kinds=kinds) == f"{ROW}fields: {name} tells of protected identity; take it away"
    )


def test_health_may_be_told_to_handle_a_case_or_as_the_law_says():
    law(basis(fields=["diagnos"]), basis("OUT-2", fields=["diagnos", "medlem"], purposes=["fk:UtlamnandeForfattning"]))
    assert "diagnos is health data" in refused(question(fields=["diagnos"], purposes=["fk:Kontroll"]))


def test_free_text_without_a_person_needs_a_standing_decision_and_only_on_the_way_out():
    law(basis(fields=["fritext"], referred=[], standing_decision="Dnr 1"))
    inward = statute.basis("IN-2", fields=["fritext"], referred=[], standing_decision="Dnr 1", lagrum=["L-2"])
    assert "is free text: a person reads it" in refused(inward)


def test_a_paragraph_that_is_told_must_be_citable():
    assert refused(basis(lagrum=["L-3"])) == (
        "lagrum/prov.toml: [[lagrum]] 4 (L-3@1): forfattning: basis OUT-1 cites it, and it has no SFS number; "
        "write it: lagen (2024:1300) …"
    )
    law(basis(lagrum=["L-2", "L-3"]))


def answered(**changes):
    rows = [going.ANSWERING.model_copy(update=changes)]
    return configuration(question(lagrum=["L-1"])).model_copy(update={"bases": (question(lagrum=["L-1"]), *rows)})


def test_what_a_question_cites_must_be_what_a_basis_for_its_answer_accepts():
    told = f"{ROW}purpose_text: no basis for the answer accepts it with the paragraph; accepted: "
    assert refused(read=answered(cited=("Annat", "1 § lagen (2020:1)"))).startswith(told)
    assert refused(read=answered(cited=("Prövning av prov",))).startswith(told)
    Law.build(answered(cited=("prövning  av PROV", "1 § i lag (2020:1)")), KINDS, AGREED)
    Law.build(answered(cited=None), KINDS, AGREED)


def test_a_question_whose_answer_no_basis_lets_in_is_refused():
    read = configuration().model_copy(update={"bases": (question(),)})
    assert refused(read=read) == (
        "basis OUT-1@2024-03-01: contract: no basis lets in what it is answered with, skatteverket/prov; "
        "write one, or do not ask"
    )


def test_what_is_only_an_answer_may_be_let_in_from_those_who_are_asked():
    read = configuration(question())
    partners = {id_: one.model_copy(update={"contracts": ()}) for id_, one in read.partners.items()}
    Law.build(read.model_copy(update={"partners": partners}), KINDS, AGREED)
    unasked = {id_: one.model_copy(update={"contracts": (), "endpoint": ()}) for id_, one in read.partners.items()}
    told = refused(read=read.model_copy(update={"partners": unasked}))
    assert told.startswith("bases/prov.toml: [[basis]] 1 (IN-1@2024-03-01): contract: no partner has skatteverket/prov")


def test_a_partner_with_a_mailbox_is_reached():
    read = configuration(basis())
    (partner,) = read.partners.values()
    mailbox = {"contracts": [MESSAGE, QUESTION]}
    held = type(partner).model_validate(partner.model_dump() | {"endpoint": (), "mailbox": mailbox})
    Law.build(read.model_copy(update={"partners": {PartnerId("skatteverket"): held}}), KINDS, AGREED)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"purposes": ["fk:Ovrigt"]}, "purposes: unknown fk:Ovrigt; accepted: fk:Arendehandlaggning"),
        ({"purposes": ["fk:AnnatForenligt"]}, "purposes: unknown fk:AnnatForenligt"),
        ({"contracts": ["skatteverket/annat"]}, "contracts: unknown skatteverket/annat; accepted: skatteverket/brev"),
        ({"contracts": [going.CONTRACT]}, "contracts: unknown skatteverket/prov"),
        ({"queue": "annan"}, "queue: unknown annan; accepted: prov"),
    ],
)
def test_a_wrong_asker_is_refused_by_name_with_what_is_accepted(change, told):
    assert refused(askers=[asker(**change)]).startswith(f"asker prov: {told}")


def served(**changes):
    return [config.Queue.model_validate(QUEUE | changes)]


LOCKED = {"purposes": ("fk:Arendehandlaggning",), "benefits": ("sjukpenning", "foraldrapenning")}


@pytest.mark.parametrize(
    "queue", [{"purposes": ["fk:Kontroll"]}, {}, {"benefits": ["bostadsbidrag"]}, {"benefits": ["sjukpenning", "sgi"]}]
)
def test_an_askers_queue_that_may_not_serve_what_it_is_answered_is_refused(queue):
    read = configuration(question(), queues=served(**queue))
    inward = going.ANSWERING.model_copy(update=LOCKED)
    told = refused(read=read.model_copy(update={"bases": (inward, question())}))
    assert told == (
        "asker prov: queue prov: may not serve what basis IN-1 lets in: its purposes are fk:Arendehandlaggning, and "
        "its benefits foraldrapenning, sjukpenning"
    )


def test_an_askers_queue_within_the_labels_of_what_it_is_answered_is_accepted():
    read = configuration(question(), queues=served(benefits=["sjukpenning"]))
    inward = going.ANSWERING.model_copy(update=LOCKED)
    Law.build(read.model_copy(update={"bases": (inward, question())}), KINDS, AGREED)


def test_an_asker_that_only_sends_is_answered_nothing_and_its_queue_may_serve_anything():
    Law.build(
        configuration(basis(), queues=served(purposes=["fk:Statistik"]), askers=[asker(contracts=[MESSAGE])]),
        KINDS,
        AGREED,
    )


def test_a_basis_for_what_goes_out_lets_nothing_in():
    built = law(basis(), question("OUT-2"))
    assert not built.kinds[MESSAGE, "brev"].rules
    assert not built.kinds[QUESTION, "fraga"].rules
    assert built.rules.keys() == {"IN-1", "OUT-1", "OUT-2"}
    assert [rule.basis for rule in built.kinds[ContractId("skatteverket/prov"), "prov"].rules] == ["IN-1"]


def test_two_versions_told_of_one_paragraph_are_both_citable():
    rows = (lagrum("L-9", "1", giltig_tom=date(2025, 1, 1)), lagrum("L-9", "2", giltig_fom=date(2025, 1, 2)))
    named = (rows[0].model_copy(update={"forfattning": "lagen (2020:9) om prov"}), rows[1])
    assert refused(basis(lagrum=["L-9"]), rows=(*going.ROWS, *named)).startswith(
        "lagrum/prov.toml: [[lagrum]] 13 (L-9@2): forf"
    )
