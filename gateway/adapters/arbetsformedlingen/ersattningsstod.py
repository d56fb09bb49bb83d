"""Arbetsförmedlingen's answers on activity support: `SvarMeddelande` of `ersattningsstod/v2`.

One record per answer: the person, what the search for work looks like and the economic decisions. The question that
was asked is echoed, and must be about the same person; who asked it and for whom stays out. What the question and the
answer cite as purpose and legal basis is handed on for the purpose check. Extension elements (`xs:any`, lax) are told
by name, never by value.

The same contract is asked by (`FragaMeddelande`): about one person and one period, and only for those parts that the
basis lets us ask for. Purpose and paragraph are written from the decision. Who asks is this gateway, never a person:
what a handläggare's account would tell is in our own log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway import codes
from gateway.adapters import dates, persons
from gateway.adapters.contract import Contract, Occasion
from gateway.adapters.elements import Table, held, local, names, parts, rows, specs, text, truth, whole, within
from gateway.adapters.outgoing import Arguments, Outgoing, number, wrong
from gateway.dispatch import Finding, Interaction, Parcel, Result
from gateway.errors import ContractError
from gateway.message import Category, ContractId, Protection, Record, Shape, Value

if TYPE_CHECKING:
    from lxml.etree import _Element

_NAMESPACE = "http://api.arbetsformedlingen.se/arbetssokande/ersattningsstod/v2"
_NS = f"{{{_NAMESPACE}}}"


def _tags(*own: str) -> tuple[str, ...]:
    return tuple(_NS + name for name in own)


def _day(written: str) -> str:
    return dates.day(written, "a day in Svar").isoformat()


_SVAR_FIELDS: Table = {
    _NS + "Referensnummer": ("referensnummer", str),
    _NS + "Fornamn": ("fornamn", str),
    _NS + "Efternamn": ("efternamn", str),
    _NS + "Akassetillhorighet": ("akassetillhorighet", str),
    _NS + "StatusSokandeinformationKod": ("statuskod", whole),
    _NS + "StatusSokandeinformationKodText": ("statustext", str),
}
_INFO_FIELDS: Table = {
    _NS + "Arbetssokande": ("arbetssokande", truth),
    _NS + "ArbetssokandeSKAT": ("arbetssokandeSKAT", str),
    _NS + "ArbetssokandeRegistrerad": ("arbetssokandeRegistrerad", _day),
    _NS + "ArbetssokandeOmfattning": ("arbetssokandeOmfattning", whole),
    _NS + "ArbetssokandeAvaktualiserad": ("arbetssokandeAvaktualiserad", _day),
}
_RAPPORT_FIELDS: Table = {
    _NS + "AktivitetsRapportMeddelande": ("aktivitetsrapportMeddelande", str),
    _NS + "SenasteAktivitetsRapportDatum": ("aktivitetsrapportSenast", _day),
}
_BESLUT_FIELDS: Table = {
    _NS + "ErsattningTyp": ("typ", str),
    _NS + "Omfattning": ("omfattning", whole),
    _NS + "BeslutFrom": ("from", _day),
    _NS + "BeslutTom": ("tom", _day),
}
_FIELDS = {
    **specs(Category.ARENDE, "referensnummer", "statustext"),
    **specs(Category.ARENDE, "test", shape=Shape.TRUTH),
    **specs(Category.ARENDE, "fragaFrom", "fragaTom", shape=Shape.DAY),
    **specs(Category.ARENDE, "statuskod", shape=Shape.WHOLE),
    **specs(Category.IDENTITET, "fornamn", "efternamn"),
    **specs(Category.ARBETE, "arbetssokande", shape=Shape.TRUTH),
    **specs(Category.ARBETE, "arbetssokandeSKAT", "akassetillhorighet", "aktivitetsrapportMeddelande"),
    **specs(Category.ARBETE, "arbetssokandeRegistrerad", "arbetssokandeAvaktualiserad", shape=Shape.DAY),
    **specs(Category.ARBETE, "arbetssokandeOmfattning", shape=Shape.WHOLE),
    **specs(Category.ARBETE, "aktivitetsrapportSenast", shape=Shape.DAY),
    **specs(Category.EKONOMI, "beslut", shape=rows(_BESLUT_FIELDS, **{"from": Shape.DAY, "tom": Shape.DAY})),
}
_MEDDELANDE = _tags("Fraga", "Svar")
_FRAGA = _tags(
    *("Test", "OrganisationsnummerForIngivare", "NamnPaIngivare", "KontonamnForHandlaggare", "Referensnummer", "From"),
    *("Tom", "SyfteMedFraga", "LagParagraf", "OrganisationsnummerForPersonuppgiftsbitrade"),
    *("NamnPaPersonuppgiftsbitrade", "IdentitetsbeteckningFysiskPerson"),
)
_SVAR = _tags(
    *("Schemaversion", "Referensnummer", "LagParagraf", "IdentitetsbeteckningFysiskPerson", "Fornamn", "Efternamn"),
    *("Sekretessmarkering", "ArbetssokandeInfo", "BeslutInfo", "Akassetillhorighet", "StatusSokandeinformationKod"),
    "StatusSokandeinformationKodText",
)
_BESLUT_INFO = _tags("EkonomiskaBeslut")
_BESLUT = _tags("ErsattningTyp", "Omfattning", "BeslutFrom", "BeslutTom")
"""Each place that ends in `xs:any`: the contract's own elements there, of which the last is mandatory."""

