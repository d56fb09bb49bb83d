"""What honest partners send, contract by contract: every name and number is made up or an official test number."""

from __future__ import annotations

import base64
from collections.abc import Callable

from gateway.trust.issuing import Issued
from tests import forge

ORGANISATIONS = {
    "skatteverket": "2021005448",
    "arbetsformedlingen": "2021002114",
    "arbetsgivare": "5560269986",
    "arbetsgivare-b": "5566778899",
}
PERSONS = ("199202232386", "199205143028", "198301032382", "198308252389", "199104122396", "198510112389")
"""Skatteverket's official test numbers."""
PERSON = PERSONS[0]
SAMORDNING = "198001762395"

AGI_ROOT = "http://xmls.skatteverket.se/se/skatteverket/da/instans/schema/1.1"
AGI_PART = "http://xmls.skatteverket.se/se/skatteverket/da/komponent/schema/1.1"
AF = "http://api.arbetsformedlingen.se/arbetssokande/ersattningsstod/v2"


def post(
    person: str = PERSON,
    *,
    efternamn: str = "Testsson",
    gata: str = "Testgatan 1",
    marking: str = "<Sekretessmarkering>N</Sekretessmarkering>",
    changed: str = "20260110120000",
    more: str = "",
) -> str:
    return (
        f"<Folkbokforingspost>{marking}"
        f'<Arendeuppgift andringstidpunkt="{changed}"/>'
        f"<Personpost><PersonId><PersonNr>{person}</PersonNr></PersonId>"
        f"<Namn><Fornamn>Åsa</Fornamn><Efternamn>{efternamn}</Efternamn></Namn>"
        "<Folkbokforing><Folkbokforingsdatum>20200101</Folkbokforingsdatum><LanKod>01</LanKod>"
        "<KommunKod>80</KommunKod></Folkbokforing>"
        f"<Adresser><Folkbokforingsadress><Utdelningsadress2>{gata}</Utdelningsadress2><PostNr>11122</PostNr>"
        "<Postort>STOCKHOLM</Postort></Folkbokforingsadress></Adresser>"
        "<Civilstand><CivilstandKod>OG</CivilstandKod></Civilstand></Personpost>"
        f"{more}</Folkbokforingspost>"
    )


def folkbokforing(*posts: str, **changes: str) -> str:
    inside = "".join(posts) or post(**changes)
    return f"<Navetavisering><Folkbokforingsposter>{inside}</Folkbokforingsposter></Navetavisering>"


def income(person: str = PERSON, *, number: str = "001", period: str = "202512", more: str = "") -> str:
    return (
        f"<agd:Blankett><agd:Arendeinformation><agd:Arendeagare>16{ORGANISATIONS['arbetsgivare']}</agd:Arendeagare>"
        f"<agd:Period>{period}</agd:Period></agd:Arendeinformation><agd:Blankettinnehall><agd:IU>"
        '<agd:ArbetsgivareIUGROUP><agd:AgRegistreradId faltkod="201">'
        f"16{ORGANISATIONS['arbetsgivare']}</agd:AgRegistreradId></agd:ArbetsgivareIUGROUP>"
        "<agd:BetalningsmottagareIUGROUP><agd:BetalningsmottagareIDChoice>"
        f'<agd:BetalningsmottagarId faltkod="215">{person}</agd:BetalningsmottagarId>'
        "</agd:BetalningsmottagareIDChoice></agd:BetalningsmottagareIUGROUP>"
        f'<agd:RedovisningsPeriod faltkod="006">{period}</agd:RedovisningsPeriod>'
        f'<agd:Specifikationsnummer faltkod="570">{number}</agd:Specifikationsnummer>'
        '<agd:KontantErsattningUlagAG faltkod="011">28500</agd:KontantErsattningUlagAG>'
        f'<agd:AvdrPrelSkatt faltkod="001">9300</agd:AvdrPrelSkatt>{more}'
        "</agd:IU></agd:Blankettinnehall></agd:Blankett>"
    )


def absence(person: str = PERSON, *, on: str = "2025-12-03", period: str = "202512", more: str = "") -> str:
    return (
        f'<agd:Franvarouppgift><agd:AgRegistreradId faltkod="201">16{ORGANISATIONS["arbetsgivare"]}'
        "</agd:AgRegistreradId>"
        f'<agd:RedovisningsPeriod faltkod="006">{period}</agd:RedovisningsPeriod>'
        f'<agd:FranvaroDatum faltkod="821">{on}</agd:FranvaroDatum>'
        f'<agd:BetalningsmottagarId faltkod="215">{person}</agd:BetalningsmottagarId>'
        '<agd:FranvaroSpecifikationsnummer faltkod="822">1</agd:FranvaroSpecifikationsnummer>'
        '<agd:FranvaroTyp faltkod="823">TILLFALLIG_FORALDRAPENNING</agd:FranvaroTyp>'
        f'<agd:FranvaroTimmarTFP faltkod="825">4.00</agd:FranvaroTimmarTFP>{more}</agd:Franvarouppgift>'
    )


def arbetsgivardeklaration(*parts: str) -> str:
    inside = "".join(parts) or income() + absence()
    organisation = f"16{ORGANISATIONS['arbetsgivare']}"
    return (
        f'<Skatteverket xmlns="{AGI_ROOT}" xmlns:agd="{AGI_PART}" omrade="Arbetsgivardeklaration">'
        f"<agd:Avsandare><agd:Programnamn>Test</agd:Programnamn><agd:Organisationsnummer>{organisation}"
        "</agd:Organisationsnummer><agd:TekniskKontaktperson><agd:Namn>Test Testsson</agd:Namn>"
        "<agd:Telefon>010-0000000</agd:Telefon><agd:Epostadress>test@example.se</agd:Epostadress>"
        "</agd:TekniskKontaktperson><agd:Skapad>2026-01-10T07:42:25</agd:Skapad></agd:Avsandare>"
        f"<agd:Blankettgemensamt><agd:Arbetsgivare><agd:AgRegistreradId>{organisation}</agd:AgRegistreradId>"
        "</agd:Arbetsgivare></agd:Blankettgemensamt>"
        f"{inside}</Skatteverket>"
    )


