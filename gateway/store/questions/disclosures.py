"""What was disclosed about whom: Q1, Q3, Q8, Q11, Q18."""

from __future__ import annotations

from typing import Final

from gateway.message import Protection
from gateway.store.questions.asking import (
    DISCLOSED,
    PERIOD,
    RELEASED,
    WHOSE,
    Terms,
    by_flow,
    by_person,
    places,
    sorted_page,
)
from gateway.store.questions.question import About, Answer, Asked, Key, Parameter, Question, Shape, Subject, Value

_ABSENCE: Final = (
    "Bara det som gatewayen skrivit. Att något inte finns här betyder att det inte gått den här vägen, så "
    "långt Q14 når; "
    "utlämnande på papper, i telefon eller genom andra system syns inte."
)
_PERSON: Final = About(subject=Subject.PERSON, help="Personnumret, en rad.")
_NOT_PROTECTED: Final = (Protection.NONE.value, Protection.UNKNOWN.value)


def _disclosures(asked: Asked) -> Answer:
    columns = (
        "f.direction, f.partner, t.organisation, f.contract, f.information, f.granted, f.purposes, "
        "f.lagrum, f.basis, "
        f"{RELEASED}, t.reference"
    )
    terms = Terms().add(DISCLOSED).equal(asked, direction="f.direction")
    return by_person(asked, "t.at, " + columns, terms)


def _extract(asked: Asked) -> Answer:
    columns = (
        f"t.at, f.direction, f.partner, t.organisation, f.information, f.granted, f.purposes, f.lagrum, {RELEASED}"
    )
    # What is known not to have left is no disclosure: it was meant, and stopped.
    return by_person(asked, columns, Terms().add(DISCLOSED).add(f"coalesce({RELEASED}, '') <> 'no'"))


def _without_case(asked: Asked) -> Answer:
    flows = Terms().equal(asked, asker="f.asker", partner="f.partner")
    columns = "t.at, f.kind, f.asker, f.partner, t.organisation, f.information, f.outcome, f.reasons, t.reference"
    if asked.subjects:
        rows = Terms().add(f"(t.case_key IS NULL OR t.case_key NOT IN ({places(asked.subjects)}))", *asked.subjects)
        return by_flow(asked, columns, flows.add("f.kind = 'intent'"), rows)
    flows.add(
        "f.direction = 'out' AND (f.reasons LIKE '%CASE%' OR f.reasons LIKE '%BENEFIT_NOT_IN_BASIS%' OR "
        "f.reasons LIKE '%PERIOD_OUTSIDE_CASE%')"
    )
    return by_flow(asked, columns, flows)


def _surplus(asked: Asked) -> Answer:
    needed = frozenset(asked.names("needed"))
    flows = Terms().add(DISCLOSED).equal(asked, contract="f.contract", partner="f.partner", basis="f.basis")
    rows = Terms().within(asked)
    counted = asked.session.execute(
        "SELECT f.direction, f.partner, f.contract, f.information, f.basis, f.granted, f.withheld, sum(c.uses) "  # noqa: S608
        f"FROM (SELECT t.flow AS flow, count(*) AS uses FROM trail t WHERE t.flow IN (SELECT f.id FROM flows f WHERE "
        f"{flows.sql}) AND {rows.sql} GROUP BY t.flow) c JOIN flows f ON f.id = c.flow "
        "GROUP BY f.direction, f.partner, f.contract, f.information, f.basis, f.granted, f.withheld",
        (*flows.values, *rows.values),
    ).fetchall()
    found: list[tuple[Key, tuple[Value, ...]]] = []
    for *flow, granted, withheld, uses in counted:
        beyond = " ".join(sorted(set(granted.split()) - needed)) if needed else None
        key: Key = (-int(uses), *(str(one or "") for one in (*flow, granted, withheld)))
        found.append((key, (*flow, int(uses), granted, withheld, beyond)))
    return sorted_page(asked, found)


def _protected(asked: Asked) -> Answer:
    flows = Terms().add(DISCLOSED).add("f.granted <> ''").equal(asked, partner="f.partner")
    if asked.whole("unknown"):
        flows.add("f.protection <> ?", Protection.NONE.value)
    else:
        flows.add("f.protection NOT IN (?, ?)", *_NOT_PROTECTED)
    columns = (
        f"t.at, f.direction, f.partner, t.organisation, f.information, f.protection, f.granted, f.withheld, f.basis, "
        f"f.lagrum, {WHOSE}, t.reference"
    )
    return by_flow(asked, columns, flows)


