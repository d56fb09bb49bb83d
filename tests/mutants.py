"""Mutants of the decision: one thing changed in the source of the gates, to see whether any test notices.

Every comparison, boolean and set operator, negation, constant, reason, outcome and return of `MODULES` is changed, one
at a time, by its syntax tree, and every line of the table of gates is taken away. A mutant of a function is run by
giving the function that is already there the mutant's code, so that every table and every import that holds it has it
too; a mutant of a module's own level is executed in the module, and what is built on it once more. Both are undone
afterwards.

A mutant's name has no line number: it says where, what, and which of its like, so a list of the equivalent ones keeps.
"""

from __future__ import annotations
import __future__

import ast
import importlib
import inspect
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from gateway.privacy.reasons import Reason

MODULES = ("setting", "compatibility", "grounds", "contents", "gates", "engine")
"""In the order that they are built on each other."""

AT_IMPORT = {"_gate"}
"""Functions that only the modules themselves call, when they are executed."""

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
}
_SETS: dict[type[ast.operator], type[ast.operator]] = {
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Sub: ast.Add,
    ast.Add: ast.Sub,
}
_CALLS = {"any": "all", "all": "any", "isdisjoint": "intersection", "issuperset": "issubset"}
_OUTCOMES = {"DENY": "REFER", "REFER": "DENY"}
_REASONS = {one.name: other.name for one, other in zip(Reason, [*list(Reason)[1:], next(iter(Reason))], strict=True)}


Change = Callable[[ast.AST], None]


class StillbornError(Exception):
    """The module cannot even be executed with the change: any import of it fails, so nothing else need notice."""


@dataclass(frozen=True)
class Mutant:
    """One change."""

    name: str
    """`grounds.valid: < becomes <= #1`."""
    module: str
    function: str | None
    """None: at the module's own level."""
    code: types.CodeType = field(repr=False)
    """Of the function, or of the module."""


def _source(module: str) -> Path:
    return Path(str(importlib.import_module(f"gateway.privacy.{module}").__file__))


