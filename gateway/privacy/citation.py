"""What a partner cites, in one form: "SFB 110 kap. 31 §" and "110 kap 31 § socialförsäkringsbalken (2010:110)" are one.

Partners write the paragraph they rely on as free text. A text that cites law is brought to what it cites (författning,
chapter, paragraph), however it is written; any other text, such as a purpose in words, is compared without regard to
case and white space. What cannot be read as a citation stays text, and then only the very same text is accepted.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_NAMES: Final = {
    "socialförsäkringsbalken": "2010:110",
    "socialförsäkringsbalk": "2010:110",
    "sfb": "2010:110",
}
"""Acts that need no number in ordinary use."""

_PARAGRAPH: Final = re.compile(r"(?:(\d+(?: [a-z])?) ?kap\.? ?)?(\d+(?: ?[a-z])?) ?§")
_NUMBER: Final = re.compile(r"\b(\d{4}:\d{1,4})\b")
_WORD: Final = re.compile(r"[a-zåäöé]+")


@lru_cache(maxsize=1024)
def normal(text: str) -> str:
    """Return what a text cites, `<SFS number> <chapter>:<paragraph>`, sorted; or else the text itself, folded."""
    folded = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    paragraphs = {f"{chapter or '-'}:{paragraph.replace(' ', '')}" for chapter, paragraph in _PARAGRAPH.findall(folded)}
    acts = {*_NUMBER.findall(folded), *(_NAMES[word] for word in _WORD.findall(folded) if word in _NAMES)}
    if len(acts) != 1 or not paragraphs:
        return folded
    return " ".join([*acts, *sorted(paragraphs)])
