"""The record of processing as a page for people: Swedish, one file, for screen, screen reader and paper.

Held to WCAG 2.1 AA by how it is made: one `h1` and headings that never skip a level, a caption and scoped headers on
the table, lists of terms for the rest, a link past the table, `lang`, no script, nothing that is fetched, and no
meaning that only a colour has. Everything that comes out of the register is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from html import escape

from gateway.config import Configuration
from gateway.config.law import Channel, Direction, Obligation, SubjectRole
from gateway.message import Category
from gateway.privacy import article30, citation
from gateway.privacy.article30 import PURPOSES, Process
from gateway.privacy.purposes import Purpose

_DIRECTIONS = {
    Direction.INBOUND_PUSH: "Motparten lämnar till Försäkringskassan på eget initiativ",
    Direction.INBOUND_ANSWER: "Motparten svarar på Försäkringskassans fråga",
    Direction.PARTNER_QUESTION: "Motparten frågar Försäkringskassan",
    Direction.FK_QUESTION: "Försäkringskassan frågar motparten",
    Direction.FK_ANSWER: "Försäkringskassan svarar på motpartens fråga",
    Direction.FK_PUSH: "Försäkringskassan lämnar till motparten på eget initiativ",
}
_CATEGORIES = {
    Category.IDENTITET: "identitet",
    Category.KONTAKT: "kontakt",
    Category.EKONOMI: "ekonomi",
    Category.FAMILJ: "familj",
    Category.FRANVARO: "frånvaro",
    Category.ARBETE: "arbete",
    Category.HALSA: "hälsa (artikel 9)",
    Category.KANSLIG: "annan känslig uppgift (artikel 9)",
    Category.BROTT: "brott (artikel 10)",
    Category.FRITEXT: "fritext",
    Category.ARENDE: "ärende",
}
_ROLES = {
    SubjectRole.FORSAKRAD: "försäkrade",
    SubjectRole.ANNAN_FYSISK: "andra fysiska personer",
    SubjectRole.JURIDISK: "juridiska personer",
}
_CHANNELS = {
    Channel.MESSAGE: "meddelande",
    Channel.REQUEST_REPLY: "fråga och svar",
    Channel.BATCH: "fil med många personer",
    Channel.DIRECT_ACCESS: "direktåtkomst",
}
_OBLIGATIONS = {
    Obligation.LOG_BEFORE_RELEASE: "logga före utlämnande",
    Obligation.LOG_RECIPIENT_NAMED: "logga mottagaren vid namn",
    Obligation.INFORM_SUBJECT_ART14: "informera den registrerade (artikel 14)",
    Obligation.TELL_SUBJECT_OF_QUESTION: "underrätta den registrerade om frågan",
    Obligation.NOTIFY_DECIDER_2008_206: "underrätta den som beslutat (lag 2008:206)",
    Obligation.RECORD_BALANCING_NOTE: "skriv ned avvägningen",
    Obligation.FORBEHALL_10_13: "förbehåll (OSL 10 kap. 13 §)",
    Obligation.FOUR_EYES: "två personer beslutar",
    Obligation.MARK_CHANGED_VALUE: "märk ändrade värden",
    Obligation.KOMMUNICERING_BEFORE_DECISION: "kommunicera före beslut (FL 25 §)",
    Obligation.GALLRA_BY: "gallra enligt gallringsregeln",
    Obligation.NO_ONWARD: "lämnas inte vidare utan nytt beslut",
    Obligation.HIDE_FROM_TRANSPARENCY_UNTIL: "visas inte för den registrerade förrän angiven dag",
    Obligation.NO_AUTOMATED_DECISION: "inget automatiserat beslut",
    Obligation.CHILD_BEST_INTEREST_NOTE: "skriv ned prövningen av barnets bästa",
}
_GROUNDS = {
    "eu-gdpr:A6-1-c": "rättslig förpliktelse (artikel 6.1 c; lag 2018:218 2 kap. 1 §)",
    "eu-gdpr:A6-1-e-official-authority": "myndighetsutövning (artikel 6.1 e; lag 2018:218 2 kap. 2 §)",
}
_STYLE = """
:root { color-scheme: light; } body { font: 1rem/1.5 sans-serif; color: #1a1a1a; background: #fff; max-width: 70rem;
margin: 0 auto; padding: 1rem; } table { border-collapse: collapse; width: 100%; } caption { text-align: left;
font-weight: bold; padding: .5rem 0; } th, td { border: 1px solid #595959; padding: .3rem .5rem; text-align: left;
vertical-align: top; overflow-wrap: anywhere; } dt { font-weight: bold; } dd { margin: 0 0 .5rem 1rem; }
section { break-inside: avoid-page; } a { color: #00406b; } a:focus { outline: 3px solid #00406b; outline-offset: 2px; }
.wide { overflow-x: auto; } @media print { a { color: #1a1a1a; } .wide { overflow: visible; } .skip { display: none; } }
"""


def page(record: Sequence[Process], configuration: Configuration, day: date) -> str:
    """Return the record as one HTML document; `day` is when it was made."""
    return "\n".join(_page(record, configuration, day)) + "\n"


def _page(record: Sequence[Process], configuration: Configuration, day: date) -> Iterator[str]:
    gateway = configuration.gateway
    yield "<!DOCTYPE html>"
    yield '<html lang="sv">'
    yield f'<head>\n<meta charset="utf-8">\n<title>{_TITLE}</title>'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{_STYLE}</style>\n</head>'
    yield '<body>\n<a class="skip" href="#behandlingar">Hoppa förbi sammanställningen</a>'
    yield f"<header>\n<h1>{_TITLE}</h1>"
    yield "<dl>"
    yield _term("Personuppgiftsansvarig", f"Försäkringskassan, organisationsnummer {gateway.organisation}")
    yield _term("System", gateway.name)
    yield _term("Framställd", day.isoformat())
    yield _term("Rättsregistrets hash (SHA-256)", configuration.policy)
    yield "</dl>"
    yield (
        "<p>Sidan är gjord ur det register som varje utbyte prövas mot. Den säger vad som får utbytas, inte vad som "
        "har utbytts: det finns i revisionsloggen.</p>\n</header>"
    )
    yield "<main>"
    yield from _table(record)
    yield '<h2 id="behandlingar">Behandlingar</h2>'
    for type_, some in article30.by_partner(record):
        yield f'<h3 id="motpart-{escape(type_)}">Motpart: {escape(type_)}</h3>'
        for one in some:
            yield from _section(one, type_)
    yield "</main>\n</body>\n</html>"


_TITLE = "Registerförteckning enligt artikel 30 i dataskyddsförordningen"


def _table(record: Sequence[Process]) -> Iterator[str]:
    yield '<h2 id="sammanstallning">Sammanställning</h2>'
    yield '<div class="wide" role="region" aria-labelledby="sammanstallning" tabindex="0">\n<table>'
    yield f"<caption>Alla behandlingar, {len(record)} stycken, i registrets ordning</caption>"
    heads = ("Grund", "Riktning", "Motpart", "Uppgifter", "Gäller", "Granskad")
    yield "<thead><tr>" + "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr></thead>\n<tbody>"
    for one in record:
        basis = one.basis
        cells = (
            _DIRECTIONS[basis.direction],
            ", ".join(basis.partner_types),
            basis.kind,
            _valid(one),
            "ja" if one.verified else "nej",
        )
        link = f'<a href="#{_anchor(one, basis.partner_types[0])}">{escape(_name(one))}</a>'
        yield f'<tr><th scope="row">{link}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    yield "</tbody>\n</table>\n</div>"


def _section(one: Process, partner_type: str) -> Iterator[str]:
    anchor = _anchor(one, partner_type)
    yield f'<section aria-labelledby="{anchor}">\n<h4 id="{anchor}">{escape(_name(one))}</h4>\n<dl>'
    yield from (_term(name, *values) for name, values in _facts(one))
    yield "</dl>\n</section>"


def terms(one: Process) -> Iterator[tuple[str, str]]:
    """Yield what is told of a process, term by term, as plain text."""
    yield from ((name, ", ".join(values) or "inga") for name, values in _facts(one))


def _facts(one: Process) -> Iterator[tuple[str, Sequence[str]]]:
    basis = one.basis
    yield "Riktning", (_DIRECTIONS[basis.direction],)
    yield "Ändamål", [PURPOSES[Purpose(purpose)] for purpose in basis.purposes]
    yield "Rättslig grund", (_GROUNDS[article30.legal_basis(one)],)
    yield "Lagrum", [*dict.fromkeys(f"{citation.written(row)} (lydelse {row.version})" for row in one.lagrum)]
    yield "Kategorier av registrerade", [_ROLES[role] for role in basis.subject_roles]
    yield "Kategorier av uppgifter", [_CATEGORIES[category] for category in one.categories]
    yield "Uppgifter", [*one.fields]
    yield "Källa" if one.inward else "Mottagare", basis.partner_types
    yield "Sätt", [_CHANNELS[channel] for channel in basis.channels]
    yield "Förmåner", basis.benefits or ("ingen begränsning",)
    yield "Får inte förekomma", [_CATEGORIES[category] for category in basis.forbidden]
    yield "Gallring", (basis.retention,)
    yield "Skyldigheter", [_OBLIGATIONS[Obligation(name)] for name in one.obligations]
    yield "Gäller", (_valid(one),)
    yield "Skriven av", (basis.author,)
    yield "Godkänd av", basis.approved_by
    yield "Granskad mot författningstexten", ("ja" if one.verified else "nej: en människa prövar, utom i prov",)


def _term(name: str, *values: str) -> str:
    told = "".join(f"<dd>{escape(value)}</dd>" for value in values) or "<dd>inga</dd>"
    return f"<dt>{escape(name)}</dt>{told}"


def _name(one: Process) -> str:
    return f"{one.basis.id}, version från {one.basis.giltig_fom}"


def _anchor(one: Process, partner_type: str) -> str:
    return escape(f"{one.basis.id}-{one.basis.giltig_fom}-{partner_type}".replace(":", "-"))


def _valid(one: Process) -> str:
    until = one.basis.giltig_tom
    return f"{one.basis.giltig_fom} till {until}" if until is not None else f"från {one.basis.giltig_fom}"
