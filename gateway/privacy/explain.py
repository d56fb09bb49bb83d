"""A decision in plain Swedish and English, for the case officer at Försäkringskassan who has to act on it.

In this order: what was decided and who must act (the first paragraph is the answer's `textSv`); what was asked; which
gate stopped it, or gathered a question, and why, with its paragraph; what to do; which fields were withheld and why;
what a permission obliges to; what it rests on.

It is made of the answer that `gateway purpose decide` wrote, not of the request, so a decision can be explained years
later. For our own people only: a partner is told `coarse` and nothing of this, because the reasons tell of cases and of
protected identity (law: OSL 21 kap. 3 §, 28 kap. 1 §). Values are told only where they look like names of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from gateway.errors import ConfigError
from gateway.message import Outcome
from gateway.privacy import inputs
from gateway.privacy.reasons import Reason
from gateway.privacy.wording import OBLIGATIONS, WHO, WORDING

Language = Literal["sv", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("sv", "en")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ID: Final = re.compile(r"(?:urn:uuid:)?[0-9a-f-]{8,64}", re.ASCII)
_MOST: Final = 200
"""Entries of one list that are told: a decision of ours has fewer, and what is no decision must not flood."""

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    Outcome.PERMIT: ("Tillåtet", "Permitted"),
    Outcome.DENY: ("Nekat", "Denied"),
    Outcome.REFER: ("Ska avgöras av en människa", "Left to a person"),
    "quarantined": (
        "Det som kom är förseglat för sig, och bara två personer tillsammans kan släppa eller förstöra det.",
        "What came is sealed apart, and only two people together can release or destroy it.",
    ),
    "fields": ("Fält som får passera: {}.", "Fields that may pass: {}."),
    "nothing": ("Inga fält begärdes, så inga lämnas.", "No fields were asked for, so none pass."),
    "asked": ("Vad som begärdes: {}.", "What was asked: {}."),
    "missing": ("Detta saknas: {}.", "This is missing: {}."),
    "invalid": ("Detta är felaktigt angivet: {}.", "This is wrongly given: {}."),
    "wanted": ("{} ska vara {}", "{} must be {}"),
    "table": ("{} ska vara en tabell med {}", "{} must be a table with {}"),
    "tables": ("{} ska vara en lista med tabeller med {}", "{} must be a list of tables with {}"),
    "actor": (
        "actor med id, role och unit, eller automated = true med processId: det ena, inte båda",
        "actor with id, role and unit, or automated = true with processId: one of them, not both",
    ),
    "allows": ("Grunden {} gäller: {}.", "The basis {} is for: {}."),
    "all": ("alla", "all"),
    "one of": ("något av:", "one of:"),
    "or": (", eller ", ", or "),
    "suspicion": ("dokumenterad misstanke (suspicionRef)", "documented suspicion (suspicionRef)"),
    "consent": ("den enskildes samtycke (consentRef)", "the person's consent (consentRef)"),
    "stopped": ("Grind {} stoppade. {}", "Gate {} stopped it. {}"),
    "referred": ("Grind {} lämnar frågan till en människa. {}", "Gate {} leaves it to a person. {}"),
    "passed": (
        "Alla grindar som ställs för en sådan begäran släppte igenom.",
        "All gates that are asked of such a request let it pass.",
    ),
    "do": ("Vad som kan göras: {}.", "What can be done: {}."),
    "withheld": ("Undanhållna fält: {}.", "Fields withheld: {}."),
    "obligations": ("Den som använder tillståndet ska: {}.", "Whoever acts on the permission must: {}."),
    "rests": ("Beslutet vilar på {}.", "The decision rests on {}."),
    "basis": ("grunden {}", "the basis {}"),
    "paragraphs": ("paragraferna {}", "the paragraphs {}"),
    "policy": ("registerversion {}", "register version {}"),
    "id": ("Beslutets id: {}.", "The decision's id: {}."),
    "unknown": ("Kod {} som den här versionen inte har någon text för.", "Code {} that this version has no text for."),
}
_ALLOWED: Final[Mapping[str, tuple[str, str]]] = {
    "directions": ("riktning", "direction"),
    "partnerTypes": ("partner", "partner"),
    "purposes": ("ändamål", "purpose"),
    "lagrum": ("lagrum", "paragraph"),
    "benefits": ("förmån", "benefit"),
    "subjectRoles": ("den det gäller", "whom it is about"),
    "triggers": ("utlösande", "set off by"),
    "channels": ("kanal", "channel"),
    "fields": ("fält", "fields"),
}
GATES: Final[Mapping[str, tuple[str, str]]] = {
    "inputs": ("0 (uppgifter som måste anges)", "0 (what must be given)"),
    "0": ("0 (loggen)", "0 (the log)"),
    "1": ("1 (vem partnern är)", "1 (who the partner is)"),
    "2": ("2 (miljö)", "2 (environment)"),
    "3": ("3 (ändamål)", "3 (purpose)"),
    "4": ("4 (grund och lagrum)", "4 (basis and paragraphs)"),
    "5": ("5 (vem, vad och hur grunden gäller)", "5 (whom, what and how the basis is about)"),
    "6": ("6 (ärendet)", "6 (the case)"),
    "7": ("7 (skyddade personuppgifter)", "7 (protected identity)"),
    "8": ("8 (kategorier och sekretess)", "8 (categories and secrecy)"),
    "9": ("9 (förenlighet med insamlingen)", "9 (compatibility with collection)"),
    "10": ("10 (fält)", "10 (fields)"),
    "11": ("11 (period)", "11 (period)"),
    "12": ("12 (urval)", "12 (selection)"),
    "13": ("13 (avvägning)", "13 (weighing)"),
    "14": ("14 (jäv)", "14 (conflict of interest)"),
    "15": ("15 (skyldigheter)", "15 (obligations)"),
}
"""`gates.GATES` by number, for people. A test holds the two together."""
_ASKED: Final[Mapping[str, tuple[str, str]]] = {
    "direction": ("riktning", "direction"),
    "channelType": ("kanal", "channel"),
    "partnerType": ("partner", "partner"),
    "purpose": ("ändamål", "purpose"),
    "lagrum": ("lagrum", "paragraph"),
    "basisId": ("grund", "basis"),
    "benefit": ("förmån", "benefit"),
    "subjectRole": ("den det gäller", "whom it is about"),
    "eventDate": ("händelsedag", "day of the event"),
    "trigger": ("utlösande", "set off by"),
}


def paragraphs(answer: Mapping[str, Any], language: Language) -> list[str]:
    """Explain an answer: the first paragraph stands alone.

    Raises:
        ConfigError: it is no decision that `gateway purpose decide` wrote.
    """
    _hold(answer)
    at = LANGUAGES.index(language)
    told = [_decided(answer, at), *_asked(answer, at), *_gates(answer, at), *_to_do(answer, at), *_withheld(answer, at)]
    return [*told, *_allowed(answer, at), *_obliged(answer, at), *_rests(answer, at)]


def _hold(answer: Mapping[str, Any]) -> None:
    """Refuse what is no answer; what is in it is read with care all the same, because files are edited."""
    if answer.get("decision") not in list(map(str, Outcome)) or not isinstance(answer.get("reasonCodes"), list):
        raise ConfigError("no decision: give the JSON that `gateway purpose decide --json` wrote")


def _decided(answer: Mapping[str, Any], at: int) -> str:
    """Say what was decided, why, and who must act."""
    outcome = answer["decision"]
    said = [f"{_WORDS[outcome][at]}."]
    if outcome == Outcome.PERMIT:
        granted = _names(answer.get("fieldsGranted"))
        said.append(_WORDS["fields"][at].format(", ".join(granted)) if granted else _WORDS["nothing"][at])
        withheld = [name for _, names in _by_reason(answer) for name in names]
        said.extend([_WORDS["withheld"][at].format(", ".join(sorted(withheld)))] if withheld else [])
        return " ".join(said)
    reasons = _reasons(answer)
    said.extend(WORDING[reason].swedish if at == 0 else WORDING[reason].english for reason in reasons)
    said.extend(_listed_inputs(answer, at))
    said.extend(_WORDS["unknown"][at].format(code) for code in _unknown(answer))
    said.extend(_acts(reason, at) for reason in reasons[:1])
    if answer.get("quarantined") is True:
        said.append(_WORDS["quarantined"][at])
    return " ".join(said)


def _listed_inputs(answer: Mapping[str, Any], at: int) -> Iterator[str]:
    missing, invalid = _inputs(answer.get("inputsMissing")), _inputs(answer.get("inputsInvalid"))
    if missing:
        yield _WORDS["missing"][at].format(", ".join(missing))
    if invalid:
        yield _WORDS["invalid"][at].format("; ".join(_wanted(name, at) for name in invalid))


def _wanted(name: str, at: int) -> str:
    """Say what an input must look like."""
    of = inputs.find(name)
    if name == "actor":
        return _WORDS["actor"][at]
    if isinstance(of, inputs.Form):
        return _WORDS["wanted"][at].format(name, of.swedish if at == 0 else of.english)
    if isinstance(of, inputs.Table):
        return _WORDS["tables" if of.many else "table"][at].format(name, ", ".join(of.inputs))
    return name


def _acts(reason: Reason, at: int) -> str:
    wording = WORDING[reason]
    return f"{WHO[wording.who][at]} {wording.do_swedish if at == 0 else wording.do_english}."


def _asked(answer: Mapping[str, Any], at: int) -> Iterator[str]:
    asked = answer.get("asked")
    if not isinstance(asked, Mapping):
        return
    told = [f"{word[at]} {value}" for key, word in _ASKED.items() if (value := _shown(asked.get(key)))]
    period = asked.get("period")
    if isinstance(period, Mapping) and (first := _shown(period.get("fom"))) and (last := _shown(period.get("tom"))):
        told.append(f"period {first} - {last}")
    fields = _names(asked.get("fieldsRequested"))
    if fields:
        told.append(f"{('fält', 'fields')[at]} {', '.join(fields)}")
    if told:
        yield _WORDS["asked"][at].format("; ".join(told))


def _gates(answer: Mapping[str, Any], at: int) -> Iterator[str]:
    """Tell of the gates that said anything but yes, in their order."""
    gates = answer.get("gates")
    if not isinstance(gates, list) or not gates:
        return
    told = 0
    for gate in gates[:_MOST]:
        if not isinstance(gate, Mapping) or gate.get("result") not in {"deny", "refer"}:
            continue
        told += 1
        name = _gate(gate.get("gate"), at)
        why = " ".join(
            WORDING[reason].swedish if at == 0 else WORDING[reason].english for reason in _of(gate.get("reasons"))
        )
        yield _WORDS["stopped" if gate["result"] == "deny" else "referred"][at].format(name, why).strip()
    if not told:
        yield _WORDS["passed"][at]


def _to_do(answer: Mapping[str, Any], at: int) -> Iterator[str]:
    """Say who must do what, each thing once."""
    if answer["decision"] == Outcome.PERMIT:
        return
    told = list(dict.fromkeys(_acts(reason, at).removesuffix(".") for reason in _reasons(answer)))
    if told:
        yield _WORDS["do"][at].format("; ".join(told))


def _withheld(answer: Mapping[str, Any], at: int) -> Iterator[str]:
    told = []
    for code, names in _by_reason(answer):
        reason = next(iter(_of([code])), None)
        why = code if reason is None else WORDING[reason].swedish if at == 0 else WORDING[reason].english
        told.append(f"{', '.join(sorted(names))} ({why.removesuffix('.')})")
    if told:
        yield _WORDS["withheld"][at].format("; ".join(told))


def _by_reason(answer: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the fields withheld for each reason."""
    rows = answer.get("fieldsWithheld")
    found: dict[str, list[str]] = {}
    for row in rows[:_MOST] if isinstance(rows, list) else ():
        code = row.get("reason") if isinstance(row, Mapping) else None
        if isinstance(code, str) and inputs.plain(code):
            found.setdefault(code, []).extend(_names([row.get("field")]))
    return [(code, names) for code, names in found.items() if names]


