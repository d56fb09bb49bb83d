"""Arbetsgivardeklaration på individnivå (AGI), which Skatteverket hands on: income, and absence for care of children.

Two kinds of records, on different legal bases: `inkomst` per individuppgift (IU; förordning (2001:588) 7 §) and
`franvaro` per frånvarouppgift (lag (2024:1300) 2-5 §§). An employer's totals (HU) concern no person: held to the
schema, then left behind, and not added up again here.

The namespace has stayed while the list of fields grew, so inside IU, HU and Franvarouppgift any order and any unknown
element is taken; the XSD can then not count, and what must stand once is checked here. A payee with an organisation
number is no person and gives no record; positions count every IU and Franvarouppgift, so it leaves a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from gateway import codes
from gateway.adapters import dates, persons
from gateway.adapters.contract import Contract, Occasion
from gateway.adapters.elements import names, need, specs, text, truth, whole
from gateway.errors import ContractError
from gateway.message import Category, ContractId, NumberKind, Person, Record, Shape, Value

if TYPE_CHECKING:
    from lxml.etree import _Element

_ROOT = "http://xmls.skatteverket.se/se/skatteverket/da/instans/schema/1.1"
_PART = "{http://xmls.skatteverket.se/se/skatteverket/da/komponent/schema/1.1}"
_AG = _PART + "AgRegistreradId"

_AMOUNTS = (
    "KontantErsattningUlagAG",
    "SkatteplOvrigaFormanerUlagAG",
    "SkatteplBilformanUlagAG",
    "DrivmVidBilformanUlagAG",
    "BetForDrivmVidBilformanUlagAG",
    "KontantErsattningEjUlagSA",
    "SkatteplOvrigaFormanerEjUlagSA",
    "SkatteplBilformanEjUlagSA",
    "DrivmVidBilformanEjUlagSA",
    "AndelStyrelsearvode",
    "AvdrPrelSkatt",
    "AvdrSkattSINK",
)
"""Whole kronor."""
_CROSSES = (
    "Bilersattning",
    "Traktamente",
    "BostadsformanSmahusUlagAG",
    "BostadsformanEjSmahusUlagAG",
    "BostadsformanSmahusEjUlagSA",
    "BostadsformanEjSmahusEjUlagSA",
    "FormanHarJusterats",
    "ForstaAnstalld",
    "VaxaStod",
    "Borttag",
)
_PAYEE = ("Fornamn", "Efternamn", "LandskodMedborgare", "LandskodTIN", "TIN")
_PAYEE_ADDRESS = ("Gatuadress", "Gatuadress2", "FriAdress", "Postnummer", "Postort", "LandskodPostort")
_WORKPLACE = ("ArbetsplatsensGatuadress", "ArbetsplatsensOrt")
_GROUPS = frozenset(
    _PART + tag
    for tag in ("ArbetsgivareIUGROUP", "BetalningsmottagareIUGROUP", "BetalningsmottagareIDChoice", "FranvaroChoice")
)
"""Only there to group: what is inside belongs to the uppgift."""

_PAYEE_IDS = ("BetalningsmottagarId", "Fodelsetid", "AnnatId")
_REMOVAL = frozenset({"AgRegistreradId", "RedovisningsPeriod", "Specifikationsnummer", "Borttag", *_PAYEE_IDS})
_EXTENTS = {
    "TILLFALLIG_FORALDRAPENNING": ("FranvaroProcentTFP", "FranvaroTimmarTFP"),
    "FORALDRAPENNING": ("FranvaroProcentFP", "FranvaroTimmarFP"),
}
_FIRST = date(2018, 7, 1)
"""The first period of any arbetsgivardeklaration på individnivå. From which period absence may come is a question of
law, not of the contract (lag (2024:1300), transitional rule 2): `privacy` answers it for each record."""


def _lower(tag: str) -> str:
    return tag if tag.isupper() else tag[0].lower() + tag[1:]


_INCOME = {
    **specs(Category.ARBETE, "arbetsgivare", "arbetsplatsensGatuadress", "arbetsplatsensOrt", locating=True),
    **specs(Category.ARENDE, "period", shape=Shape.MONTH),
    **specs(Category.ARENDE, "specifikationsnummer", shape=Shape.WHOLE),
    **specs(Category.ARENDE, "borttag", shape=Shape.TRUTH),
    **specs(Category.EKONOMI, *(_lower(tag) for tag in _AMOUNTS), shape=Shape.WHOLE),
    **specs(Category.EKONOMI, *(_lower(tag) for tag in _CROSSES if tag != "Borttag"), shape=Shape.TRUTH),
    **specs(Category.IDENTITET, *(_lower(tag) for tag in _PAYEE)),
    **specs(Category.KONTAKT, *(_lower(tag) for tag in _PAYEE_ADDRESS), locating=True),
}
_ABSENCE = {
    **specs(Category.ARBETE, "arbetsgivare", locating=True),
    **specs(Category.ARENDE, "period", shape=Shape.MONTH),
    **specs(Category.ARENDE, "franvaroSpecifikationsnummer", shape=Shape.WHOLE),
    **specs(Category.ARENDE, "franvaroBorttag", shape=Shape.TRUTH),
    **specs(Category.FRANVARO, "franvaroDatum", shape=Shape.DAY),
    **specs(Category.FRANVARO, "franvaroTyp", "franvaroProcent", "franvaroTimmar"),
}
_INCOME_TAGS = {_PART + tag: tag for tag in (*_REMOVAL, *_AMOUNTS, *_CROSSES, *_PAYEE, *_PAYEE_ADDRESS, *_WORKPLACE)}
_ABSENCE_TAGS = {
    _PART + tag: tag
    for tag in (
        *("AgRegistreradId", "RedovisningsPeriod", "BetalningsmottagarId", "FranvaroDatum", "FranvaroTyp"),
        *("FranvaroSpecifikationsnummer", "FranvaroBorttag"),
        *(tag for extent in _EXTENTS.values() for tag in extent),
    )
}


_READINGS: dict[str, tuple[str, Callable[[str], Value]]] = {
    **{tag: (_lower(tag), whole) for tag in _AMOUNTS},
    **{tag: (_lower(tag), truth) for tag in _CROSSES},
    **{tag: (_lower(tag), str) for tag in (*_PAYEE, *_PAYEE_ADDRESS, *_WORKPLACE)},
}
"""How the values of an IU are read that are not of its key."""


class _Uppgift:
    """One IU or Franvarouppgift: its known elements by name, at most one of each, and the names of all others."""

    __slots__ = ("extensions", "known", "where")

    def __init__(self, element: _Element, tags: Mapping[str, str], where: str) -> None:
        self.where = where
        self.known: dict[str, str] = {}
        self.extensions: dict[str, None] = {}
        self._take(element, tags)

    def _take(self, element: _Element, tags: Mapping[str, str]) -> None:
        for child in element:
            tag = str(child.tag)
            name = tags.get(tag)
            if name is not None:
                if name in self.known:
                    raise self.wrong(f"{name} stands twice")
                self.known[name] = text(child)
            elif tag in _GROUPS:
                self._take(child, tags)
            else:
                self.extensions.update(dict.fromkeys(names(child)))

    def wrong(self, what: str) -> ContractError:
        return ContractError(codes.CONTRACT_CONTENT, f"{self.where}: {what}")

    def need(self, name: str) -> str:
        value = self.known.get(name)
        if not value:
            raise self.wrong(f"{name} is missing")
        return value

    def period(self, first: date) -> date:
        period = dates.month(self.need("RedovisningsPeriod"), f"{self.where}: RedovisningsPeriod")
        if period < first:
            raise self.wrong(f"RedovisningsPeriod is before {dates.reduced(first)}, the first there is")
        return period


def _read(payload: _Element, occasion: Occasion) -> tuple[Record, ...]:
    del occasion  # Skatteverket speaks for every employer, and each record states its own period
    employer = text(need(need(need(payload, _PART + "Blankettgemensamt"), _PART + "Arbetsgivare"), _AG))
    return tuple(record for record in _records(payload, employer) if record is not None)


def _records(payload: _Element, employer: str) -> Iterator[Record | None]:
    position = 0
    for child in payload:
        if child.tag == _PART + "Franvarouppgift":
            position += 1
            yield _absence(position, child, employer)
        elif child.tag == _PART + "Blankett":
            stated, (content,) = child
            stated_of = text(stated[0]), text(stated[1])
            if content.tag == _PART + "IU":
                position += 1
                yield _income(position, content, employer, stated_of)
            else:
                _totals(content, employer, stated_of)


def _totals(element: _Element, employer: str, stated: tuple[str, str]) -> None:
    """Hold an employer's totals to the same rules, and leave them: they concern no person."""
    group = need(element, _PART + "ArbetsgivareHUGROUP")
    _agrees("HU", employer, stated, (text(need(group, _AG)), text(need(element, _PART + "RedovisningsPeriod"))))


