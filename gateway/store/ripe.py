"""Views of what gallring may come to, a class of data each: what it is, since when, and what still holds it.

    number   of the message, the leaf (`record`), the dispatch, the review or the refusal
    at       when it was accepted, ended, settled or refused: what the rule's months are counted from
    contract
    first    where its leaves begin, and
    leaves   how many they are: what was decided of it stands there
    held     NULL where it may be destroyed; else the first reason that it may not:

             hold          a legal hold that stands
             review        a person must still answer what was asked of it, or the answer is not carried out
             undelivered   an event about one of its persons is not with the broker yet
             letter        a dead letter about one of its persons is not judged
             instruction   somebody wants something done with the dispatch
             mailbox       its content is still kept for the partner that fetched it
             evidence      the bytes that its person stands in are not gone, and go first

The database says it, to whoever destroys and to the function that does it on PostgreSQL (`gateway_gallra`): a process
with the wrong rules can destroy too early, but never what is held.
"""

from __future__ import annotations

STANDING = (
    "CREATE VIEW standing_holds AS SELECT h.id AS id, h.kind AS kind, h.number AS number, h.pseudonym AS pseudonym, "
    "h.partner AS partner, h.first AS first, h.beyond AS beyond FROM holds h WHERE NOT EXISTS "
    "(SELECT 1 FROM hold_steps s WHERE s.hold = h.id AND s.action = 'release')"
)
"""Legal holds that nobody has released."""

_ABOUT = "EXISTS (SELECT 1 FROM {table} o WHERE o.partition = {person})"
_AMONG = (
    "EXISTS (SELECT 1 FROM records w WHERE w.position >= {first} AND w.position < {first} + {leaves} AND "
    "(SELECT count(*) FROM {table} o WHERE o.partition = w.pseudonym) > 0)"
)
"""Counted, so that PostgreSQL looks each person up, and does not join all records with all that waits."""
_UNSETTLED = "EXISTS (SELECT 1 FROM reviews q WHERE q.{} = {} AND q.state IN ('open', 'asked', 'answered'))"
_WITHIN = "{at} >= coalesce(h.first, '') AND {at} < coalesce(h.beyond, '9')"


def _hold(at: str, partner: str, persons: str, *, kind: str, number: str) -> str:
    within = _WITHIN.format(at=at)
    return (
        f"EXISTS (SELECT 1 FROM standing_holds h WHERE (h.kind = '{kind}' AND h.number = {number}) "  # noqa: S608  # our own words
        f"OR (h.kind = 'partner' AND h.partner = {partner} AND {within}) OR (h.kind = 'period' AND {within}) "
        f"OR (h.kind = 'person' AND {within} AND h.pseudonym IN ({persons})))"
    )


