"""What the partners write: one builder a contract, and the days they write about, counted from today.

Plain text in the shape of the owners' documents, from which both kinds of clients take it: a plain HTTP client as it
stands, in exclusive canonical form, and a zeep client as arguments, from which zeep builds XML of its own by the WSDL.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from lxml import etree

from gateway.config import Limits
from gateway.message import OrganisationNumber
from gateway.soap import xml
from gateway.trust.issuing import Issued, PrivateKey

_AGI = "http://xmls.skatteverket.se/se/skatteverket/da/instans/schema/1.1"
_AGD = "http://xmls.skatteverket.se/se/skatteverket/da/komponent/schema/1.1"
_AF = "http://api.arbetsformedlingen.se/arbetssokande/ersattningsstod/v2"
_SHS = "urn:shs:emottagning:SkickaAnmalanFranArbetsgivare:1"
_NOTICE = "urn:forsakringskassan:utbyte:sjukanmalan:1"

SYFTE = "Handläggning av ärende om aktivitetsstöd"
LAG = "9 kap. 1 § förordningen (2017:819)"
SYFTE_SFB = "Handläggning av ärende enligt socialförsäkringsbalken"
LAG_SFB_110_31 = "110 kap. 31 § socialförsäkringsbalken"
"""The general duty of authorities: since 2025-12-01 with a weighing of interests, which a person must make."""
_STREETS = ("Ekvägen", "Björkgatan", "Hamngatan", "Skolgatan", "Kyrkvägen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The days that messages of today are about."""

    today: date

    @property
    def period(self) -> str:
        """Return last month, as arbetsgivardeklarationer write it: YYYYMM."""
        return f"{self.today.replace(day=1) - timedelta(days=1):%Y%m}"

    @property
    def absence(self) -> date:
        """Return a day in last month."""
        return self.today.replace(day=1) - timedelta(days=10)


def canonical(text: str) -> str:
    """Return the text's exclusive canonical form: what a signature is made over."""
    return xml.canonical(xml.parse(text.encode(), Limits())).decode()


def folkbokforing(persons: Sequence[str], calendar: Calendar, *, protected: frozenset[str] = frozenset()) -> str:
    """Return a `Navetavisering` with one post a person."""
    posts = "".join(_post(person, n, calendar, marked=person in protected) for n, person in enumerate(persons))
    return f"<Navetavisering><Folkbokforingsposter>{posts}</Folkbokforingsposter></Navetavisering>"


def _post(person: str, number: int, calendar: Calendar, *, marked: bool) -> str:
    changed = f"{calendar.today - timedelta(days=1):%Y%m%d}120000"
    return (
        f"<Folkbokforingspost><Sekretessmarkering>{'J' if marked else 'N'}</Sekretessmarkering>"
        f'<Arendeuppgift andringstidpunkt="{changed}"/><Personpost><PersonId><PersonNr>{person}</PersonNr></PersonId>'
        f"<Namn><Fornamn>Kim</Fornamn><Efternamn>Testsson</Efternamn></Namn>"
        "<Folkbokforing><Folkbokforingsdatum>20200101</Folkbokforingsdatum><LanKod>01</LanKod><KommunKod>80</KommunKod>"
        "</Folkbokforing><Adresser><Folkbokforingsadress>"
        f"<Utdelningsadress2>{_STREETS[number % len(_STREETS)]} {number + 1}</Utdelningsadress2>"
        "<PostNr>11122</PostNr><Postort>STOCKHOLM</Postort></Folkbokforingsadress></Adresser>"
        "<Civilstand><CivilstandKod>OG</CivilstandKod></Civilstand></Personpost></Folkbokforingspost>"
    )


