"""What a partner cites, in one form: "SFB 110 kap. 31 §" and "110 kap 31 § socialförsäkringsbalken (2010:110)" are one.

Partners write the paragraph they rely on as free text. A text that cites law is brought to what it cites (författning,
chapter, paragraph), however it is written; any other text, such as a purpose in words, is compared without regard to
case and white space. What cannot be read as a citation stays text, and then only the very same text is accepted.

What we ourselves cite is written from the register's row, by `written`: in the form that lawyers use, and `normal`
reads it as what it is.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from gateway.config.law import Lagrum

_NAMES: Final = {
    "socialförsäkringsbalken": "2010:110",
    "socialförsäkringsbalk": "2010:110",
    "sfb": "2010:110",
}
"""Acts that need no number in ordinary use."""

_PARAGRAPH: Final = re.compile(r"(?:(\d+(?: [a-z])?) ?kap\.? ?)?(\d+(?: ?[a-z])?) ?§")
_ARTICLE: Final = re.compile(r"\b(?:artikel|art\.) ?(\d+)\b")
_NUMBER: Final = re.compile(r"\b(\d{4}:\d{1,4}|(?<=nr )\d{1,4}/\d{4})\b")
"""Of an act in Svensk författningssamling, `2010:110`, or of the Union, `nr 883/2004`."""
_WORD: Final = re.compile(r"[a-zåäöé]+")


@lru_cache(maxsize=1024)
def normal(text: str) -> str:
    """Return what a text cites, `<SFS number> <chapter>:<paragraph>`, sorted; or else the text itself, folded."""
    folded = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    paragraphs = {f"{chapter or '-'}:{paragraph.replace(' ', '')}" for chapter, paragraph in _PARAGRAPH.findall(folded)}
    acts = {*_NUMBER.findall(folded), *(_NAMES[word] for word in _WORD.findall(folded) if word in _NAMES)}
    if any("/" in act for act in acts):
        paragraphs = {f"-:{article}" for article in _ARTICLE.findall(folded)}
    if len(acts) != 1 or not paragraphs:
        return folded
    return " ".join([*acts, *sorted(paragraphs)])


_STYCKE: Final = ("första", "andra", "tredje", "fjärde", "femte", "sjätte", "sjunde", "åttonde", "nionde", "tionde")


def written(row: Lagrum) -> str:
    """Return a paragraph as it is cited: `9 kap. 1 § förordningen (2017:819) om …`, `7 § fjärde stycket lagen (…)`.

    An article of the Union's: `artikel 76 förordning (EG) nr 883/2004 om …`.
    """
    number = _NUMBER.search(row.forfattning)
    if number is not None and "/" in number.group(1):
        return f"artikel {row.paragraf} {row.forfattning}"
    parts = [f"{row.kapitel} kap."] if row.kapitel is not None else []
    parts.append(f"{row.paragraf} §")
    if row.stycke is not None:
        parts.append(f"{_STYCKE[row.stycke - 1]} stycket" if row.stycke <= len(_STYCKE) else f"{row.stycke} st.")
    if row.punkt is not None:
        parts.append(str(row.punkt))
    return " ".join([*parts, row.forfattning])


def names(row: Lagrum) -> str:
    """Return what `normal` makes of a citation of this paragraph, if its act has a number: `2017:819 9:1`."""
    number = _NUMBER.search(row.forfattning)
    act = number.group(1) if number else row.forfattning
    return f"{act} {row.kapitel or '-'}:{row.paragraf.replace(' ', '')}"
