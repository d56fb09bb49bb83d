"""Sizes and names: a room one cannot see across hides things."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "gateway").rglob("*.py"))
BANNED = {"utils", "helpers", "common", "base", "manager", "service", "handler", "processor", "misc"}
MODULE_STOP = 500
FUNCTION_STOP = 60


def long_functions(source: str) -> list[str]:
    """Return the functions whose body, docstring aside, reaches the stop."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            first = node.body[1 if documented else 0].lineno
            if node.end_lineno - first >= FUNCTION_STOP:
                found.append(f"{node.name}: {node.end_lineno - first + 1} lines")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_can_be_read_in_one_sitting(path):
    source = path.read_text()
    assert source.count("\n") <= MODULE_STOP
    assert not long_functions(source)
    assert path.stem not in BANNED
    assert ast.get_docstring(ast.parse(source)), "a module begins with the design at this spot"


def test_ports_stay_few_and_small():
    tree = ast.parse((ROOT / "gateway/ports.py").read_text())
    protocols = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "Protocol" for base in node.bases)
    ]
    assert 1 <= len(protocols) <= 10
    for protocol in protocols:
        methods = [node for node in protocol.body if isinstance(node, ast.FunctionDef)]
        assert 1 <= len(methods) <= 4, protocol.name


def test_the_check_sees_a_long_function():
    assert long_functions("def f():\n" + "    x = 1\n" * (FUNCTION_STOP + 1)) == ["f: 61 lines"]
    assert long_functions("def f():\n" + "    x = 1\n" * FUNCTION_STOP) == []
