"""Navet on line, V2: what the population register says of one person, asked by `PersonpostRequest`.

The answer's posts are those of a notice (`folkbokforing.py` reads both), so a protected identity that an answer tells
of is known from then on like any other. An empty list is an answer: nobody is found. Which data comes follows from our
order with Skatteverket (BestallningsId), not from the question; so the question has one field, that the post is
wanted.

Verified in clients of the service in use: namespace, elements and their order, the forms of OrgNr and BestallningsId,
and that the posts stand in no namespace. Derived: types, the WSDL's own names, and the detail of a fault (Felkod,
Beskrivning). Which Felkod are temporary is not known, so none is taken to be: with a Client code the question is
refused, with a Server code it is open what happened. Beskrivning may tell of a person and is not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway import codes
from gateway.adapters.contract import Contract, Occasion
from gateway.adapters.elements import local, need, specs, text
from gateway.adapters.outgoing import Arguments, Outgoing, number, own_code, wrong
from gateway.adapters.skatteverket import folkbokforing
from gateway.dispatch import Finding, Interaction, Parcel, Result
from gateway.errors import ContractError
from gateway.message import Category, ContractId, Record, Shape

if TYPE_CHECKING:
    from lxml.etree import _Element

NAMESPACE: Final = "http://xmls.skatteverket.se/se/skatteverket/folkbokforing/na/epersondata/V1"
_NS: Final = f"{{{NAMESPACE}}}"
_ACTION: Final = "urn:forsakringskassan:utbyte:personpost:2:Fraga"
"""Navet has no action of its own (SOAPAction is empty); this is what we sign."""
_ID: Final = ContractId("skatteverket/personpost")
_SCHEMA: Final = "skatteverket/personpost.xsd"
_FIELDS: Final = specs(Category.ARENDE, "personpost", shape=Shape.TRUTH)


def _arguments(parcel: Parcel) -> Arguments:
    if parcel.fields["personpost"] is not True:
        raise wrong("personpost", "is false: nothing is asked for")
    return {
        # Skatteverket writes an organisation as it writes a person: 16 and ten digits.
        "Bestallning": {"OrgNr": f"16{parcel.sender}", "BestallningsId": parcel.settings["bestallning"]},
        "PersonId": number(parcel),
    }


def _posts(payload: _Element) -> _Element:
    return need(payload, _NS + "Folkbokforingsposter")


def _read(payload: _Element, occasion: Occasion) -> tuple[Record, ...]:
    return folkbokforing.read_posts(_posts(payload), occasion)


def _result(payload: _Element, parcel: Parcel) -> Result:
    posts = _posts(payload)
    for position, post in enumerate(posts, start=1):
        if parcel.person.number not in folkbokforing.numbers_of(post):
            raise ContractError(codes.CONTRACT_CONTENT, f"post {position} is about another person than was asked for")
    return Result(finding=Finding.DONE if len(posts) else Finding.NOT_FOUND)


def _fault(detail: _Element | None, faultcode: str, status: int) -> Result | None:
    del status
    written = [] if detail is None else [text(one) for one in detail.iter("*") if local(one) == "Felkod"]
    code = own_code(written[0]) if len(written) == 1 else None
    if code is None:
        return None
    return Result(finding=Finding.REFUSED if faultcode in {"Client", "Sender"} else Finding.UNCLEAR, code=code)


CONTRACT = Contract(
    id=_ID,
    version="2",
    root=_NS + "PersonpostXMLResponse",
    schema=_SCHEMA,
    actions=frozenset({f"{_ACTION}Response"}),
    kinds={folkbokforing.KIND: folkbokforing.FIELDS},
    read=_read,
    solicited=True,
)
OUTGOING = Outgoing(
    id=_ID,
    version="2",
    interaction=Interaction.ASK,
    schema=_SCHEMA,
    wsdl="skatteverket/personpost.wsdl",
    operation="getData",
    root=_NS + "PersonpostRequest",
    action=_ACTION,
    reply=f"{_ACTION}Response",
    kind="personpostfraga",
    kinds={"personpostfraga": _FIELDS},
    mandatory=frozenset({"personpost"}),
    settings={"bestallning": r"\d{8}-[A-Z0-9]{4}-\d{4}"},
    arguments=_arguments,
    result=_result,
    fault=_fault,
    answer=_ID,
)
