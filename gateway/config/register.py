"""The register of law, read from its folder: many files, one register, one hash.

    lagrum/*.toml      one file an act: `sfb.toml`, `2024-1300.toml`
    bases/*.toml       one file a type of partner: `skatteverket.toml`
    information.toml   kinds of information that no contract carries; may be left out
    categories.toml    the words that give categories away
    reviews.toml       who answers what only a person may decide; left out, the strictest answer to every question holds
    testnummer.toml    Skatteverket's published test numbers, which alone a test may be about; left out, there are none
    registerutdrag.toml  what a person's own extract holds back, and for how long; left out, no extracts are given

Files are read in the order of their names, and the rows of a file as they stand: that is the order in which bases about
one kind are tried. Every `*.toml` below the folder is in the hash, by its name there and its digest: no byte of the law
can change without another hash. A file that is none of these is refused, as its rows would be law to nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from gateway.config import files
from gateway.config.law import Basis, Exemption, Extracts, Information, Lagrum, Model, Review
from gateway.errors import ConfigError
from gateway.message import Category

_INFORMATION, _CATEGORIES, _REVIEWS = "information.toml", "categories.toml", "reviews.toml"
_NUMBERS, _EXTRACTS = "testnummer.toml", "registerutdrag.toml"
_ALONE = (_INFORMATION, _CATEGORIES, _REVIEWS, _NUMBERS, _EXTRACTS)
_FOLDERS = {"lagrum": "<act>", "bases": "<partner>"}
"""Folder -> what its files are called."""

_R = TypeVar("_R", Lagrum, Basis, Information, Review, Exemption)

Number = Annotated[str, Field(pattern=r"^(18|19|20)[0-9]{10}$")]
"""With its century, twelve digits."""


class _Categories(Model):
    words: Mapping[str, Category]


class _Told(Model):
    refused: bool = False


class _Numbers(Model):
    personnummer: tuple[Number, ...] = ()
    samordningsnummer: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """What the folder says."""

    lagrum: tuple[Lagrum, ...]
    bases: tuple[Basis, ...]
    information: tuple[Information, ...]
    categories: Mapping[str, Category]
    reviews: tuple[Review, ...]
    """In the file's order: where several reasons meet, the first names the role."""
    test_numbers: frozenset[str]
    """Official test numbers, twelve digits."""
    extracts: Extracts | None
    """None where the register does not say what extracts hold back."""
    places: Mapping[str, str]
    """Row (its `key`) -> file and number: `basis IN-BANK-01@2025-12-01` -> `bases/banker.toml: [[basis]] 2`."""
    policy: str
    """Hex SHA-256 over the files' names and digests, in order of name."""
    files: Mapping[str, bytes]
    """The very bytes that became rows, by name: what is kept for as long as decisions are."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """The files, each read once: the hash is of the very bytes that became rows."""

    folder: Path
    contents: Mapping[str, bytes]
    places: dict[str, str] = field(default_factory=dict)

    def table(self, name: str) -> dict[str, object]:
        if name not in self.contents:
            files.content(self.folder / name)
        return files.parsed(self.contents[name], self.folder / name)

    def rows(self, name: str, table: str, kind: type[_R], found: dict[str, object] | None = None) -> Iterator[_R]:
        """Yield the rows of a file, or of what of it was `found` to be rows."""
        for number, row in files.numbered(found or self.table(name), self.folder / name, table, kind):
            place = f"{name}: [[{table}]] {number}"
            self.places[row.key] = f"{self.places[row.key]} and {place}" if row.key in self.places else place
            yield row

    def within(self, folder: str, table: str, kind: type[_R]) -> tuple[_R, ...]:
        names = [name for name in self.contents if name.startswith(f"{folder}/")]
        if not names:
            raise ConfigError(
                f"{self.folder / folder}: is empty: one {_FOLDERS[folder]}.toml each, of [[{table}]] tables"
            )
        return tuple(row for name in names for row in self.rows(name, table, kind))


def read(folder: Path) -> Register:
    """Read the register of law. Raises ConfigError: names file, row, key and the accepted keys."""
    return parsed(contents(folder), folder)


def parsed(law: Mapping[str, bytes], folder: Path) -> Register:
    """Return the register that these files are, as `contents` gave them on some day; `folder` is for errors alone.

    Raises ConfigError as `read` does.
    """
    return _register(tuple(law.items()), folder)


@lru_cache(maxsize=8)
def _register(given: tuple[tuple[str, bytes], ...], folder: Path) -> Register:
    """Build the rows once for as long as the files say the same: a register is everybody's, and nobody changes it."""
    law = dict(given)
    reading = _Reading(folder, law)
    return Register(
        lagrum=reading.within("lagrum", "lagrum", Lagrum),
        bases=reading.within("bases", "basis", Basis),
        information=tuple(reading.rows(_INFORMATION, "information", Information)) if _INFORMATION in law else (),
        categories=files.build(_Categories, reading.table(_CATEGORIES), str(folder / _CATEGORIES)).words,
        reviews=_reviews(reading) if _REVIEWS in law else (),
        test_numbers=_numbers(reading) if _NUMBERS in law else frozenset(),
        extracts=_extracts(reading) if _EXTRACTS in law else None,
        places=reading.places,
        policy=policy(law),
        files=law,
    )


def _reviews(reading: _Reading) -> tuple[Review, ...]:
    rows = tuple(reading.rows(_REVIEWS, "review", Review))
    for number, row in enumerate(rows):
        if row.reason in {one.reason for one in rows[:number]}:
            raise ConfigError(f"{reading.folder / _REVIEWS}: reason: {row.reason} is used twice: one row answers it")
    return rows


def _extracts(reading: _Reading) -> Extracts:
    table = reading.table(_EXTRACTS)
    said = files.build(_Told, table.pop("utdrag", {}), f"{reading.folder / _EXTRACTS}: [utdrag]")
    rows = tuple(reading.rows(_EXTRACTS, "undantag", Exemption, table)) if table else ()
    return Extracts(refused=said.refused, exemptions=rows)


def _numbers(reading: _Reading) -> frozenset[str]:
    read_ = files.build(_Numbers, reading.table(_NUMBERS), str(reading.folder / _NUMBERS))
    return frozenset(read_.personnummer + read_.samordningsnummer)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of law by its name in the folder, in order of name. Raises ConfigError."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.toml")}
    for name, path in found.items():
        parts = name.split("/")
        if name not in _ALONE and not (len(parts) == 2 and parts[0] in _FOLDERS):  # noqa: PLR2004
            raise ConfigError(
                f"{path}: is no part of the register of law; move its rows to lagrum/<act>.toml, bases/<partner>.toml, "
                f"{', '.join(_ALONE)}, or take it away"
            )
    return {name: files.content(found[name]) for name in sorted(found)}


def policy(law: Mapping[str, bytes]) -> str:
    """Return which law these files are: hex SHA-256 over their names and digests, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(law):
        digest.update(name.encode() + b"\0" + hashlib.sha256(law[name]).digest())
    return digest.hexdigest()
