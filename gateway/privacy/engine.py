"""A request and the law in, a verdict out: pure, deterministic, and every gate's result in it.

1. What is mandatory is there and well formed, or it is DENY: nothing is filled in.
2. The basis that the request names is looked up by id, in the version that counts. Nothing is searched for, and two
   bases are never added together: a basis that happened to fit would make any request lawful.
3. The gates are asked in order (`gates.GATES`). The first DENY ends it; REFERs are gathered on the way, and the walk
   goes on to look for a DENY. So DENY stands over REFER, and REFER over PERMIT.
4. What passes is what was asked for and the basis names, less what protection withholds.

A forbidden category that has come in quarantines whatever else fails: when the walk ends before gate 8, that one
question of it is asked all the same.

REFER is an answer, not a state: asking again gives REFER again. A person answers it elsewhere (`gateway.review`), and
only what that person was asked is then set aside (`Setting.answered`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple

from gateway.config.law import INWARD
from gateway.message import Outcome, Protection
from gateway.privacy import contents, protected, reading
from gateway.privacy.gates import GATES
from gateway.privacy.law import Law
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Judged, Request, Verdict
from gateway.privacy.rule import Rule
from gateway.privacy.setting import DENY, NOTHING, PERMIT, REFER, Question, Setting, Way, divided
from gateway.swedish import swedish_day

_CATEGORY: Final = 8
"""The gate that a forbidden category stands in."""
_TABLE: Final[dict[Way, tuple[tuple[int, Question], ...]]] = {
    way: tuple((gate.number, question) for gate in GATES for question, ways in gate.questions if way in ways)
    for way in Way
}
"""`GATES` as it is walked on each way."""
_MANDATORY: Final = {
    "id": "requestId",
    "direction": "direction",
    "channel": "channelType",
    "partner": "partner",
    "actor": "actor",
    "purpose": "purpose",
    "lagrum": "lagrum",
    "basis": "basisId",
    "case": "caseRef",
    "proof": "caseProof",
    "benefit": "benefit",
    "subject": "subject.pid",
    "subject_role": "subject.role",
    "event": "eventDate",
    "period": "period",
    "fields": "fieldsRequested",
    "trigger": "trigger",
    "provenance": "dataProvenance",
    "protection": "sidStatus",
    "environment": "environment",
    "audit_ready": "auditReady",
}
"""What every request must have, and its name in files (`inputs.REQUEST`)."""
_inputs = attrgetter(*_MANDATORY)
_MAY_BE_EMPTY: Final = ("fields", "provenance", "audit_ready")
"""Mandatory inputs that say something by being empty, or false."""
_filled = attrgetter(*(name for name in _MANDATORY if name not in _MAY_BE_EMPTY))
_there = attrgetter(*_MAY_BE_EMPTY)


class Found(NamedTuple):
    """What one question said."""

    gate: int
    outcome: Outcome
    reason: Reason


def walk(request: Request, rule: Rule, setting: Setting) -> list[Found]:
    """Ask every question of the way, in order, up to the first DENY; nothing found is PERMIT."""
    found: list[Found] = []
    for number, question in _TABLE[setting.way]:
        finding = question(request, rule, setting)
        if finding is not None and not (finding[0] is REFER and finding[1] in setting.answered):
            found.append(Found(number, *finding))
            if finding[0] is DENY:
                if number < _CATEGORY and request.direction in INWARD:
                    found.extend(_received(request, rule, setting))
                break
    return found


def _received(request: Request, rule: Rule, setting: Setting) -> Iterable[Found]:
    """Whatever has failed: a forbidden category that has come has been received."""
    finding = contents.forbidden(request, rule, setting)
    return () if finding is None else (Found(_CATEGORY, *finding),)


def outcome(found: Sequence[Found]) -> tuple[Outcome, tuple[Reason, ...]]:
    """Return what the findings come to: DENY stands over REFER, REFER over PERMIT. With the reasons of that outcome."""
    if not found:
        return PERMIT, ()
    stands = DENY if any(one.outcome is DENY for one in found) else REFER
    return stands, tuple(dict.fromkeys(one.reason for one in found if one.outcome is stands))


def named(law: Law, basis: str | None, event: date | None, today: date) -> Rule:
    """Return the version of a basis that counts; else the latest one that had begun, for gate 4 to say what is wrong.

    `NOTHING` where the register has no basis by that id.
    """
    rule = law.version(basis or "", event, today)
    if rule is not None:
        return rule
    versions = law.rules.get(basis or "", ())
    begun = [one for one in versions if one.valid_from <= ((event or today) if one.by_event_day else today)]
    return begun[-1] if begun else versions[0] if versions else NOTHING


def strict(law: Law) -> bool:
    """Say whether this installation is for real: then nothing rests on law that nobody has read."""
    return law.environment not in {"demo", "test"}


def decide(request: Request, law: Law, at: datetime) -> Verdict:
    """Decide a request that is laid before us.

    Args:
        request: All that is asked, as `reading.read` makes it. Every input of it is demanded, in every direction.
        law: The register, compiled.
        at: When it is decided; the Swedish day of it counts.

    Returns:
        The verdict. The same request, law and day give the same outcome, reasons, fields and id.
    """
    today = swedish_day(at)
    rule = named(law, request.basis, request.event, today)
    setting = _setting(request, rule, law, today)
    absent = _absent(request)
    if absent or request.invalid:
        reasons = ((Reason.INPUT_MISSING,) if absent else ()) + ((Reason.INPUT_INVALID,) if request.invalid else ())
        came = tuple(_received(request, rule, setting)) if request.direction in INWARD else ()
        stopped = Judged(gate="inputs", result="deny", reasons=reasons)
        denied = _verdict(request, rule, setting, came, before=reasons, gates=(stopped,), law=law, at=at)
        return denied._replace(missing=absent, invalid=request.invalid)
    found = walk(request, rule, setting)
    return _verdict(request, rule, setting, found, before=(), gates=_judged(found, request), law=law, at=at)


def _setting(request: Request, rule: Rule, law: Law, today: date) -> Setting:
    first = request.event or today
    last = first if request.period is None else max(first, request.period.last)
    bound = request.proof is not None and request.proof.request is not None
    return Setting(
        way=Way.ASKED,
        today=today,
        in_force=rule.paragraphs.on(first, last, today),
        strict=strict(law) or request.environment == "prod",
        rules=law.rules,
        words=law.words,
        hides=None
        if request.protection is Protection.NONE
        else protected.withholds(request.protection or Protection.UNKNOWN, (), lambda _: Protection.UNKNOWN),
        fingerprint=reading.fingerprint(request) if bound else None,
        test_numbers=law.test_numbers,
    )


def _absent(request: Request) -> tuple[str, ...]:
    """Return the names of mandatory inputs that are not there, and are not told of already."""
    if all(_filled(request)) and None not in _there(request):
        return request.missing
    values, told = _inputs(request), (*request.missing, *request.invalid)
    more = (
        name
        for name, value in zip(_MANDATORY.values(), values, strict=True)
        if (value is None or value == "") and not any(one.startswith(name) or name.startswith(one) for one in told)
    )
    return (*request.missing, *more)


def _judged(found: list[Found], request: Request) -> tuple[Judged, ...]:
    """Return every gate's result, up to the one that denied; and what was asked after it, if that said something."""
    idle = tuple([number for number, is_idle in _MAY_BE_IDLE if is_idle(request)])
    if not found:
        return _passed(idle)
    by_gate: dict[int, list[Found]] = {}
    for one in found:
        by_gate.setdefault(one.gate, []).append(one)
    denied = next((one.gate for one in found if one.outcome is DENY), GATES[-1].number)
    return tuple(
        passed
        if gate.number not in by_gate
        else Judged(
            gate=passed.gate,
            result=outcome(by_gate[gate.number])[0].lower(),
            reasons=tuple(dict.fromkeys(one.reason for one in by_gate[gate.number])),
        )
        for gate, passed in zip(GATES, _passed(idle), strict=True)
        if gate.number <= denied or gate.number in by_gate
    )


