"""The closed list of purposes, and of the benefits that a purpose may be locked to.

A purpose is a reason in socialförsäkringsbalken (SFB) 114 kap. for which Försäkringskassan may process personal data.
There is no other reason and no free text: a purpose that is not in this list cannot be written in a basis, on a queue
or in an event. Each purpose rests on a row in `config/law/lagrum.toml`, so that its wording has a version too.

A basis for what partners send collects, so it names primary purposes only (8 §), and so does a basis for what we ask.
The secondary ones (9 §) are about handing out. The open one (10 §, finalitetsprincipen) needs an assessment by a person
in each case: the gateway never applies it by itself.
"""

from __future__ import annotations

from enum import StrEnum


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

HEALTH = frozenset(
    {Purpose.UNDERLAG_RATTIGHET_SKYLDIGHET, Purpose.INFORMATION, Purpose.ARENDEHANDLAGGNING},
)
"""At least one of these must be among the purposes of data on health: the others may use it only if it is or was
processed for one of these (SFB 114 kap. 11 § third paragraph)."""

SENSITIVE = frozenset({Purpose.UNDERLAG_RATTIGHET_SKYLDIGHET, Purpose.ARENDEHANDLAGGNING})
"""The only purposes for which other sensitive data may be collected: given in a case, or needed to handle one
(SFB 114 kap. 11 § first paragraph)."""


class Benefit(StrEnum):
    """Benefits that a basis may lock data to and a queue may serve: those the bases' laws name, and no others."""

    AKTIVITETSERSATTNING = "aktivitetsersattning"
    AKTIVITETSSTOD = "aktivitetsstod"
    ARBETSSKADELIVRANTA = "arbetsskadelivranta"
    ARBETSSKADESJUKPENNING = "arbetsskadesjukpenning"
    ASSISTANSERSATTNING = "assistansersattning"
    BOSTADSBIDRAG = "bostadsbidrag"
    ETABLERINGSERSATTNING = "etableringsersattning"
    ETABLERINGSJOBB = "etableringsjobb"
    FORALDRAPENNING = "foraldrapenning"
    GRAVIDITETSPENNING = "graviditetspenning"
    NARSTAENDEPENNING = "narstaendepenning"
    REHABILITERINGSPENNING = "rehabiliteringspenning"
    SGI = "sgi"
    """Sjukpenninggrundande inkomst (SFB 25-26 kap.): no benefit, but what several are computed from."""
    SJUKERSATTNING = "sjukersattning"
    SJUKPENNING = "sjukpenning"
    TILLFALLIG_FORALDRAPENNING = "tillfallig_foraldrapenning"
    UNDERHALLSSTOD = "underhallsstod"
    UTVECKLINGSERSATTNING = "utvecklingsersattning"