def mutants(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module of `gateway.privacy`, in the order of its source."""
    tree = ast.parse(_source(module).read_text(encoding="utf-8"))
    counted: Counter[str] = Counter()
    for outer in tree.body:
        if isinstance(outer, ast.Assign) and ast.unparse(outer.targets[0]) == "__all__":
            continue
        function = outer if isinstance(outer, ast.FunctionDef) and outer.name not in AT_IMPORT else None
        for node in _nodes(outer):
            for what, change in tuple(_changes(node)):
                name = f"{module}.{function.name if function else 'module'}: {what}"
                counted[name] += 1
                yield Mutant(
                    name=f"{name} #{counted[name]}",
                    module=module,
                    function=function.name if function else None,
                    code=_changed(node, change, function or tree),
                )


def _changed(node: ast.AST, change: Change, whole: ast.FunctionDef | ast.Module) -> types.CodeType:
    """Return the code with the node changed, and leave the tree as it was."""
    kept = {name: list(value) if isinstance(value, list) else value for name, value in vars(node).items()}
    inner = {name: vars(value).copy() for name, value in vars(node).items() if isinstance(value, ast.AST)}
    change(node)
    ast.fix_missing_locations(whole)
    try:
        if isinstance(whole, ast.Module):
            return compile(whole, "<mutant>", "exec")
        made = compile(
            ast.Module(body=[whole], type_ignores=[]), "<mutant>", "exec", flags=__future__.annotations.compiler_flag
        )
        return next(one for one in made.co_consts if isinstance(one, types.CodeType) and one.co_name == whole.name)
    finally:
        vars(node).clear()
        vars(node).update(kept)
        for name, values in inner.items():
            vars(kept[name]).clear()
            vars(kept[name]).update(values)


def _nodes(outer: ast.stmt) -> list[ast.AST]:
    """Return every node that can be changed: not docstrings, annotations, imports or decorators."""
    skipped: set[int] = set()
    for node in ast.walk(outer):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        if isinstance(node, ast.FunctionDef):
            for part in [
                *node.decorator_list,
                node.returns,
                *(arg.annotation for arg in ast.walk(node.args) if isinstance(arg, ast.arg)),
            ]:
                skipped.update(id(inner) for inner in (ast.walk(part) if part is not None else ()))
        if isinstance(node, ast.AnnAssign):
            skipped.update(id(inner) for inner in ast.walk(node.annotation))
        if isinstance(node, ast.ClassDef):
            for part in node.decorator_list:
                skipped.update(id(inner) for inner in ast.walk(part))
            if any(isinstance(base, ast.Name) and base.id in {"StrEnum", "NamedTuple"} for base in node.bases):
                skipped.update(id(inner) for inner in ast.walk(node))
    return [node for node in ast.walk(outer) if id(node) not in skipped]


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:  # noqa: C901, PLR0912  # one table, read down
    """Yield what can be done to one node, with its name."""
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in _COMPARED:
            for other in _COMPARED[type(op)]:
                yield f"{_sign(op)} becomes {_sign(other())}", _set_op(other)
        case ast.BoolOp(op=ast.And()):
            yield "and becomes or", lambda at: setattr(at, "op", ast.Or())
        case ast.BoolOp(op=ast.Or()):
            yield "or becomes and", lambda at: setattr(at, "op", ast.And())
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _SETS:
            other_op = _SETS[type(op)]
            yield f"{type(op).__name__} becomes {other_op.__name__}", lambda at: setattr(at, "op", other_op())
        case ast.UnaryOp(op=ast.Not()):
            yield "not is left out", lambda at: setattr(at, "op", ast.UAdd()) or _as_bool(at)
        case ast.IfExp() | ast.If():
            yield "condition is turned", lambda at: setattr(at, "test", ast.UnaryOp(ast.Not(), at.test))
        case ast.Constant(value=bool() as value):
            yield f"{value} becomes {not value}", lambda at: setattr(at, "value", not value)
        case ast.Constant(value=int() as number):
            yield f"{number} becomes {number + 1}", lambda at: setattr(at, "value", number + 1)
        case ast.Constant(value=str() as text) if text:
            yield f"{text!r} becomes another", lambda at: setattr(at, "value", f"{text}~")
        case ast.Attribute(value=ast.Name(id="Reason"), attr=name) if name in _REASONS:
            yield f"{name} becomes another", lambda at: setattr(at, "attr", _REASONS[name])
        case ast.Name(id=name, ctx=ast.Load()) if name in _OUTCOMES:
            yield f"{name} becomes {_OUTCOMES[name]}", lambda at: setattr(at, "id", _OUTCOMES[name])
        case ast.Attribute(value=ast.Name(id="Outcome"), attr=name) if name in _OUTCOMES:
            yield f"{name} becomes {_OUTCOMES[name]}", lambda at: setattr(at, "attr", _OUTCOMES[name])
        case ast.Call(func=ast.Name(id=name)) if name in {"any", "all"}:
            yield f"{name} becomes {_CALLS[name]}", lambda at: setattr(at.func, "id", _CALLS[name])
        case ast.Call(func=ast.Attribute(attr=name)) if name in {"isdisjoint", "issuperset"}:
            yield f"{name} becomes {_CALLS[name]}", lambda at: setattr(at.func, "attr", _CALLS[name])
        case ast.Call(func=ast.Name(id="_gate"), args=args):
            for index in range(2, len(args)):
                yield f"{_question(args[index])} is not asked", _without(index)
        case ast.Return(value=value) if value is not None and not _nothing(value):
            yield "returns nothing", lambda at: setattr(at, "value", ast.Constant(None))
        case _:
            return


def _set_op(other: type[ast.cmpop]) -> Change:
    return lambda at: at.ops.__setitem__(0, other())


def _as_bool(at: ast.AST) -> None:
    at.op, at.operand = ast.Not(), ast.UnaryOp(ast.Not(), at.operand)  # not not: a truth value still


def _without(index: int) -> Change:
    return lambda at: at.args.pop(index)


def _question(pair: ast.expr) -> str:
    return ast.unparse(pair.elts[0]) if isinstance(pair, ast.Tuple) else ast.unparse(pair)


def _nothing(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _sign(op: ast.cmpop) -> str:
    return ast.unparse(ast.Compare(ast.Name("a"), [op], [ast.Name("b")])).removeprefix("a ").removesuffix(" b")


@cache
def functions() -> dict[str, Callable[..., object]]:
    """Return every function that has mutants of its own, by module and name: `grounds.valid`."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"gateway.privacy.{name}")
        for node in ast.parse(_source(name).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name not in AT_IMPORT:
                found[f"{name}.{node.name}"] = getattr(module, node.name)
    return found


def called(act: Callable[[], object]) -> set[str]:
    """Return the functions that are called while something is done, by module and name; nothing is kept from before."""
    names = {inspect.unwrap(function).__code__: name for name, function in functions().items()}
    seen: set[str] = set()

    def entered(frame: types.FrameType, *_: object) -> None:
        if frame.f_code in names:
            seen.add(names[frame.f_code])

    for function in functions().values():
        getattr(function, "cache_clear", _nothing_kept)()
    before = sys.gettrace()
    sys.settrace(entered)
    try:
        act()
    finally:
        sys.settrace(before)
    return seen


@contextmanager
def living(mutant: Mutant) -> Iterator[None]:
    """Have the mutant in place of what is there. Raises StillbornError."""
    if mutant.function is None:
        with executed(mutant.module, mutant.code):
            yield
        return
    module = importlib.import_module(f"gateway.privacy.{mutant.module}")
    outer = getattr(module, mutant.function)
    function, forget = inspect.unwrap(outer), getattr(outer, "cache_clear", _nothing_kept)
    kept = function.__code__
    function.__code__ = mutant.code
    forget()
    try:
        yield
    finally:
        function.__code__ = kept
        forget()


def _nothing_kept() -> None:
    """Stand for a cache's `cache_clear`."""


@cache
def compiled(module: str) -> types.CodeType:
    """Return a module's code as it is."""
    return compile(_source(module).read_text(encoding="utf-8"), str(_source(module)), "exec")


@contextmanager
def executed(first: str, code: types.CodeType) -> Iterator[None]:
    """Have a module's code executed in it, and then all that is built on it; afterwards everything is as it was.

    Raises StillbornError: it cannot be executed.
    """
    built = [importlib.import_module(f"gateway.privacy.{name}") for name in MODULES[MODULES.index(first) :]]
    kept = [vars(module).copy() for module in built]
    try:
        try:
            for module, name in zip(built, MODULES[MODULES.index(first) :], strict=True):
                exec(code if name == first else compiled(name), vars(module))  # noqa: S102  # our own source
        except Exception as error:
            raise StillbornError(first) from error
        yield
    finally:
        for module, names in zip(built, kept, strict=True):
            vars(module).clear()
            vars(module).update(names)
