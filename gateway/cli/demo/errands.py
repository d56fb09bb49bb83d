"""What Försäkringskassan's own systems want sent and asked: the `data` of commands (`schemas/events/kommando.v1.json`).

One builder a contract, each lawful as it stands: a case, a period within it, consent where the law asks for it, and for
each recipient its own fields. The days are counted from today, so that nothing here grows old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from gateway.adapters.arbetsformedlingen import ersattningsstod as af
from gateway.adapters.forsakringskassan import avstamningsmote, underrattelse
from gateway.adapters.skatteverket import personpost
from gateway.message import ContractId

Data = dict[str, object]

NAVET: ContractId = personpost.OUTGOING.id
ERSATTNINGSSTOD: ContractId = af.OUTGOING.id
MOTE: ContractId = avstamningsmote.OUTGOING.id
UNDERRATTELSE: ContractId = underrattelse.OUTGOING.id

LIFE = timedelta(hours=1)
"""How long a command may live: longer than any play."""
_BASES = {
    "arbetsgivare": "FK-KALLELSE-AG-01",
    "arbetsformedlingen": "FK-KALLELSE-AF-01",
    "region": "FK-KALLELSE-REGION-01",
    "kommun": "FK-KALLELSE-KOMMUN-01",
}
_OWN: Mapping[str, Data] = {
    "arbetsgivare": {"fragorTillArbetsgivaren": [{"kod": "ARBETSUPPGIFTER"}, {"kod": "OMPLACERING"}]},
    "arbetsformedlingen": {
        "arbetsformaga": 50,
        "fragorTillArbetsformedlingen": [{"kod": "ARBETSLIVSINRIKTAD_REHABILITERING"}],
    },
    "region": {"fragorTillVarden": [{"kod": "PROGNOS"}, {"kod": "HINDER_FOR_ATERGANG"}]},
    "kommun": {"fragorTillKommunen": [{"kod": "SAMORDNING"}]},
}
"""What only each sort of partner is asked: nothing about health to the employer."""


def navet(person: str, now: datetime, *, benefit: str = "aktivitetsstod") -> Data:
    """Ask Navet for a person's post."""
    to = _recipient("skatteverket", "FK-NAVET-01", None, {"personpost": True})
    return _command(NAVET, person, now, [to], benefit=benefit)


def ersattningsstod(person: str, now: datetime) -> Data:
    """Ask Arbetsförmedlingen about a month that lies in the case."""
    to = _recipient(
        "arbetsformedlingen",
        "FK-AF-ERSATTNING-01",
        None,
        {"inkluderaArbetssokande": True, "inkluderaBeslut": True},
    )
    period = {"first": _day(now, -40), "last": _day(now, -10)}
    return _command(ERSATTNINGSSTOD, person, now, [to], benefit="aktivitetsstod", period=period)


def summons(person: str, now: datetime, recipients: Sequence[tuple[str, str | None]]) -> Data:
    """Summon to an avstämningsmöte; `recipients` are (type of partner, organisation), each with its own questions."""
    fields: Data = {
        "namn": "Kim Testsson",
        "form": "DIGITALT",
        "borjar": f"{_day(now, 30)}T09:00:00+01:00",
        "slutar": f"{_day(now, 30)}T10:00:00+01:00",
        "lank": "https://mote.forsakringskassan.example/avstamning",
        "kontakt": _CONTACT,
    }
    consent = {"reference": "S-2001", "recipients": sorted(_BASES), "until": _day(now, 60)}
    to = [_recipient(who, _BASES[who], organisation, _OWN[who]) for who, organisation in recipients]
    return _command(MOTE, person, now, to, benefit="sjukpenning", fields=fields, consent=consent)


def notification(
    person: str, now: datetime, organisation: str, *, circumstances: bool = True, suspicion: str | None = "M-3001"
) -> Data:
    """Tell an a-kassa that a benefit may have been paid wrongly; the law wants the circumstances stated.

    `suspicion` refers to the written reasons for it.
    """
    fields: Data = {
        "namn": "Kim Testsson",
        "forman": "Arbetslöshetsersättning",
        "periodFrom": _day(now, -90),
        "periodTom": _day(now, -60),
        "kontakt": _CONTACT,
    }
    if circumstances:
        fields["omstandigheter"] = [{"kod": "ARBETE", "from": _day(now, -90), "tom": _day(now, -60)}]
    return _command(
        UNDERRATTELSE,
        person,
        now,
        [_recipient("akassa", "FK-UNDERRATTELSE-AKASSA-01", organisation, {})],
        benefit="sjukpenning",
        purpose="fk:UtlamnandeForfattning",
        fields=fields,
        suspicion=suspicion,
    )


def diagnosed(person: str, now: datetime, organisation: str) -> Data:
    """Summon an employer, and tell it how ill the person is: what no basis allows."""
    made = summons(person, now, [("arbetsgivare", organisation)])
    return made | {"recipients": [_recipient("arbetsgivare", _BASES["arbetsgivare"], organisation, _OWN["region"])]}


def unconsented(person: str, now: datetime, organisation: str) -> Data:
    """Summon an employer without the person's consent."""
    return summons(person, now, [("arbetsgivare", organisation)]) | {"consent": None}


_CONTACT = [{"namn": "Försäkringskassan", "telefon": "0771-524 524"}]


def _recipient(partner: str, basis: str, organisation: str | None, fields: Data) -> Data:
    return {"partner": partner, "organisation": organisation, "basis": basis, "fields": fields}


def _command(
    contract: str,
    person: str,
    now: datetime,
    recipients: Sequence[Data],
    *,
    benefit: str,
    purpose: str = "fk:Arendehandlaggning",
    **more: object,
) -> Data:
    case = {"reference": "A-4711", "benefit": benefit, "period": {"first": _day(now, -200), "last": _day(now, 100)}}
    return {
        "contract": contract,
        "purpose": purpose,
        "case": case,
        "person": person,
        "recipients": list(recipients),
        "expires": (now + LIFE).isoformat(),
        **more,
    }


def _day(now: datetime, days: int) -> str:
    return (now + timedelta(days=days)).date().isoformat()
