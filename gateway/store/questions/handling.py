"""What became of the data and of the log itself: Q15, Q16, Q17."""

from __future__ import annotations

from gateway.database import Row, instant
from gateway.message import LeafHash, Sealed
from gateway.store.place import Duty
from gateway.store.questions.asking import PERIOD, WHOSE, Terms, by_flow, by_row, filtered, paged
from gateway.store.questions.question import About, Answer, Asked, Parameter, Question, Shape, Subject
from gateway.store.readings import Kept
from gateway.trust.sealing import Sealer


def _destroyed(asked: Asked) -> Answer:
    """First what is due and not destroyed, then what was, the oldest first."""
    terms = Terms().equal(asked, of_class="g.data").within(asked, "g.at")
    late = Terms().equal(asked, of_class="d.data")
    after = asked.page.after or (-1, "")
    rows = asked.session.execute(
        "SELECT a.part, a.number, a.what, a.rule, a.data, a.count, a.held, a.who, a.at FROM ("  # noqa: S608
        "SELECT 0 AS part, d.rule AS number, CASE WHEN d.destroys THEN 'due' ELSE 'due, rule not verified' "
        "END AS what, "
        "d.rule AS rule, d.data AS data, d.ripe AS count, d.held AS held, NULL AS who, d.oldest AS at "
        f"FROM gallring_due d WHERE (d.ripe > 0 OR d.held > 0) AND {late.sql} "
        "UNION ALL SELECT g.id, '', 'done', g.rule, g.data, g.count, NULL, g.\"by\", g.at FROM gallringar g "
        f"WHERE {terms.sql}) a WHERE (a.part, a.number) > (?, ?) ORDER BY a.part, a.number LIMIT ?",
        (*late.values, *terms.values, *after, asked.page.limit + 1),
    ).fetchall()
    return paged(asked, rows, keys=2)


def _slice(asked: Asked) -> Answer:
    flows = Terms().equal(
        asked, kind="f.kind", partner="f.partner", contract="f.contract", asker="f.asker", policy="f.policy",
        outcome="f.outcome", code="f.code",
    )  # fmt: skip
    columns = (
        "t.at, f.kind, f.direction, f.partner, t.organisation, f.contract, f.information, f.outcome, "
        "f.code, f.state, "
        f"f.basis, f.granted, {WHOSE}, t.reference"
    )
    if (signer := asked.text("signer")) is not None:
        flows.add("m.signer = ?", signer).equal(asked, organisation="t.organisation")
        join = asked.session.join
        source = f"messages m {join} trail t ON t.position >= m.first_leaf AND t.position < m.first_leaf + m.leaf_count"
        return by_row(asked, columns, flows, source=source)
    if asked.text("organisation") is not None:
        return by_row(asked, columns, Terms().equal(asked, organisation="t.organisation").also(flows))
    return by_flow(asked, columns, flows)


def _readers(asked: Asked) -> Answer:
    """Open readings, the newest first."""
    sealer = asked.sealer
    assert sealer is not None  # noqa: S101  # `ask` gives it to whoever reads readings
    terms = Terms().within(asked, "l.at")

    def fetch(part: Asked) -> list[Row]:
        (below,) = part.page.after or (2**62,)
        rows = part.session.execute(
            "SELECT l.position, l.hash, l.entry, l.at, r.account, r.key_id, r.wrapped_key, r.sealed "  # noqa: S608
            "FROM reading_leaves l JOIN reading_records r ON r.position = l.position "
            f"WHERE {terms.sql} AND l.position < ? ORDER BY l.position DESC LIMIT ?",
            (*terms.values, below, part.page.limit + 1),
        )
        return [_told(row, sealer) for row in rows.fetchall()]

    wanted = {name: asked.text(f"of_{name}") for name in ("reader", "case", "question")}

    def fits(row: Row) -> bool:
        _, _, _, reader, _, case, question, person, _ = row
        said = {"reader": reader, "case": case, "question": question}
        return all(one is None or said[name] == one for name, one in wanted.items()) and (
            not asked.subjects or person in asked.subjects
        )

    return filtered(asked, fetch, fits, keys=1)


