"""A table out of a file that anybody may have written: JSON or TOML, read so that nothing in it can be two things.

A name twice in one table is refused (readers differ in which they take), and so is what JSON does not have (NaN,
infinity), what is larger than a request ever is, and what is nested deeper than can be read. Errors tell the place,
never the text.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Final, NoReturn

from gateway.errors import ConfigError

LARGEST: Final = 256 * 1024
"""Bytes of a file with one request: a thousand fields need less than half of it."""
_DOTS: Final = 500
"""In one line of TOML: a name may be dotted as deep as it likes, and reading it costs the square of that."""


def parse(body: bytes, source: str) -> Mapping[str, object]:
    """Read JSON or TOML, whichever it is.

    Args:
        body: UTF-8.
        source: The file's name, for errors.

    Raises:
        ConfigError: too large, neither JSON nor TOML, no table, nested too deeply, or a name twice in one table.
    """
    if len(body) > LARGEST:
        raise ConfigError(f"{source}: larger than {LARGEST} bytes; one file holds one request")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: not UTF-8") from None
    as_json = text.lstrip()[:1] in ("{", "") or source.endswith(".json")
    if not as_json and any(line.count(".") > _DOTS for line in text.splitlines()):
        raise ConfigError(f"{source}: a line with more than {_DOTS} dots; write long lists over several lines")
    try:
        table: object = (
            json.loads(text, object_pairs_hook=_once, parse_constant=_nan) if as_json else tomllib.loads(text)
        )
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply for a request") from None
    except _RefusedError as error:
        raise ConfigError(f"{source}: {error}") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}: not JSON: line {error.lineno}, column {error.colno}") from None
    except ValueError as error:  # TOML's own errors quote the text: only the place is told
        told = "JSON" if as_json else f"TOML{_place(str(error))}"
        raise ConfigError(f"{source}: not {told}") from None
    if not isinstance(table, Mapping):
        raise ConfigError(f"{source}: not a table with names, but a single value or a list")
    return table


class _RefusedError(ValueError):
    """What a reader lets through and we do not. The text is ours: it holds nothing of the file."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse one name with two values: readers differ in which they take, so none is."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise _RefusedError("a name is there twice in one table; one of them was meant")
    return table


def _nan(_: str) -> NoReturn:
    """Refuse NaN and infinity: no numbers of JSON (RFC 8259 section 6)."""
    raise _RefusedError("not JSON: NaN and infinity are no numbers of it")


def _place(text: str) -> str:
    """Return `: line 3, column 7` of an error of `tomllib`; nothing where it says no place."""
    _, at, place = text.rpartition("(at ")
    return f": {place.removesuffix(')')}" if at else ""
