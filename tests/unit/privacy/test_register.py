"""A wrong row is refused at start: the error names file and row, the key, what is wrong and what to do."""

from datetime import date

import pytest

from gateway.errors import ConfigError
from gateway.message import ContractId
from gateway.privacy import register
from gateway.privacy.law import Law
from tests.unit.privacy import statute
from tests.unit.privacy.statute import (
    CONTRACT,
    FIELDS,
    KINDS,
    PURPOSES,
    QUEUE,
    basis,
    configuration,
    information,
    lagrum,
)

ROW = "bases/prov.toml: [[basis]] 1 (B-1@2024-03-01)"
HANDING_OUT = lagrum("SFB-114-9-1", "2024:13", kind="purpose", day="decision", giltig_fom=date(2024, 2, 15))
KONTON = information()


def built(*bases, rows=None, kinds=KINDS, **more):
    return Law.build(configuration(bases=bases, rows=(*(rows or [lagrum()]), *PURPOSES), **more), kinds)


def refused(*bases, **more):
    with pytest.raises(ConfigError) as caught:
        built(*bases, **more)
    return caught.value.detail


WRONG = [
    ({"author": "Eva", "approved_by": ["Ola", "eva "]}, "approved_by: the author may not approve; name somebody else"),
    ({"approved_by": ["Ola", "OLA"]}, "approved_by: at least two different people must approve; name them"),
    ({"author": "Eva Åberg", "approved_by": ["Ola", "EVA  A\u030aberg."]}, "approved_by: the author may not approve"),
    ({"author": "Eva", "approved_by": ["Ola", "E\u200bva"]}, "approved_by: the author may not approve"),
    ({"author": " "}, "author: is nobody; name who wrote the row"),
    ({"approved_by": ["Ola", " "]}, "approved_by: at least two different people must approve; name them"),
    ({"purposes": ["fk:Ovrigt"]}, "purposes: unknown fk:Ovrigt; accepted: fk:Arendehandlaggning, fk:Information"),
    ({"purposes": ["fk:UtlamnandeForfattning"]}, "purposes: unknown fk:UtlamnandeForfattning; accepted: fk:Aren"),
    ({"purposes": ["fk:AnnatForenligt"]}, "purposes: unknown fk:AnnatForenligt; accepted: fk:Arendehandlaggning"),
    ({"purposes": ["fk:Statistik"]}, "purposes: fk:Statistik rests on SFB-114-8-7; write that lagrum, of kind purpose"),
    ({"benefits": ["sjukpening"]}, "benefits: unknown sjukpening; accepted: aktivitetsersattning, aktivitetsstod"),
    ({"partner_types": ["skatteverk"]}, "partner_types: unknown skatteverk; accepted: affarspartner, akassa"),
    ({"partner_types": ["arbetsgivare"]}, "partner_types: unknown arbetsgivare; accepted: skatteverket"),
    ({"partner_types": ["skatteverket", "csn"]}, "partner_types: unknown csn; accepted: skatteverket"),
    ({"lagrum": []}, "lagrum: names none; name the paragraph that it rests on"),
    ({"lagrum": ["L-9"]}, "lagrum: unknown L-9; accepted: L-1, L-5, L-7, SFB-114-8-1"),
    ({"contract": "skatteverket/annat"}, f"contract: unknown skatteverket/annat; accepted: {CONTRACT}"),
    ({"contract": None}, "kind: unknown prov; accepted: konton"),
    ({"kind": "annat"}, "kind: unknown annat; accepted: folkbokforing, prov"),
    ({"kind": "konton"}, "kind: unknown konton; accepted: folkbokforing, prov"),
    ({"fields": ["belop"]}, "fields: unknown belop; accepted: adress, arbetsgivare, belopp"),
    ({"contract": None, "kind": "konton", "fields": ["belopp"]}, "fields: unknown belopp; accepted: saldo, sjukdom"),
    ({"required": ["diagnos"]}, "required: unknown diagnos; accepted: arbetsgivare, belopp, period"),
    ({"giltig_tom": date(2020, 1, 1)}, "giltig_tom: is before giltig_fom; write the last day that it holds, or none"),
    ({"fields": ["diagnos"], "forbidden": ["halsa"]}, "fields: diagnos is of the category halsa, which the basis f"),
    ({"fields": ["fritext"], "referred": []}, "referred: fritext is free text: a person reads it; write fritext there"),
    ({"fields": ["diagnos"], "purposes": ["fk:Kontroll"]}, "purposes: diagnos is health data: SFB 114 kap. 11 §; one "),
    (
        {"fields": ["medlem"], "purposes": ["fk:Arendehandlaggning", "fk:Kontroll"]},
        "purposes: medlem is sensitive: SFB 114 kap. 11 §; none but fk:Arendehandlaggning, fk:UnderlagRattighetSky",
    ),
    ({"any_of": [{}]}, "any_of 1: names nothing, so it always holds; say what must hold, or take it away"),
    ({"any_of": [{"suspicion": True}, {"benefits": ["allt"]}]}, "any_of 2: benefits: unknown allt; accepted: aktiv"),
    (
        {"benefits": ["sjukpenning"], "any_of": [{"benefits": ["bostadsbidrag"]}]},
        "any_of 1: benefits: unknown bostadsbidrag; accepted: sjukpenning",
    ),
    ({"any_of": [{"subject_roles": ["juridisk"]}]}, "any_of 1: subject_roles: unknown juridisk; accepted: forsakrad"),
    (
        {"channels": ["message", "direct_access"]},
        "channels: direct_access only as lag or förordning gives it (SFB 114 kap. 14 §); name a lagrum of kind access",
    ),
    ({"lagrum": ["L-7"], "channels": ["direct_access"]}, "channels: direct_access only as lag or förordning gives it"),
    ({"lagrum": ["L-1", "L-5"]}, "consent: L-5 rests on the person's consent; write true"),
    ({"purpose_text": "Prov"}, "purpose_text: is what we tell a partner, and here it tells us; take it away"),
]