def _waits(first: str, leaves: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return what tells of undelivered events and unjudged letters about the persons of a span of leaves."""
    events, letters = (_AMONG.format(table=one, first=first, leaves=leaves) for one in ("outbox", "dead_letters"))
    return ("undelivered", events), ("letter", letters)


def _waits_of(person: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the same of one person."""
    events, letters = (_ABOUT.format(table=one, person=person) for one in ("outbox", "dead_letters"))
    return ("undelivered", events), ("letter", letters)


def _persons(first: str, leaves: str) -> str:
    return f"SELECT w.pseudonym FROM records w WHERE w.position >= {first} AND w.position < {first} + {leaves}"  # noqa: S608  # our own words


def _case(*reasons: tuple[str, str]) -> str:
    return "CASE " + " ".join(f"WHEN {when} THEN '{reason}'" for reason, when in reasons) + " END"


def _view(data: str, columns: str, held: str, rows: str) -> str:
    return f"CREATE VIEW gallring_{data} AS SELECT {columns}, {held} AS held FROM {rows}"  # noqa: S608  # our own words


def _evidence() -> str:
    persons = _persons("m.first_leaf", "m.leaf_count")
    held = _case(
        ("hold", _hold("m.accepted_at", "m.partner", persons, kind="message", number="m.id")),
        ("review", _UNSETTLED.format("message", "m.id")),
        *_waits("m.first_leaf", "m.leaf_count"),
    )
    columns = (
        "m.id AS number, m.accepted_at AS at, m.contract AS contract, m.first_leaf AS first, m.leaf_count AS leaves"
    )
    return _view("evidence", columns, held, "evidence e JOIN messages m ON m.id = e.message WHERE length(e.sealed) > 0")


def _record() -> str:
    held = _case(
        ("hold", _hold("m.accepted_at", "m.partner", "r.pseudonym", kind="message", number="m.id")),
        ("review", _UNSETTLED.format("message", "m.id")),
        *_waits_of("r.pseudonym"),
        ("evidence", "EXISTS (SELECT 1 FROM evidence e WHERE e.message = m.id AND length(e.sealed) > 0)"),
    )
    columns = "r.position AS number, m.accepted_at AS at, m.contract AS contract, r.position AS first, 1 AS leaves"
    return _view(
        "record", columns, held,
        "records r JOIN leaves l ON l.position = r.position JOIN messages m ON m.id = l.message",
    )  # fmt: skip


_ENDED = "d.state IN ('delivered', 'denied', 'refused', 'unusable', 'expired', 'withdrawn')"
_SEALED = "EXISTS (SELECT 1 FROM contents c WHERE c.dispatch = d.id AND length(c.sealed) > 0)"


def _dispatched(data: str, having: str, *more: tuple[str, str]) -> str:
    held = _case(
        ("hold", _hold("d.changed_at", "d.partner", "d.pseudonym", kind="dispatch", number="d.id")),
        ("review", _UNSETTLED.format("dispatch", "d.id")),
        *_waits_of("d.pseudonym"),
        ("undelivered", "EXISTS (SELECT 1 FROM outbox o WHERE o.dispatch = d.id)"),
        ("instruction", "EXISTS (SELECT 1 FROM instructions i WHERE i.dispatch = d.id AND i.settled_at IS NULL)"),
        ("mailbox", "EXISTS (SELECT 1 FROM deposits b WHERE b.dispatch = d.id AND b.kept_until IS NOT NULL)"),
        *more,
    )
    # A dispatch's leaves stand in several places: what decided it is found by its intent, or by its contract.
    columns = (
        "d.id AS number, d.changed_at AS at, d.contract AS contract, coalesce(d.intent, 0) AS first, "
        "CASE WHEN d.intent IS NULL THEN 0 ELSE 1 END AS leaves"
    )
    return _view(data, columns, held, f"dispatches d WHERE {_ENDED} AND {having}")


def _review() -> str:
    persons = _persons("r.outcome", "1")
    held = _case(
        ("hold", _hold("r.changed_at", "r.partner", persons, kind="message", number="r.message")),
        ("hold", _hold("r.changed_at", "r.partner", persons, kind="dispatch", number="r.dispatch")),
        *_waits("r.outcome", "1"),
    )
    columns = "r.id AS number, r.changed_at AS at, r.contract AS contract, r.outcome AS first, 1 AS leaves"
    return _view("review", columns, held, "reviews r WHERE r.wrapped_key IS NOT NULL AND r.outcome IS NOT NULL")


def _shielding() -> str:
    persons = _persons("s.position", "1")
    held = _case(
        ("hold", _hold("t.at", "NULL", persons, kind="shielding", number="s.position")),
        *_waits("s.position", "1"),
    )
    columns = "s.position AS number, t.at AS at, '' AS contract, s.position AS first, 1 AS leaves"
    rows = "shieldings s JOIN trail t ON t.position = s.position WHERE s.wrapped_key IS NOT NULL"
    return _view("shielding", columns, held, rows)


def _refused(data: str, having: str) -> str:
    held = _case(
        ("hold", _hold("f.at", "f.partner", "SELECT NULL", kind="refusal", number="f.id")),
        ("review", _UNSETTLED.format("refusal", "f.id")),
    )
    columns = "f.id AS number, f.at AS at, f.contract AS contract, f.position AS first, 1 AS leaves"
    rows = (
        f"refusals f WHERE f.wrapped_key IS NOT NULL AND {having} (SELECT 1 FROM quarantine q WHERE q.refusal = f.id)"  # noqa: S608  # our own words
    )
    return _view(data, columns, held, rows)


RIPE = (
    STANDING,
    _evidence(),
    _record(),
    _dispatched("content", _SEALED),
    _dispatched(
        "dispatch",
        "(d.pseudonym IS NOT NULL OR EXISTS (SELECT 1 FROM contents c WHERE c.dispatch = d.id))",
        ("evidence", _SEALED),
    ),
    _review(),
    _shielding(),
    _refused("refusal", "NOT EXISTS"),
    _refused("quarantine", "EXISTS"),
)
