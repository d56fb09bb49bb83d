"""`docs/lag.md` shows rows and names that are in the register: a guide that has aged fails."""

import re
import tomllib

import pytest

from gateway.config.law import Basis, Lagrum
from tests.unit.privacy.statute import ROOT, delivered

GUIDE = (ROOT / "docs/lag.md").read_text(encoding="utf-8")
ROW_ID = re.compile(r"`((?:FK|IN|UT|FRAGA|SKV|OSL|SFB|L)-[A-Z0-9][A-Za-z0-9-]*)`")


def shown(table, kind):
    return [
        kind.model_validate(row)
        for block in re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
        for row in tomllib.loads(block).get(table, ())
    ]


@pytest.mark.parametrize(("table", "kind", "there"), [("lagrum", Lagrum, 2), ("basis", Basis, 1)])
def test_a_row_that_the_guide_shows_is_the_registers_own(table, kind, there):
    rows = shown(table, kind)
    delivered_rows = delivered().lagrum if table == "lagrum" else delivered().bases
    assert len(rows) == there
    for row in rows:
        assert row in delivered_rows


def test_every_row_that_the_guide_names_is_in_the_register():
    named = set(ROW_ID.findall(GUIDE))
    assert named
    assert named <= {row.id for row in (*delivered().lagrum, *delivered().bases)}


def test_every_file_that_the_guide_names_is_there():
    for name in re.findall(r"`(config/law/[a-z./A-Z]+|bases/[a-z]+\.toml|information\.toml)`", GUIDE):
        assert (ROOT / name).exists() or (ROOT / "config/law" / name).exists(), name
