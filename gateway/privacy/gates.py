"""Why it may pass, gate by gate: the one place where purpose and law are judged.

`GATES` is the order, 0 to 15. A gate has one number and some questions; a question is a small function that cites its
paragraph, and either has nothing to say (None) or says DENY or REFER and why. It is pure: request, rule (one version of
one basis) and setting in, nothing else read. `engine.walk` asks them: the first DENY ends it, REFERs are gathered.

Three ways lead here, and the table says openly what is asked on each:

    IN     a record of a message that has come. Partner and signature are proved, and the log is written in the commit
           (forms `Verified`, `Ready`): not asked again. A message names no purpose, case, subject's role, period or
           provenance: the law that lets it in says what it may be used for, and labels carry that on. What a basis
           makes its condition (`conditions`, `consented`, `suspected`) is asked all the same, and denies where nothing
           answers.
    OUT    one recipient's part of a command of ours. The log is written before a byte leaves (`Composed`), the
           recipient is proved when it answers. The command is the proof of its own case. Role, trigger and channel are
           its contract's.
    ASKED  a request that is laid before us, `gateway purpose decide`: every input, in every direction.

Gates 0-3 ask nothing of the basis; gate 4 denies where there is none (`NOTHING`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.privacy import contents, grounds
from gateway.privacy.request import Request
from gateway.privacy.setting import Question, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One number, one gate."""

    number: int
    name: str
    questions: tuple[tuple[Question, frozenset[Way]], ...]
    """In order, each with the ways it is asked on."""
    idle: Callable[[Request], bool] | None = None
    """Tells where there is nothing that the gate could ask about."""


_EVERY = frozenset(Way)
_IN = frozenset({Way.IN})
_OUT = frozenset({Way.OUT})
_ASKED = frozenset({Way.ASKED})
_OUT_ASKED = _OUT | _ASKED


def _gate(
    number: int,
    name: str,
    *questions: tuple[Question, frozenset[Way]],
    idle: Callable[[Request], bool] | None = None,
) -> Gate:
    return Gate(number=number, name=name, questions=questions, idle=idle)


GATES: Final = (
    _gate(0, "audit", (grounds.audited, _ASKED)),
    _gate(1, "partner", (grounds.proved, _ASKED)),
    _gate(2, "environment", (grounds.identity_of_place, _ASKED)),
    _gate(
        3,
        "purpose",
        (grounds.of_the_closed_list, _OUT_ASKED),
        (grounds.for_the_direction, _OUT_ASKED),
        (grounds.for_the_asker, _OUT),
    ),
    _gate(
        4,
        "basis",
        (grounds.there_is_a_basis, _OUT_ASKED),
        (grounds.about_what_is_carried, _OUT),
        (grounds.about_this_direction, _ASKED),
        (grounds.valid, _EVERY),
        (grounds.for_the_basis, _OUT_ASKED),
        (grounds.quoted, _IN),
        (grounds.in_force, _EVERY),
        (grounds.cited, _ASKED),
        (grounds.read_by_somebody, _EVERY),
    ),
    _gate(
        5,
        "match",
        (grounds.partner_of_type, _EVERY),
        (grounds.subject_in_role, _ASKED),
        (grounds.benefit_of_the_closed_list, _OUT_ASKED),
        (grounds.benefit_of_the_basis, _OUT_ASKED),
        (grounds.set_off_as_allowed, _ASKED),
        (grounds.by_the_channel, _ASKED),
        (grounds.conditions, _EVERY),
        (grounds.consented, _EVERY),
        (grounds.suspected, _EVERY),
    ),
    _gate(
        6,
        "case",
        (grounds.case_named, _OUT_ASKED),
        (grounds.case_open, _ASKED),
        (grounds.case_same, _ASKED),
        (grounds.case_about_subject, _ASKED),
        (grounds.case_in_capacity, _ASKED),
        (grounds.proof_of_this_request, _ASKED),
        (grounds.proof_bound, _ASKED),
    ),
    _gate(
        7,
        "protection",
        (contents.protection_known, _ASKED),
        (contents.required_field_withheld, _OUT_ASKED),
        (contents.free_text_of_the_protected, _OUT_ASKED),
    ),
    _gate(
        8,
        "category",
        (contents.forbidden, _EVERY),
        (contents.sensitive_for_the_purpose, _OUT_ASKED),
        (contents.secrecy, _EVERY),
        (contents.free_text, _EVERY),
        (contents.left_to_a_person, _EVERY),
    ),
    _gate(
        9,
        "compatibility",
        (contents.compatible, _ASKED),
        (contents.still_consented, _ASKED),
        (contents.not_to_be_gone, _ASKED),
        idle=lambda request: not request.provenance,
    ),
    _gate(
        10,
        "fields",
        (contents.fields_known, _OUT_ASKED),
        (contents.fields_required, _OUT_ASKED),
        (contents.something_left, _OUT_ASKED),
    ),
    _gate(
        11,
        "period",
        (contents.period_named, _OUT_ASKED),
        (contents.period_in_case, _OUT_ASKED),
        (contents.period_short_enough, _OUT_ASKED),
        (contents.period_in_one_text, _OUT_ASKED),
    ),
    _gate(
        12,
        "selection",
        (contents.picked_by_sensitive, _ASKED),
        (contents.picked_by_health, _ASKED),
        (contents.one_by_one, _ASKED),
        idle=lambda request: request.selection is None and not request.recent_subjects,
    ),
    _gate(13, "weighing", (contents.weighed, _EVERY)),
    _gate(
        14,
        "actor",
        (contents.own_case, _ASKED),
        (contents.own_data, _ASKED),
        (contents.bound_to_subject, _ASKED),
        idle=lambda request: request.actor is not None and request.actor.automated,
    ),
    _gate(15, "obligations", (contents.no_machine_decides, _ASKED)),
)
"""The order in which it is asked why something may pass."""