_PERSON = _NS + "IdentitetsbeteckningFysiskPerson"
_LAG = _NS + "LagParagraf"
_REFERENCE = _NS + "Referensnummer"
_FROM, _TOM = _NS + "From", _NS + "Tom"


def _read(payload: _Element, occasion: Occasion) -> tuple[Record, ...]:
    del occasion  # an answer speaks for no organisation, and states its own period
    extensions: list[str] = []
    meddelande = _own(payload, _MEDDELANDE, extensions)
    fraga = _own(meddelande[_NS + "Fraga"], _FRAGA, extensions)
    svar = _own(meddelande[_NS + "Svar"], _SVAR, extensions)
    first, last = dates.day(text(fraga[_FROM]), "Fraga/From"), dates.day(text(fraga[_TOM]), "Fraga/Tom")
    if last < first:
        raise ContractError(codes.CONTRACT_CONTENT, "Fraga: Tom is before From")
    if text(svar[_PERSON]) != text(fraga[_PERSON]):
        raise ContractError(codes.CONTRACT_CONTENT, "Fraga and Svar are about different persons")
    fields = _fields(svar, extensions)
    fields["fragaFrom"], fields["fragaTom"] = first.isoformat(), last.isoformat()
    if _NS + "Test" in fraga and truth(text(fraga[_NS + "Test"])):
        fields["test"] = True
    return (
        Record(
            position=1,
            kind="ersattningsbeslut",
            person=persons.read(text(svar[_PERSON])),
            fields=fields,
            period_from=first,
            protection=_protection(svar.get(_NS + "Sekretessmarkering")),
            cited=(text(fraga[_NS + "SyfteMedFraga"]), text(fraga[_LAG]), text(svar[_LAG])),
            extensions=tuple(dict.fromkeys(extensions)),
        ),
    )


def _own(element: _Element, own: tuple[str, ...], extensions: list[str]) -> dict[str, _Element]:
    """Split an open place: return the contract's own children by name, and add the names of what follows them.

    Raises ContractError (CONTRACT_CONTENT) where the contract's own elements follow: the schema does not judge them
    there, so a second value, or a marking that is no boolean, could hide among the extensions.
    """
    found: dict[str, _Element] = {}
    children, last = iter(element), own[-1]
    for child in children:
        tag = str(child.tag)
        found[tag] = child
        if tag == last:
            break
    for child in children:
        if child.tag in own:
            raise ContractError(codes.CONTRACT_CONTENT, f"{local(element)}: {local(child)} stands out of place")
        extensions.extend(names(child))
    return found


def _fields(svar: dict[str, _Element], extensions: list[str]) -> dict[str, Value]:
    fields = held(svar, _SVAR_FIELDS)
    if info := parts(svar.get(_NS + "ArbetssokandeInfo")):
        fields |= held(info, _INFO_FIELDS)
        fields |= within(info.get(_NS + "AktivetetsRapportDatum"), _RAPPORT_FIELDS)
    decisions = svar.get(_NS + "BeslutInfo")
    if decisions is not None:
        economic = _own(decisions, _BESLUT_INFO, extensions)[_NS + "EkonomiskaBeslut"]
        if len(economic):
            fields["beslut"] = tuple(held(_own(one, _BESLUT, extensions), _BESLUT_FIELDS) for one in economic)
    return fields


