"""Only its step may construct a form: a forged `Verified` would be a message that nobody verified."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKERS = {
    "Received": {
        "transport/front.py",
        "transport/desk.py",
        "cli/check.py",
        "trust/peer.py",
        "cli/demo/farsides/door.py",
    },
    "Admitted": {"trust/peer.py"},
    "Parsed": {"soap/envelope.py"},
    "Provenance": {"trust/signature.py", "store/entries.py"},
    "Verified": {"trust/signature.py"},
    "Valid": {"adapters/registry.py"},
    "Decision": {"privacy/purpose.py", "privacy/disclosure.py"},
    "Permitted": {"privacy/purpose.py", "privacy/disclosure.py"},
    "Labels": {"privacy/labels.py"},
    "Leaf": {"audit/leaf.py", "store/held.py"},
    "Sealed": {
        "trust/sealing.py",
        "store/views.py",
        "store/held.py",
        "store/releases.py",
        "store/judged.py",
        "store/questions/handling.py",
        "store/tracing.py",
        "store/readings.py",
    },
    "Event": {"events/compose.py", "events/outcome.py", "store/outbox.py", "store/shieldings.py", "consumer/asking.py"},
    "Learned": {"inbound/path.py", "outbound/path.py"},
    "Ready": {"inbound/path.py"},
    "Refusal": {"inbound/path.py"},
    "Accepted": {"store/entries.py", "cli/demo/farsides/replies.py"},
    "Receipt": {"trust/receipt.py"},
    "Identity": {"trust/chain.py"},
    # A recorded decision is judged again: nothing of it goes anywhere.
    "Command": {"outbound/commands.py", "privacy/replaying.py"},
    "Queued": {"outbound/commands.py", "privacy/replaying.py"},
    "Parcel": {"outbound/path.py"},
    "Composed": {"outbound/path.py"},
    "Signed": {"outbound/path.py"},
    "Reply": {"transport/courier.py"},
    "Broken": {"transport/courier.py"},
    "Answered": {"outbound/path.py"},
    "Delivered": {"outbound/path.py"},
}


HOMES = {"gateway.message", "gateway.dispatch", "gateway.trust.chain"}
"""The modules that define forms."""


def imported(tree: ast.Module, *, home: bool) -> tuple[dict[str, str], set[str]]:
    """Return the names that forms have in a module, and the names of modules that hold forms."""
    forms, modules = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if node.module in HOMES and alias.name in MAKERS:
                    forms[alias.asname or alias.name] = alias.name
                if f"{node.module}.{alias.name}" in HOMES:
                    modules.add(alias.asname or alias.name)
        elif home and isinstance(node, ast.ClassDef) and node.name in MAKERS:
            forms[node.name] = node.name
    return forms, modules | HOMES


def constructions(source: str, module: str = "") -> list[tuple[str, int]]:
    """Return (form, line) for each call of a form, by whatever name it was imported.

    A class of the same name is a form only in the modules that define forms: others have their own `Reply`.
    """
    tree = ast.parse(source)
    forms, modules = imported(tree, home=f"gateway.{module.removesuffix('.py').replace('/', '.')}" in HOMES)
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in forms:
                found.append((forms[name], node.lineno))
            case ast.Call(func=ast.Attribute(value=module, attr=name)) if name in MAKERS:
                if ast.unparse(module) in modules:
                    found.append((name, node.lineno))
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "gateway").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_its_step_constructs_a_form(path):
    module = str(path.relative_to(ROOT / "gateway"))
    made = constructions(path.read_text(), module)
    assert not [f"{module}:{line} {form}" for form, line in made if module not in MAKERS[form]]


@pytest.mark.parametrize("form", MAKERS)
def test_every_form_is_made_somewhere(form):
    made = {
        module
        for module in MAKERS[form]
        if (ROOT / "gateway" / module).is_file()
        and any(name == form for name, _ in constructions((ROOT / "gateway" / module).read_text(), module))
    }
    assert made, f"nobody makes {form}: {MAKERS[form]}"


def test_the_check_sees_a_forgery():
    assert constructions("from gateway import message\nx = message.Verified(payload=1)\n") == [("Verified", 2)]
    assert constructions("from gateway.message import Accepted as A\ny = A(a=1)\n") == [("Accepted", 2)]
    assert constructions("import threading\nz = threading.Event()\n") == []
    own = "class Reply: ...\nx = Reply()\n"
    assert constructions(own, "transport/reply.py") == []
    assert constructions(own, "dispatch.py") == [("Reply", 2)]
