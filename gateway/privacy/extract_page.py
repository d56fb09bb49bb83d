"""A registerutdrag for its reader: a page, plain text, or data. In Swedish, without the person's number in any of them.

The page is held to WCAG 2.1 AA as the record of processing is (`article30_page`): one `h1`, headings that never skip a
level, lists of terms, `lang`, no script, nothing that is fetched, no meaning that only a colour has. Everything that
comes out of the log or a file is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from gateway.privacy.extract import Entry, Extract, days
from gateway.swedish import swedish_time

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | None

TITLE: Final = "Registerutdrag: vilka som fått uppgifter om dig"
_OUT: Final = "Lämnat till andra, och frågat hos andra"
_IN: Final = "Mottaget från andra"
_NONE: Final = "Inget är antecknat."
_WHAT: Final = (
    "Utdraget säger vem som fått uppgifter om dig från Försäkringskassan, och vem Försäkringskassan fått uppgifter av, "
    "genom utbytet mellan datasystem. Det säger vilka slags uppgifter det var, varför och enligt vilken lag, men inte "
    "vad som stod i dem (artikel 15 i dataskyddsförordningen)."
)
_WHAT_NOT: Final = (
    "Det som lämnats på papper, i telefon eller på annat sätt finns inte här. Uppgifter som gallrats, och uppgifter "
    "som du enligt lag inte får del av, är inte med. Tjänstemän nämns inte."
)
ABOUT: Final = (_WHAT, _WHAT_NOT)
UNKNOWN: Final = "Jag känner inte igen detta"
CORRECTION: Final = (
    "Känner du inte igen något av detta, eller tror du att det är fel? Hör av dig till Försäkringskassan och ange "
    "postens referens. Vi utreder den och svarar utan onödigt dröjsmål, senast inom en månad (artikel 12.3). Du kan "
    "begära att felaktiga uppgifter rättas (artikel 16), och du kan lämna klagomål till Integritetsskyddsmyndigheten "
    "(artikel 77)."
)
_STYLE: Final = """
:root { color-scheme: light; } body { font: 1rem/1.5 sans-serif; color: #1a1a1a; background: #fff; max-width: 50rem;
margin: 0 auto; padding: 1rem; } section { border-top: 1px solid #595959; break-inside: avoid-page; }
dt { font-weight: bold; } dd { margin: 0 0 .5rem 1rem; overflow-wrap: anywhere; } a { color: #00406b; }
a:focus { outline: 3px solid #00406b; outline-offset: 2px; } @media print { .skip { display: none; } }
"""


def page(extract: Extract, *, case: str) -> str:
    """Return the page; `case` is the reference of the request that it answers."""
    return "\n".join(_page(extract, case)) + "\n"


def _page(extract: Extract, case: str) -> Iterator[str]:
    yield f'<!DOCTYPE html>\n<html lang="sv">\n<head>\n<meta charset="utf-8">\n<title>{TITLE}</title>'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{_STYLE}</style>\n</head>'
    yield '<body>\n<a class="skip" href="#fragor">Hoppa till: jag känner inte igen detta</a>\n<main>'
    yield f"<h1>{TITLE}</h1>\n<dl>"
    yield from (_term(name, value) for name, value in _facts(extract, case))
    yield "</dl>"
    yield from (f"<p>{escape(one)}</p>" for one in ABOUT)
    for heading, entries in _parts(extract):
        yield f"<h2>{heading} ({len(entries)})</h2>"
        yield from (_section(one) for one in entries)
        if not entries:
            yield f"<p>{_NONE}</p>"
    yield f'<h2 id="fragor">{UNKNOWN}</h2>\n<p>{CORRECTION}</p>\n</main>\n</body>\n</html>'


def _section(one: Entry) -> str:
    told = "\n".join(_term(name, *values) for name, values in _told(one))
    heading = f"{_when(one)}: {one.counterpart}"
    return f'<section id="post-{one.reference}">\n<h3>{escape(heading)}</h3>\n<dl>\n{told}\n</dl>\n</section>'


def _term(name: str, *values: str) -> str:
    return f"<dt>{escape(name)}</dt>" + "".join(f"<dd>{escape(value)}</dd>" for value in values)


def text(extract: Extract, *, case: str) -> str:
    """Return the same as plain text."""
    return "\n".join(_lines(extract, case)) + "\n"


def _lines(extract: Extract, case: str) -> Iterator[str]:
    yield TITLE
    yield ""
    yield from (f"{name}: {value}" for name, value in _facts(extract, case))
    for one in ABOUT:
        yield ""
        yield one
    for heading, entries in _parts(extract):
        yield ""
        yield f"{heading} ({len(entries)})"
        if not entries:
            yield f"  {_NONE}"
        for entry in entries:
            yield ""
            yield f"  {_when(entry)}  {entry.counterpart}"
            yield from (f"    {name}: {'; '.join(values)}" for name, values in _told(entry))
    yield ""
    yield UNKNOWN
    yield CORRECTION


def document(extract: Extract, *, case: str) -> dict[str, Json]:
    """Return the same as data, for a portal or a letter."""
    return {
        "titel": TITLE,
        **{name.lower(): value for name, value in _facts(extract, case)},
        "om": list(ABOUT),
        "poster": [
            {
                "tid": one.at.isoformat(timespec="seconds"),
                "riktning": "ut" if one.direction == "out" else "in",
                "motpart": one.counterpart,
                "organisationsnummer": one.organisation,
                "handelse": one.what,
                "uppgifter": [one.information, *one.fields],
                "andamal": list(one.purposes),
                "lagrum": list(one.lagrum),
                "framme": one.arrival or None,
                "undantaget": one.held or None,
                "referens": one.reference,
            }
            for one in extract.entries
        ],
        "nekade": extract.refused,
        "fraga": CORRECTION,
    }


def _facts(extract: Extract, case: str) -> Iterator[tuple[str, str]]:
    first, last = days(extract.since, extract.until, extract.made)
    yield "Ärende", case
    yield "Tid", f"{first or 'från början'} till {last}"
    yield "Framställt", f"{swedish_time(extract.made):%Y-%m-%d %H:%M}"
    if extract.refused is not None:
        yield (
            "Nekat",
            f"{extract.refused} gånger stoppades en uppgift eller en fråga om dig för att lagen inte tillät den",
        )


def _parts(extract: Extract) -> Iterator[tuple[str, tuple[Entry, ...]]]:
    yield _OUT, extract.of("out")
    yield _IN, extract.of("in")


def _told(one: Entry) -> Iterator[tuple[str, Sequence[str]]]:
    yield "Vad som hände", (one.what,)
    if one.organisation is not None:
        yield "Organisationsnummer", (one.organisation,)
    yield "Slags uppgifter", (f"{one.information}: {', '.join(one.fields)}" if one.fields else one.information,)
    yield "Varför", one.purposes or ("anges inte",)
    yield "Enligt", one.lagrum or ("anges inte",)
    if one.arrival:
        yield "Kom det fram", (one.arrival,)
    if one.held:
        yield "Därför visas det först nu", (one.held,)
    yield "Referens", (one.reference,)


def _when(one: Entry) -> str:
    return f"{swedish_time(one.at):%Y-%m-%d %H:%M}"
