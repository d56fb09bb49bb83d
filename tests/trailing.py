"""A log with known facts, to be asked: leaves with their trail, and what stands around them, written directly.

    told = Told(place)
    one = told.intent(ANNA, at=NOON, case="A-1")         what we sent or asked about somebody; its position
    told.end(one, released="yes")
    told.ask("Q1", subjects=[ANNA])                      rows as dictionaries

Persons are pseudonyms that nobody has. Everything a question reads is written by the same statements as the store's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.database import Row, Session, Turn, written
from gateway.message import Leaf, LeafHash, Pseudonym
from gateway.store import questions
from gateway.store.place import Duty, Place
from gateway.store.questions import Answer, Page
from gateway.store.rows import LEAVES, NUMBERS, RECORDS, Added, Into, insert
from gateway.trail import Flow, Trail

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
ANNA, BO, CARL = ("a" * 32, "b" * 32, "c" * 32)
IN = Flow(
    kind="decision", direction="in", partner="skatteverket", contract="skatteverket/agi", information="inkomst",
    purposes=("fk:Kontroll",), basis="IN-1", lagrum=("SFL-26-19@2011:1244",), policy="p" * 64, outcome="PERMIT",
    granted=("belopp", "period"), protection="ingen",
)  # fmt: skip
OUT = Flow(
    kind="intent", direction="out", partner="arbetsgivare", contract="arbetsgivare/mote", information="kallelse",
    interaction="send", asker="rehab", purposes=("fk:Arendehandlaggning",), basis="UT-1", lagrum=("SFB-30-10@1",),
    policy="p" * 64, outcome="PERMIT", granted=("tid",), protection="ingen",
)  # fmt: skip
DENIED = replace(OUT, kind="decision", outcome="DENY", granted=(), reasons=("CASE_MISSING",), interaction=None)
REVIEW = replace(IN, kind="review", state="permitted", answer="permit", role="jurist", waited="record", noted=True)


class Told:
    """Writes as the owner; asks on behalf of whoever may."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.session: Session = place.open()
        self._dispatches = 0

    def close(self) -> None:
        self.session.close()

    def leaf(  # what a leaf may tell
        self,
        flow: Flow,
        whose: str | None = None,
        *,
        at: datetime = NOON,
        message: int | None = None,
        dispatch: int | None = None,
        sealed: bool = True,
        **more: Any,  # of a trail
    ) -> int:
        """Add a leaf with its trail; return its position."""
        trail = Trail(flow=flow, at=at, **{"reference": f"urn:uuid:{at.timestamp()}", **more})
        entry = f"{flow.number} {at} {whose} {more}".encode()
        leaf = Leaf(
            entry=entry, hash=LeafHash(hashlib.sha256(b"\0" + entry).digest()), salt=b"", record=b"",
            pseudonym=None if whose is None else Pseudonym(whose), trail=trail,
        )  # fmt: skip
        with self.session.writing(Turn.JOURNAL):
            added = Added(*self.session.execute(f"SELECT {NUMBERS}").fetchone())
            position = added.position
            added.log((leaf,), (b"sealed",), message=message)
            rows = (
                Into("leaves", f"{LEAVES}, dispatch", [(*row, dispatch) for row in added.leaves]),
                Into("records", RECORDS, added.records if sealed else []),
                *added.traced(),
            )
            insert(self.session, rows, lambda _table: None)
        return position

    def intent(self, whose: str, *, flow: Flow = OUT, state: str = "sending", **more: Any) -> int:
        """Add what we meant to disclose, with its dispatch."""
        self._dispatches += 1
        number, at = self._dispatches, written(more.get("at", NOON))
        self._insert("commands", "id, asker, command, digest, contract, at, expires, taken_at",
            (number, flow.asker, f"c{number}", "d" * 64, flow.contract, at, at, at))  # fmt: skip
        position = self.leaf(flow, whose, dispatch=number, **{"organisation": "5560269986", **more})
        self._insert(
            "dispatches",
            "id, dispatch, command, position, contract, partner, organisation, lane, expires, state, step, intent, "
            "changed_at, pseudonym",
            (number, f"urn:uuid:d{number}", number, 1, flow.contract, flow.partner, "", "lane", at, state, 1, position,
             at, whose),
        )  # fmt: skip
        self._step(number, 1, position, at, state)
        return position

    def end(self, intent: int, *, released: str = "yes", state: str = "delivered", **more: Any) -> int:
        """Add what became of it."""
        number, whose = self.session.execute(
            "SELECT l.dispatch, r.pseudonym FROM leaves l JOIN records r ON r.position = l.position "
            "WHERE l.position = ?",
            (intent,),
        ).fetchone()
        flow = Flow(
            kind="end", direction="out", partner=OUT.partner, contract=OUT.contract, asker=OUT.asker, state=state,
            released=released,
        )  # fmt: skip
        position = self.leaf(flow, whose, dispatch=number, **more)
        self._step(number, 2, position, written(more.get("at", NOON)), state)
        with self.session.writing(Turn.JOURNAL):
            self.session.execute("UPDATE dispatches SET state = ?, step = 2 WHERE id = ?", (state, number))
        return position

    def message(self, number: int, *, at: datetime = NOON, leaves: Sequence[str] = (ANNA,), signer: str = "s") -> int:
        """Add an accepted message; return its first leaf's position."""
        (first,) = self.session.execute("SELECT coalesce(max(position), -1) + 1 FROM leaves").fetchone()
        moment = written(at)
        self._insert(
            "messages",
            "id, partner, organisation, message_id, digest, contract, soap, action, signer, created, received_at, "
            "accepted_at, policy, outcomes, first_leaf, leaf_count",
            (number, "skatteverket", "2021005448", f"urn:uuid:m{number}", "d" * 64, IN.contract, "s", None, signer * 64,
             moment, moment, moment, "p" * 64, "[]", first, len(leaves)),
        )  # fmt: skip
        for record, whose in enumerate(leaves, start=1):
            self.leaf(IN, whose, at=at, message=number, record=record, organisation="2021005448")
        return int(first)

    def review(self, number: int, leaf: int, *, state: str = "open", outcome: int | None = None, **more: Any) -> None:
        """Add a review of what waits."""
        at = written(more.get("at", NOON))
        self._insert(
            "reviews",
            "id, kind, partner, organisation, contract, information, lagrum, policy, reasons, role, four_eyes, "
            "balancing, laws, opened_at, expires_at, leaf, state, step, changed_at, outcome",
            (number, "record", "skatteverket", "2021005448", IN.contract, "inkomst", "", "p" * 64, "FREE_TEXT",
             "jurist",
             False, more.get("balancing", False), "L-1", at, at, leaf, state, 0, at, outcome),
        )  # fmt: skip

    def act(self, review: int, by: str, *, at: datetime = NOON, step: int = 1, action: str = "read") -> None:
        """Add a step of a review."""
        self._insert(
            "review_steps",
            "review, step, action, after, by, role, account, reason, at",
            (review, step, action, "open", by, "jurist", "", "", written(at)),
        )

    def row(self, table: str, **values: Any) -> None:  # values of rows
        """Add any row."""
        self._insert(table, ", ".join(values), tuple(values.values()))

    def ask(self, name: str, *, subjects: Sequence[str] = (), limit: int = 100, **given: Any) -> list[dict[str, Any]]:
        """Ask, page after page, as the auditor; return all rows."""
        question, rows, after = questions.QUESTIONS[name], [], None
        while True:
            answer = self.page(name, subjects=subjects, page=Page(limit=limit, after=after), **given)
            rows += [dict(zip(question.columns, row, strict=True)) for row in answer.rows]
            assert len(answer.rows) <= limit
            if answer.more is None:
                return rows
            assert answer.more != after
            after = questions.marked(questions.mark(answer.more))

    def page(
        self,
        name: str,
        *,
        page: Page,
        subjects: Sequence[str] = (),
        duty: Duty | None = None,
        **given: Any,
    ) -> Answer:
        question = questions.QUESTIONS[name]
        session = self.place.acting(duty or question.duty).open()
        try:
            with session.translated(), session.reading():
                return questions.ask(
                    session, question, given, page=page, now=NOON + timedelta(days=30), subjects=subjects
                )
        finally:
            session.close()

    def _step(self, dispatch: int, step: int, leaf: int, at: str, after: str) -> None:
        self._insert(
            "timeline",
            "dispatch, step, happening, before, after, at, first_leaf, leaf_count",
            (dispatch, step, "compose", "queued", after, at, leaf, 1),
        )

    def _insert(self, table: str, columns: str, row: Row) -> None:
        with self.session.writing(Turn.JOURNAL):
            self.session.insert(table, columns, [row])
