"""A small register for what goes out, to bend: one question, one message, one asker, and commands to judge by it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway import config, review
from gateway.dispatch import (
    AskerId,
    Case,
    Command,
    CommandId,
    Consent,
    DispatchId,
    Interaction,
    Period,
    Permitted,
    Queued,
    Recipient,
)
from gateway.message import Category, ContractId, FieldSpec, PartnerId, Protection
from gateway.partners import Endpoint
from gateway.privacy import disclosure
from gateway.privacy.law import Law
from tests.unit.privacy import statute
from tests.unit.privacy.statute import CONTRACT, FIELDS, PERSON, PURPOSES, QUEUE, TODAY, known, lagrum

QUESTION, MESSAGE = ContractId("skatteverket/fraga"), ContractId("skatteverket/brev")
WORDS = {
    **FIELDS,
    "brottet": FieldSpec(category=Category.BROTT),
    "telefon": FieldSpec(category=Category.KONTAKT),
}
KINDS = {CONTRACT: {"prov": FIELDS}, QUESTION: {"fraga": WORDS}, MESSAGE: {"brev": WORDS}}
ROWS = (
    lagrum("L-1", "1", forfattning="lagen (2020:1) om prov", giltig_tom=date(2025, 11, 30)),
    lagrum("L-1", "2", forfattning="lagen (2020:1) om prov", giltig_fom=date(2025, 12, 1), test="synnerliga_skal"),
    lagrum("L-2", "1", forfattning="lagen (2020:2) om prov", paragraf="2 a", kapitel="7", day="decision"),
    lagrum("L-3", "1", giltig_fom=date(2025, 7, 1)),
    lagrum("L-4", "1", giltig_tom=date(2026, 2, 28), day="decision"),
    lagrum("L-5", "1", forfattning="lagen (2020:5) om samtycke", kind="consent", day="decision"),
    *PURPOSES,
    lagrum("SFB-114-9-1", "2024:13", kind="purpose", day="decision", giltig_fom=date(2024, 2, 15)),
)


@dataclass(frozen=True)
class Agreed:
    """What the law must know of a contract that goes out."""

    interaction: Interaction
    kind: str
    mandatory: frozenset[str] = frozenset()
    answer: ContractId | None = None


AGREED = {
    QUESTION: Agreed(Interaction.ASK, "fraga", answer=CONTRACT),
    MESSAGE: Agreed(Interaction.SEND, "brev"),
}
ANSWERING = statute.basis("IN-1", direction="inbound_answer", lagrum=["L-2"])


def basis(id_="OUT-1", **changes):
    """Return a basis for a message."""
    row = {
        "direction": "fk_push",
        "contract": MESSAGE,
        "kind": "brev",
        "lagrum": ["L-2"],
        "purpose_text": "Prövning av prov",
    }
    return statute.basis(id_, **(row | changes))


def question(id_="OUT-1", **changes):
    return basis(id_, **({"direction": "fk_question", "contract": QUESTION, "kind": "fraga"} | changes))


def asker(**changes):
    row = {
        "id": "prov",
        "name": "Prov",
        "contracts": [QUESTION, MESSAGE],
        "purposes": ["fk:Arendehandlaggning", "fk:Kontroll", "fk:UtlamnandeForfattning"],
        "queue": "prov",
    }
    return config.Asker.model_validate(row | changes)


def configuration(*bases, rows=ROWS, askers=None, partner_types=("skatteverket",), **more):
    read = statute.configuration(bases=(ANSWERING, *bases), rows=rows, **more)
    (partner,) = read.partners.values()
    endpoint = Endpoint(address="https://localhost/", contracts=(QUESTION, MESSAGE))
    partners = {
        PartnerId(type_): partner.model_copy(
            update={"id": PartnerId(type_), "partner_type": type_, "endpoint": (endpoint,)}
        )
        for type_ in partner_types
    }
    given = {one.id: one for one in ([asker()] if askers is None else askers)}
    queue = config.Queue.model_validate(QUEUE)
    return read.model_copy(update={"askers": given, "partners": partners, "queues": more.get("queues") or (queue,)})


def law(*bases, agreed=None, **more):
    return Law.build(configuration(*bases, **more), KINDS, agreed or AGREED)


DAY = date(2026, 1, 1)
CASE = Case(reference="A-1", benefit="sjukpenning", period=Period(first=date(2025, 1, 1), last=date(2026, 3, 31)))


def period(first=DAY, last=DAY):
    return Period(first=first, last=last)


def command(*, own=None, named="OUT-1", **changes):
    """Return a command to one recipient; `own` are the fields that only it gets."""
    recipient = Recipient(
        position=1, partner=PartnerId("skatteverket"), organisation=None, basis=named, fields=own or {}
    )
    given = {
        "id": CommandId("k-1"),
        "asker": AskerId("prov"),
        "contract": MESSAGE,
        "purpose": "fk:Arendehandlaggning",
        "case": CASE,
        "person": PERSON,
        "period": None,
        "fields": {"belopp": 100, "period": "2026-01"},
        "recipients": (recipient,),
        "consent": None,
        "suspicion": None,
        "at": TODAY,
        "expires": TODAY + timedelta(days=1),
    }
    return Command(**(given | changes))


def queued(command_):
    return Queued(dispatch=DispatchId("urn:uuid:1"), command=command_, recipient=command_.recipients[0])


def consent(*recipients, until=date(2026, 3, 2), reference="S-1"):
    return Consent(reference=reference, recipients=frozenset(recipients or ("skatteverket",)), until=until)


def permit(  # what it is judged in
    command_,
    law_,
    *,
    status=Protection.NONE,
    partner_type="skatteverket",
    kind=None,
    at=TODAY,
    answered=review.NOTHING,
) -> Permitted:
    """Judge, as the path does. Raises disclosure.Stopped."""
    kind = kind or (AGREED[command_.contract].kind if command_.contract in AGREED else "prov")
    return disclosure.permit(
        queued(command_),
        law_,
        known(everyone=status),
        partner_type=partner_type,
        kind=kind,
        at=at,
        answered=answered,
    )


def stopped(command_, law_, **more):
    """Return the decision that stops it."""
    with pytest.raises(disclosure.Stopped) as caught:
        permit(command_, law_, **more)
    return caught.value.decision


def noon(day):
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