SYFTE = "Handläggning av ärende om aktivitetsstöd"
LAGPARAGRAF = "9 kap. 1 § förordningen (2017:819)"
SYFTE_ALLMAN = "Handläggning av ärende enligt socialförsäkringsbalken"
LAGPARAGRAF_ALLMAN = "110 kap. 31 § socialförsäkringsbalken"


def ersattningsstod(
    person: str = PERSON,
    *,
    syfte: str = SYFTE,
    lag: str = LAGPARAGRAF,
    marked: str = "false",
    first: str = "2025-12-01",
    more: str = "",
) -> str:
    return (
        f'<er:SvarMeddelande xmlns:er="{AF}"><er:Fraga>'
        "<er:OrganisationsnummerForIngivare>2021005521</er:OrganisationsnummerForIngivare>"
        "<er:NamnPaIngivare>Försäkringskassan</er:NamnPaIngivare>"
        "<er:KontonamnForHandlaggare>test</er:KontonamnForHandlaggare><er:Referensnummer>T1</er:Referensnummer>"
        f"<er:From>{first}</er:From><er:Tom>2026-01-10</er:Tom><er:SyfteMedFraga>{syfte}</er:SyfteMedFraga>"
        f"<er:LagParagraf>{lag}</er:LagParagraf>"
        f"<er:IdentitetsbeteckningFysiskPerson>{person}</er:IdentitetsbeteckningFysiskPerson></er:Fraga><er:Svar>"
        f"<er:Schemaversion>4.0</er:Schemaversion><er:Referensnummer>T1</er:Referensnummer>"
        f"<er:LagParagraf>{lag}</er:LagParagraf>"
        f"<er:IdentitetsbeteckningFysiskPerson>{person}</er:IdentitetsbeteckningFysiskPerson>"
        "<er:Fornamn>Åsa</er:Fornamn><er:Efternamn>Testsson</er:Efternamn>"
        f"<er:Sekretessmarkering>{marked}</er:Sekretessmarkering>"
        "<er:BeslutInfo><er:EkonomiskaBeslut><er:Beslut><er:ErsattningTyp>Aktivitetsstöd</er:ErsattningTyp>"
        "<er:Omfattning>100</er:Omfattning><er:BeslutFrom>2025-12-01</er:BeslutFrom>"
        "<er:BeslutTom>2026-03-31</er:BeslutTom></er:Beslut></er:EkonomiskaBeslut></er:BeslutInfo>"
        "<er:StatusSokandeinformationKod>0</er:StatusSokandeinformationKod>"
        "<er:StatusSokandeinformationKodText>Normalt</er:StatusSokandeinformationKodText>"
        f"{more}</er:Svar></er:SvarMeddelande>"
    )


def anmalan(organisation: str = ORGANISATIONS["arbetsgivare"], person: str = PERSON, *, more: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Anmalan xmlns="urn:forsakringskassan:utbyte:sjukanmalan:1">'
        f"<organisationsnummer>{organisation}</organisationsnummer><personnummer>{person}</personnummer>"
        "<forstaSjukdag>2025-12-29</forstaSjukdag><sjuklonePeriodSlut>2026-01-11</sjuklonePeriodSlut>"
        "<kontaktperson><namn>Test Testsson</namn><telefon>010-0000000</telefon><epost>test@example.se</epost>"
        f"</kontaktperson>{more}</Anmalan>"
    )


SJUKANMALAN = "urn:shs:emottagning:SkickaAnmalanFranArbetsgivare:1"


def sjukanmalan(
    *,
    signer: Issued,
    organisation: str = ORGANISATIONS["arbetsgivare"],
    person: str = PERSON,
    inside: bytes | None = None,
    signature: bytes | None = None,
    more: str = "",
) -> str:
    exact = anmalan(organisation, person, more=more).encode() if inside is None else inside
    proof = forge.sign_content(signer.key, exact) if signature is None else signature
    return (
        f'<em:SkickaAnmalanFranArbetsgivare xmlns:em="{SJUKANMALAN}">'
        f"<em:anmalanfranarbetsgivare>{base64.b64encode(exact).decode()}</em:anmalanfranarbetsgivare>"
        "<em:underskrift><em:signaturtyp>ANORDNARE</em:signaturtyp>"
        f"<em:signatur>{base64.b64encode(proof).decode()}</em:signatur>"
        "<em:ocspresponse>MAA=</em:ocspresponse><em:signaturdatum>2026-01-15</em:signaturdatum></em:underskrift>"
        "</em:SkickaAnmalanFranArbetsgivare>"
    )


def honest(contract: str, signer: Callable[[str], Issued]) -> str:
    """Return the usual payload of a contract."""
    match contract:
        case "skatteverket/folkbokforing":
            return folkbokforing()
        case "skatteverket/arbetsgivardeklaration":
            return arbetsgivardeklaration()
        case "arbetsformedlingen/ersattningsstod":
            return ersattningsstod()
        case "arbetsgivare/sjukanmalan":
            return sjukanmalan(signer=signer("arbetsgivare"))
    raise LookupError(contract)