def _protection(marking: _Element | None) -> Protection | None:
    if marking is None:
        return None
    return Protection.SEKRETESSMARKERING if truth(text(marking)) else Protection.NONE


_NAME: Final = "Försäkringskassan"
_ACCOUNT: Final = "forsakringskassan-utbyte"
_INCLUDED: Final = {
    "inkluderaArbetssokande": "ArbetssokandeInfo",
    "inkluderaAkassa": "AkasseInfo",
    "inkluderaBeslut": "BeslutInfo",
}
_QUESTION: Final = specs(Category.ARENDE, *_INCLUDED, shape=Shape.TRUTH)


def _arguments(parcel: Parcel) -> Arguments:
    if parcel.period is None:
        raise wrong("period", "is missing: the question is about one")
    included = {tag: parcel.fields.get(name) is True for name, tag in _INCLUDED.items()}
    if not any(included.values()):
        raise wrong("the fields", "ask for nothing, or for nothing that may be asked for")
    return {
        # Each is written: what leaving one out means is the partner's to say, and might be everything.
        "Inkludera": included,
        "Fraga": {
            "OrganisationsnummerForIngivare": parcel.sender,
            "NamnPaIngivare": _NAME,
            "KontonamnForHandlaggare": _ACCOUNT,
            "Referensnummer": parcel.reference,
            "From": parcel.period.first.isoformat(),
            "Tom": parcel.period.last.isoformat(),
            "SyfteMedFraga": parcel.citation.purpose,
            "LagParagraf": parcel.citation.lagrum,
            "IdentitetsbeteckningFysiskPerson": number(parcel),
        },
    }


def _result(payload: _Element, parcel: Parcel) -> Result:
    """Hold the answer to the question, and return what it says. Its status code has no public list: it is kept as is.

    Raises ContractError (CONTRACT_CONTENT): about another person, period or reference.
    """
    fraga, svar = (parts(payload.find(_NS + name)) for name in ("Fraga", "Svar"))
    asked = parcel.period
    if asked is None or (asked.first, asked.last) != tuple(
        dates.day(text(fraga[tag]), "Fraga") for tag in (_FROM, _TOM)
    ):
        raise ContractError(codes.CONTRACT_CONTENT, "the answer is about another period than was asked for")
    if {text(fraga[_PERSON]), text(svar[_PERSON])} != {parcel.person.number}:
        raise ContractError(codes.CONTRACT_CONTENT, "the answer is about another person than was asked for")
    if {text(fraga[_REFERENCE]), text(svar[_REFERENCE])} != {parcel.reference}:
        raise ContractError(codes.CONTRACT_CONTENT, "the answer is to a question with another Referensnummer")
    told = any(_NS + tag in svar for tag in ("ArbetssokandeInfo", "BeslutInfo", "Akassetillhorighet"))
    return Result(
        finding=Finding.DONE if told else Finding.NOT_FOUND,
        code=str(whole(text(svar[_NS + "StatusSokandeinformationKod"]))),
    )


_ID: Final = ContractId("arbetsformedlingen/ersattningsstod")
_SCHEMA: Final = "arbetsformedlingen/ersattningsstod.xsd"
CONTRACT = Contract(
    id=_ID,
    version="2",
    root=_NS + "SvarMeddelande",
    schema=_SCHEMA,
    actions=frozenset({"urn:forsakringskassan:utbyte:ersattningsstod:2:Svara"}),
    kinds={"ersattningsbeslut": _FIELDS},
    read=_read,
)
OUTGOING = Outgoing(
    id=_ID,
    version="2",
    interaction=Interaction.ASK,
    schema=_SCHEMA,
    wsdl="arbetsformedlingen/ersattningsstod-fraga.wsdl",
    operation="Fraga",
    root=_NS + "FragaMeddelande",
    action="urn:forsakringskassan:utbyte:ersattningsstod:2:Fraga",
    reply="urn:forsakringskassan:utbyte:ersattningsstod:2:FragaResponse",
    kind="ersattningsfraga",
    kinds={"ersattningsfraga": _QUESTION},
    arguments=_arguments,
    result=_result,
    answer=_ID,
)
