"""TOML files read whole, and their tables built: every fault told with file, row, key and the accepted keys."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError

from gateway.errors import ConfigError

_M = TypeVar("_M", bound=BaseModel)


def content(path: Path) -> bytes:
    """Return a file's bytes. Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def table(path: Path) -> dict[str, object]:
    """Return a file's tables, the caller's own. Raises ConfigError where it cannot be read or is not TOML."""
    return deepcopy(parsed(content(path), path))


def parsed(data: bytes, path: Path) -> dict[str, object]:
    """Return the tables of a file that has been read; what is in them is everybody's, and nobody changes it.

    Raises ConfigError where it is not TOML.
    """
    try:
        return dict(_loaded(data))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None


@lru_cache(maxsize=128)
def _loaded(data: bytes) -> dict[str, object]:
    """Read a file once for as long as it says the same: reading the register is most of reading a configuration."""
    return tomllib.loads(data.decode("utf-8"))


def build(kind: type[_M], data: object, where: str) -> _M:
    """Return a table as what it is. Raises ConfigError: where, key, what is wrong, and the accepted keys."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        keys = _accepted(kind, fault["loc"]) if fault["type"] in {"extra_forbidden", "missing"} else ""
        accepted = f"; accepted keys: {keys}" if keys else ""
        raise ConfigError(f"{where}: {key}: {fault['msg']}{accepted}") from None


def rows(path: Path, name: str, kind: type[_M]) -> tuple[_M, ...]:
    """Return the rows of a file that holds `[[name]]` tables and nothing else. Raises ConfigError."""
    return tuple(row for _, row in numbered(table(path), path, name, kind))


def numbered(data: dict[str, object], path: Path, name: str, kind: type[_M]) -> Iterator[tuple[int, _M]]:
    """Yield each row with its number in the file, from 1. Raises ConfigError."""
    found = data.pop(name, None)
    if data or not isinstance(found, list):
        raise ConfigError(f"{path}: {', '.join(data) or name}: only [[{name}]] tables are accepted here")
    for number, row in enumerate(found, start=1):
        yield number, build(kind, row, f"{path}: [[{name}]] {number}{_named(row)}")


def _named(row: object) -> str:
    """Return what names a row, if it says: its id, and the version of it where it has several."""
    if not isinstance(row, dict):
        return ""
    name, version = row.get("id") or row.get("name") or row.get("kind"), row.get("version") or row.get("giltig_fom")
    return f" ({name}{'' if version is None else f'@{version}'})" if isinstance(name, str) else ""


def _accepted(kind: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """Return the keys that the table at `place` accepts; the place's last part is the key that is wrong."""
    model = kind
    for part in place[:-1]:
        field = model.model_fields.get(str(part))
        annotation = None if field is None else field.annotation
        inner = next(_models(annotation), None)
        if inner is not None:
            model = inner
        elif not isinstance(part, int):
            break
    return ", ".join(model.model_fields)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the tables that an annotation holds, however deep: `tuple[Condition, ...]`."""
    for item in (annotation, *get_args(annotation)):
        if isinstance(item, type) and issubclass(item, BaseModel):
            yield item
        elif item is not annotation:
            yield from _models(item)
