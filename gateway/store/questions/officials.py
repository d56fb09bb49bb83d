"""What officials and systems did: Q2, Q4, Q6, Q10, Q12.

The gateway knows the officials who answer reviews, judge dead letters and order things of dispatches, by their own
names. Behind what our own systems send and ask it knows the system only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from gateway.database import Row, instant
from gateway.store.questions.asking import (
    PERIOD,
    WHOSE,
    Terms,
    by_flow,
    by_person,
    filtered,
    flow_rows,
    paged,
    places,
)
from gateway.store.questions.question import (
    About,
    Answer,
    Asked,
    Parameter,
    Question,
    Shape,
    Subject,
    Value,
    WrongQuestion,
)

_SWEDEN: Final = ZoneInfo("Europe/Stockholm")
_SATURDAY: Final = 5
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_OFFICIAL: Final = Parameter(name="official", help="Tjänstemannens användarnamn.")
_ASKER: Final = Parameter(name="asker", help="Ett av våra egna system.")
_BEHIND: Final = (
    "Bakom våra egna system (asker) står handläggare som bara systemen känner; deras namn når aldrig gatewayen. "
)
_SOURCES: Final = (
    (
        "trail", "t.at", "t.position", "f.kind || coalesce(' ' || f.answer, '')", "f.role", "t.reference", WHOSE,
        "trail t JOIN flows f ON f.id = t.flow", 't."by"', "f.kind IN ('end', 'review')",
    ),
    (
        "agreed", "t.at", "t.position", "f.kind || coalesce(' ' || f.answer, '')", "f.role", "t.reference", WHOSE,
        "trail t JOIN flows f ON f.id = t.flow", "t.second",
        "t.flow IN (SELECT g.id FROM flows g WHERE g.kind = 'review')",
    ),
    (
        "review", "s.at", "s.review * 1000 + s.step", "s.action", "s.role", "r.partner || ' ' || r.contract",
        "(SELECT p.pseudonym FROM records p WHERE p.position = r.leaf)",
        "review_steps s JOIN reviews r ON r.id = s.review", 's."by"', "1 = 1",
    ),
    (
        "letter", "s.at", "s.letter * 1000 + s.step", "s.action", "s.role", "l.queue", "NULL",
        "triage s JOIN dead_letters l ON l.id = s.letter", 's."by"', "1 = 1",
    ),
    (
        "instruction", "i.at", "i.id", "i.happening", "i.role", "d.dispatch", "d.pseudonym",
        "instructions i JOIN dispatches d ON d.id = i.dispatch", 'i."by"', "1 = 1",
    ),
    (
        "pause", "p.at", "p.id", "CASE WHEN p.paused THEN 'pause' ELSE 'resume' END", "p.role", "p.partner", "NULL",
        "pauses p", 'p."by"', "1 = 1",
    ),
)  # fmt: skip
"""Where it is written what officials did: name, time, number, what, role, about, whose, rows, who, which."""
_ACTS: Final = ("at", "source", "what", "role", "by", "about", "person")


def _acts(asked: Asked, terms: Terms | None = None) -> Sequence[Row]:
    """Return what officials did, or the one that was given, one row more than the page."""
    official, terms = asked.text("official"), (terms or Terms()).within(asked, "a.at")
    parts, values = [], list[str]()
    is_ = "<> ''" if official is None else "= ?"
    for name, at, number, what, role, about, whose, rows, who, which in _SOURCES:
        if official is not None:
            values.append(official)
        parts.append(
            f"SELECT {at} AS at, '{name}' AS source, {number} AS number, {what} AS what, {role} AS role, {who} AS who, "  # noqa: S608
            f"{about} AS about, {whose} AS whose FROM {rows} WHERE {who} {is_} AND {which}"
        )
    sql = (
        f"SELECT a.at, a.source, a.number, a.at, a.source, a.what, a.role, a.who, a.about, a.whose "  # noqa: S608
        f"FROM ({' UNION ALL '.join(parts)}) a WHERE {terms.sql} AND (a.at, a.source, a.number) > (?, ?, ?) "
        "ORDER BY a.at, a.source, a.number LIMIT ?"
    )
    after = asked.page.after or ("", "", -1)
    return asked.session.execute(sql, (*values, *terms.values, *after, asked.page.limit + 1)).fetchall()


_SYSTEM: Final = f"t.at, 'system', f.kind, coalesce(f.interaction, ''), f.asker, t.reference, {WHOSE}"


def _one(asked: Asked) -> bool:
    """Tell whether it is a system that was given. Raises WrongQuestion where it is both or neither."""
    official, asker = asked.text("official"), asked.text("asker")
    if (official is None) == (asker is None):
        raise WrongQuestion("give --official or --asker: one of them")
    return asker is not None


def _accesses(asked: Asked) -> Answer:
    if _one(asked):
        return by_flow(asked, _SYSTEM, Terms().equal(asked, asker="f.asker"))
    return paged(asked, _acts(asked), keys=3)


def _known_persons(asked: Asked) -> Answer:
    if _one(asked):
        return by_person(asked, _SYSTEM, Terms().equal(asked, asker="f.asker"))
    mine = Terms().add(f"a.whose IN ({places(asked.subjects)})", *asked.subjects)
    return paged(asked, _acts(asked, mine), keys=3)


def _out_of_hours(asked: Asked) -> Answer:
    outside = _outside(asked.text("hours") or "")
    if asked.text("asker") is not None:
        flows = Terms().equal(asked, asker="f.asker")
        return filtered(asked, lambda part: flow_rows(part, _SYSTEM, flows), lambda row: outside(row[0]), keys=2)
    return filtered(asked, _acts, lambda row: outside(row[0]), keys=3)


def _outside(hours: str) -> Callable[[str], bool]:
    """Return what tells whether a time of ours is outside working hours, as they are in Sweden."""
    read = _HOURS.fullmatch(hours)
    if read is None:
        raise WrongQuestion("hours are like 07:00-18:00")
    first, last = time(int(read[1]), int(read[2])), time(int(read[3]), int(read[4]))

    def outside(at: str) -> bool:
        local: datetime = instant(at).astimezone(_SWEDEN)
        return local.weekday() >= _SATURDAY or not first <= local.time() < last

    return outside


def _referred(asked: Asked) -> Answer:
    terms = Terms().equal(asked, role="r.role", state="r.state").within(asked, "r.opened_at")
    missing = "(r.balancing AND o.answer IN ('permit', 'release') AND NOT o.noted)"
    if asked.whole("missing"):
        terms.add(missing)
    (after,) = asked.page.after or (-1,)
    rows = asked.session.execute(
        "SELECT r.id, r.id, r.opened_at, r.kind, r.partner, r.information, r.reasons, r.role, r.four_eyes, r.state, "  # noqa: S608
        f't."by", t.second, t.at, o.answer, r.balancing, CASE WHEN o.id IS NULL THEN NULL ELSE o.noted END, {missing}, '
        "r.expires_at FROM reviews r LEFT JOIN trail t ON t.position = r.outcome LEFT JOIN flows o ON o.id = t.flow "
        f"WHERE {terms.sql} AND r.id > ? ORDER BY r.id LIMIT ?",
        (*terms.values, after, asked.page.limit + 1),
    ).fetchall()
    return paged(asked, rows, keys=1, told=_review)


def _review(row: Row) -> Sequence[Value]:
    return [*row[:7], bool(row[7]), *row[8:13], *map(_truth, row[13:16]), row[16]]


def _truth(value: object) -> bool | None:
    return None if value is None else bool(value)


def _let_through(asked: Asked) -> Answer:
    flows = Terms().add(
        "((f.kind = 'review' AND f.state IN ('permitted', 'released')) OR (f.kind = 'end' AND f.state <> 'withdrawn'))"
    )
    columns = (
        f't.at, f.kind, f.waited, f.partner, f.contract, f.role, t."by", t.second, f.answer, f.state, f.noted, '
        f"{WHOSE}, "
        "t.reference"
    )
    return by_flow(asked, columns, flows, Terms().add('t."by" IS NOT NULL'))


QUESTIONS = (
    Question(
        id="Q2",
        title="Allt en tjänsteman eller ett system har gjort",
        tells="Varje svar, godkännande, läsning av det som väntar, triage och order som tjänstemannen stått "
        "för, med roll "
        "och vem det gällde (pseudonym); eller allt ett av våra system sänt och frågat.",
        silent=_BEHIND + "Frågor till loggen är i läsarnas egen logg (Q17).",
        columns=_ACTS,
        parameters=(_OFFICIAL, _ASKER, *PERIOD),
        answer=_accesses,
    ),
    Question(
        id="Q4",
        title="Åtkomst till egna eller närståendes uppgifter",
        tells="Ge tjänstemannens eget och närståendes nummer på standard in: varje gång tjänstemannen, "
        "eller systemet, "
        "haft att göra med någon av dem.",
        silent="Gatewayen känner inga släktband, adresser eller kollegor och letar inte upp dem: den som granskar "
        "säger vilka personer det gäller. " + _BEHIND,
        columns=_ACTS,
        parameters=(_OFFICIAL, _ASKER, *PERIOD),
        about=About(subject=Subject.PERSON, several=True, help="Personnummer, ett per rad."),
        answer=_known_persons,
    ),
    Question(
        id="Q6",
        title="Utanför arbetstid, eller efter ett avslut",
        tells="Vad tjänstemän (eller en viss, eller ett system) gjort utanför arbetstid och på lördagar och "
        "söndagar, svensk "
        "tid. Ge --since med dagen då rollen upphörde, och --hours 00:00-00:00, för allt som gjorts därefter.",
        silent="När en roll upphörde eller ett ärende avslutades vet inte gatewayen. Helgdagar räknas som vardagar. "
        + _BEHIND,
        columns=_ACTS,
        parameters=(
            Parameter(name="hours", help="Arbetstid, svensk tid.", default="07:00-18:00"), _OFFICIAL, _ASKER, *PERIOD,
        ),
        answer=_out_of_hours,
    ),
    Question(
        id="Q10",
        title="Det som lämnats till en människa",
        tells="Varje fråga: när den ställdes, till vilken roll, varför, vem som svarade och vem som höll "
        "med, när och hur, "
        "och om hänvisning till en skriftlig avvägning saknas där rätten kräver den.",
        silent="Skälen i ord står i avgörandets förseglade post, inte här. Om ett svar var riktigt sägs inte.",
        columns=(
            "review", "opened", "kind", "partner", "information", "reasons", "role", "two", "state", "by", "second",
            "settled", "answer", "balancing", "noted", "missing", "expires",
        ),
        parameters=(
            *PERIOD,
            Parameter(name="role", help="Bara denna roll."),
            Parameter(name="state", help="Bara det som står så: open, permitted, denied, expired …"),
            Parameter(name="missing", help="1: bara de där hänvisningen saknas.", shape=Shape.WHOLE, default=0),
        ),
        answer=_referred,
    ),
    Question(
        id="Q12",
        title="Det som människor släppt igenom",
        tells="Gatewayen har ingen nödöppning. Det som kommer närmast: varje gång människor svarade ja till "
        "det som rätten "
        "lämnade till dem, släppte ett meddelande ur karantän, eller gjorde upp ett ovisst utskick.",
        silent="Ändringar i databasen eller filerna förbi programmet syns i trädet (gateway audit verify), inte här.",
        columns=(
            "at", "kind", "waited", "partner", "contract", "role", "by", "second", "answer", "state",
            "noted", "person",
            "reference",
        ),
        parameters=PERIOD,
        answer=_let_through,
    ),
)  # fmt: skip
