"""The record of processing that GDPR art. 30 asks for (registerförteckning), made from the register of law itself.

What is written by hand beside a system says what somebody once meant; this says what the gateway lets through, because
it is the same rows. Every version of every basis is one process, with the purposes, paragraphs, categories, sources or
recipients, storage and obligations that it is judged by, and who wrote and approved it.

Here is the record as data, and as JSON-LD in the words of the Data Privacy Vocabulary (DPV 2): `dpv:Process` and what
belongs to one. Swedish law's purposes are narrower than DPV's, so they are terms of our own, `fk:`, each with the term
of DPV that it is under (`skos:broader`). The context stands in the document: nobody fetches anything to read it. The
page for people is `article30_page`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from gateway.config import Configuration
from gateway.config.law import INWARD, Basis, Direction, Lagrum
from gateway.message import Category
from gateway.privacy import citation, obligations
from gateway.privacy.purposes import Purpose
from gateway.privacy.rows import Rows

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | bool | None

NAMESPACE = "urn:se:forsakringskassan:utbyte:"
CONTEXT: Json = {
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "fk": NAMESPACE,
    "dct:created": {"@type": "xsd:date"},
    "fk:giltigFom": {"@type": "xsd:date"},
    "fk:giltigTom": {"@type": "xsd:date"},
}
_BROADER = {
    Purpose.UNDERLAG_RATTIGHET_SKYLDIGHET: "dpv:ServiceAccessDetermination",
    Purpose.INFORMATION: "dpv:RightsFulfilment",
    Purpose.ARENDEHANDLAGGNING: "dpv:ServiceAccessDetermination",
    Purpose.KONTROLL: "dpv:FraudPreventionAndDetection",
    Purpose.PLANERING: "dpv:OrganisationGovernance",
    Purpose.STYRNING_UPPFOLJNING: "dpv:OrganisationGovernance",
    Purpose.STATISTIK: "dpv:ProvideOfficialStatistics",
    Purpose.UTLAMNANDE_FORFATTNING: "dpv:LegalCompliance",
    Purpose.UTLAMNANDE_INTERNATIONELL: "dpv:LegalCompliance",
    Purpose.ANNAT_FORENLIGT: "dpv:Purpose",
}
PURPOSES = {
    Purpose.UNDERLAG_RATTIGHET_SKYLDIGHET: "Underlag för rättigheter och skyldigheter (SFB 114 kap. 8 § 1)",
    Purpose.INFORMATION: "Information om förmåner (SFB 114 kap. 8 § 2)",
    Purpose.ARENDEHANDLAGGNING: "Handläggning av ärenden (SFB 114 kap. 8 § 3)",
    Purpose.KONTROLL: "Kontroll (SFB 114 kap. 8 § 4)",
    Purpose.PLANERING: "Planering av verksamheten (SFB 114 kap. 8 § 5)",
    Purpose.STYRNING_UPPFOLJNING: "Styrning, uppföljning och tillsyn (SFB 114 kap. 8 § 6)",
    Purpose.STATISTIK: "Statistik (SFB 114 kap. 8 § 7)",
    Purpose.UTLAMNANDE_FORFATTNING: "Utlämnande enligt lag eller förordning (SFB 114 kap. 9 § 1)",
    Purpose.UTLAMNANDE_INTERNATIONELL: "Utlämnande enligt unionsrätt eller konvention (SFB 114 kap. 9 § 2)",
    Purpose.ANNAT_FORENLIGT: "Annat förenligt ändamål (SFB 114 kap. 10 §)",
}
"""Purposes as people read them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One version of one basis, as art. 30.1 asks."""

    basis: Basis
    lagrum: tuple[Lagrum, ...]
    """Every version of every paragraph that it names."""
    categories: tuple[Category, ...]
    fields: Mapping[str, Category]
    """What may pass, and of what category it is."""
    obligations: tuple[str, ...]

    @property
    def inward(self) -> bool:
        """Whether the partner is the source; else it is the recipient."""
        return self.basis.direction in INWARD or self.basis.direction is Direction.FK_QUESTION

    @property
    def verified(self) -> bool:
        """Whether the row and all its paragraphs have been read."""
        return self.basis.verified and all(row.verified for row in self.lagrum)


def processes(rows: Rows) -> tuple[Process, ...]:
    """Return every process of a register that has been checked (`Law.build`), in the files' order."""
    return tuple(_process(basis, rows) for versions in rows.bases.values() for basis in versions)


def _process(basis: Basis, rows: Rows) -> Process:
    declared, cited = rows.fields(basis), rows.cited(basis)
    fields = {name: declared[name].category for name in basis.fields}
    return Process(
        basis=basis,
        lagrum=cited,
        categories=tuple(sorted(set(fields.values()))),
        fields=fields,
        obligations=tuple(map(str, obligations.of(basis, cited, set(fields.values())))),
    )


