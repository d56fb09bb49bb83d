"""Views of what is sealed: each shows the rows that one duty may read, and no others (`grants.py`)."""

from __future__ import annotations

RECORDS_OF_DISPATCHES = (
    "CREATE VIEW dispatch_records AS SELECT l.position AS position, l.dispatch AS dispatch, r.sealed AS sealed "
    "FROM leaves l JOIN records r ON r.position = l.position WHERE l.dispatch IS NOT NULL"
)
"""The hidden records that the dispatcher may read: those of what partners sent it may not."""
RECORDS_OF_DEPOSITS = (
    "CREATE VIEW deposit_records AS SELECT l.position AS position, r.sealed AS sealed FROM leaves l JOIN records r "
    "ON r.position = l.position JOIN dispatches d ON d.id = l.dispatch WHERE d.state IN ('deposited', 'fetched')"
)
"""Those of what lies in mailboxes, which the front judges once more before it hands it out."""

_WAITS = "EXISTS (SELECT 1 FROM reviews r WHERE r.{} = {} AND r.state IN ('open', 'asked', 'answered'))"
_OF_EVIDENCE = (
    "CREATE VIEW review_evidence AS SELECT e.message AS message, e.key_id AS key_id, e.wrapped_key AS wrapped_key, "  # noqa: S608  # our own words
    "e.sealed AS sealed FROM evidence e WHERE " + _WAITS.format("message", "e.message")
)
_OF_QUARANTINE = (
    "CREATE VIEW review_quarantine AS SELECT q.refusal AS refusal, f.key_id AS key_id, f.wrapped_key AS wrapped_key, "  # noqa: S608  # our own words
    "q.sealed AS sealed FROM quarantine q JOIN refusals f ON f.id = q.refusal WHERE " + _WAITS.format("refusal", "f.id")
)
_OF_CONTENTS = (
    "CREATE VIEW review_contents AS SELECT c.dispatch AS dispatch, c.step AS step, c.name AS name, c.key_id AS key_id, "  # noqa: S608  # our own words
    "c.wrapped_key AS wrapped_key, c.sealed AS sealed FROM contents c WHERE c.name IN ('command', 'answer') AND "
    + _WAITS.format("dispatch", "c.dispatch")
)
_OF_RECORDS = (
    "CREATE VIEW review_records AS SELECT l.position AS position, s.sealed AS sealed FROM leaves l "  # noqa: S608  # our own words
    "JOIN records s ON s.position = l.position WHERE "
    + " OR ".join(
        f"(l.{one} IS NOT NULL AND {_WAITS.format(one, f'l.{one}')})" for one in ("message", "refusal", "dispatch")
    )
)
OF_PERSONS = (
    "CREATE VIEW review_protections AS SELECT p.review AS review, p.record AS record, p.own AS own, "
    "coalesce(t.protection, 'okand') AS protection FROM review_persons p JOIN reviews r ON r.id = p.review "
    "LEFT JOIN protections t ON t.person = p.person WHERE r.state IN ('open', 'asked', 'answered')"
)
"""What the folkbokföring has said of those whom what waits is about, and of nobody else; and not who they are."""
OF_LETTERS = (
    "CREATE VIEW letter_protections AS SELECT l.id AS letter, coalesce(t.protection, 'okand') AS protection, "
    "CASE WHEN l.related IS NULL THEN 'okand' WHEN EXISTS (SELECT 1 FROM protections o WHERE o.rank >= 2 AND "
    "' ' || l.related || ' ' LIKE '% ' || o.person || ' %') THEN 'sekretessmarkering' ELSE 'ingen' END AS beside "
    "FROM dead_letters l LEFT JOIN protections t ON t.person = l.partition WHERE l.state IN ('open', 'asked')"
)
"""The same of those whom a dead letter is about, and of whom else it names: `beside` is the worst of theirs."""
HELD = "CREATE VIEW held_events AS SELECT id, event, type, partition, queues, body, related FROM outbox WHERE held"
"""Events that may not go as they are: for whoever shields them, who reads no others."""
OF_WHAT_WAITS = (_OF_EVIDENCE, _OF_QUARANTINE, _OF_CONTENTS, _OF_RECORDS)
"""What is sealed of that which waits for a person, and of nothing else: for whoever answers, and who carries it out."""

ORPHANS = (
    "CREATE VIEW orphan_intents AS SELECT id, dispatch, state, changed_at, "
    "CASE WHEN state IN ('sending', 'resending') THEN changed_at ELSE expires END AS late_from "
    "FROM dispatches WHERE intent IS NOT NULL AND state IN "
    "('composed', 'sending', 'waiting', 'uncertain', 'resending', 'deposited', 'fetched')"
)
"""What was meant to be disclosed and has no end, and since when that is late: an attempt since it began, all else since
its time was out. For whoever watches, who is shown no other dispatch."""

SHOWN = (RECORDS_OF_DISPATCHES, RECORDS_OF_DEPOSITS, *OF_WHAT_WAITS, OF_PERSONS, OF_LETTERS, HELD, ORPHANS)