def _agrees(where: str, employer: str, stated: tuple[str, str], inside: tuple[str, str]) -> None:
    """Check that a Blankett says the same of employer and period outside and inside."""
    if stated != inside or inside[0] != employer:
        raise ContractError(codes.CONTRACT_CONTENT, f"{where}: employer or period differs inside the declaration")


def _income(position: int, element: _Element, employer: str, stated: tuple[str, str]) -> Record | None:
    uppgift = _Uppgift(element, _INCOME_TAGS, f"IU {position}")
    known = uppgift.known
    period = uppgift.period(_FIRST)
    _agrees(uppgift.where, employer, stated, (uppgift.need("AgRegistreradId"), known["RedovisningsPeriod"]))
    fields: dict[str, Value] = {
        "arbetsgivare": _organisation(employer),
        "period": dates.reduced(period),
        "specifikationsnummer": whole(uppgift.need("Specifikationsnummer")),
    }
    for name, written in known.items():
        reading = _READINGS.get(name)
        if reading is not None:
            fields[reading[0]] = reading[1](written)
    if fields.get("borttag") and not known.keys() <= _REMOVAL:
        raise uppgift.wrong("a removal (205) may hold the fields 201, 215, 006 and 570 only")
    payee = _payee(uppgift)
    if payee is None:
        return None
    return Record(
        position=position,
        kind="inkomst",
        person=payee,
        fields=fields,
        period_from=period,
        extensions=tuple(uppgift.extensions),
    )