def _allowed(answer: Mapping[str, Any], at: int) -> Iterator[str]:
    """Say what the basis is for, where that is what stands in the way: so that it can be asked anew."""
    allows, basis = answer.get("basisAllows"), _shown(answer.get("basisId"))
    if answer["decision"] == Outcome.PERMIT or basis is None or not isinstance(allows, Mapping):
        return
    told = [f"{word[at]} {named}" for key, word in _ALLOWED.items() if (named := _listed(allows.get(key), at))]
    told.extend(_conditions(allows, at))
    if told:
        yield _WORDS["allows"][at].format(basis, "; ".join(told))


def _conditions(allows: Mapping[str, Any], at: int) -> Iterator[str]:
    """Say what must be there beside: one of the alternatives, suspicion, consent."""
    alternatives = [
        " ".join(_condition(one, at))
        for one in (allows["anyOf"][:_MOST] if isinstance(allows.get("anyOf"), list) else ())
        if isinstance(one, Mapping)
    ]
    if any(alternatives):
        yield f"{_WORDS['one of'][at]} {_WORDS['or'][at].join(filter(None, alternatives))}"
    for name in ("suspicion", "consent"):
        if allows.get(name) is True:
            yield _WORDS[name][at]


def _condition(one: Mapping[str, Any], at: int) -> Iterator[str]:
    for key in ("benefits", "subjectRoles"):
        if named := _listed(one.get(key), at):
            yield f"{_ALLOWED[key][at]} {named}"
    if one.get("suspicion") is True:
        yield _WORDS["suspicion"][at]


