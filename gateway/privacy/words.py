"""What an unknown element gives away by its name.

Contracts grow: a partner may send elements that ours does not know yet, and the schema lets them through. Their values
are never read, but their names are, because a forbidden kind of data has been received when it has arrived: an element
`HuvudDiagnos` from an employer must stop the message, whatever it holds.

Names are compared without regard to case, å, ä and ö. A word of five letters or more counts anywhere in a name (Swedish
makes compounds: `Grunddiagnoskod`); a shorter one only as a word of its own, as CamelCase, digits, `_`, `-` and `.`
divide the name (`ICD10Kod`, not `Medicdata`). The words are data: `config/law/categories.toml`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from gateway.message import Category

_ANYWHERE = 5
"""Letters from which a word counts inside other words: shorter ones hide in innocent names."""
_PART = re.compile(r"[A-ZÅÄÖ]+(?![a-zåäö])|[A-ZÅÄÖ]?[a-zåäö]+")


def fold(text: str) -> str:
    """Return the text in lower case, without accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()


class Words:
    """The categories that names give away. Immutable."""

    __slots__ = ("_long", "_short")

    def __init__(self, words: Mapping[str, Category]) -> None:
        """`words` as in `categories.toml`: word -> category."""
        folded = {fold(word): category for word, category in words.items()}
        self._long = tuple((word, category) for word, category in folded.items() if len(word) >= _ANYWHERE)
        self._short = {word: category for word, category in folded.items() if len(word) < _ANYWHERE}

    def categories(self, names: Iterable[str]) -> frozenset[Category]:
        """Return the categories that the names of elements give away; no names, none."""
        found: set[Category] = set()
        for name in set(names):
            whole = fold(name)
            found.update(category for word, category in self._long if word in whole)
            parts = {fold(part) for part in _PART.findall(name)}
            found.update(self._short[part] for part in parts & self._short.keys())
        return frozenset(found)