@lru_cache(maxsize=64)
def _passed(idle: tuple[int, ...]) -> tuple[Judged, ...]:
    """Return every gate's result where none had anything to say; `idle`: those with nothing to ask about."""
    return tuple(Judged(gate=_NAMES[gate.number], result="-" if gate.number in idle else "pass") for gate in GATES)


_MAY_BE_IDLE: Final = tuple((gate.number, gate.idle) for gate in GATES if gate.idle is not None)
_NAMES: Final = {gate.number: f"{gate.number} {gate.name}" for gate in GATES}


def _verdict(  # noqa: PLR0913  # what it is about, and all that was found
    request: Request,
    rule: Rule,
    setting: Setting,
    found: Sequence[Found],
    *,
    before: tuple[Reason, ...],
    gates: tuple[Judged, ...],
    law: Law,
    at: datetime,
) -> Verdict:
    """Write down what the findings come to; `before`: why it was denied before any gate was asked."""
    stands, reasons = outcome(found)
    if before:
        stands, reasons = DENY, before + reasons
    granted, withheld = _fields(request, rule, setting, stands, reasons)
    told = withheld.values() if stands is not REFER else ()
    return Verdict(
        outcome=stands,
        reasons=tuple(dict.fromkeys((*reasons, *told))),
        granted=granted,
        withheld=withheld,
        obligations=() if stands is DENY else rule.obligations,
        policy=law.policy,
        lagrum=() if setting.in_force is None else setting.in_force.versions,
        basis=rule.basis or None,
        quarantined=request.direction in INWARD and Reason.FORBIDDEN_CATEGORY in reasons,
        gates=gates,
        decision=_id(request, law.policy, setting.today),
        decided_at=at,
    )


def _fields(
    request: Request, rule: Rule, setting: Setting, stands: Outcome, reasons: tuple[Reason, ...]
) -> tuple[frozenset[str], dict[str, Reason]]:
    """Return what passes, and what does not. Of what was denied before its fields were divided nothing is told."""
    if stands is DENY and Reason.NOTHING_LEFT not in reasons:
        return frozenset(), {}
    granted, withheld = divided(sorted(request.fields or ()), rule, setting.hides)
    return (frozenset(granted) if stands is PERMIT else frozenset()), dict(withheld)


def _id(request: Request, policy: str, today: date) -> str:
    """Return the decision's id: hex SHA-256 of policy, day and what was asked, less every person's number.

    A hash with a number in it could be tried out number by number; without it `requestId` tells requests apart.
    """
    cited, partner, period = request.lagrum, request.partner, request.period
    organisation = partner and partner.organisation
    version = cited and f"{cited.id}@{cited.version}"
    days = period and f"{period.first!s}/{period.last!s}"
    fields = " ".join(sorted(request.fields or ()))
    asked = (
        f"{policy}\n{today!s}\n{request.id}\n{request.direction!s}\n{request.channel!s}\n{organisation}\n"
        f"{request.purpose!s}\n{version}\n{request.basis}\n{request.case}\n{request.benefit!s}\n{request.event!s}\n"
        f"{days}\n{fields}"
    )
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
