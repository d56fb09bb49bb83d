"""Underrättelse om felaktig utbetalning (lag (2008:206)): to whoever decides on or pays it, in our own contract.

The law wants the circumstances stated, so there is no message without them: a code from a closed list each, and text
for what no code says. What Försäkringskassan has seen itself stands apart from what it concludes. It tells of a reason
to assume that a decision or a payment is wrong, never of a crime: no field has a place for that.
"""

from __future__ import annotations

from typing import Final

from gateway.adapters.elements import specs
from gateway.adapters.outgoing import Arguments, Outgoing, filled, number, rows, wrong
from gateway.dispatch import Interaction, Parcel
from gateway.message import Category, ContractId, Shape

NAMESPACE: Final = "urn:forsakringskassan:utbyte:underrattelse:1"
_CONTACT: Final = {"namn": "Namn", "telefon": "Telefon", "epost": "Epost"}
_CIRCUMSTANCE: Final = {"kod": "Kod", "from": "From", "tom": "Tom"}
_SEEN: Final = {"kod": "Kod", "from": "From", "tom": "Tom", "belopp": "Belopp"}
_DATED: Final = {"kod": Shape.TEXT, "from": Shape.DAY, "tom": Shape.DAY}
_FIELDS: Final = {
    **specs(Category.IDENTITET, "namn"),
    **specs(Category.EKONOMI, "forman"),
    **specs(Category.EKONOMI, "periodFrom", "periodTom", shape=Shape.DAY),
    **specs(Category.EKONOMI, "omstandigheter", shape=_DATED),
    **specs(Category.FRITEXT, "omstandigheterText"),
    **specs(Category.EKONOMI, "iakttagelser", shape=_DATED | {"belopp": Shape.TEXT}),
    **specs(Category.FRITEXT, "iakttagelserText"),
    **specs(Category.KONTAKT, "kontakt", shape=dict.fromkeys(_CONTACT, Shape.TEXT)),
}
"""`belopp` is kronor with at most two decimals, after a point; `kontakt` is Försäkringskassan's own."""


def _arguments(parcel: Parcel) -> Arguments:
    said = parcel.fields
    circumstances = rows(said, "omstandigheter", _CIRCUMSTANCE, most=20, needed="kod") or []
    seen = rows(said, "iakttagelser", _SEEN, most=100, needed="kod")
    period = filled(From=said["periodFrom"], Tom=said.get("periodTom"))
    _ordered("period", period)
    for row in circumstances:
        _ordered("omstandigheter", row)
    for row in seen or ():
        _ordered("iakttagelser", row)
    if said.get("omstandigheterText") is None and any(row.get("Kod") == "ANNAT" for row in circumstances):
        raise wrong("omstandigheterText", "is missing, or may not be disclosed, and a circumstance is ANNAT")
    return filled(
        Avsandare=parcel.sender,
        Referens=parcel.reference,
        Syfte=parcel.citation.purpose,
        Lagrum=parcel.citation.lagrum,
        Person=filled(Personnummer=number(parcel), Namn=said.get("namn")),
        Forman=said["forman"],
        Period=period,
        Omstandigheter=filled(Omstandighet=circumstances, Fritext=said.get("omstandigheterText")),
        Iakttagelser=filled(Iakttagelse=seen, Fritext=said.get("iakttagelserText")) or None,
        Kontakt=rows(said, "kontakt", _CONTACT, most=5),
    )


def _ordered(place: str, period: Arguments) -> None:
    first, last = period.get("From"), period.get("Tom")
    if last is not None and (first is None or str(last) < str(first)):
        raise wrong(place, "ends before it begins, or has an end and no beginning")


OUTGOING = Outgoing(
    id=ContractId("forsakringskassan/underrattelse"),
    version="1.0",
    interaction=Interaction.SEND,
    schema="forsakringskassan/underrattelse.xsd",
    wsdl="forsakringskassan/underrattelse.wsdl",
    operation="Underratta",
    root=f"{{{NAMESPACE}}}Underrattelse",
    action=f"{NAMESPACE}:Underratta",
    kind="underrattelse",
    kinds={"underrattelse": _FIELDS},
    mandatory=frozenset({"forman", "periodFrom", "omstandigheter", "kontakt"}),
    arguments=_arguments,
)