@pytest.mark.parametrize(("change", "told"), WRONG)
def test_a_wrong_basis_is_refused_with_file_row_and_remedy(change, told):
    rows = [
        lagrum(),
        lagrum("L-5", kind="consent"),
        lagrum("L-7", kind="access_right", giltig_tom=date(2025, 6, 30)),
        lagrum("L-7", "2", giltig_fom=date(2025, 7, 1)),
    ]
    assert refused(basis(**change), rows=rows, information=[KONTON]).startswith(f"{ROW}: {told}")


RIGHT = [
    {"author": "Eva", "approved_by": ["Ola", "Siv"]},
    {"purposes": ["fk:Kontroll", "fk:Planering"]},
    {"benefits": ["sjukpenning", "ekonomiskt_bistand"]},
    {"contract": None, "kind": "konton", "fields": ["saldo"], "partner_types": ["kreditinstitut", "csn"]},
    {"required": ["belopp"]},
    {"giltig_tom": date(2024, 3, 1)},
    {"fields": ["diagnos", "medlem", "fritext"]},
    {"benefits": ["sjukpenning"], "any_of": [{"benefits": ["sjukpenning"]}, {"suspicion": True}]},
    {"subject_roles": ["forsakrad", "juridisk"], "any_of": [{"subject_roles": ["juridisk"]}]},
    {"lagrum": ["L-1", "L-6"], "channels": ["direct_access"]},
    {"lagrum": ["L-5"], "consent": True, "channels": ["direct_access"]},
]


@pytest.mark.parametrize("change", RIGHT)
def test_what_differs_from_a_wrong_basis_by_what_it_was_told_is_accepted(change):
    rows = [lagrum(), lagrum("L-5", kind="consent"), lagrum("L-6", kind="access_right")]
    assert "B-1" in built(basis(**change), rows=rows, information=[KONTON]).rules


def test_a_basis_with_one_approver_is_refused():
    assert refused(basis(approved_by=["Ola"])).startswith(f"{ROW}: approved_by: at least two different people")


NEVER_EMPTY = ["purposes", "partner_types", "fields", "triggers", "channels"]
NEVER_EMPTY += ["benefits", "subject_roles", "cited", "retention"]


@pytest.mark.parametrize("key", NEVER_EMPTY)
def test_a_basis_that_says_nothing_where_it_says_something_is_not_even_well_formed(key):
    with pytest.raises(ValueError, match=key):
        basis(**{key: []})


def test_a_contract_that_nobody_has_implemented_is_refused():
    assert "contract: unknown" in refused(basis(), kinds={ContractId("skatteverket/annat"): {"prov": FIELDS}})


def test_a_contract_that_no_partner_has_is_refused_and_a_basis_without_one_needs_no_partner():
    kinds = {**KINDS, ContractId("skatteverket/annat"): {"prov": FIELDS}}
    assert refused(basis(contract="skatteverket/annat"), kinds=kinds) == (
        f"{ROW}: contract: no partner has skatteverket/annat; write it in the partner's file, or leave it out here"
    )


