"""The leaves of a package of evidence as a page for people: Swedish, one file, for screen, screen reader and paper.

Made as the record of processing is (`privacy.article30_page`): headings in order, a caption and scoped headers on every
table, `lang`, no script, nothing that is fetched. Everything out of a record is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any, Final

KINDS: Final = {
    "decision": "Beslut om en post",
    "refusal": "Avvisat meddelande",
    "intent": "Avsikt att lämna ut",
    "end": "Vad som blev av ett utlämnande",
    "review": "Avgörande av en människa",
    "register": "Rättsregister taget i bruk",
    "declaration": "Köernas ändamål",
    "gallrad": "Gallring",
    "shielded": "Uppgifter innehållna efter beslutet",
}
_WORDS: Final = {
    "about": "gäller lövet",
    "action": "åtgärd (wsa:Action)",
    "address": "adress",
    "answer": "svar",
    "answered": "besvarat",
    "asked": "frågor",
    "asker": "beställande system",
    "attempts": "försök",
    "basis": "rättslig grund",
    "benefits": "förmåner",
    "by": "av",
    "bytes": "SHA-256 av det mottagna",
    "case": "ärende",
    "cited": "angivet för mottagaren",
    "code": "kod",
    "command": "kommando",
    "composed": "sammanställt",
    "consent": "samtycke",
    "contract": "kontrakt",
    "created": "skapat av avsändaren",
    "decided": "beslutat",
    "detail": "orsak",
    "digest": "SHA-256 av innehållet",
    "dispatch": "utskick",
    "ended": "avslutat",
    "fields": "fält",
    "first_failure": "första felet",
    "granted": "fält som släpptes",
    "information": "slag av uppgift",
    "intent": "avsiktens löv",
    "interaction": "samverkan",
    "judged": "underlag för prövningen",
    "kind": "slag",
    "lagrum": "lagrum och version",
    "laws": "lagrum om vem som avgör",
    "message_id": "meddelandets id",
    "note": "hänvisning till avvägning",
    "organisation": "organisationsnummer",
    "outcome": "utfall",
    "partner": "motpart",
    "partner_code": "motpartens kod",
    "parts": "delsvar",
    "peer": "TLS-certifikat (SHA-256)",
    "period": "period",
    "person": "person",
    "policy": "rättsregister (hash)",
    "protection": "skyddsstatus",
    "purpose": "ändamål",
    "purposes": "ändamål",
    "quarantined": "i karantän",
    "reason": "skäl",
    "reasons": "skäl (koder)",
    "received": "mottaget",
    "record": "postens plats",
    "reference": "hänvisning",
    "released": "utlämnat",
    "result": "resultat",
    "retention": "gallringsregel",
    "role": "roll",
    "second": "medbeslutande",
    "settled": "avgjort",
    "signer": "undertecknarens certifikat (SHA-256)",
    "size": "storlek",
    "state": "läge",
    "step": "steg",
    "suspicion": "misstanke",
    "v": "postens version",
    "waited": "det som väntade",
    "withheld": "fält som hölls inne",
}
_STYLE: Final = """
body { font: 1rem/1.5 sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; width: 100%; margin: 0 0 2rem; }
caption { text-align: left; padding: .25rem 0; }
th, td { border: 1px solid #767676; padding: .3rem .6rem; text-align: left; overflow-wrap: anywhere; }
th { width: 16rem; background: #f2f2f2; }
@media print { table { break-inside: avoid; } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the page says of one leaf."""

    index: int
    kind: str
    record: Mapping[str, Any] | None = field(repr=False)
    why_not: str
    about: tuple[str, ...]


def page(asked: str, made: datetime, leaves: Sequence[Told]) -> str:
    """Return the page."""
    return "".join(_page(asked, made, leaves))


def _page(asked: str, made: datetime, leaves: Sequence[Told]) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="sv">\n<head>\n<meta charset="utf-8">\n<title>Bevispaket</title>\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Bevispaket</h1>\n"
    yield f"<p>Gäller {escape(asked)}. Framtaget {escape(made.isoformat(timespec='seconds'))}. "
    yield f"Så prövas det: se README.sv.md.</p>\n<h2>Löv ({len(leaves)})</h2>\n"
    for one in leaves:
        yield from _leaf(one)
    yield "</main>\n</body>\n</html>\n"


def _leaf(one: Told) -> Iterator[str]:
    kind = KINDS.get(one.kind, one.kind)
    yield f'<h3 id="lov-{one.index}">Löv {one.index}: {escape(kind)}</h3>\n'
    if one.record is None:
        why = {"gallrad": "Posten är gallrad.", "behörighet": "Posten öppnades inte."}.get(one.why_not, one.why_not)
        yield f"<p>{escape(why)} Lövet är bevisat.</p>\n"
        return
    yield f"<table>\n<caption>Vad löv {one.index} åtog sig</caption>\n<tbody>\n"
    for name, value in one.record.items():
        yield f'<tr><th scope="row">{escape(_WORDS.get(name, name))}</th><td>{_value(value)}</td></tr>\n'
    yield "</tbody>\n</table>\n"
    if one.about:
        listed = ", ".join(f"<code>originals/{escape(name)}</code>" for name in one.about)
        yield f"<p>Original: {listed}.</p>\n"


def _value(value: object) -> str:
    match value:
        case None | [] | {} | "":
            return "inget"
        case bool():
            return "ja" if value else "nej"
        case list():
            return "<br>".join(_value(one) for one in value)
        case dict():
            said = ((_WORDS.get(str(name), str(name)), inner) for name, inner in value.items())
            return "; ".join(f"{escape(name)}: {_value(inner)}" for name, inner in said)
        case _:
            return escape(str(value))
