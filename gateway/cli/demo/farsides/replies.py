"""What honest partners answer, each by its own contract: payloads in exclusive canonical form.

Navet knows the persons it was given and nobody else, and marks those that are protected. Arbetsförmedlingen echoes the
question and has one decision to tell of. Whoever gets a message of ours gives the receipt of `schemas/receipt.xsd`, by
the very code that composes ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.adapters.arbetsformedlingen import ersattningsstod
from gateway.adapters.skatteverket import personpost
from gateway.cli.demo.farsides.door import Asked
from gateway.message import Accepted, Digest, LeafHash, MessageId, Outcome, RecordOutcome
from gateway.soap import names, xml
from gateway.trust import receipt

if TYPE_CHECKING:
    from lxml.etree import _Element

NAVET = personpost.OUTGOING.id
ERSATTNINGSSTOD = ersattningsstod.OUTGOING.id
NAVET_NAMESPACE = personpost.NAMESPACE
REJECTED = "REJECTED"
"""A receipt's code for a record that was not taken."""
_AF = "http://api.arbetsformedlingen.se/arbetssokande/ersattningsstod/v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Whom Navet and Arbetsförmedlingen know: everybody, but for those that nobody does."""

    unknown: frozenset[str] = field(default=frozenset(), repr=False)
    protected: frozenset[str] = field(default=frozenset(), repr=False)
    """Known, with sekretessmarkering."""


def honest(asked: Asked, register: Register, at: datetime) -> str:
    """Return what a right partner answers to this message."""
    match asked.provenance.contract:
        case personpost.OUTGOING.id:
            return navet(asked, register, at)
        case ersattningsstod.OUTGOING.id:
            return arbetsformedlingen(asked, register)
        case _:
            return received(asked, at)


# --- Navet ------------------------------------------------------------------------------------------------------------


def navet(asked: Asked, register: Register, at: datetime) -> str:
    """Return the posts of the one who was asked for: one, or none at all."""
    number = asked.payload.findtext(f"{{{NAVET_NAMESPACE}}}PersonId", "")
    posts = [] if number in register.unknown else [_post(number, at, marked=number in register.protected)]
    return _posts(posts)


def _posts(posts: Iterable[str]) -> str:
    return _canonical(
        f'<n:PersonpostXMLResponse xmlns:n="{NAVET_NAMESPACE}"><n:Folkbokforingsposter>{"".join(posts)}'
        "</n:Folkbokforingsposter></n:PersonpostXMLResponse>"
    )


def _post(number: str, at: datetime, *, marked: bool) -> str:
    return (
        f"<Folkbokforingspost><Sekretessmarkering>{'J' if marked else 'N'}</Sekretessmarkering>"
        f'<Arendeuppgift andringstidpunkt="{at:%Y%m%d%H%M%S}"/><Personpost><PersonId><PersonNr>{number}</PersonNr>'
        "</PersonId><Namn><Fornamn>Kim</Fornamn><Efternamn>Testsson</Efternamn></Namn><Folkbokforing>"
        "<Folkbokforingsdatum>20200101</Folkbokforingsdatum><LanKod>01</LanKod><KommunKod>80</KommunKod>"
        "</Folkbokforing><Adresser><Folkbokforingsadress><Utdelningsadress2>Ekvägen 1</Utdelningsadress2>"
        "<PostNr>11122</PostNr><Postort>STOCKHOLM</Postort></Folkbokforingsadress></Adresser>"
        "</Personpost></Folkbokforingspost>"
    )


# --- Arbetsförmedlingen -----------------------------------------------------------------------------------------------


