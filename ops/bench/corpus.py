"""The messages that are measured: one person's answer from Arbetsförmedlingen each, signed with RSA-2048."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gateway.cli.demo.persons import PERSONNUMMER
from gateway.message import SoapVersion
from gateway.trust import signing

CONTRACT = "arbetsformedlingen/ersattningsstod"
NAMESPACE = "http://api.arbetsformedlingen.se/arbetssokande/ersattningsstod/v2"
SYFTE = "Handläggning av ärende om aktivitetsstöd"
LAGPARAGRAF = "9 kap. 1 § förordningen (2017:819)"


def payload(number: int) -> str:
    """Return the payload in exclusive canonical form; the number makes it unlike the others."""
    person = PERSONNUMMER[number % len(PERSONNUMMER)]
    decisions = "".join(
        f"<Beslut><ErsattningTyp>Aktivitetsstöd</ErsattningTyp><Omfattning>{100 - month}</Omfattning>"
        f"<BeslutFrom>2026-0{month}-01</BeslutFrom><BeslutTom>2026-0{month}-28</BeslutTom></Beslut>"
        for month in range(1, 2)
    )
    return (
        f'<SvarMeddelande xmlns="{NAMESPACE}"><Fraga>'
        "<OrganisationsnummerForIngivare>2021005521</OrganisationsnummerForIngivare>"
        "<NamnPaIngivare>Försäkringskassan</NamnPaIngivare><KontonamnForHandlaggare>gateway</KontonamnForHandlaggare>"
        f"<Referensnummer>FK-{number:08}</Referensnummer><From>2026-01-01</From><Tom>2026-03-31</Tom>"
        f"<SyfteMedFraga>{SYFTE}</SyfteMedFraga><LagParagraf>{LAGPARAGRAF}</LagParagraf>"
        f"<IdentitetsbeteckningFysiskPerson>{person}</IdentitetsbeteckningFysiskPerson></Fraga>"
        f"<Svar><Schemaversion>4.0</Schemaversion><Referensnummer>FK-{number:08}</Referensnummer>"
        f"<LagParagraf>{LAGPARAGRAF}</LagParagraf>"
        f"<IdentitetsbeteckningFysiskPerson>{person}</IdentitetsbeteckningFysiskPerson>"
        "<Sekretessmarkering>false</Sekretessmarkering>"
        f"<BeslutInfo><EkonomiskaBeslut>{decisions}</EkonomiskaBeslut></BeslutInfo>"
        "<StatusSokandeinformationKod>0</StatusSokandeinformationKod>"
        "<StatusSokandeinformationKodText>Svar</StatusSokandeinformationKodText></Svar></SvarMeddelande>"
    )


def messages(key: signing.SigningKey, count: int) -> Iterator[bytes]:
    """Sign `count` messages that differ in content and id, fresh from now."""
    for number in range(count):
        now = datetime.now(UTC)
        yield signing.sign(
            payload(number),
            key=key,
            version=SoapVersion.SOAP_11,
            created=now,
            expires=now + timedelta(minutes=5),
            message_id=f"urn:uuid:{uuid.uuid4()}",
        )


def request(message: bytes) -> bytes:
    """Return the whole HTTP request on a kept connection."""
    return (
        b"POST /soap/"
        + CONTRACT.encode()
        + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml; charset=utf-8\r\n"
        b'SOAPAction: ""\r\nContent-Length: ' + str(len(message)).encode() + b"\r\n\r\n" + message
    )