def arbetsgivardeklaration(
    employer: OrganisationNumber, calendar: Calendar, *, incomes: Sequence[str] = (), absences: Sequence[str] = ()
) -> str:
    """Return an AGI document: one IU for each of `incomes`, one Franvarouppgift for each of `absences`."""
    stated = f"16{employer}"
    parts = [_income(person, stated, number, calendar) for number, person in enumerate(incomes, start=1)]
    parts += [_absence(person, stated, number, calendar) for number, person in enumerate(absences, start=1)]
    return (
        f'<Skatteverket xmlns="{_AGI}" xmlns:agd="{_AGD}" omrade="Arbetsgivardeklaration"><agd:Avsandare>'
        f"<agd:Programnamn>Demolön</agd:Programnamn><agd:Organisationsnummer>{stated}</agd:Organisationsnummer>"
        "<agd:TekniskKontaktperson><agd:Namn>Test Testsson</agd:Namn><agd:Telefon>010-0000000</agd:Telefon>"
        "<agd:Epostadress>test@example.se</agd:Epostadress></agd:TekniskKontaktperson>"
        f"<agd:Skapad>{calendar.today.isoformat()}T07:42:25</agd:Skapad></agd:Avsandare><agd:Blankettgemensamt>"
        f"<agd:Arbetsgivare><agd:AgRegistreradId>{stated}</agd:AgRegistreradId></agd:Arbetsgivare>"
        f"</agd:Blankettgemensamt>{''.join(parts)}</Skatteverket>"
    )


def _income(person: str, employer: str, number: int, calendar: Calendar) -> str:
    return (
        f"<agd:Blankett><agd:Arendeinformation><agd:Arendeagare>{employer}</agd:Arendeagare>"
        f"<agd:Period>{calendar.period}</agd:Period></agd:Arendeinformation><agd:Blankettinnehall><agd:IU>"
        f'<agd:ArbetsgivareIUGROUP><agd:AgRegistreradId faltkod="201">{employer}</agd:AgRegistreradId>'
        "</agd:ArbetsgivareIUGROUP><agd:BetalningsmottagareIUGROUP><agd:BetalningsmottagareIDChoice>"
        f'<agd:BetalningsmottagarId faltkod="215">{person}</agd:BetalningsmottagarId>'
        "</agd:BetalningsmottagareIDChoice></agd:BetalningsmottagareIUGROUP>"
        f'<agd:RedovisningsPeriod faltkod="006">{calendar.period}</agd:RedovisningsPeriod>'
        f'<agd:Specifikationsnummer faltkod="570">{number:03d}</agd:Specifikationsnummer>'
        f'<agd:KontantErsattningUlagAG faltkod="011">{25_000 + 350 * number}</agd:KontantErsattningUlagAG>'
        f'<agd:AvdrPrelSkatt faltkod="001">{7_500 + 100 * number}</agd:AvdrPrelSkatt>'
        "</agd:IU></agd:Blankettinnehall></agd:Blankett>"
    )


def _absence(person: str, employer: str, number: int, calendar: Calendar) -> str:
    return (
        f'<agd:Franvarouppgift><agd:AgRegistreradId faltkod="201">{employer}</agd:AgRegistreradId>'
        f'<agd:RedovisningsPeriod faltkod="006">{calendar.period}</agd:RedovisningsPeriod>'
        f'<agd:FranvaroDatum faltkod="821">{calendar.absence.isoformat()}</agd:FranvaroDatum>'
        f'<agd:BetalningsmottagarId faltkod="215">{person}</agd:BetalningsmottagarId>'
        f'<agd:FranvaroSpecifikationsnummer faltkod="822">{number}</agd:FranvaroSpecifikationsnummer>'
        '<agd:FranvaroTyp faltkod="823">TILLFALLIG_FORALDRAPENNING</agd:FranvaroTyp>'
        '<agd:FranvaroTimmarTFP faltkod="825">4.00</agd:FranvaroTimmarTFP></agd:Franvarouppgift>'
    )


