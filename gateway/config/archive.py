"""One version of the register as one thing to keep: all its files in a compressed tar, and how two versions differ.

A decision names the register that it was made by with a hash (`register.policy`). Whoever reads the decision years
later must get that very register, so every one that was ever judged by is kept (`store.registers`). The archive is an
ordinary `.tar.gz`, for whoever has nothing but `tar`; it holds names and bytes and neither times nor owners, so the
same files give the same archive. What comes out of one is believed only if it has the hash that it was asked for by.

The rows are compared as their files have them, without knowing what they mean: a register that this program can no
longer read must still be told apart from the next one.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from gateway.config import register
from gateway.errors import IntegrityError

LARGEST = 64 * 1024 * 1024
"""Bytes that an archive may unpack to: a thousand times what the register is."""
_ROWS = {"lagrum": ("id", "version"), "basis": ("id", "giltig_fom"), "information": ("kind",), "review": ("reason",)}
"""Table -> what names one row of it."""


def packed(law: Mapping[str, bytes]) -> bytes:
    """Return the archive of some files of law, by name: the same files give the same bytes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(law):
            member = tarfile.TarInfo(name)
            member.size = len(law[name])
            tar.addfile(member, io.BytesIO(law[name]))
    return gzip.compress(plain.getvalue(), mtime=0)


def unpacked(archive: bytes, policy: str) -> dict[str, bytes]:
    """Return the files of an archive, by name. Raises IntegrityError where they are not those of this hash."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(archive)) as plain:
            law = dict(_members(plain.read(LARGEST + 1)))
    except (OSError, EOFError, tarfile.TarError) as error:
        raise IntegrityError(f"the archive of register {policy} cannot be read: {type(error).__name__}") from None
    if register.policy(law) != policy:
        raise IntegrityError(f"what is kept as register {policy} is another one")
    return law


def _members(plain: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        for member in tar:
            content, name = tar.extractfile(member), PurePosixPath(member.name)
            if content is None or name.is_absolute() or ".." in name.parts:
                raise tarfile.ReadError(member.name)
            yield member.name, content.read()


class How(StrEnum):
    """What became of a row."""

    ADDED = "added"
    CHANGED = "changed"
    """Under its own name: rows are meant to end and be followed, not to be edited."""
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row that two registers do not have alike."""

    row: str
    """`basis IN-BANK-01@2025-12-01`, `lagrum SFB-110-33@2025:937`."""
    how: How
    author: str | None
    """As the newer row has it, else the older. None where rows of its kind have no author."""
    approved_by: tuple[str, ...]


def changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[Change, ...]:
    """Return the rows that were added, changed or removed, in order of name."""
    old, new = dict(_rows(before)), dict(_rows(after))
    return tuple(
        _change(row, old.get(row), new.get(row)) for row in sorted(old.keys() | new) if old.get(row) != new.get(row)
    )


def _change(row: str, old: Mapping[str, object] | None, new: Mapping[str, object] | None) -> Change:
    how = How.ADDED if old is None else How.REMOVED if new is None else How.CHANGED
    last = new or old or {}
    author, approved = last.get("author"), last.get("approved_by")
    return Change(
        row=row,
        how=how,
        author=author if isinstance(author, str) else None,
        approved_by=tuple(map(str, approved)) if isinstance(approved, list) else (),
    )


def _rows(law: Mapping[str, bytes]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield every row by its name. A file that is no TOML is one row; what is in no table of rows is another."""
    for name, content in law.items():
        try:
            tables = tomllib.loads(content.decode("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            yield name, {"content": content}
            continue
        for table, rows in tables.items():
            if table in _ROWS and isinstance(rows, list):
                yield from ((f"{table} {_named(row, table)}", row) for row in rows)
            else:
                yield f"{name} {table}", {"value": rows}


def _named(row: Mapping[str, object], table: str) -> str:
    return "@".join(str(row.get(key, "?")) for key in _ROWS[table])
