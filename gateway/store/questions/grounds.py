"""By what law it went: Q9, Q13, Q19."""

from __future__ import annotations

from collections import Counter
from typing import Final

from gateway.config import archive
from gateway.config.archive import How
from gateway.database import Row
from gateway.store.questions.asking import DISCLOSED, PERIOD, WHOSE, Terms, by_flow, paged, sorted_page
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

_DAY: Final = 10


def _flows(asked: Asked) -> Answer:
    """Count what went on each basis by each version of law, and what went after the basis' last day."""
    flows = Terms().add("f.basis IS NOT NULL").add(DISCLOSED)
    flows.equal(asked, basis="f.basis", partner="f.partner", policy="f.policy")
    rows = Terms().within(asked)
    counted = asked.session.execute(
        "SELECT f.direction, f.partner, f.contract, f.basis, f.lagrum, f.policy, sum(c.uses), min(c.first), "  # noqa: S608
        "max(c.last) "
        "FROM (SELECT t.flow AS flow, count(*) AS uses, min(t.at) AS first, max(t.at) AS last FROM trail t "
        "WHERE t.flow IN "
        f"(SELECT f.id FROM flows f WHERE {flows.sql}) AND {rows.sql} GROUP BY t.flow) c JOIN flows f ON "
        f"f.id = c.flow "
        "GROUP BY f.direction, f.partner, f.contract, f.basis, f.lagrum, f.policy",
        (*flows.values, *rows.values),
    ).fetchall()
    ends = dict(_end(one) for one in asked.names("ends"))
    found = []
    for *flow, uses, first, last in counted:
        late = _late(asked, flow, ends.get(flow[3]), last)
        if asked.whole("late") and not late:
            continue
        key = tuple(str(one or "") for one in flow)
        found.append((key, (*flow, int(uses), first, last, late)))
    return sorted_page(asked, found)


def _end(written: str) -> tuple[str, str]:
    basis, _, day = written.rpartition("=")
    if not basis or len(day) != _DAY:
        raise WrongQuestion("an end is BASIS=YYYY-MM-DD")
    return basis, day


def _late(asked: Asked, flow: list[Value], end: str | None, last: str) -> int:
    if end is None or last[:_DAY] <= end:
        return 0
    terms = Terms().within(asked).add("substr(t.at, 1, 10) > ?", end)
    direction, partner, contract, basis, lagrum, policy = flow
    row = asked.session.execute(
        "SELECT count(*) FROM trail t WHERE t.flow IN (SELECT f.id FROM flows f WHERE f.direction = ? "  # noqa: S608
        "AND f.partner = ? AND f.contract = ? AND f.basis = ? AND f.lagrum = ? AND f.policy = ? "
        f"AND {DISCLOSED}) AND {terms.sql}",
        (direction, partner, contract, basis, lagrum, policy, *terms.values),
    ).fetchone()
    return int(row[0])


def _registers(asked: Asked) -> Answer:
    (after,) = asked.page.after or (-1,)
    terms = Terms().within(asked, "g.taken_at")
    rows = asked.session.execute(
        'SELECT g.position, g.taken_at, g.policy, g.predecessor, t."by", g.archive, p.archive FROM registers g '  # noqa: S608
        "LEFT JOIN registers p ON p.policy = g.predecessor LEFT JOIN trail t ON t.position = g.position "
        f"WHERE {terms.sql} AND g.position > ? ORDER BY g.position LIMIT ?",
        (*terms.values, after, asked.page.limit + 1),
    ).fetchall()
    return paged(asked, rows, keys=1, told=_change)


def _change(row: Row) -> list[Value]:
    taken, policy, predecessor, by, mine, before = row
    files = archive.unpacked(bytes(mine), policy)
    old = {} if before is None else archive.unpacked(bytes(before), predecessor)
    changes = archive.changes(old, files)
    hows = Counter(one.how for one in changes)
    alone = sum(one.how is not How.REMOVED and one.author in one.approved_by for one in changes)
    return [taken, policy, predecessor, by, *(hows[how] for how in (How.ADDED, How.CHANGED, How.REMOVED)), alone]


def _consented(asked: Asked) -> Answer:
    flows = Terms().add("f.consented").add("(f.kind = 'intent' OR f.outcome = 'PERMIT')")
    rows = Terms()
    withdrawn = asked.text("withdrawn")
    if asked.subjects:
        if withdrawn is None:
            raise WrongQuestion("say when the consent was withdrawn: --withdrawn")
        rows.add("t.consent_key = ?", *asked.subjects)
    if withdrawn is not None:
        rows.add("t.at >= ?", withdrawn)
    else:
        rows.add("substr(t.at, 1, 10) > t.consent_until")
    columns = (
        f"t.at, f.direction, f.asker, f.partner, t.organisation, f.information, f.granted, f.basis, "
        f"t.consent_until, {WHOSE}, "
        "t.reference"
    )
    return by_flow(asked, columns, flows, rows)


QUESTIONS = (
    Question(
        id="Q9",
        title="Flöden per grund och lagrumsversion",
        tells="Vad som faktiskt gått på vilken grund, vilka lagrum i vilken version, under vilket register: "
        "antal, första och "
        "sista gången, och hur många gånger efter grundens sista dag. Jämför med registerförteckningen.",
        silent="Sista dagen är den som dagens register har för grunden. Nekat är inte med.",
        columns=("direction", "partner", "contract", "basis", "lagrum", "policy", "uses", "first", "last", "late"),
        parameters=(
            *PERIOD,
            Parameter(name="basis", help="Bara denna grund."),
            Parameter(name="partner", help="Bara denna partner."),
            Parameter(name="policy", help="Bara detta register (hash)."),
            Parameter(name="late", help="1: bara användning efter sista dagen.", shape=Shape.WHOLE, default=0),
            Parameter(name="ends", help="GRUND=ÅÅÅÅ-MM-DD, sista dagen; utan det som i registret.", shape=Shape.NAMES),
        ),
        answer=_flows,
    ),
    Question(
        id="Q13",
        title="Ändringar av rätten",
        tells="Varje register som tagits i bruk: när, av vilken process, föregångare, hur många rader som "
        "kom till, ändrades "
        "och togs bort, och hur många där den som skrev också står som godkännare.",
        silent="Vad ändringen betyder visar `gateway law diff`, och vilka beslut som blivit andra `gateway "
        "law replay`.",
        columns=("taken", "policy", "predecessor", "by", "added", "changed", "removed", "self_approved"),
        parameters=PERIOD,
        answer=_registers,
    ),
    Question(
        id="Q19",
        title="Åtkomst med stöd av samtycke efter att det upphört",
        tells="Allt som vilat på samtycke efter dess sista dag. Med samtyckets referens på standard in och "
        "--withdrawn: allt "
        "som vilat på just det efter att det återkallades.",
        silent="Gatewayen får inte veta att ett samtycke återkallats; den som frågar säger när.",
        columns=(
            "at", "direction", "asker", "partner", "organisation", "information", "granted", "basis",
            "until", "person",
            "reference",
        ),
        parameters=(
            Parameter(name="withdrawn", help="När samtycket återkallades.", shape=Shape.MOMENT),
            *PERIOD,
        ),
        about=About(subject=Subject.CONSENT, required=False, help="Samtyckets referens, en rad."),
        answer=_consented,
    ),
)  # fmt: skip
