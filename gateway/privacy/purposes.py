"""The closed list of purposes, and of the benefits that a purpose may be locked to.

A purpose is a reason in socialförsäkringsbalken (SFB) 114 kap. for which Försäkringskassan may process personal data.
There is no other reason and no free text: a purpose that is not in this list cannot be written in a basis, on a queue
or in an event. Each purpose rests on a row in `config/law/lagrum/sfb.toml`, so that its wording has a version too.

A basis for what partners send collects, so it names primary purposes only (8 §), and so does a basis for what we ask.
The secondary ones (9 §) are about handing out. The open one (10 §, finalitetsprincipen) needs an assessment by a person
in each case: the gateway never applies it by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gateway.config.law import Direction


class Purpose(StrEnum):
    """SFB 114 kap. 8-10 §§ (Lag 2024:13, in force 2024-02-15)."""

    UNDERLAG_RATTIGHET_SKYLDIGHET = "fk:UnderlagRattighetSkyldighet"
    """8 § 1: material to assess or establish someone's rights and duties."""
    INFORMATION = "fk:Information"
    """8 § 2: to inform about benefits."""
    ARENDEHANDLAGGNING = "fk:Arendehandlaggning"
    """8 § 3: to handle cases."""
    KONTROLL = "fk:Kontroll"
    """8 § 4: to prevent, hinder and detect wrong payments and benefit crime."""
    PLANERING = "fk:Planering"
    """8 § 5: to plan the own activity."""
    STYRNING_UPPFOLJNING = "fk:StyrningUppfoljning"
    """8 § 6: to steer, follow up, account for, evaluate and supervise the own activity."""
    STATISTIK = "fk:Statistik"
    """8 § 7: statistics on what is done for 8 § 3-6."""
    UTLAMNANDE_FORFATTNING = "fk:UtlamnandeForfattning"
    """9 § 1: to hand out in accordance with law or förordning."""
    UTLAMNANDE_INTERNATIONELL = "fk:UtlamnandeInternationell"
    """9 § 2: to hand out under Union law, EEA and social security conventions."""
    ANNAT_FORENLIGT = "fk:AnnatForenligt"
    """10 §: another purpose, compatible with that of collection. Never automatic."""


LAGRUM: dict[Purpose, str] = {
    Purpose.UNDERLAG_RATTIGHET_SKYLDIGHET: "SFB-114-8-1",
    Purpose.INFORMATION: "SFB-114-8-2",
    Purpose.ARENDEHANDLAGGNING: "SFB-114-8-3",
    Purpose.KONTROLL: "SFB-114-8-4",
    Purpose.PLANERING: "SFB-114-8-5",
    Purpose.STYRNING_UPPFOLJNING: "SFB-114-8-6",
    Purpose.STATISTIK: "SFB-114-8-7",
    Purpose.UTLAMNANDE_FORFATTNING: "SFB-114-9-1",
    Purpose.UTLAMNANDE_INTERNATIONELL: "SFB-114-9-2",
    Purpose.ANNAT_FORENLIGT: "SFB-114-10",
}
"""The id of the row each purpose rests on."""

COLLECTING = frozenset(Purpose) - {
    Purpose.UTLAMNANDE_FORFATTNING,
    Purpose.UTLAMNANDE_INTERNATIONELL,
    Purpose.ANNAT_FORENLIGT,
}
"""What data may be collected for: the primary purposes."""

HANDING_OUT = frozenset({Purpose.UTLAMNANDE_FORFATTNING, Purpose.UTLAMNANDE_INTERNATIONELL})
"""The secondary purposes (SFB 114 kap. 9 §)."""

ASKING = COLLECTING
"""What we may ask others for: a question collects."""

TELLING = HANDING_OUT | {Purpose.UNDERLAG_RATTIGHET_SKYLDIGHET, Purpose.ARENDEHANDLAGGNING}
"""What we may tell others for by ourselves: to handle a case, and to hand out as the law says (8 § 1 and 3, 9 §)."""

BY_DIRECTION: Mapping[Direction, frozenset[Purpose]] = {
    Direction.INBOUND_PUSH: COLLECTING,
    Direction.INBOUND_ANSWER: COLLECTING,
    Direction.FK_QUESTION: ASKING,
    Direction.FK_PUSH: TELLING,
    Direction.PARTNER_QUESTION: HANDING_OUT,
    Direction.FK_ANSWER: HANDING_OUT,
}
"""What each way may be for: a basis when it is read (`register`), a request when it is judged (`gates`)."""

HEALTH = frozenset(
    {Purpose.UNDERLAG_RATTIGHET_SKYLDIGHET, Purpose.INFORMATION, Purpose.ARENDEHANDLAGGNING},
)
"""At least one of these must be among the purposes of data on health: the others may use it only if it is or was
processed for one of these (SFB 114 kap. 11 § third paragraph)."""