def linked(record: Sequence[Process], configuration: Configuration, day: date) -> dict[str, Json]:
    """Return the record as one JSON-LD document; `day` is when it was made."""
    purposes = sorted({purpose for one in record for purpose in one.basis.purposes})
    lagrum = {row.key: row for one in record for row in one.lagrum}
    return {
        "@context": CONTEXT,
        "@id": f"{NAMESPACE}registerforteckning:{configuration.policy}",
        "@type": "dpv:RegisterOfProcessingActivities",
        "dct:title": "Registerförteckning enligt artikel 30 i dataskyddsförordningen",
        "dct:created": day.isoformat(),
        "dct:language": "sv",
        "fk:policySetHash": configuration.policy,
        "dpv:hasDataController": {
            "@id": f"fk:organisation:{configuration.gateway.organisation}",
            "@type": "dpv:DataController",
            "dct:title": configuration.gateway.name,
        },
        "@graph": [
            *(_purpose(Purpose(one)) for one in purposes),
            *(_paragraph(row) for row in lagrum.values()),
            *(_linked(one) for one in record),
        ],
    }


def _purpose(purpose: Purpose) -> Json:
    return {
        "@id": str(purpose),
        "@type": ["dpv:Purpose", "skos:Concept"],
        "skos:prefLabel": PURPOSES[purpose],
        "skos:broader": {"@id": _BROADER[purpose]},
    }


def rule_metadata(row: Lagrum) -> dict[str, Json]:
    """Return a paragraph in the shape that Försäkringskassan's own rules name theirs."""
    return {
        "id": row.id,
        "version": row.version,
        "giltigFom": row.giltig_fom.isoformat(),
        "giltigTom": None if row.giltig_tom is None else row.giltig_tom.isoformat(),
        "forfattning": row.forfattning,
        "kapitel": row.kapitel,
        "paragraf": row.paragraf,
        "stycke": row.stycke,
        "punkt": row.punkt,
    }


def _paragraph(row: Lagrum) -> Json:
    said = {f"fk:{name}": value for name, value in rule_metadata(row).items() if value is not None and name != "id"}
    return {"@id": _lagrum(row), "@type": "dpv:LegalBasis", "dct:title": citation.written(row), **said}


def _lagrum(row: Lagrum) -> str:
    return f"fk:lagrum:{row.id}@{row.version}"


def _linked(one: Process) -> Json:
    basis = one.basis
    partners: Json = [{"@id": f"fk:partner:{type_}"} for type_ in basis.partner_types]
    ends = {} if basis.giltig_tom is None else {"fk:giltigTom": basis.giltig_tom.isoformat()}
    return {
        "@id": f"fk:basis:{basis.id}@{basis.giltig_fom}",
        "@type": "dpv:Process",
        "dct:identifier": basis.id,
        "fk:direction": str(basis.direction),
        "dpv:hasPurpose": [{"@id": purpose} for purpose in basis.purposes],
        "dpv:hasLegalBasis": [{"@id": legal_basis(one)}, *({"@id": _lagrum(row)} for row in one.lagrum)],
        "dpv:hasPersonalData": [
            {"@id": f"fk:uppgift:{basis.kind}:{name}", "@type": "dpv:PersonalData", "fk:kategori": str(category)}
            for name, category in one.fields.items()
        ],
        "dpv:hasDataSubject": [{"@id": f"fk:roll:{role}"} for role in basis.subject_roles],
        "dpv:hasDataSource" if one.inward else "dpv:hasRecipient": partners,
        "dpv:hasStorageCondition": {"@type": "dpv:StorageCondition", "dct:title": basis.retention},
        "dpv:hasObligation": [{"@id": f"fk:skyldighet:{name}"} for name in one.obligations],
        "fk:forman": [*basis.benefits] if basis.benefits is not None else [],
        "fk:forbjudnaKategorier": [*map(str, basis.forbidden)],
        "fk:giltigFom": basis.giltig_fom.isoformat(),
        **ends,
        "fk:skrivenAv": basis.author,
        "fk:godkandAv": [*basis.approved_by],
        "fk:verifierad": one.verified,
    }


def legal_basis(one: Process) -> str:
    """Return the ground in GDPR art. 6.1: what the law says we must hand out (c), else exercise of authority (e).

    Lag (2018:218) 2 kap. 1 and 2 §§.
    """
    bound = not one.inward and any(row.kind == "obligation" for row in one.lagrum)
    return "eu-gdpr:A6-1-c" if bound else "eu-gdpr:A6-1-e-official-authority"


def by_partner(record: Sequence[Process]) -> Iterator[tuple[str, list[Process]]]:
    """Yield each type of partner with its processes, in order of name."""
    types = sorted({type_ for one in record for type_ in one.basis.partner_types})
    for type_ in types:
        yield type_, [one for one in record if type_ in one.basis.partner_types]