@pytest.mark.parametrize("direction", ["partner_question", "fk_answer"])
def test_what_no_contract_of_ours_carries_yet_names_none(direction):
    change = {"direction": direction, "purposes": ["fk:UtlamnandeForfattning"], "fields": ["belopp"]}
    assert refused(basis(**change), rows=[lagrum(), HANDING_OUT]) == (
        f"{ROW}: contract: no contract carries {direction}; leave contract out"
    )
    whole = {**change, "contract": None, "kind": "konton", "fields": ["saldo"], "partner_types": ["kommun"]}
    built(basis(**whole), rows=[lagrum(), HANDING_OUT], information=[KONTON])


@pytest.mark.parametrize("direction", ["partner_question", "fk_answer"])
def test_what_a_partner_asks_us_for_is_handed_out_and_nothing_else(direction):
    change = {"direction": direction, "contract": None, "kind": "konton", "fields": ["saldo"]}
    assert refused(basis(**change), information=[KONTON]).startswith(
        f"{ROW}: purposes: unknown fk:Arendehandlaggning; accepted: fk:UtlamnandeForfattning, fk:UtlamnandeIntern"
    )


def test_a_purpose_must_rest_on_a_paragraph_that_is_a_purpose():
    rows = [lagrum(), lagrum("SFB-114-8-3", kind="obligation")]
    with pytest.raises(ConfigError, match=r"rests on SFB-114-8-3; write that lagrum, of kind purpose"):
        Law.build(configuration(rows=rows), KINDS)


class TestVersionsOfParagraphs:
    def test_two_in_force_on_one_day_are_refused_and_both_are_named(self):
        overlapping = [lagrum(giltig_tom=date(2025, 6, 30)), lagrum(version="2", giltig_fom=date(2025, 6, 30))]
        assert refused(basis(), rows=overlapping) == (
            "lagrum/prov.toml: [[lagrum]] 1 (L-1@1): giltig_tom: overlaps lagrum/prov.toml: [[lagrum]] 2 (L-1@2), "
            "which begins 2025-06-30; end the older version on the day before the newer begins"
        )
        assert "overlaps" in refused(basis(), rows=[lagrum(), lagrum(version="2", giltig_fom=date(2030, 1, 1))])

    def test_that_follow_each_other_are_accepted_in_any_order(self):
        built(basis(), rows=[lagrum(version="2", giltig_fom=date(2025, 7, 1)), lagrum(giltig_tom=date(2025, 6, 30))])

    def test_one_that_ends_before_it_begins_is_refused(self):
        told = refused(basis(), rows=[lagrum(giltig_tom=date(2019, 1, 1))])
        assert told.startswith("lagrum/prov.toml: [[lagrum]] 1 (L-1@1): giltig_tom: is before giltig_fom")

    def test_must_agree_on_the_day_that_picks_them(self):
        rows = [lagrum(giltig_tom=date(2025, 6, 30)), lagrum(version="2", giltig_fom=date(2025, 7, 1), day="decision")]
        assert refused(basis(), rows=rows) == (
            "lagrum/prov.toml: [[lagrum]] 2 (L-1@2): day: differs between versions of one lagrum; write event"
        )

    def test_of_one_name_are_refused(self):
        rows = [lagrum(giltig_tom=date(2025, 6, 30)), lagrum(giltig_fom=date(2025, 7, 1))]
        assert "id: is used twice for the same version; take one of the rows away" in refused(basis(), rows=rows)

    def test_secrecy_cannot_be_broken_by_a_paragraph_that_is_not_there(self):
        assert refused(basis(), rows=[lagrum(secrecy_break="OSL-10-28")]).startswith(
            "lagrum/prov.toml: [[lagrum]] 1 (L-1@1): secrecy_break: unknown OSL-10-28; accepted: L-1, SFB-114-8-1"
        )
        built(basis(), rows=[lagrum(secrecy_break="L-2"), lagrum("L-2")])


