"""Errors say who must act: stable codes, two languages, documented, and nothing raised from outside the tree."""

import ast
import builtins
import re
from pathlib import Path

import pytest

from gateway import codes, errors, inquiries

ROOT = Path(__file__).parents[2]
CODES = (*codes.catalogue(), *inquiries.catalogue())
FOREIGN = {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
} - {"NotImplementedError", "KeyboardInterrupt", "SystemExit", "StopIteration"}
"""What our own code may not raise: a built-in error tells nobody who must act."""


def test_code_names_are_unique_and_stable_in_form():
    names = [code.name for code in CODES]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"GW(-[A-Z]+)+", name) for name in names)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_a_code_says_in_two_languages_what_to_do(code):
    assert code.swedish.endswith(".")
    assert code.english.endswith(".")
    assert code.swedish != code.english
    assert code.resend == (code.mender is codes.Mender.GATEWAY)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_the_partner_guide_lists_the_code_with_its_texts(code):
    guide = (ROOT / "docs/partner.md").read_text()
    assert f"`{code.name}`" in guide
    assert code.swedish in guide
    assert code.english in guide


def foreign_raises(source: str) -> list[str]:
    """Return the built-in exceptions that the source raises."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            call = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if getattr(call, "id", None) in FOREIGN:
                found.append(f"{node.lineno}: {ast.unparse(call)}")
    return found


ALONE = {ROOT / "gateway" / "audit" / name for name in ("naive.py", "naive_receipt.py")}
"""Run without the rest of us, and share no line with it."""
OURS = sorted({*(ROOT / "gateway").rglob("*.py")} - ALONE)


@pytest.mark.parametrize("path", OURS, ids=lambda p: str(p.relative_to(ROOT)))
def test_our_code_raises_only_our_errors(path):
    assert not foreign_raises(path.read_text())


def test_the_check_sees_a_foreign_raise():
    assert foreign_raises("raise ValueError('x')\n") == ["1: ValueError"]
    assert foreign_raises("raise errors.MalformedError(codes.EMPTY)\n") == []


def test_the_tree_of_errors_has_the_documented_shape():
    for leaf in ("MalformedError", "UntrustedError", "ContractError", "PurposeError", "ConflictError"):
        assert issubclass(getattr(errors, leaf), errors.RejectedError)
    for final in (errors.UnavailableError, errors.DeliveryError, errors.ConfigError, errors.IntegrityError):
        assert not issubclass(final, errors.RejectedError)
        assert issubclass(final, errors.GatewayError)
