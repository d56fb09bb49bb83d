"""What can be wrong with a question at a listener of its own: the auditors', or that which citizens' portals ask.

As `codes`: stable names, fixed texts, never a word of the question. `docs/partner.md` lists them too.
"""

from __future__ import annotations

from gateway.codes import Code, Mender, Step


def _asker(name: str, swedish: str, english: str) -> Code:
    return Code(name, Step.ASK, Mender.SENDER, resend=False, swedish=swedish, english=english)


READER_UNKNOWN = _asker(
    "GW-ASK-READER",
    "Certifikatet är ingen läsares. Den som förvaltar lyssnaren lägger till dess fingeravtryck.",
    "The certificate is no reader's. Whoever keeps the listener adds its fingerprint.",
)
READER_DUTY = _asker(
    "GW-ASK-DUTY",
    "Läsaren får inte ställa den frågan. Den som har uppdraget ställer den.",
    "The reader may not ask this question. Whoever has that duty asks it.",
)
READING_UNJUSTIFIED = _asker(
    "GW-ASK-WHY",
    "Frågan säger inte varför den ställs. Ange purpose och case; case är ett ärendes beteckning och namnger ingen.",
    "The question does not say why it is asked. Give purpose and case; case is a reference and names nobody.",
)
QUESTION_WRONG = _asker(
    "GW-ASK-QUESTION",
    "Frågan är fel ställd. GET /audit/questions och /audit/openapi.json säger hur den ställs.",
    "The question is wrongly put. GET /audit/questions and /audit/openapi.json tell how it is put.",
)
QUESTION_LONG = _asker(
    "GW-ASK-LONG",
    "Frågan tar för lång tid och avbröts. Ställ den för en kortare period eller om färre; räcker inte det kan den som "
    "förvaltar lagret höja gränsen (statement_timeout).",
    "The question takes too long and was given up. Ask about a shorter period or fewer; where that is not enough, "
    "whoever keeps the store may raise the limit (statement_timeout).",
)
READER_PACE = _asker(
    "GW-ASK-PACE",
    "För många frågor på en minut. Vänta så länge som Retry-After säger.",
    "Too many questions in a minute. Wait for as long as Retry-After says.",
)
USAGE_PERSON = _asker(
    "GW-ASK-PERSON",
    "X-Road-UserId, eller userCode, saknas eller är inget personnummer: tolv siffror, med eller utan SE framför.",
    "X-Road-UserId, or userCode, is missing or no person's number: twelve digits, with or without SE before them.",
)
USAGE_WRONG = _asker(
    "GW-ASK-USAGE",
    "En parameter är fel: periodStart, periodEnd, offset och limit som protokollet har dem, var och en högst en gång.",
    "A parameter is wrong: periodStart, periodEnd, offset and limit as the protocol has them, each at most once.",
)
USAGE_DELEGATED = _asker(
    "GW-ASK-DELEGATED",
    "Portalen får inte fråga för någon annan. Den som förvaltar lyssnaren avgör om den får det.",
    "The portal may not ask on somebody's behalf. Whoever keeps the listener decides whether it may.",
)


def catalogue() -> tuple[Code, ...]:
    """Return every one of them."""
    return tuple(value for value in globals().values() if isinstance(value, Code))
