"""How a file destroys what a destruction names: what `gateway_gallra` does on PostgreSQL, in the same order.

Whoever calls has asked that nothing holds it, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.audit import gallring
from gateway.config.retention import DataClass
from gateway.database import Row, Session, chunks, places


def erase(session: Session, which: int, data: DataClass, numbers: tuple[int, ...]) -> None:
    """Destroy one class of data of these things, and write down what, by the destruction `which`."""
    given = ", ".join("?" * len(numbers))

    def each(sql: str) -> list[Row]:
        return session.execute(sql.format(given), numbers).fetchall()

    match data:
        case DataClass.EVIDENCE:
            each("UPDATE evidence SET sealed = x'' WHERE message IN ({})")
            gone: Sequence[int] = ()
        case DataClass.CONTENT:
            kept = each(
                "SELECT c.dispatch, c.step, c.name, c.key_id, c.wrapped_key, x'' FROM contents c JOIN timeline t "
                "ON t.dispatch = c.dispatch AND t.step = c.step "
                "WHERE t.first_leaf IS NOT NULL AND length(c.sealed) > 0 AND c.dispatch IN ({})"
            )
            each("DELETE FROM contents WHERE length(sealed) > 0 AND dispatch IN ({})")
            session.insert("contents", "dispatch, step, name, key_id, wrapped_key, sealed", kept)
            gone = ()
        case DataClass.RECORD:
            gone = numbers
        case DataClass.DISPATCH:
            spans = each(
                "SELECT first_leaf, leaf_count FROM timeline WHERE first_leaf IS NOT NULL AND dispatch IN ({})"
            )
            gone = [position for first, count in spans for position in range(first, first + count)]
            each("DELETE FROM contents WHERE dispatch IN ({})")
            each("UPDATE dispatches SET pseudonym = NULL WHERE id IN ({})")
        case DataClass.REVIEW:
            gone = [position for (position,) in each("SELECT outcome FROM reviews WHERE id IN ({})")]
            each("DELETE FROM review_persons WHERE review IN ({})")
            each("UPDATE reviews SET key_id = NULL, wrapped_key = NULL WHERE id IN ({})")
        case DataClass.SHIELDING:
            gone = numbers
            each("UPDATE shieldings SET wrapped_key = NULL WHERE position IN ({})")
        case DataClass.REFUSAL | DataClass.QUARANTINE:
            gone = [position for (position,) in each("SELECT position FROM refusals WHERE id IN ({})")]
            each("DELETE FROM quarantine WHERE refusal IN ({})")
            each("UPDATE refusals SET wrapped_key = NULL WHERE id IN ({})")
    _forget(session, gone, messages=data is DataClass.RECORD)
    stretches = [(data.value, first, last, which) for first, last in gallring.stretches(numbers)]
    session.insert("gallrade", "data, first, last, gallring", stretches)


def _forget(session: Session, gone: Sequence[int], *, messages: bool) -> None:
    """Destroy the records of leaves, their trail, a message's key with its last, and whom nothing else is about."""
    whose: set[str] = set()
    for part in chunks([(position,) for position in gone]):
        positions = [position for (position,) in part]
        given = places(1, len(positions))
        session.execute(f"DELETE FROM trail WHERE position IN {given}", positions)  # noqa: S608  # our own words
        rows = session.execute(f"DELETE FROM records WHERE position IN {given} RETURNING pseudonym", positions)  # noqa: S608  # as above
        whose.update(pseudonym for (pseudonym,) in rows.fetchall() if pseudonym is not None)
        if messages:
            session.execute(
                f"""DELETE FROM evidence WHERE message IN (SELECT l.message FROM leaves l WHERE l.position IN {given})
                AND NOT EXISTS (SELECT 1 FROM records r JOIN messages m ON m.id = evidence.message
                WHERE r.position >= m.first_leaf AND r.position < m.first_leaf + m.leaf_count)""",  # noqa: S608
                positions,
            )
    # The newest revision stays: its number tells other processes what they have read, and is never given twice.
    for pseudonym in sorted(whose):
        session.execute(
            "DELETE FROM protections WHERE person = ? AND rank <= 1 AND revision < "
            "(SELECT max(revision) FROM protections) AND NOT EXISTS (SELECT 1 FROM records WHERE pseudonym = person)",
            (pseudonym,),
        )