class TestVersionsOfBases:
    OLD, NEW = {"giltig_tom": date(2025, 11, 30)}, {"giltig_fom": date(2025, 12, 1)}
    SECOND = "bases/prov.toml: [[basis]] 2 (B-1@2025-12-01)"

    def test_two_that_hold_on_one_day_are_refused_and_both_are_named(self):
        assert refused(basis(giltig_tom=date(2025, 12, 1)), basis(**self.NEW)) == (
            f"{ROW}: giltig_tom: overlaps {self.SECOND}, which begins 2025-12-01; end the older version on the day "
            "before the newer begins"
        )
        assert "overlaps" in refused(basis(), basis(**self.NEW))

    def test_that_follow_each_other_are_accepted_in_any_order_and_lie_oldest_first(self):
        for rows in ((basis(**self.OLD), basis(**self.NEW)), (basis(**self.NEW), basis(**self.OLD))):
            assert [rule.valid_from for rule in built(*rows).rules["B-1"]] == [date(2024, 3, 1), date(2025, 12, 1)]

    def test_of_the_same_day_are_refused(self):
        assert refused(basis(), basis()).endswith("id: is used twice for the same version; take one of the rows away")

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"day": "event"}, "day: differs between versions of one basis, decision in "),
            ({"kind": "folkbokforing"}, "kind: differs between versions of one basis, prov in "),
            ({"direction": "inbound_answer"}, "direction: differs between versions of one basis, inbound_push in "),
            ({"contract": None}, f"contract: differs between versions of one basis, {CONTRACT} in "),
        ],
    )
    def test_are_of_one_thing_and_agree_on_the_day_that_picks_them(self, change, told):
        assert refused(basis(**self.OLD), basis(**self.NEW, **change)) == (
            f"{self.SECOND}: {told}{ROW}; write the same, or give the row an id of its own"
        )

    def test_may_differ_in_what_they_let_through(self):
        law = built(basis(**self.OLD), basis(**self.NEW, fields=["belopp"], purposes=["fk:Kontroll"]))
        assert [sorted(rule.fields) for rule in law.rules["B-1"]] == [["arbetsgivare", "belopp", "period"], ["belopp"]]


def test_a_partner_of_a_type_that_no_act_names_is_refused():
    read = configuration(rows=[lagrum(), *PURPOSES])
    (partner,) = read.partners.values()
    other = partner.model_copy(update={"id": "banken", "partner_type": "bank"})
    with pytest.raises(ConfigError, match="partner banken: partner_type: unknown bank; accepted: akassa, arbetsf"):
        Law.build(read.model_copy(update={"partners": {**read.partners, "banken": other}}), KINDS)


class TestInformation:
    def test_a_kind_that_is_described_twice_is_refused(self):
        assert refused(basis(), information=[KONTON, information(saldo="ekonomi")]) == (
            "information.toml: [[information]] 2 (konton): kind: is described twice; put all its fields in one row"
        )

    def test_secrecy_that_no_paragraph_excludes_is_a_misspelling(self):
        row = information(journal={"category": "halsa", "secrecy": "OSL-25-1"})
        assert refused(basis(), information=[row]) == (
            "information.toml: [[information]] 1 (konton): fields.journal.secrecy: OSL-25-1 is excluded by no lagrum; "
            "write it as a secrecy_excluded does, or leave it out"
        )
        built(basis(), rows=[lagrum(secrecy_excluded=["OSL-25-1"])], information=[row])


def test_health_and_sensitive_data_may_be_collected_for_the_purposes_that_may_have_them():
    built(basis(fields=["diagnos", "medlem"]))


@pytest.mark.parametrize("types", [["arbetsformedlingen"], ["skatteverket", "arbetsformedlingen"]])
def test_only_skatteverket_states_what_the_folkbokforing_says(types):
    assert refused(basis(kind="folkbokforing", partner_types=types)) == (
        f"{ROW}: partner_types: the folkbokföring has one source; write skatteverket alone"
    )
    built(basis(kind="folkbokforing"))


def test_a_row_that_is_in_no_file_is_named_by_itself():
    read = configuration(bases=[basis(author="b")], rows=[lagrum(), *PURPOSES]).model_copy(update={"places": {}})
    with pytest.raises(ConfigError, match=r": basis B-1@2024-03-01: approved_by: the author may not approve"):
        Law.build(read, KINDS)


def unread(*bases, rows):
    return register.unread(configuration(bases=bases, rows=(*rows, *PURPOSES), environment="production"))


def test_what_nobody_has_read_is_no_error_in_production_and_is_told_with_what_rests_on_it():
    rows = [lagrum(secrecy_break="L-2"), lagrum("L-2", verified=False), lagrum("UNUSED", verified=False)]
    built(basis(verified=False), rows=rows, environment="production")
    assert unread(basis(), basis("B-2", verified=False), rows=rows) == {
        "B-1": ("lagrum L-2@1",),
        "B-2": ("basis B-2@2024-03-01", "lagrum L-2@1"),
    }
    assert unread(basis(), rows=[lagrum(), lagrum("UNUSED", verified=False)]) == {}


@pytest.mark.parametrize(("key", "value"), [("purposes", ["fk:Alla"]), ("benefits", ["allt"])])
def test_a_queue_serves_purposes_and_benefits_that_exist(key, value):
    queue = statute.config.Queue.model_validate(QUEUE | {key: value})
    assert refused(basis(), queues=[queue]).startswith(f"queue prov: {key}: unknown {value[0]}; accepted: ")