def _payee(uppgift: _Uppgift) -> Person | None:
    """Return who was paid: exactly one of three identities, or None for an organisation."""
    given = [tag for tag in _PAYEE_IDS if uppgift.known.get(tag)]
    if len(given) != 1:
        raise uppgift.wrong("the payee must have exactly one identity")
    written = uppgift.known[given[0]]
    if given[0] != "BetalningsmottagarId":
        return Person(number=written, kind=NumberKind.OTHER, check_digit_valid=False)
    return None if persons.is_organisation(written) else persons.read(written)


def _organisation(written: str) -> str:
    """Return an employer's ten digits; a sole trader's personnummer stays twelve."""
    return written[2:] if persons.is_organisation(written) else written


def _absence(position: int, element: _Element, employer: str) -> Record | None:
    uppgift = _Uppgift(element, _ABSENCE_TAGS, f"Franvarouppgift {position}")
    known = uppgift.known
    period = uppgift.period(_FIRST)
    if uppgift.need("AgRegistreradId") != employer:
        raise uppgift.wrong("employer differs inside the declaration")
    on = dates.day(uppgift.need("FranvaroDatum"), f"{uppgift.where}: FranvaroDatum")
    fields: dict[str, Value] = {
        "arbetsgivare": _organisation(employer),
        "period": dates.reduced(period),
        "franvaroDatum": on.isoformat(),
        "franvaroSpecifikationsnummer": whole(uppgift.need("FranvaroSpecifikationsnummer")),
    }
    if removal := truth(known.get("FranvaroBorttag", "")):
        fields["franvaroBorttag"] = True
    fields |= _extent(uppgift, removal=removal)
    payee = uppgift.need("BetalningsmottagarId")
    if persons.is_organisation(payee):
        return None
    return Record(
        position=position,
        kind="franvaro",
        person=persons.read(payee),
        fields=fields,
        period_from=period,
        extensions=tuple(uppgift.extensions),
    )


def _extent(uppgift: _Uppgift, *, removal: bool) -> dict[str, Value]:
    """Return type and extent: percent or hours, exactly one, of the type stated. A removal needs neither."""
    given = [tag for extent in _EXTENTS.values() for tag in extent if uppgift.known.get(tag)]
    if removal and not given:
        typ = uppgift.known.get("FranvaroTyp")
        return {"franvaroTyp": typ} if typ else {}
    typ = uppgift.need("FranvaroTyp")
    if len(given) != 1:
        raise uppgift.wrong("exactly one of percent and hours must be given")
    if given[0] not in _EXTENTS[typ]:
        raise uppgift.wrong(f"{given[0]} does not belong to the type stated")
    name = "franvaroProcent" if "Procent" in given[0] else "franvaroTimmar"
    return {"franvaroTyp": typ, name: uppgift.known[given[0]]}


CONTRACT = Contract(
    id=ContractId("skatteverket/arbetsgivardeklaration"),
    version="1.1",
    root=f"{{{_ROOT}}}Skatteverket",
    schema="skatteverket/arbetsgivardeklaration.xsd",
    actions=frozenset({"urn:forsakringskassan:utbyte:arbetsgivardeklaration:1:Lamna"}),
    kinds={"inkomst": _INCOME, "franvaro": _ABSENCE},
    read=_read,
)