def _listed(value: object, at: int) -> str:
    if value == "*":
        return _WORDS["all"][at]
    listed = value[:_MOST] if isinstance(value, list) else []
    return ", ".join(name for name in listed if isinstance(name, str) and (inputs.plain(name) or _version(name)))


def _obliged(answer: Mapping[str, Any], at: int) -> Iterator[str]:
    named = answer.get("obligations")
    words = {str(obligation): text for obligation, text in OBLIGATIONS.items()}
    listed = named[:_MOST] if isinstance(named, list) else []
    told = [words[name][at] for name in listed if isinstance(name, str) and name in words]
    if answer["decision"] == Outcome.PERMIT and told:
        yield _WORDS["obligations"][at].format("; ".join(told))


def _rests(answer: Mapping[str, Any], at: int) -> Iterator[str]:
    parts = []
    if basis := _shown(answer.get("basisId")):
        parts.append(_WORDS["basis"][at].format(basis))
    lagrum = answer.get("lagrumVersions")
    versions = [name for name in lagrum[:_MOST] if _version(name)] if isinstance(lagrum, list) else []
    if versions:
        parts.append(_WORDS["paragraphs"][at].format(", ".join(versions)))
    if policy := _id(answer.get("policySetHash")):
        parts.append(_WORDS["policy"][at].format(policy))
    if parts:
        yield _WORDS["rests"][at].format(", ".join(parts))
    if decision := _id(answer.get("decisionId")):
        yield _WORDS["id"][at].format(decision)


