"""Navet: Skatteverket's notices from the population register, as `Navetavisering` (no namespace).

One record per `Folkbokforingspost`. The marking of protected identity is read here and nowhere else (OSL 22 kap. 1 §,
folkbokföringslagen (1991:481) 16 §): a marking that is present but says neither J nor N is UNKNOWN, never NONE. A post
is about the register as it stood when the notice was made, so the law of that day applies, however old the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gateway import codes
from gateway.adapters import dates, persons
from gateway.adapters.contract import Contract, Occasion
from gateway.adapters.elements import Table, held, need, parts, rows, specs, text, whole, within
from gateway.errors import ContractError
from gateway.message import Category, ContractId, FieldSpec, Person, Protection, Record, Shape, Value

if TYPE_CHECKING:
    from lxml.etree import _Element


def _postcode(written: str) -> str:
    return f"{whole(written):05d}"


def _plain(**names: str) -> Table:
    return {tag: (name, str) for tag, name in names.items()}


def _number(written: str) -> str | None:
    """Return a person's number in one form; None for the 0 that Navet writes where there is none."""
    person = persons.read(written)
    return person.number if person.number.strip("+0") else None


_ARENDE: Table = _plain(PostId="postId", Arendetyp="arendetyp")
_PERSON: Table = {
    "HanvisningsPersonNr": ("hanvisningsnummer", _number),
    "Fodelsedatum": ("fodelsedatum", dates.incomplete),
}
_AVREGISTRERING: Table = {
    "AvregistreringsorsakKod": ("avregistreringsorsak", str),
    "Avregistreringsdatum": ("avregistreringsdatum", dates.incomplete),
}
_NAMN: Table = {
    "Tilltalsnamnsmarkering": ("tilltalsnamnsmarkering", whole),
    **_plain(Fornamn="fornamn", Mellannamn="mellannamn", Efternamn="efternamn", Aviseringsnamn="aviseringsnamn"),
}
_FOLKBOKFORING: Table = {
    "Folkbokforingsdatum": ("folkbokforingsdatum", dates.incomplete),
    "FiktivtNr": ("fiktivtNummer", whole),
    **_plain(LanKod="lan", KommunKod="kommun", ForsamlingKod="forsamling"),
    **_plain(Fastighetsbeteckning="fastighetsbeteckning", Trappuppgang="trappuppgang", Lagenhet="lagenhet"),
    **_plain(Folkbokforingstyp="folkbokforingstyp"),
}
_ADRESS: Table = {
    **_plain(CareOf="careOf", Utdelningsadress1="utdelningsadress1", Utdelningsadress2="utdelningsadress2"),
    "PostNr": ("postnummer", _postcode),
    **_plain(Postort="postort"),
}
_RIKSNYCKLAR: Table = _plain(FastighetsId="fastighetsId", AdressplatsId="adressplatsId", LagenhetsId="lagenhetsId")
_UTLANDSADRESS: Table = {
    **_plain(Utdelningsadress1="utdelningsadress1", Utdelningsadress2="utdelningsadress2"),
    **_plain(Utdelningsadress3="utdelningsadress3", Land="land"),
    "Utlandsadressdatum": ("datum", dates.incomplete),
    "Rostrattsdatum": ("rostrattsdatum", dates.incomplete),
}
_ADDRESSES: dict[str, tuple[str, Table]] = {
    "Folkbokforingsadress": ("folkbokforingsadress", _ADRESS),
    "Riksnycklar": ("riksnycklar", _RIKSNYCKLAR),
    "SarskildPostadress": ("sarskildPostadress", _ADRESS),
    "Utlandsadress": ("utlandsadress", _UTLANDSADRESS),
}
_CIVILSTAND: Table = {
    "CivilstandKod": ("civilstand", str),
    "Civilstandsdatum": ("civilstandsdatum", dates.incomplete),
}
_HEMORT: Table = _plain(FodelselanKod="fodelselan", Fodelseforsamling="fodelseforsamling")
_UTLAND: Table = _plain(FodelseortUtland="fodelseortUtland", Fodelseland="fodelseland")
_INVANDRING: Table = {"Invandringsdatum": ("invandringsdatum", dates.incomplete)}
_MEDBORGARSKAP: Table = {
    "MedborgarskapslandKod": ("land", str),
    "Medborgarskapsdatum": ("datum", dates.incomplete),
}
_RELATION: Table = {
    **_plain(Relationstyp="relationstyp", SarlosningRelationstyp="relationstyp"),
    **dict.fromkeys(("RelationFromdatum", "RelationFromDatum"), ("from", dates.incomplete)),
    "RelationTomdatum": ("tom", dates.incomplete),
}
_RELATION_ID: Table = {"PersonNr": ("nummer", _number), "FodelsetidNr": ("nummer", _number)}
_DODFODD: Table = {
    "AntalBarnPerBord": ("antalBarnPerBord", whole),
    "KonDodfottBarn": ("kon", str),
    "FodelsetidNrFader": ("nummerFader", _number),
}
_SARLOSNING: Table = _plain(Beslutsgrund="beslutsgrund", NamnIngivareDodsfall="namnIngivareDodsfall")
_UTVANDRING: Table = _plain(UtvandringslandKod="utvandringsland")
_SAR_AVREGISTRERING: Table = _plain(AvregistreringsorsakKod="sarlosningAvregistreringsorsak")
_SAR_INVANDRING: Table = _plain(InvandringslandKod="invandringsland", InvandringsortNorden="invandringsortNorden")