SENSITIVE = frozenset({Purpose.UNDERLAG_RATTIGHET_SKYLDIGHET, Purpose.ARENDEHANDLAGGNING})
"""The only purposes for which other sensitive data may be collected: given in a case, or needed to handle one
(SFB 114 kap. 11 § first paragraph)."""


class Benefit(StrEnum):
    """Kinds of case, ours and the partners': those that the bases' laws name, and no others.

    A basis locks data to some of them, a queue says which it handles, a question says which its case is.
    """

    AKTIVITETSERSATTNING = "aktivitetsersattning"
    AKTIVITETSSTOD = "aktivitetsstod"
    ALDREFORSORJNINGSSTOD = "aldreforsorjningsstod"
    ALDERSPENSIONSAVGIFT = "alderspensionsavgift"
    """How state old-age pension contributions are divided: F (2001:588) 7 § first paragraph 2."""
    ARBETSSKADELIVRANTA = "arbetsskadelivranta"
    ARBETSSKADESJUKPENNING = "arbetsskadesjukpenning"
    ASSISTANSERSATTNING = "assistansersattning"
    BARNBIDRAG = "barnbidrag"
    """Förlängt barnbidrag and flerbarnstillägg too (SFB 15-16 kap.)."""
    BETALNINGSSKYLDIGHET_UNDERHALLSSTOD = "betalningsskyldighet_underhallsstod"
    """What a parent is to pay back for underhållsstöd (SFB 19 kap.): lag (2001:181) 2 kap. 8 c §."""
    BILSTOD = "bilstod"
    BOSTADSBIDRAG = "bostadsbidrag"
    BOSTADSTILLAGG = "bostadstillagg"
    EFTERLEVANDESTOD = "efterlevandestod"
    ETABLERINGSERSATTNING = "etableringsersattning"
    ETABLERINGSJOBB = "etableringsjobb"
    FORALDRAPENNING = "foraldrapenning"
    GRAVIDITETSPENNING = "graviditetspenning"
    MERKOSTNADSERSATTNING = "merkostnadsersattning"
    NARSTAENDEPENNING = "narstaendepenning"
    OMVARDNADSBIDRAG = "omvardnadsbidrag"
    REHABILITERINGSPENNING = "rehabiliteringspenning"
    SGI = "sgi"
    """Sjukpenninggrundande inkomst (SFB 25-26 kap.): no benefit, but what several are computed from."""
    SJUKERSATTNING = "sjukersattning"
    SJUKFORSAKRINGSAVGIFT = "sjukforsakringsavgift"
    """Särskild sjukförsäkringsavgift."""
    SJUKPENNING = "sjukpenning"
    SMITTBARARPENNING = "smittbararpenning"
    TILLFALLIG_FORALDRAPENNING = "tillfallig_foraldrapenning"
    UNDERHALLSSTOD = "underhallsstod"
    UTVECKLINGSERSATTNING = "utvecklingsersattning"

    # At the partners.
    ATERKALLELSE_AV_ANVISNING = "aterkallelse_av_anvisning"
    """Arbetsförmedlingen withdraws a referral to a programme: F (2017:819) 9 kap. 3 § 2."""
    PROGRAMSTATISTIK = "programstatistik"
    """Arbetsförmedlingen's statistics, forecasts and accounts: F (2017:819) 9 kap. 3 § 3."""
    VARNING_AVSTANGNING = "varning_avstangning"
    """Arbetsförmedlingen warns or suspends: F (2017:819) 9 kap. 3 § 1."""
    ALDERSPENSION = "alderspension"
    ARBETSLOSHETSERSATTNING = "arbetsloshetsersattning"
    ARBETSPLATSKONTROLL = "arbetsplatskontroll"
    """Joint inspections of workplaces: lag (2024:307) 4 §."""
    BROTTSUTREDNING = "brottsutredning"
    DATAANALYS_URVAL = "dataanalys_urval"
    """Utbetalningsmyndigheten's analyses and selections: lag (2023:456) 8 §."""
    EFTERLEVANDEPENSION = "efterlevandepension"
    EKONOMISKT_BISTAND = "ekonomiskt_bistand"
    FORDJUPAD_GRANSKNING = "fordjupad_granskning"
    """Utbetalningsmyndigheten examines a named person: lag (2023:456) 9 §."""
    ISF_GRANSKNING = "isf_granskning"
    """A project of Inspektionen för socialförsäkringen: F (1980:995) 4 §, lag (2024:926) 12 §."""
    PENSIONSRATT = "pensionsratt"
    """Pensionsmyndigheten settles pension rights: F (2024:14) 4 § 1."""
    STUDIESTARTSSTOD = "studiestartsstod"
    STUDIESTOD = "studiestod"
    TJANSTEPENSION = "tjanstepension"
    TRANSAKTIONSKONTO = "transaktionskonto"
    """Utbetalningsmyndigheten pays out: lagarna (2023:454) 2 § and (2023:456) 2 §."""
    VARDAVGIFT = "vardavgift"
    """A region's charge for care in a private institution: F (1980:995) 3 § 11."""