def _reasons(answer: Mapping[str, Any]) -> list[Reason]:
    return _of(answer["reasonCodes"])


def _of(codes: object) -> list[Reason]:
    known = set(map(str, Reason))
    if not isinstance(codes, Sequence):
        return []
    return [Reason(code) for code in codes[:_MOST] if isinstance(code, str) and code in known]


def _unknown(answer: Mapping[str, Any]) -> list[str]:
    known = set(map(str, Reason))
    codes = answer["reasonCodes"][:_MOST]
    return [code for code in codes if isinstance(code, str) and code not in known and inputs.plain(code)]


def _names(value: object) -> list[str]:
    names = value[:_MOST] if isinstance(value, list) else []
    return [name for name in names if isinstance(name, str) and inputs.plain(name)]


def _inputs(value: object) -> list[str]:
    """Return names of inputs: only such as a request has."""
    names = value[:_MOST] if isinstance(value, list) else []
    return [name for name in names if isinstance(name, str) and inputs.known(name)]


def _shown(value: object) -> str | None:
    """Return a word or a day; nothing else, since it may be anything."""
    return value if isinstance(value, str) and (inputs.plain(value) or _DAY.fullmatch(value)) else None


def _gate(value: object, at: int) -> str:
    """Return a gate's number, and what it asks about."""
    number = value.partition(" ")[0] if isinstance(value, str) else ""
    return GATES[number][at] if number in GATES else "?"


def _version(value: object) -> bool:
    name, at, version = value.partition("@") if isinstance(value, str) else ("", "", "")
    return bool(at) and inputs.plain(name) and inputs.plain(f"v{version}")


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None
