"""What is missing: Q14, a page at a time (`store.gaps` looks).

A page looks at one stretch: it may find nothing and still not be the last, so the answer says where to ask on.
"""

from __future__ import annotations

from gateway.store import gaps
from gateway.store.gaps import CHECKS, STRETCH, Gap
from gateway.store.questions.question import Answer, Asked, Parameter, Question, Shape


def _gaps(asked: Asked) -> Answer:
    stage, number, gap = asked.page.after or (0, 0, "")
    stage, first = int(stage), int(number)
    check, old = CHECKS[stage], gaps.since(asked.now, asked.whole("hours"))
    end = int(asked.session.execute(check.end).fetchone()[0])
    beyond = min(first + STRETCH, end + 1)
    found = sorted(check.find(asked.session, first, beyond, old), key=_key) if first <= end else []
    found = [one for one in found if _key(one) > (first, str(gap))]
    part = found[: asked.page.limit]
    rows = [(one.kind.value, one.number, one.at, one.detail) for one in part]
    if len(found) > len(part):
        return Answer(rows=rows, more=(stage, *_key(part[-1])))
    if beyond <= end:
        return Answer(rows=rows, more=(stage, beyond, ""))
    return Answer(rows=rows, more=(stage + 1, 0, "") if stage + 1 < len(CHECKS) else None)


def _key(gap: Gap) -> tuple[int, str]:
    return gap.number or 0, f"{gap.kind} {gap.detail}"


QUESTIONS = (
    Question(
        id="Q14",
        title="Luckor",
        tells="Positioner i loggen utan löv, löv som inget berättar om, löv utan spår, meddelanden, avvisningar, "
        "kommandon och utskick vars nummer fattas, sådana som förlorat löv eller steg, en logg som är kortare än när "
        "den signerades, tid som gått baklänges, avsikter utan slut, händelser som ingen kö tagit emot och döda "
        "händelser som ingen avgjort.",
        silent="Partners numrerar inte det de sänder. Ett meddelande som aldrig skrevs här syns bara i "
        "partnerns egna "
        "kvitton: stäm av mot dem (`gateway audit reconcile`). "
        "Att loggen inte är omskriven prövar `gateway audit verify` och vittnena.",
        columns=("gap", "number", "at", "detail"),
        parameters=(Parameter(name="hours", help="Hur länge något får vara på väg.", shape=Shape.WHOLE, default=24),),
        answer=_gaps,
    ),
)
