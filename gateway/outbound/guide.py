"""The states for those who watch dispatches: `docs/states.md`, made from the table, and one Swedish sentence a state.

`ops/dev/states` writes the page; a test holds file and table together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.outbound import states
from gateway.outbound.states import Happening, State

_S, _H = State, Happening
SWEDISH: Mapping[State, str] = {
    _S.QUEUED: "Mottagen men ännu inte prövad: inget har lämnats ut.",
    _S.REFERRED: "En människa måste avgöra om den får lämnas ut (gateway review); gatewayen släpper den aldrig själv.",
    _S.COMPOSED: "Tillåten och färdigskriven, och avsikten står i loggen; inget har ännu skickats.",
    _S.SENDING: "Ett försök pågår.",
    _S.WAITING: "Mottagaren har säkert inte fått den; nytt försök görs vid angiven tid.",
    _S.UNCERTAIN: "Mottagaren kan ha fått den; samma meddelande med samma id skickas igen.",
    _S.RESENDING: "Ett nytt försök pågår, sedan ett tidigare kan ha nått fram.",
    _S.DEPOSITED: "Ligger i mottagarens brevlåda och är inte hämtad.",
    _S.FETCHED: "Mottagaren har hämtat den men inte kvitterat.",
    _S.UNRESOLVED: "Tiden är ute och ingen vet om den kom fram: fråga mottagaren; avsluta med confirm eller disprove.",
    _S.DELIVERED: "Mottagaren har kvitterat eller svarat.",
    _S.DENIED: "Lagen, kontraktet eller en människa säger nej: inget har lämnats ut.",
    _S.REFUSED: "Mottagaren sade slutgiltigt nej, med sin egen kod.",
    _S.UNUSABLE: "Mottagaren svarade, men svaret bryter mot kontraktet eller får inte tas emot; det är förseglat.",
    _S.EXPIRED: "Tiden gick ut innan mottagaren kunde ta emot: inget har lämnats ut.",
    _S.WITHDRAWN: "Återkallad innan något lämnades ut.",
}
"""For operators: what it means that a dispatch is there."""
_ENGLISH: Mapping[State, str] = {
    _S.QUEUED: "It is ours. Nothing has been decided.",
    _S.REFERRED: "A person must decide (`gateway review`). It is never released by itself: no answer in time is a no.",
    _S.COMPOSED: "Permitted. Its content is fixed, and the leaf of the intent to disclose is in the log.",
    _S.SENDING: "An attempt has begun. Found at start, the gateway died in it: it is lost.",
    _S.WAITING: "The last attempt has certainly not happened. Another is due.",
    _S.UNCERTAIN: "An attempt may have happened. The same id and content is due again.",
    _S.RESENDING: "An attempt after one that may have happened.",
    _S.DEPOSITED: "In the partner's mailbox.",
    _S.FETCHED: "The partner has fetched it from its mailbox, and has not acknowledged it.",
    _S.UNRESOLVED: "Time is out, and nobody here knows whether the partner has it. Only a person who asked goes on.",
    _S.DELIVERED: "A verified receipt or answer, an acknowledgement from the mailbox, or a person's word that it came.",
    _S.DENIED: "No legal basis, the contract has no place for it, or a person has said no, or nobody yes in time.",
    _S.REFUSED: "The partner's final no, to the first attempt that may have reached it.",
    _S.UNUSABLE: "The answer is genuine, and breaks its contract or may not be received. It is sealed.",
    _S.EXPIRED: "Time is out, and nothing has been disclosed.",
    _S.WITHDRAWN: "Taken back by whoever asked, or by an operator, before anything was disclosed.",
}
_HAPPENS: Mapping[Happening, str] = {
    _H.COMPOSE: "permitted and composed; written with the leaf of the intent",
    _H.REFER: "the law leaves it to a person",
    _H.PERMIT: "a person has said yes: it is judged again, with what was asked set aside",
    _H.DENY: "the law, the contract or a person does not let it pass, or nobody answered in time",
    _H.BEGIN: "an attempt begins; written before a byte leaves",
    _H.DEPOSIT: "signed, sealed and laid in the partner's mailbox",
    _H.FETCH: "the partner fetches it",
    _H.ACKNOWLEDGE: "the partner acknowledges what it fetched",
    _H.ANSWER: "a verified receipt or answer",
    _H.REFUSE: "the partner's final no",
    _H.SPOIL: "a genuine answer that is of no use",
    _H.POSTPONE: "this attempt has certainly not happened",
    _H.LOSE: "this attempt may have happened",
    _H.EXPIRE: "time is out",
    _H.WITHDRAW: "taken back",
    _H.CONFIRM: "a person has asked the partner: it has it",
    _H.DISPROVE: "a person has asked the partner: it does not have it",
}


def page() -> str:
    """Return `docs/states.md`."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# The life of a dispatch"
    yield ""
    yield "Made by `ops/dev/states` from `gateway/outbound/states.py`: change the table, not this page."
    yield ""
    yield "Each recipient of a command has a dispatch of its own. What may happen to it is this, and nothing else;"
    yield "`gateway dispatch show` tells where one is and how it came there."
    yield ""
    yield "```mermaid"
    yield from states.drawn()
    yield "```"
    yield ""
    yield "Uncertain is a state, never called failed: what happens to a second attempt does not tell what happened to"
    yield "the first. Only a verified answer ends it, or a person who asked the partner."
    yield ""
    yield "## States"
    yield ""
    yield "| state | | meaning | för den som vakar |"
    yield "|---|---|---|---|"
    for state in State:
        yield f"| `{state}` | {_place(state)} | {_ENGLISH[state]} | {SWEDISH[state]} |"
    yield ""
    yield "## What happens"
    yield ""
    yield "| happening | meaning | from | to |"
    yield "|---|---|---|---|"
    for happening in Happening:
        arrows = [(one, after) for (one, what), after in states.TRANSITIONS.items() if what is happening]
        before = ", ".join(f"`{one}`" for one, _ in arrows)
        after = ", ".join(f"`{one}`" for one in dict.fromkeys(after for _, after in arrows))
        yield f"| `{happening}` | {_HAPPENS[happening]} | {before} | {after} |"


def _place(state: State) -> str:
    if state in states.FINAL:
        return "final"
    if state in states.ENDED:
        return "final but for a person"
    return "under way" if state in states.IN_FLIGHT else "due" if state in states.DUE else "waits"
