"""Every way a dispatch may end is explained to those who run the gateway, in its own words."""

from pathlib import Path

from gateway import endings
from gateway.codes import Code

GUIDE = (Path(__file__).parents[2] / "docs/operator.md").read_text()
CODES = [code for code in vars(endings).values() if isinstance(code, Code)]


def test_the_guide_has_every_code_with_its_own_text():
    assert len(CODES) > 20
    missing = [code.name for code in CODES if f"| `{code.name}` | {code.swedish} |" not in GUIDE]
    assert not missing


def test_names_are_unique_and_kept_apart_from_those_that_partners_see():
    names = [code.name for code in CODES]
    assert len(set(names)) == len(names)
    assert all(name.startswith(("GW-COMMAND-", "GW-OUT-", "GW-FAR-")) for name in names)