def arbetsformedlingen(asked: Asked, register: Register) -> str:
    """Return `SvarMeddelande`: the question as it came, and what is known of the person."""
    question = asked.payload.find(f"{{{_AF}}}Fraga")
    told = {} if question is None else {names.local(one): one.text or "" for one in question}
    number = told.get("IdentitetsbeteckningFysiskPerson", "")
    echoed = "".join(f"<{name}>{xml.escape(text)}</{name}>" for name, text in told.items())
    return _canonical(
        f'<SvarMeddelande xmlns="{_AF}"><Fraga>{echoed}</Fraga><Svar><Schemaversion>4.0</Schemaversion>'
        f"<Referensnummer>{xml.escape(told.get('Referensnummer', ''))}</Referensnummer>"
        f"<LagParagraf>{xml.escape(told.get('LagParagraf', ''))}</LagParagraf>"
        f"<IdentitetsbeteckningFysiskPerson>{number}</IdentitetsbeteckningFysiskPerson>"
        f"{'' if number in register.unknown else _decision(told, marked=number in register.protected)}"
        "<StatusSokandeinformationKod>0</StatusSokandeinformationKod>"
        "<StatusSokandeinformationKodText>Frågan har behandlats normalt.</StatusSokandeinformationKodText>"
        "</Svar></SvarMeddelande>"
    )


def _decision(told: dict[str, str], *, marked: bool) -> str:
    return (
        "<Fornamn>Kim</Fornamn><Efternamn>Testsson</Efternamn>"
        f"<Sekretessmarkering>{'true' if marked else 'false'}</Sekretessmarkering><BeslutInfo><EkonomiskaBeslut>"
        "<Beslut><ErsattningTyp>Aktivitetsstöd</ErsattningTyp><Omfattning>100</Omfattning>"
        f"<BeslutFrom>{told.get('From', '')}</BeslutFrom><BeslutTom>{told.get('Tom', '')}</BeslutTom></Beslut>"
        "</EkonomiskaBeslut></BeslutInfo>"
    )


# --- receipts ---------------------------------------------------------------------------------------------------------


def received(asked: Asked, at: datetime, *outcomes: Outcome) -> str:
    """Return a receipt: of one record that was taken, or of as many as there are outcomes."""
    return receipt.compose(_accepted(asked, at, *outcomes))


def of_other_content(asked: Asked, at: datetime) -> str:
    """Return a receipt for other content under the same id."""
    accepted = _accepted(asked, at)
    digest = Digest(hashlib.sha256(accepted.provenance.digest.encode()).hexdigest())
    return receipt.compose(replace(accepted, provenance=replace(accepted.provenance, digest=digest)))


def of_other_message(asked: Asked, at: datetime, message_id: str) -> str:
    """Return a receipt for another message."""
    accepted = _accepted(asked, at)
    return receipt.compose(replace(accepted, provenance=replace(accepted.provenance, message_id=MessageId(message_id))))


_CODES = {Outcome.PERMIT: "OK", Outcome.REFER: "PENDING", Outcome.DENY: REJECTED}
"""What receipts tell of a record; a partner's own words."""


def _accepted(asked: Asked, at: datetime, *outcomes: Outcome) -> Accepted:
    told = [
        RecordOutcome(position=number, outcome=one, code=_CODES[one])
        for number, one in enumerate(outcomes or (Outcome.PERMIT,), start=1)
    ]
    leaf = LeafHash(hashlib.sha256(asked.provenance.message_id.encode()).digest())
    return Accepted(provenance=asked.provenance, accepted_at=at, outcomes=tuple(told), leaves=(leaf,), repeated=False)


# --- not so honest ----------------------------------------------------------------------------------------------------


def of_other_person(asked: Asked, number: str, at: datetime) -> str:
    """Return Navet's or Arbetsförmedlingen's answer about somebody that nobody asked about."""
    if asked.provenance.contract == NAVET:
        return _posts([_post(number, at, marked=False)])
    whole = arbetsformedlingen(asked, Register())
    told = asked.payload.findtext(f"{{{_AF}}}Fraga/{{{_AF}}}IdentitetsbeteckningFysiskPerson", "")
    return whole.replace(f"<IdentitetsbeteckningFysiskPerson>{told}<", f"<IdentitetsbeteckningFysiskPerson>{number}<")


def broken(payload: str) -> str:
    """Return a payload without its first element: every contract here needs it."""
    root = xml.reparse(payload.encode())
    first: _Element = root[0]
    root.remove(first)
    return xml.canonical(root).decode()


def _canonical(text: str) -> str:
    return xml.canonical(xml.reparse(text.encode())).decode()
