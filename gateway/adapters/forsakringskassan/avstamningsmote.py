"""Summons to an avstämningsmöte (SFB 30 kap.): to employer, care, Arbetsförmedlingen and kommun, in our own contract.

One message is to one recipient. What everybody gets is when, where and whom to ask; beside it there is at most one part
for the recipient's own sort. So a question to the physician cannot stand in an employer's summons by mistake, and
nothing about health has a place outside the parts for care and for Arbetsförmedlingen.

Times come with a zone (RFC 3339) and go out in Swedish time with its offset (`2026-03-10T09:00:00+01:00`): who reads
only the clock reads what stands on the wall. Where protection withholds the place there is the contact to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timezone
from typing import Final

from gateway.adapters.elements import specs
from gateway.adapters.outgoing import Arguments, Outgoing, codes, filled, number, rows, wrong
from gateway.dispatch import Interaction, Parcel
from gateway.message import Category, ContractId, Shape, Value
from gateway.swedish import swedish_time

NAMESPACE: Final = "urn:forsakringskassan:utbyte:avstamningsmote:1"
_CONTACT: Final = {"namn": "Namn", "telefon": "Telefon", "epost": "Epost"}
_CODES: Final = {"kod": Shape.TEXT}
_FIELDS: Final = {
    **specs(Category.IDENTITET, "namn"),
    **specs(Category.ARENDE, "form"),
    **specs(Category.ARENDE, "borjar", "slutar", shape=Shape.MOMENT),
    **specs(Category.KONTAKT, "plats", locating=True),
    **specs(Category.KONTAKT, "lank", "telefon"),
    **specs(Category.KONTAKT, "kontakt", shape=dict.fromkeys(_CONTACT, Shape.TEXT)),
    **specs(Category.ARENDE, "forberedelser", shape=_CODES),
    **specs(Category.FRITEXT, "meddelande"),
    **specs(Category.ARBETE, "fragorTillArbetsgivaren", "fragorTillArbetsformedlingen", shape=_CODES),
    **specs(Category.HALSA, "arbetsformaga", shape=Shape.WHOLE),
    **specs(Category.HALSA, "fragorTillVarden", shape=_CODES),
    **specs(Category.FRITEXT, "fragaTillVarden"),
    **specs(Category.ARENDE, "fragorTillKommunen", shape=_CODES),
}
"""`kontakt`, `lank` and `telefon` are Försäkringskassan's own; `arbetsformaga` is percent of full time."""


def _arguments(parcel: Parcel) -> Arguments:
    said = parcel.fields
    return filled(
        Avsandare=parcel.sender,
        Referens=parcel.reference,
        Syfte=parcel.citation.purpose,
        Lagrum=parcel.citation.lagrum,
        Person=filled(Personnummer=number(parcel), Namn=said.get("namn")),
        Mote=_meeting(said, parcel.made),
        Kontakt=rows(said, "kontakt", _CONTACT, most=5),
        Forberedelse=codes(said, "forberedelser"),
        Meddelande=said.get("meddelande"),
        **_part(said),
    )


def _meeting(said: Mapping[str, Value], made: datetime) -> Arguments:
    begins, ends = (datetime.fromisoformat(str(said[name])) for name in ("borjar", "slutar"))
    if not made < begins:
        raise wrong("borjar", "is not after the time of sending")
    if not begins < ends:
        raise wrong("slutar", "is not after borjar")
    if said["form"] == "DIGITALT" and said.get("lank") is None:
        raise wrong("lank", "is missing, and form is DIGITALT")
    return filled(
        Form=said["form"],
        Borjar=_on_the_wall(begins),
        Slutar=_on_the_wall(ends),
        Plats=said.get("plats"),
        Lank=said.get("lank"),
        Telefon=said.get("telefon"),
    )


def _on_the_wall(at: datetime) -> str:
    """Write a moment in Swedish time, with its offset."""
    clock = swedish_time(at)
    offset = clock - at.astimezone(UTC).replace(tzinfo=None)
    return clock.replace(tzinfo=timezone(offset)).isoformat()


def _part(said: Mapping[str, Value]) -> Arguments:
    """Return the part for the recipient's own sort, if any. Raises ContractError where it would be several."""
    parts = {
        "TillArbetsgivaren": filled(Fraga=codes(said, "fragorTillArbetsgivaren")),
        "TillVarden": filled(Fraga=codes(said, "fragorTillVarden"), Fritext=said.get("fragaTillVarden")),
        "TillArbetsformedlingen": filled(
            Arbetsformaga=said.get("arbetsformaga"), Fraga=codes(said, "fragorTillArbetsformedlingen")
        ),
        "TillKommunen": filled(Fraga=codes(said, "fragorTillKommunen")),
    }
    present: Arguments = {name: part for name, part in parts.items() if part}
    if len(present) > 1:
        raise wrong("the fields", f"are for several sorts of recipients: {', '.join(present)}")
    return present


OUTGOING = Outgoing(
    id=ContractId("forsakringskassan/avstamningsmote"),
    version="1.0",
    interaction=Interaction.SEND,
    schema="forsakringskassan/avstamningsmote.xsd",
    wsdl="forsakringskassan/avstamningsmote.wsdl",
    operation="Kalla",
    root=f"{{{NAMESPACE}}}Kallelse",
    action=f"{NAMESPACE}:Kalla",
    kind="kallelse",
    kinds={"kallelse": _FIELDS},
    mandatory=frozenset({"form", "borjar", "slutar", "kontakt"}),
    arguments=_arguments,
)