_STYRKT = dict.fromkeys(("fornamnStyrkt", "mellannamnStyrkt", "efternamnStyrkt"), Shape.TRUTH)
_RELATIONER = rows(
    *(_RELATION_ID, _RELATION, _NAMN, _AVREGISTRERING),
    **{**_STYRKT, "status": Shape.TEXT},
    **dict.fromkeys(("from", "tom", "avregistreringsdatum"), Shape.REDUCED),
)
KIND: Final = "folkbokforing"
FIELDS: dict[str, FieldSpec] = {
    **specs(Category.ARENDE, "postId", "arendetyp"),
    **specs(Category.IDENTITET, "tilldelatNummer", "hanvisningsnummer"),
    **specs(Category.IDENTITET, "tilltalsnamnsmarkering", shape=Shape.WHOLE),
    **specs(Category.IDENTITET, "fornamn", "mellannamn", "efternamn", "aviseringsnamn"),
    **specs(Category.IDENTITET, *_STYRKT, "fodelseortUtlandStyrkt", shape=Shape.TRUTH),
    **specs(Category.IDENTITET, "avregistreringsorsak", "folkbokforingstyp"),
    **specs(Category.IDENTITET, "fodelsedatum", "avregistreringsdatum", "folkbokforingsdatum", shape=Shape.REDUCED),
    **specs(
        Category.IDENTITET,
        "medborgarskap",
        shape=rows(_MEDBORGARSKAP, datum=Shape.REDUCED, landStyrkt=Shape.TRUTH, status=Shape.TEXT),
    ),
    **specs(Category.IDENTITET, "fiktivtNummer", shape=Shape.WHOLE),
    **specs(Category.IDENTITET, "fodelselan", "fodelseforsamling", "fodelseortUtland", "fodelseland"),
    **specs(Category.IDENTITET, "invandringsdatum", shape=Shape.REDUCED),
    **specs(Category.IDENTITET, "invandringsland", "invandringsortNorden"),
    **specs(Category.IDENTITET, "lan", "kommun", "forsamling", "fastighetsbeteckning", locating=True),
    **specs(Category.KONTAKT, "trappuppgang", "lagenhet", locating=True),
    **specs(Category.KONTAKT, "folkbokforingsadress", "historikAdress", locating=True, shape=rows(_ADRESS)),
    **specs(Category.KONTAKT, "sarskildPostadress", locating=True, shape=rows(_ADRESS)),
    **specs(Category.KONTAKT, "riksnycklar", locating=True, shape=rows(_RIKSNYCKLAR)),
    **specs(
        Category.KONTAKT,
        "utlandsadress",
        locating=True,
        shape=rows(_UTLANDSADRESS, datum=Shape.REDUCED, rostrattsdatum=Shape.REDUCED),
    ),
    **specs(
        Category.KONTAKT,
        "historikFolkbokforing",
        locating=True,
        shape=rows(_FOLKBOKFORING, folkbokforingsdatum=Shape.REDUCED),
    ),
    **specs(Category.KONTAKT, "utvandringsland", locating=True),
    **specs(Category.FAMILJ, "civilstand", "namnIngivareDodsfall"),
    **specs(Category.FAMILJ, "civilstandsdatum", shape=Shape.REDUCED),
    **specs(Category.FAMILJ, "relationer", "sarlosningRelationer", shape=_RELATIONER),
    **specs(Category.HALSA, "dodfodda", shape=rows(_DODFODD)),
    **specs(Category.FRITEXT, "beslutsgrund"),
    **specs(Category.IDENTITET, "sarlosningAvregistreringsorsak"),
}


