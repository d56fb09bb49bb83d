"""What a registerutdrag holds back is checked when the register is read: no right, no end, no row."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gateway.config import load, register
from gateway.errors import ConfigError
from gateway.privacy.law import Law
from tests import rules

CONFIG = Path(__file__).parents[3] / "config"
FILE = "registerutdrag.toml"


@pytest.fixture
def laid(tmp_path):
    """The delivered configuration, to change."""
    shutil.copytree(CONFIG, tmp_path / "config")
    (tmp_path / "schemas").symlink_to(CONFIG.parent / "schemas")
    return tmp_path / "config"


def build(laid):
    contracts = rules.contracts()
    return Law.build(load(laid / "gateway.toml"), contracts.kinds(), contracts.outgoing)


def changed(laid, pattern, new, count=1):
    path = laid / "law" / FILE
    text, times = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=count, flags=re.DOTALL)
    assert times
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "key", ["lagrum", "months", "shown", "verified", "author", "approved_by", "giltig_fom", "bases"]
)
def test_a_row_without_a_key_is_refused_by_file_row_and_key(laid, key):
    lines = (laid / "law" / FILE).read_text(encoding="utf-8").split("[[undantag]]")
    lines[-1] = "".join(line for line in lines[-1].splitlines(keepends=True) if not line.startswith(f"{key} ="))
    (laid / "law" / FILE).write_text("[[undantag]]".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"registerutdrag\.toml: \[\[undantag\]\] 2 .*{key}"):
        register.read(laid / "law")


@pytest.mark.parametrize(
    ("pattern", "new", "told"),
    [
        (r"months = 12", "months = 0", "months"),
        (r"months = 12", "months = 1200", "months"),
        (r'lagrum = \["L-2018-218-5-1"\]', "lagrum = []", "lagrum"),
        (r"refused = true", "refused = 3", "refused"),
        (r"refused = true", "other = true", "other"),
        (r"\[utdrag\]", "[annat]", "annat"),
    ],
)
def test_what_is_not_well_formed_is_refused(laid, pattern, new, told):
    changed(laid, pattern, new)
    with pytest.raises(ConfigError, match=told):
        register.read(laid / "law")


WRONG = [
    (r'lagrum = \["L-2018-218-5-1"\]', 'lagrum = ["L-2018-218-9-9"]', "lagrum: unknown L-2018-218-9-9"),
    (r'"UT-UBM-2023-456-9"', '"UT-UBM-9999"', "bases: unknown UT-UBM-9999"),
    (r'"UT-UBM-2023-456-9", ', "", "obligations: hide_from_transparency_until is said, and no"),
    (
        r'"UT-UBM-2023-456-9"',
        '"UT-UBM-2023-456-9", "UT-POLIS-2007-612-6-EGET"',
        "holds back UT-POLIS-2007-612-6-EGET too",
    ),
    (r"giltig_fom = 2024-02-15", "giltig_fom = 2025-05-01", "says until when (2025-04-01)"),
    (r"giltig_fom = 2024-02-15", "giltig_fom = 2024-02-15\ngiltig_tom = 2026-12-31", "until when (today and on)"),
    (
        r"giltig_fom = 2024-02-15",
        "giltig_fom = 2024-02-15\ngiltig_tom = 2020-01-01",
        "giltig_tom: is before giltig_fom",
    ),
    (r'approved_by = \["exempel: rättschef", ', "approved_by = [", "approved_by: at least two different people"),
    (
        r'approved_by = \["exempel: rättschef", ',
        'approved_by = ["exempel: verksamhetsjurist", ',
        "the author may not approve",
    ),
]


@pytest.mark.parametrize(("pattern", "new", "told"), WRONG)
def test_a_row_that_a_lawyer_would_refuse_is_refused_at_start(laid, pattern, new, told):
    changed(laid, pattern, new)
    with pytest.raises(ConfigError, match=re.escape(told)):
        build(laid)


def test_the_delivered_rows_are_accepted_and_say_where_they_stand(laid):
    build(laid)
    places = load(laid / "gateway.toml").places
    assert places["undantag UTDRAG-UBM@2024-02-15"] == "registerutdrag.toml: [[undantag]] 2"


def test_a_basis_that_hides_nothing_has_no_row(laid):
    changed(laid, r'"UT-UBM-2023-456-9"', '"UT-UBM-2023-456-9", "UT-UBM-2023-456-3-EGET"')
    with pytest.raises(ConfigError, match="bases: unknown"):
        build(laid)


def test_an_older_register_without_the_file_is_still_judged_by(laid):
    before = register.read(laid / "law").policy
    (laid / "law" / FILE).unlink()
    build(laid)
    found = register.read(laid / "law")
    assert found.extracts is None
    assert found.policy != before


def test_a_register_that_holds_nothing_back_says_so(laid):
    (laid / "law" / FILE).write_text("[utdrag]\nrefused = false\n", encoding="utf-8")
    found = register.read(laid / "law")
    assert found.extracts is not None
    assert found.extracts.exemptions == ()