def _told(row: Row, sealer: Sealer) -> Row:
    position, hash_, entry, at, account, key_id, wrapped_key, sealed = row
    kept = Kept(
        position=position,
        hash=LeafHash(bytes(hash_)),
        entry=bytes(entry),
        at=instant(at),
        account=account,
        sealed=Sealed(key_id=key_id, wrapped_key=bytes(wrapped_key), evidence=b"", records=(bytes(sealed),)),
    )
    said = kept.opened(sealer)
    return (
        position, position, at, said.reader, said.purpose.value, said.case, said.question, said.pseudonym,
        " ".join(f"{name}={value}" for name, value in said.parameters.items()),
    )  # fmt: skip


_FILTERS: tuple[Parameter, ...] = tuple(
    Parameter(name=name, help=f"Bara {told}.")
    for name, told in (
        ("partner", "denna partner"), ("organisation", "detta organisationsnummer"), ("contract", "detta kontrakt"),
        ("asker", "detta system"), ("kind", "detta slag av löv"), ("outcome", "PERMIT, REFER eller DENY"),
        ("code", "denna kod"), ("policy", "detta register (hash)"),
        ("signer", "det som är signerat med detta certifikat (SHA-256 i hex)"),
    )
)  # fmt: skip
QUESTIONS: tuple[Question, ...] = (
    Question(
        id="Q15",
        title="Gallring: gjord och försenad",
        tells="Vad som ska gallras och inte är gallrat (hur mycket, sedan när, hur mycket som hålls kvar), "
        "och varje gallring "
        "som gjorts: efter vilken regel, av vilken process, hur många.",
        silent="Vems uppgifter det var sägs aldrig: det är borta. Att det verkligen är borta visas av att "
        "inget sigill kan "
        "öppnas.",
        columns=("what", "rule", "data", "count", "held", "by", "at"),
        parameters=(Parameter(name="of_class", help="Bara denna klass av uppgifter."), *PERIOD),
        answer=_destroyed,
    ),
    Question(
        id="Q16",
        title="Allt i en incident",
        tells="Varje löv under en tid, för en partner, ett kontrakt, en organisation, ett system eller ett "
        "certifikat: "
        "vilka personer (pseudonym) och vilka fält som berörs.",
        silent="Det som inte blev ett meddelande (en främling, ett brutet anrop) räknas bara, i mätvärden "
        "och driftlogg.",
        columns=(
            "at", "kind", "direction", "partner", "organisation", "contract", "information", "outcome",
            "code", "state",
            "basis", "granted", "person", "reference",
        ),
        parameters=(
            Parameter(name="since", help="Från och med denna tid.", shape=Shape.MOMENT, required=True),
            Parameter(name="until", help="Före denna tid.", shape=Shape.MOMENT, required=True),
            *_FILTERS,
        ),
        answer=_slice,
    ),
    Question(
        id="Q17",
        title="Vem som läst loggen",
        tells="Varje läsning, den nyaste först: vem, ändamål, ärende, fråga, och vem den gällde "
        "(pseudonym). Med ett nummer på "
        "standard in: bara läsningar om den personen. Ställs av tillsynens egen roll.",
        silent="Den som läser databasen eller dess filer förbi programmet syns inte här.",
        columns=("reading", "at", "reader", "purpose", "case", "question", "person", "parameters"),
        parameters=(
            *PERIOD,
            Parameter(name="of_reader", help="Bara denna läsare."),
            Parameter(name="of_case", help="Bara detta ärende."),
            Parameter(name="of_question", help="Bara denna fråga."),
        ),
        about=About(subject=Subject.PERSON, required=False, help="Personnumret, en rad."),
        duty=Duty.OVERSEER,
        answer=_readers,
    ),
)  # fmt: skip
