"""A request that is laid before us, a rule that lets it through, and what they are judged in: tests bend one thing."""

from dataclasses import replace
from datetime import date

from gateway.config.law import Channel, Direction, SubjectRole, Trigger
from gateway.dispatch import Period
from gateway.message import Protection
from gateway.privacy.law import Law
from gateway.privacy.request import Actor, CaseProof, Cited, Consent, DataProvenance, Party, Request
from gateway.privacy.rule import InForce
from gateway.privacy.setting import Setting, Way
from tests.builders import NUMBERS
from tests.unit.privacy import statute
from tests.unit.privacy.statute import PURPOSES, TODAY, information, lagrum

SUBJECT = NUMBERS[0]
DAY = date(2026, 3, 2)
"""The Swedish day of `statute.TODAY`."""
CASE_PERIOD = Period(first=date(2025, 1, 1), last=date(2026, 12, 31))

KINDS = (
    information(
        "konton",
        saldo="ekonomi",
        rantor="ekonomi",
        kontor={"category": "kontakt", "locating": True},
        bilaga="fritext",
        telefon="kontakt",
        sjukdom={"category": "halsa", "secrecy": "OSL-25-1"},
        medlem="kanslig",
        dom="brott",
    ),
)
SECOND_PURPOSE = lagrum("SFB-114-9-1", "2024:13", kind="purpose", day="decision", giltig_fom=date(2024, 2, 15))
ROWS = (
    lagrum("L-1", "1", giltig_tom=date(2025, 11, 30)),
    lagrum("L-1", "2", giltig_fom=date(2025, 12, 1)),
    lagrum("L-2", "1", day="decision", test="overvagande_skal"),
    lagrum("L-3", "1", day="decision", secrecy_excluded=["OSL-25-1"]),
    lagrum("L-4", "1", day="decision", verified=False),
    *PURPOSES,
    SECOND_PURPOSE,
)


def basis(id_="B-1", **changes):
    """Return a basis for asking about accounts, which no contract carries."""
    row = {
        "direction": "fk_question",
        "contract": None,
        "kind": "konton",
        "partner_types": ["kreditinstitut"],
        "purposes": ["fk:Arendehandlaggning", "fk:Kontroll"],
        "triggers": ["on_request"],
        "channels": ["request_reply"],
        "fields": ["saldo", "rantor", "kontor"],
        "referred": [],
        "longest_period": 366,
    }
    return statute.basis(id_, **(row | changes))


def law(*bases, rows=ROWS, environment="test", **more) -> Law:
    configured = statute.configuration(
        bases=bases or (basis(),), rows=rows, information=KINDS, environment=environment, **more
    )
    return Law.build(configured, statute.KINDS)


LAW = law()
(RULE,) = LAW.rules["B-1"]
IN_FORCE = InForce(versions=("L-1@2", "SFB-114-8-3@2024:13"), open_test=False, unread=False, excluded=frozenset())


def rule(**changes):
    return replace(RULE, **changes)


def party(**changes):
    given = {"organisation": "5560004615", "type": "kreditinstitut", "system": "b", "proved": "5560004615"}
    return Party(**(given | changes))


def actor(**changes):
    return Actor(**({"id": "h-17", "role": "handlaggare", "unit": "nord", "automated": False} | changes))


def proof(**changes):
    given = {"open": True, "case": "A-1", "subject": SUBJECT, "capacity": "forsakrad", "period": CASE_PERIOD}
    return CaseProof(**(given | changes))


def consent(**changes):
    return Consent(**({"reference": "S-1", "scope": frozenset({"kreditinstitut"}), "until": DAY} | changes))


def origin(**changes):
    given = {"collected_for": "fk:Arendehandlaggning", "processed_for": frozenset(), "basis": "B-1"}
    return DataProvenance(**(given | changes))


def period(first=date(2026, 1, 1), last=date(2026, 1, 31)):
    return Period(first=first, last=last)


def request(**changes) -> Request:
    """Return a request that every gate lets through; fields and sets may be given as lists."""
    given = {
        "id": "q-1",
        "direction": Direction.FK_QUESTION,
        "channel": Channel.REQUEST_REPLY,
        "partner": party(),
        "actor": actor(),
        "purpose": "fk:Arendehandlaggning",
        "lagrum": Cited(id="L-1", version="2"),
        "basis": "B-1",
        "case": "A-1",
        "proof": proof(),
        "benefit": "bostadsbidrag",
        "subject": SUBJECT,
        "subject_role": SubjectRole.FORSAKRAD,
        "event": date(2026, 1, 1),
        "period": period(),
        "fields": frozenset({"saldo", "rantor"}),
        "trigger": Trigger.ON_REQUEST,
        "provenance": (),
        "protection": Protection.NONE,
        "environment": "test",
        "audit_ready": True,
    }
    bent = {name: frozenset(value) if isinstance(value, list) else value for name, value in changes.items()}
    return Request(**(given | bent))


def setting(**changes) -> Setting:
    given = {
        "way": Way.ASKED,
        "today": DAY,
        "in_force": IN_FORCE,
        "strict": False,
        "rules": LAW.rules,
        "words": LAW.words,
    }
    return Setting(**(given | changes))


AT = TODAY
