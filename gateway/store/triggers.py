"""What SQLite forbids to whoever writes the file by ordinary means; the steps in `migrations/` have PostgreSQL's.

They stop mistakes, not whoever can write the file or owns the database: the signed tree shows those.
"""

from __future__ import annotations

INSERT_ONLY = (
    "messages", "leaves", "checkpoints", "triage", "commands", "timeline", "pauses", "registers", "declarations",
    "review_steps", "reading_leaves", "reading_records", "reading_checkpoints", "flows",
    "cosignatures", "stamps",
    "gallringar", "gallrade", "hold_steps",
    "control_draws", "control_cases", "control_officials", "control_marks",
    "trust_files", "trust_reads", "receipts",
)  # fmt: skip

_LETTERS = (
    """CREATE TRIGGER dead_letters_changed_never BEFORE UPDATE OF id, queue, event, type, attempts, reason,
    fingerprint, since, at, recorded_at, replay_of ON dead_letters
    BEGIN SELECT RAISE(ABORT, 'dead letters are judged, never changed'); END""",
    """CREATE TRIGGER dead_letters_emptied_only BEFORE UPDATE OF body, partition ON dead_letters
    WHEN length(NEW.body) > 0 OR length(NEW.partition) > 0
    BEGIN SELECT RAISE(ABORT, 'whose a dead letter is and its body are destroyed, never changed'); END""",
    """CREATE TRIGGER dead_letters_judged_once BEFORE UPDATE OF state ON dead_letters
    WHEN OLD.state IN ('replayed', 'discarded') AND NEW.state <> OLD.state
    BEGIN SELECT RAISE(ABORT, 'a dead letter is never judged twice'); END""",
    """CREATE TRIGGER dead_letters_deleted_never BEFORE DELETE ON dead_letters
    BEGIN SELECT RAISE(ABORT, 'dead letters are never deleted'); END""",
)
_DISPATCHES = (
    """CREATE TRIGGER dispatches_changed_never BEFORE UPDATE OF id, dispatch, command, position, contract, partner,
    organisation, lane, expires ON dispatches BEGIN SELECT RAISE(ABORT, 'dispatches are walked, never changed'); END""",
    """CREATE TRIGGER dispatches_step_by_step BEFORE UPDATE ON dispatches
    WHEN NEW.step <> OLD.step + 1 AND (NEW.step <> OLD.step OR NEW.state <> OLD.state OR NEW.attempts <> OLD.attempts)
    BEGIN SELECT RAISE(ABORT, 'a dispatch is never elsewhere than its timeline says'); END""",
    """CREATE TRIGGER dispatches_first_stands BEFORE UPDATE ON dispatches
    WHEN (OLD.intent IS NOT NULL AND NEW.intent IS DISTINCT FROM OLD.intent)
    OR (OLD.first_failure IS NOT NULL AND NEW.first_failure IS DISTINCT FROM OLD.first_failure)
    OR (OLD.pseudonym IS NOT NULL AND NEW.pseudonym IS NOT NULL AND NEW.pseudonym <> OLD.pseudonym)
    BEGIN SELECT RAISE(ABORT, 'intent, person and first failure of a dispatch are never changed'); END""",
    """CREATE TRIGGER dispatches_end_once BEFORE UPDATE OF state ON dispatches WHEN NEW.state <> OLD.state
    AND OLD.state IN ('delivered', 'denied', 'refused', 'unusable', 'expired', 'withdrawn')
    BEGIN SELECT RAISE(ABORT, 'a dispatch that has ended is never walked again'); END""",
    """CREATE TRIGGER dispatches_deleted_never BEFORE DELETE ON dispatches
    BEGIN SELECT RAISE(ABORT, 'dispatches are never deleted'); END""",
    """CREATE TRIGGER contents_changed_never BEFORE UPDATE ON contents
    BEGIN SELECT RAISE(ABORT, 'contents are deleted, never changed'); END""",
    """CREATE TRIGGER deposits_changed_never BEFORE UPDATE OF dispatch, partner, organisation, contract, deposited_at
    ON deposits BEGIN SELECT RAISE(ABORT, 'deposits are fetched, never changed'); END""",
    """CREATE TRIGGER deposits_deleted_never BEFORE DELETE ON deposits
    BEGIN SELECT RAISE(ABORT, 'deposits are never deleted'); END""",
    """CREATE TRIGGER instructions_changed_never BEFORE UPDATE OF id, dispatch, happening, by, role, reason, at
    ON instructions BEGIN SELECT RAISE(ABORT, 'instructions are settled, never changed'); END""",
    """CREATE TRIGGER instructions_settled_once BEFORE UPDATE ON instructions WHEN OLD.settled_at IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'an instruction is never settled twice'); END""",
    """CREATE TRIGGER instructions_deleted_never BEFORE DELETE ON instructions
    BEGIN SELECT RAISE(ABORT, 'instructions are never deleted'); END""",
)
_REVIEWS = (
    """CREATE TRIGGER reviews_changed_never BEFORE UPDATE OF id, kind, message, refusal, dispatch, record, partner,
    organisation, contract, information, basis, lagrum, policy, reasons, role, four_eyes, balancing, laws, opened_at,
    expires_at, leaf ON reviews BEGIN SELECT RAISE(ABORT, 'reviews are answered, never changed'); END""",
    """CREATE TRIGGER reviews_deleted_never BEFORE DELETE ON reviews
    BEGIN SELECT RAISE(ABORT, 'reviews are never deleted'); END""",
    """CREATE TRIGGER reviews_step_by_step BEFORE UPDATE ON reviews
    WHEN NEW.step <> OLD.step + 1 AND (NEW.step <> OLD.step OR NEW.state <> OLD.state)
    BEGIN SELECT RAISE(ABORT, 'a review is never elsewhere than its steps say'); END""",
    """CREATE TRIGGER reviews_end_once BEFORE UPDATE OF state ON reviews
    WHEN NEW.state <> OLD.state AND OLD.state NOT IN ('open', 'asked', 'answered')
    BEGIN SELECT RAISE(ABORT, 'a review that has ended is never answered again'); END""",
    """CREATE TRIGGER reviews_answered_by_people BEFORE UPDATE OF state ON reviews
    WHEN NEW.state <> OLD.state AND NEW.state IN ('permitted', 'released', 'destroyed') AND (OLD.state <> 'answered'
    OR OLD.answer IS NULL OR OLD.answer <> CASE NEW.state WHEN 'permitted' THEN 'permit'
    WHEN 'released' THEN 'release' ELSE 'destroy' END)
    BEGIN SELECT RAISE(ABORT, 'nothing passes that nobody has answered'); END""",
    """CREATE TRIGGER reviews_answered_by_two BEFORE UPDATE OF state ON reviews
    WHEN NEW.state = 'answered' AND OLD.state NOT IN ('asked', 'answered') AND (NEW.kind = 'quarantine'
    OR (NEW.four_eyes AND (NEW.answer IS NULL OR NEW.answer <> 'deny')))
    BEGIN SELECT RAISE(ABORT, 'what takes two people is not answered by one'); END""",
    """CREATE TRIGGER reviews_answer_stands BEFORE UPDATE ON reviews
    WHEN OLD.state IN ('asked', 'answered') AND NEW.state <> 'open'
    AND (NEW.answer IS DISTINCT FROM OLD.answer OR NEW.fields IS DISTINCT FROM OLD.fields)
    BEGIN SELECT RAISE(ABORT, 'what one has asked for, another approves or not'); END""",
)
_HOLDS = (
    """CREATE TRIGGER holds_changed_never BEFORE UPDATE ON holds WHEN NEW.id <> OLD.id OR NEW.kind <> OLD.kind
    OR NEW.number IS DISTINCT FROM OLD.number OR NEW.partner IS DISTINCT FROM OLD.partner
    OR NEW.first IS DISTINCT FROM OLD.first OR NEW.beyond IS DISTINCT FROM OLD.beyond OR NEW.pseudonym IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'holds are released, never changed'); END""",
    """CREATE TRIGGER holds_deleted_never BEFORE DELETE ON holds
    BEGIN SELECT RAISE(ABORT, 'holds are never deleted'); END""",
    """CREATE TRIGGER hold_steps_released_by_two BEFORE INSERT ON hold_steps WHEN NEW.action = 'release' AND NOT EXISTS
    (SELECT 1 FROM hold_steps s WHERE s.hold = NEW.hold AND s.step = NEW.step - 1 AND s.action = 'ask'
    AND s."by" <> NEW."by")
    BEGIN SELECT RAISE(ABORT, 'a hold that one wants released, another releases'); END""",
)
_CONTROL = (
    """CREATE TRIGGER control_marks_by_others BEFORE INSERT ON control_marks WHEN EXISTS
    (SELECT 1 FROM control_officials o WHERE o.case_id = NEW.case_id AND o.official = NEW."by")
    BEGIN SELECT RAISE(ABORT, 'nobody reviews their own doing'); END""",
)
_OUTBOX = (
    """CREATE TRIGGER outbox_changed_never BEFORE UPDATE OF id, message, event, type, partition, queues, replay_of,
    replay_reason, dispatch ON outbox
    BEGIN SELECT RAISE(ABORT, 'an event in the outbox is sent as it is, or shielded'); END""",
    """CREATE TRIGGER outbox_shielded_only BEFORE UPDATE OF body, related ON outbox WHEN NOT OLD.held
    BEGIN SELECT RAISE(ABORT, 'an event in the outbox is sent as it is, or shielded'); END""",
)
TRIGGERS = (
    *(
        f"CREATE TRIGGER {table}_{word}_never BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} are never {word}'); END"
        for table in INSERT_ONLY
        for verb, word in (("UPDATE", "changed"), ("DELETE", "deleted"))
    ),
    """CREATE TRIGGER refusals_changed_never BEFORE UPDATE OF id, partner, contract, code, step, detail, at,
    quarantined, position ON refusals BEGIN SELECT RAISE(ABORT, 'refusals are never changed'); END""",
    """CREATE TRIGGER refusals_deleted_never BEFORE DELETE ON refusals
    BEGIN SELECT RAISE(ABORT, 'refusals are never deleted'); END""",
    """CREATE TRIGGER records_changed_never BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'records are deleted, never changed'); END""",
    """CREATE TRIGGER trail_changed_never BEFORE UPDATE ON trail
    BEGIN SELECT RAISE(ABORT, 'trail are deleted, never changed'); END""",
    """CREATE TRIGGER trail_gaps_deleted_never BEFORE DELETE ON trail_gaps
    BEGIN SELECT RAISE(ABORT, 'trail_gaps are never deleted'); END""",
    """CREATE TRIGGER tiles_only_grow BEFORE UPDATE ON tiles WHEN NEW.level <> OLD.level OR NEW.number <> OLD.number
    OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes BEGIN SELECT RAISE(ABORT, 'tiles only grow'); END""",
    """CREATE TRIGGER tiles_deleted_never BEFORE DELETE ON tiles
    BEGIN SELECT RAISE(ABORT, 'tiles are never deleted'); END""",
    """CREATE TRIGGER reading_tiles_only_grow BEFORE UPDATE ON reading_tiles WHEN NEW.level <> OLD.level
    OR NEW.number <> OLD.number OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes
    BEGIN SELECT RAISE(ABORT, 'reading_tiles only grow'); END""",
    """CREATE TRIGGER reading_tiles_deleted_never BEFORE DELETE ON reading_tiles
    BEGIN SELECT RAISE(ABORT, 'reading_tiles are never deleted'); END""",
    *(
        f"CREATE TRIGGER {table}_changed_never BEFORE UPDATE ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is made again, never changed'); END"
        for table in ("leaf_index", "reading_leaf_index")
    ),
    *_OUTBOX,
    *_LETTERS,
    *_DISPATCHES,
    *_REVIEWS,
    *_HOLDS,
    *_CONTROL,
)
