"""A small register of law to bend, the delivered one, and records to judge by them."""

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from gateway import config
from gateway.adapters.registry import Registry
from gateway.config import law as law_rows
from gateway.message import (
    Category,
    ContractId,
    Digest,
    FieldSpec,
    Fingerprint,
    MessageId,
    NumberKind,
    OrganisationNumber,
    PartnerId,
    Person,
    Protection,
    Provenance,
    Record,
    SoapVersion,
    Valid,
)
from gateway.privacy.law import Law

ROOT = Path(__file__).parents[3]
CONTRACT = ContractId("skatteverket/prov")
TODAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
PERSON = Person(number="198202252386", kind=NumberKind.PERSONNUMMER, check_digit_valid=True)
OTHER = Person(number="198301302397", kind=NumberKind.PERSONNUMMER, check_digit_valid=True)

FIELDS = {
    "belopp": FieldSpec(category=Category.EKONOMI),
    "period": FieldSpec(category=Category.ARENDE),
    "arbetsgivare": FieldSpec(category=Category.ARBETE, locating=True),
    "adress": FieldSpec(category=Category.KONTAKT, locating=True),
    "diagnos": FieldSpec(category=Category.HALSA),
    "medlem": FieldSpec(category=Category.KANSLIG),
    "fritext": FieldSpec(category=Category.FRITEXT),
}
KINDS = {CONTRACT: {"prov": FIELDS, "folkbokforing": FIELDS}}

WORDS = {"diagnos": Category.HALSA, "icd": Category.HALSA, "fackförening": Category.KANSLIG, "ort": Category.KONTAKT}

QUEUE = {"name": "prov", "types": ["se.forsakringskassan.utbyte.prov.v1"], "purposes": ["fk:Arendehandlaggning"]}


def lagrum(id_="L-1", version="1", **changes):
    row = {
        "id": id_,
        "version": version,
        "forfattning": "lagen om prov",
        "paragraf": "1",
        "giltig_fom": date(2020, 1, 1),
        "day": "event",
        "kind": "obligation",
        "source": "V1",
        "verified": True,
    }
    return law_rows.Lagrum.model_validate(row | changes)


PURPOSES = tuple(
    lagrum(id_, "2024:13", kind="purpose", day="decision", giltig_fom=date(2024, 2, 15))
    for id_ in ("SFB-114-8-1", "SFB-114-8-3", "SFB-114-8-4", "SFB-114-8-5")
)


def basis(id_="B-1", **changes):
    row = {
        "id": id_,
        "direction": "inbound_push",
        "partner_types": ["skatteverket"],
        "contract": CONTRACT,
        "kind": "prov",
        "lagrum": ["L-1"],
        "purposes": ["fk:Arendehandlaggning"],
        "triggers": ["own_initiative"],
        "channels": ["message"],
        "fields": ["belopp", "period", "arbetsgivare"],
        "forbidden": [],
        "referred": ["fritext"],
        "retention": "SFB 114:15",
        "source": "V1",
        "verified": True,
        "author": "a",
        "approved_by": ["b", "c"],
        "giltig_fom": date(2024, 3, 1),
    }
    return law_rows.Basis.model_validate(row | changes)


@cache
def delivered():
    """Return the configuration as it lies in `config/`."""
    return config.load(ROOT / "config/gateway.toml")


@cache
def agreed():
    """Return the contracts as they are."""
    return Registry.load(ROOT / "schemas")


def kinds():
    """Return the kinds of what every contract can tell, in and out."""
    return agreed().kinds()


@cache
def delivered_law():
    return Law.build(delivered(), kinds(), agreed().outgoing)


def configuration(bases=None, rows=None, queues=None, environment="test", information=()):
    """Return a configuration with one partner, one contract, and the given rows."""
    gateway = delivered().gateway.model_copy(update={"environment": environment})
    partner = delivered().partners[PartnerId("skatteverket")].model_copy(update={"contracts": (CONTRACT,)})
    rows = (lagrum(),) if rows is None else tuple(rows)
    bases = (basis(),) if bases is None else tuple(bases)
    return config.Configuration(
        gateway=gateway,
        partners={partner.id: partner},
        lagrum=rows,
        bases=bases,
        information=tuple(information),
        places={row.key: f"lagrum/prov.toml: [[lagrum]] {n}" for n, row in enumerate(rows, start=1)}
        | {row.key: f"bases/prov.toml: [[basis]] {n}" for n, row in enumerate(bases, start=1)}
        | {row.key: f"information.toml: [[information]] {n}" for n, row in enumerate(information, start=1)},
        categories=WORDS,
        queues=(config.Queue.model_validate(QUEUE),) if queues is None else tuple(queues),
        askers={},
        policy="0" * 64,
    )


def information(kind="konton", **fields):
    """Return a kind of information that no contract carries: field -> category, or a whole table."""
    given = fields or {"saldo": "ekonomi", "sjukdom": "halsa"}
    table = {name: field if isinstance(field, dict) else {"category": field} for name, field in given.items()}
    return law_rows.Information.model_validate({"kind": kind, "fields": table})


def law(*bases, rows=None):
    """Build a law of these bases over these paragraphs and the purposes' own."""
    return Law.build(configuration(bases=bases, rows=(*(rows or [lagrum()]), *PURPOSES)), KINDS)


def record(position=1, kind="prov", fields=None, **changes):
    given = {
        "position": position,
        "kind": kind,
        "person": PERSON,
        "fields": {"belopp": 100, "period": "2026-01"} if fields is None else fields,
        "period_from": date(2026, 1, 1),
    }
    return Record(**(given | changes))


def valid(*records, at=TODAY, contract=CONTRACT, partner="skatteverket", message_id="urn:uuid:1"):
    return Valid(
        provenance=Provenance(
            partner=PartnerId(partner),
            organisation=OrganisationNumber("2021005448"),
            contract=ContractId(contract),
            message_id=MessageId(message_id),
            digest=Digest("0" * 64),
            version=SoapVersion.SOAP_11,
            action=None,
            signer=Fingerprint("1" * 64),
            created=at,
            received_at=at,
        ),
        version="1",
        records=records,
        evidence=b"<bytes/>",
    )


def known(**statuses):
    """Return a lookup that answers by person number; `everyone` for all others, else unknown."""
    everyone = statuses.pop("everyone", Protection.UNKNOWN)
    by_number = {number.removeprefix("p"): status for number, status in statuses.items()}
    return lambda person: by_number.get(person.number, everyone)


UNPROTECTED = known(everyone=Protection.NONE)