def _read(payload: _Element, occasion: Occasion) -> tuple[Record, ...]:
    return read_posts(need(payload, "Folkbokforingsposter"), occasion)


def read_posts(posts: _Element, occasion: Occasion) -> tuple[Record, ...]:
    """Read the `Folkbokforingspost` children: one record each, in a notice and in an answer alike.

    Raises ContractError (CONTRACT_CONTENT).
    """
    records = tuple(_record(position, parts(post), occasion) for position, post in enumerate(posts, start=1))
    latest = int(f"{occasion.on + timedelta(days=1):%Y%m%d}235959")
    for record in records:
        # What the register says last of a protected identity counts: a change from the future would outlive all others.
        if record.stated_at > latest:
            raise ContractError(codes.CONTRACT_CONTENT, f"post {record.position}: andringstidpunkt lies in the future")
    return records


def _record(position: int, post: Mapping[str, _Element], occasion: Occasion) -> Record:
    personpost = post["Personpost"]
    person = parts(personpost)
    arende = post.get("Arendeuppgift")
    changed = arende.get("andringstidpunkt") if arende is not None else None
    numbers: list[str] = []
    fields = within(arende, _ARENDE) | _fields(person, personpost, numbers)
    fields |= _history(post.get("Historik")) | _special(post.get("Sarlosning"), numbers)
    return Record(
        position=position,
        kind=KIND,
        person=_person(parts(person["PersonId"]), position, fields),
        fields=fields,
        period_from=occasion.on,
        protection=_protection(post),
        stated_at=dates.moment(changed, f"post {position}: andringstidpunkt") if changed is not None else 0,
        related=tuple(persons.read(number) for number in dict.fromkeys(numbers)),
    )


def _person(ids: Mapping[str, _Element], position: int, fields: dict[str, Value]) -> Person:
    """Return whom the post is about: the number in use, or the one assigned before any is."""
    for tag, child in ids.items():
        if written := text(child):
            person = persons.read(written)
            if tag == "TilldelatPersonNrSamordningsNr":
                fields["tilldelatNummer"] = person.number
            return person
    raise ContractError(codes.CONTRACT_CONTENT, f"post {position}: PersonId is empty")


def numbers_of(post: _Element) -> frozenset[str]:
    """Return every number that the person of a `Folkbokforingspost` has or has had, in the form of `persons.read`."""
    person = parts(parts(post)["Personpost"])
    written = [*person["PersonId"], *([person["HanvisningsPersonNr"]] if "HanvisningsPersonNr" in person else [])]
    return frozenset(persons.read(text(one)).number for one in written if text(one))


def _protection(post: Mapping[str, _Element]) -> Protection:
    """Return the marking. Absent is N, the schema's default; present without J or N means that we do not know."""
    skyddad, sekretess = (post.get(tag) for tag in ("SkyddadFolkbokforing", "Sekretessmarkering"))
    if skyddad is not None and text(skyddad) == "J":
        return Protection.SKYDDAD_FOLKBOKFORING
    if sekretess is not None and text(sekretess) == "J":
        return Protection.SEKRETESSMARKERING
    known = all(text(marking) == "N" for marking in (skyddad, sekretess) if marking is not None)
    return Protection.NONE if known else Protection.UNKNOWN


