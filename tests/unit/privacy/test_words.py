"""What a name gives away."""

import pytest

from gateway.message import Category
from gateway.privacy.words import Words, fold

WORDS = Words({"diagnos": Category.HALSA, "ICD": Category.HALSA, "fackförening": Category.KANSLIG})


@pytest.mark.parametrize(
    "name", ["Diagnos", "huvuddiagnos", "HUVUDDIAGNOSKOD", "ICD", "icd10", "ICD10Kod", "KodIcd", "icd-kod", "kod_ICD_2"]
)
def test_a_word_is_found_however_it_is_written(name):
    assert WORDS.categories([name]) == {Category.HALSA}


@pytest.mark.parametrize("name", ["Fackförening", "FACKFORENING", "medlemFackforeningAvgift", "Fackfo\u0308rening"])
def test_accents_do_not_matter(name):
    assert WORDS.categories([name]) == {Category.KANSLIG}


@pytest.mark.parametrize("name", ["Medicdata", "ICDX", "Prognos", "Fack", "", "12", "Ω"])
def test_a_short_word_inside_another_is_not_that_word(name):
    assert WORDS.categories([name]) == frozenset()


def test_several_names_give_all_their_categories():
    assert WORDS.categories(["Diagnos", "Fackförening", "Belopp"]) == {Category.HALSA, Category.KANSLIG}
    assert WORDS.categories([]) == frozenset()


def test_folding_is_stable():
    assert fold(fold("ÅÄÖ Diagnos")) == fold("ÅÄÖ Diagnos") == "aao diagnos"