def ersattningsstod(
    person: str, reference: str, calendar: Calendar, *, syfte: str = SYFTE, lagparagraf: str = LAG
) -> str:
    """Return Arbetsförmedlingen's `SvarMeddelande` on one person, with the question that it echoes."""
    first, last = calendar.absence.isoformat(), calendar.today.isoformat()
    identity = f"<er:IdentitetsbeteckningFysiskPerson>{person}</er:IdentitetsbeteckningFysiskPerson>"
    return (
        f'<er:SvarMeddelande xmlns:er="{_AF}"><er:Fraga>'
        "<er:OrganisationsnummerForIngivare>2021005521</er:OrganisationsnummerForIngivare>"
        "<er:NamnPaIngivare>Försäkringskassan</er:NamnPaIngivare>"
        "<er:KontonamnForHandlaggare>demo</er:KontonamnForHandlaggare>"
        f"<er:Referensnummer>{reference}</er:Referensnummer><er:From>{first}</er:From><er:Tom>{last}</er:Tom>"
        f"<er:SyfteMedFraga>{escape(syfte)}</er:SyfteMedFraga><er:LagParagraf>{escape(lagparagraf)}</er:LagParagraf>"
        f"{identity}</er:Fraga><er:Svar><er:Schemaversion>4.0</er:Schemaversion>"
        f"<er:Referensnummer>{reference}</er:Referensnummer><er:LagParagraf>{escape(lagparagraf)}</er:LagParagraf>"
        f"{identity}<er:Fornamn>Kim</er:Fornamn><er:Efternamn>Testsson</er:Efternamn>"
        "<er:Sekretessmarkering>false</er:Sekretessmarkering><er:BeslutInfo><er:EkonomiskaBeslut><er:Beslut>"
        f"<er:ErsattningTyp>Aktivitetsstöd</er:ErsattningTyp><er:Omfattning>100</er:Omfattning>"
        f"<er:BeslutFrom>{first}</er:BeslutFrom><er:BeslutTom>{last}</er:BeslutTom></er:Beslut>"
        "</er:EkonomiskaBeslut></er:BeslutInfo><er:StatusSokandeinformationKod>0</er:StatusSokandeinformationKod>"
        "<er:StatusSokandeinformationKodText>Frågan har behandlats normalt.</er:StatusSokandeinformationKodText>"
        "</er:Svar></er:SvarMeddelande>"
    )


def sjukanmalan(
    person: str, employer: OrganisationNumber, calendar: Calendar, *, signer: Issued, fritext: str | None = None
) -> str:
    """Return an employer's notice of sickness, signed by itself inside the message too (lag (1991:1047) 12 §)."""
    first = calendar.today - timedelta(days=15)
    free = f"<fritext>{escape(fritext)}</fritext>" if fritext else ""
    notice = (
        f'<?xml version="1.0" encoding="UTF-8"?><Anmalan xmlns="{_NOTICE}">'
        f"<organisationsnummer>{employer}</organisationsnummer><personnummer>{person}</personnummer>"
        f"<forstaSjukdag>{first.isoformat()}</forstaSjukdag>"
        f"<sjuklonePeriodSlut>{(first + timedelta(days=13)).isoformat()}</sjuklonePeriodSlut>"
        "<kontaktperson><namn>Test Testsson</namn><telefon>010-0000000</telefon><epost>test@example.se</epost>"
        f"</kontaktperson>{free}</Anmalan>"
    ).encode()
    return (
        f'<s:SkickaAnmalanFranArbetsgivare xmlns:s="{_SHS}">'
        f"<s:anmalanfranarbetsgivare>{b64encode(notice).decode()}</s:anmalanfranarbetsgivare>"
        "<s:underskrift><s:signaturtyp>ANORDNARE</s:signaturtyp>"
        f"<s:signatur>{b64encode(_signature(signer.key, notice)).decode()}</s:signatur>"
        "<s:ocspresponse></s:ocspresponse>"
        f"<s:signaturdatum>{calendar.today.isoformat()}</s:signaturdatum></s:underskrift>"
        "</s:SkickaAnmalanFranArbetsgivare>"
    )


def _signature(key: PrivateKey, data: bytes) -> bytes:
    match key:
        case rsa.RSAPrivateKey():
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, ec.ECDSA(hashes.SHA256()))
        case ed25519.Ed25519PrivateKey():
            return key.sign(data)


Arguments = dict[str, "Arguments | list[Arguments | str] | str"]


def arguments(text: str) -> Arguments:
    """Return a payload as zeep takes it: children by their local names, several of one name as a list."""
    found = _value(etree.fromstring(text.encode()))
    return found if isinstance(found, dict) else {}


def _value(element: etree._Element) -> Arguments | str:
    attributes: Arguments = {str(name): str(value) for name, value in element.attrib.items()}
    if not len(element):
        text = element.text or ""
        return {"_value_1": text, **attributes} if attributes and text else attributes or text
    grouped: dict[str, list[Arguments | str]] = {}
    for child in element:
        grouped.setdefault(etree.QName(child).localname, []).append(_value(child))
    return attributes | {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}