def _fields(person: Mapping[str, _Element], personpost: _Element, numbers: list[str]) -> dict[str, Value]:
    fields = held(person, _PERSON) | within(person.get("Avregistrering"), _AVREGISTRERING) | _name(person.get("Namn"))
    fields |= within(person.get("Folkbokforing"), _FOLKBOKFORING) | _addresses(person.get("Adresser"))
    fields |= within(person.get("Civilstand"), _CIVILSTAND) | within(person.get("Invandring"), _INVANDRING)
    fields |= _birth(person.get("Fodelse"))
    _put(fields, "relationer", (_relation(parts(one), one, numbers) for one in person.get("Relationer", ())))
    if "Medborgarskap" in person:
        _put(fields, "medborgarskap", (_citizenship(one) for one in personpost if one.tag == "Medborgarskap"))
    return fields


def _put(fields: dict[str, Value], name: str, values: Iterable[dict[str, Value]]) -> None:
    filled = tuple(row for row in values if row)
    if filled:
        fields[name] = filled


def _proven(fields: dict[str, Value], element: _Element | None, name: str) -> None:
    """Add whether something stands proven (`@styrkt`), where the register says."""
    styrkt = element.get("styrkt") if element is not None else None
    if styrkt is not None and name in fields:
        fields[name + "Styrkt"] = styrkt == "J"


def _name(element: _Element | None) -> dict[str, Value]:
    children = parts(element)
    fields = held(children, _NAMN)
    for tag, name in (("Fornamn", "fornamn"), ("Mellannamn", "mellannamn"), ("Efternamn", "efternamn")):
        _proven(fields, children.get(tag), name)
    return fields


def _addresses(element: _Element | None) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    for tag, child in parts(element).items():
        name, table = _ADDRESSES[tag]
        _put(fields, name, (within(child, table),))
    return fields


def _birth(element: _Element | None) -> dict[str, Value]:
    places = parts(element)
    abroad = parts(places.get("OrtUtlandet"))
    fields = within(places.get("HemortSverige"), _HEMORT) | held(abroad, _UTLAND)
    _proven(fields, abroad.get("FodelseortUtland"), "fodelseortUtland")
    return fields


def _relation(children: Mapping[str, _Element], element: _Element, numbers: list[str]) -> dict[str, Value]:
    """Read a relation, and add the numbers in it to `numbers`."""
    fields = within(children["RelationId"], _RELATION_ID)
    if "nummer" in fields:
        numbers.append(str(fields["nummer"]))
    fields |= held(children, _RELATION)
    if "Namn" in children:
        fields |= _name(children["Namn"])
    fields |= within(children.get("Avregistrering"), _AVREGISTRERING)
    if status := element.get("status"):
        fields["status"] = status
    return fields


def _citizenship(element: _Element) -> dict[str, Value]:
    children = parts(element)
    fields = held(children, _MEDBORGARSKAP)
    _proven(fields, children.get("MedborgarskapslandKod"), "land")
    if status := element.get("status"):
        fields["status"] = status
    return fields


def _history(element: _Element | None) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    if element is not None:
        registered = (within(one, _FOLKBOKFORING) for one in element if one.tag == "Folkbokforing")
        _put(fields, "historikFolkbokforing", registered)
        _put(fields, "historikAdress", (within(one, _ADRESS) for one in element if one.tag == "Folkbokforingsadress"))
    return fields


def _special(element: _Element | None, numbers: list[str]) -> dict[str, Value]:
    children = parts(element)
    fields = held(children, _SARLOSNING) | within(children.get("SarInvandring"), _SAR_INVANDRING)
    fields |= within(children.get("Utvandring"), _UTVANDRING) | within(
        children.get("Avregistrering"), _SAR_AVREGISTRERING
    )
    relations = [(parts(one), one) for one in children.get("Relationer", ())]
    _put(fields, "sarlosningRelationer", (_relation(inner, one, numbers) for inner, one in relations))
    stillborn = [within(inner.get("DodfottBarn"), _DODFODD) for inner, _ in relations]
    numbers.extend(str(row["nummerFader"]) for row in stillborn if "nummerFader" in row)
    _put(fields, "dodfodda", stillborn)
    return fields


CONTRACT = Contract(
    id=ContractId("skatteverket/folkbokforing"),
    version="1",
    root="Navetavisering",
    schema="skatteverket/folkbokforing.xsd",
    actions=frozenset({"urn:forsakringskassan:utbyte:folkbokforing:1:Avisera"}),
    kinds={KIND: FIELDS},
    read=_read,
)