QUESTIONS = (
    Question(
        id="Q1",
        title="Alla utlämnanden om en person",
        tells="Varje gång uppgifter om personen sändes eller frågades efter, och varje gång uppgifter togs emot och "
        "släpptes in: när, mottagare eller avsändare med organisationsnummer, vilka fält, ändamål, lagrum, och om "
        "mottagaren fick det (yes, no, unknown; tomt: pågår).",
        silent=_ABSENCE,
        columns=(
            "at", "direction", "partner", "organisation", "contract", "information", "granted", "purposes", "lagrum",
            "basis", "released", "reference",
        ),
        parameters=(*PERIOD, Parameter(name="direction", help="Bara 'out' eller bara 'in'.")),
        about=_PERSON,
        answer=_disclosures,
    ),
    Question(
        id="Q3",
        title="Åtkomst utan öppet ärende",
        tells="Med en lista över öppna ärenden på standard in (en referens per rad): varje utlämnande vars "
        "ärende inte "
        "står i den. Utan lista: det som rätten stoppade för att ärendet saknades, inte var öppet eller var "
        "ett annat.",
        silent="Gatewayen vet inte vilka ärenden som är öppna: det vet ärendesystemet, och därför frågas "
        "med dess lista. "
        "Den som frågar genom en av våra system är systemet (asker); vilken handläggare som satt bakom vet "
        "det systemet.",
        columns=(
            "at", "kind", "asker", "partner", "organisation", "information", "outcome", "reasons", "reference",
        ),
        parameters=(
            *PERIOD,
            Parameter(name="asker", help="Bara detta system."),
            Parameter(name="partner", help="Bara denna partner."),
        ),
        about=About(subject=Subject.CASE, required=False, several=True, help="Öppna ärenden, en referens per rad."),
        answer=_without_case,
    ),
    Question(
        id="Q8",
        title="Fält som lämnades mot fält som behövdes",
        tells="För varje flöde: vilka fält som passerade, vilka som hölls inne och varför, hur många gånger. Med "
        "--needed (mottagarens schema) också vilka som passerade utan att behövas.",
        silent="Vad mottagaren behöver vet inte gatewayen: ge fälten. Värden finns aldrig i loggen, bara namn.",
        columns=(
            "direction", "partner", "contract", "information", "basis", "uses", "granted", "withheld", "beyond",
        ),
        parameters=(
            *PERIOD,
            Parameter(name="contract", help="Bara detta kontrakt."),
            Parameter(name="partner", help="Bara denna partner."),
            Parameter(name="basis", help="Bara denna grund."),
            Parameter(name="needed", help="Fält som mottagaren behöver; får upprepas.", shape=Shape.NAMES),
        ),
        answer=_surplus,
    ),
    Question(
        id="Q11",
        title="Uppgifter som lämnats om skyddade personer",
        tells="Varje utlämnande där personen var markerad (sekretessmarkering eller skyddad folkbokföring) och något "
        "fält ändå passerade: vilka fält, vilka som hölls inne, på vilken grund.",
        silent="Den som blev skyddad först efteråt syns inte, inte heller fingerade personuppgifter, som "
        "saknar märke. "
        "Om ett fält avslöjar var någon finns sägs av kontraktet, inte här.",
        columns=(
            "at", "direction", "partner", "organisation", "information", "protection", "granted", "withheld", "basis",
            "lagrum", "person", "reference",
        ),
        parameters=(
            *PERIOD,
            Parameter(name="partner", help="Bara denna partner."),
            Parameter(name="unknown", help="1: också personer vars skydd var okänt.", shape=Shape.WHOLE, default=0),
        ),
        answer=_protected,
    ),
    Question(
        id="Q18",
        title="Registerutdrag: vem som fått uppgifter om personen",
        tells="Underlag till svar enligt artikel 15: varje utlämnande med mottagarens namn och organisationsnummer "
        "(C-154/21), vilka slags uppgifter, ändamål och lagrum. Det som aldrig lämnade oss är inte med.",
        silent="Tjänstemäns namn lämnas inte (C-579/21). Uppgifternas värden, och det som ska hemlighållas "
        "för personen, "
        "prövas av den som lämnar utdraget. " + _ABSENCE,
        columns=(
            "at", "direction", "partner", "organisation", "information", "granted", "purposes", "lagrum", "released",
        ),
        parameters=PERIOD,
        about=_PERSON,
        answer=_extract,
    ),
)  # fmt: skip
