"""The monthly report of the recurring control: what was drawn, looked at and found, in Swedish, as text and as a page.

It names nobody: neither whom a case was about, nor whose doing it was, nor who looked. So it can be handed to those who
answer for the control, and to a supervisory authority, as it is. The page is made as all of ours (`evidence_page`):
headings in order, a caption and scoped headers on every table, `lang`, no script, nothing that is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from gateway.audit.control import Outcome, Stratum

OUTCOMES: Final[Mapping[Outcome, str]] = {
    Outcome.UTAN_ANMARKNING: "utan anmärkning",
    Outcome.FORKLARAD: "avvikande men förklarad",
    Outcome.BRIST: "brist i rutin, behörighet eller regel",
    Outcome.INCIDENT: "otillåten, eller misstänkt: incident",
    Outcome.EJ_BEDOMBAR: "går inte att bedöma",
}
STRATA: Final[Mapping[str, str]] = {
    Stratum.OFFICIALS: "Lottade: det tjänstemän svarat",
    Stratum.SYSTEMS: "Lottade: det system gjort",
}
_STYLE: Final = """
body { font: 1rem/1.5 sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; width: 100%; margin: 0 0 2rem; }
caption { text-align: left; font-weight: bold; padding: .25rem 0; }
th, td { border: 1px solid #767676; padding: .3rem .6rem; text-align: left; overflow-wrap: anywhere; }
th { background: #f2f2f2; }
@media print { table { break-inside: avoid; } }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What came of one stratum or question."""

    why: str
    title: str
    there: int
    """How many there were."""
    drawn: int
    reviewed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A month's."""

    month: str
    made: datetime
    drawn: datetime
    due: datetime
    seed: str
    given: bool
    size: int
    most: int
    length: int
    """Of the log when it was drawn."""
    reading: int
    lines: Sequence[Line]
    outcomes: Mapping[Outcome, int]
    """Cases by what was said of them last."""
    overdue: Sequence[int]
    """Numbers of cases that somebody should have looked at."""
    left: int
    """Cases that nobody has looked at."""
    again: int
    """Cases of which something was said more than once."""
    gone: int
    """Cases whose leaves have been destroyed since."""
    reviewers: int

    @property
    def cases(self) -> int:
        """How many there are."""
        return sum(one.drawn for one in self.lines)


def text(report: Report) -> str:
    """Return the report as lines of text."""
    lines = [f"Återkommande kontroll {report.month} (SFB 114 kap. 13 §)", ""]
    lines += [f"{name}: {value}" for name, value in _facts(report)]
    lines += ["", "Urval: av hur många, uttagna, granskade"]
    lines += [f"  {one.title}: {one.there}, {one.drawn}, {one.reviewed}" for one in report.lines]
    lines += ["", "Utfall"]
    lines += [f"  {OUTCOMES[one]}: {count}" for one, count in _outcomes(report)]
    lines += ["", f"Försenade fall: {_numbers(report.overdue)}", "", *_NOTES]
    return "\n".join(lines)


def page(report: Report) -> str:
    """Return the report as a page of HTML."""
    return "".join(_page(report))


def _page(report: Report) -> Iterator[str]:
    title = f"Återkommande kontroll {escape(report.month)}"
    yield f'<!DOCTYPE html>\n<html lang="sv">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    yield "<p>Uppföljning av åtkomst till personuppgifter enligt 114 kap. 13 § socialförsäkringsbalken.</p>\n"
    yield "<h2>Dragningen</h2>\n<table>\n<caption>Så drogs fallen</caption>\n<tbody>\n"
    for name, value in _facts(report):
        yield f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>\n'
    yield "</tbody>\n</table>\n<h2>Urvalet</h2>\n<table>\n<caption>Uttagna och granskade fall</caption>\n<thead>\n<tr>"
    for head in ("Urval", "Av", "Uttagna", "Granskade"):
        yield f'<th scope="col">{head}</th>'
    yield "</tr>\n</thead>\n<tbody>\n"
    for one in report.lines:
        yield f'<tr><th scope="row">{escape(one.title)}</th><td>{one.there}</td><td>{one.drawn}</td>'
        yield f"<td>{one.reviewed}</td></tr>\n"
    yield "</tbody>\n</table>\n<h2>Utfallet</h2>\n"
    yield "<table>\n<caption>Fall efter vad granskningen visade</caption>\n<tbody>\n"
    for outcome, count in _outcomes(report):
        yield f'<tr><th scope="row">{escape(OUTCOMES[outcome])}</th><td>{count}</td></tr>\n'
    yield f"</tbody>\n</table>\n<h2>Försenade fall</h2>\n<p>{escape(_numbers(report.overdue))}</p>\n"
    yield "<h2>Vad rapporten inte säger</h2>\n"
    yield from (f"<p>{escape(note)}</p>\n" for note in _NOTES)
    yield "</main>\n</body>\n</html>\n"


_NOTES: Final = (
    "Ingen person, tjänsteman eller granskare nämns. Bakom våra egna system står handläggare som bara systemen känner.",
    "Fröet avgör vilka fall som lottas: med det kan dragningen göras om (gateway audit control verify).",
)


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "Framtagen", report.made.isoformat(timespec="seconds")
    yield "Dragen", report.drawn.isoformat(timespec="seconds")
    yield "Frö", f"{report.seed} ({'angivet av den som drog' if report.given else 'slumpat av systemet'})"
    yield "Att dra", f"{report.size} av varje lottat urval, högst {report.most} av det varje fråga hittar"
    yield "Loggens längd vid dragningen", str(report.length)
    yield "I läsarnas logg", str(report.reading)
    yield "Ska vara granskat", report.due.isoformat(timespec="seconds")
    yield "Uttagna fall", str(report.cases)
    yield "Granskade", f"{report.cases - report.left} av {report.reviewers} personer"
    yield "Återstår", str(report.left)
    yield "Omprövade", str(report.again)
    yield "Gallrade sedan dragningen", str(report.gone)


def _outcomes(report: Report) -> Iterator[tuple[Outcome, int]]:
    return ((one, report.outcomes.get(one, 0)) for one in Outcome)


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "inga"
