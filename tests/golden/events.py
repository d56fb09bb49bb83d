"""What each golden message becomes: `<case>.xml` beside `<case>.event.json`.

Run `python -m tests.golden.events` to write the events anew after a change that is meant, and read the difference: it
is what every consumer of the queues will see. All but the message is fixed: time, pseudonym key, leaf, and that the
folkbokföring has told of no protection before.
"""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from gateway import config
from gateway.adapters import registry
from gateway.config import Limits
from gateway.dispatch import AskerId, Case, Command, CommandId, DispatchId, Period, Queued, Recipient
from gateway.errors import RejectedError
from gateway.events import compose
from gateway.message import (
    ContractId,
    Decision,
    Digest,
    Fingerprint,
    LeafHash,
    MessageId,
    OrganisationNumber,
    Outcome,
    PartnerId,
    Permitted,
    Protection,
    Provenance,
    SoapVersion,
    Valid,
)
from gateway.privacy import purpose
from gateway.privacy.law import Law
from gateway.soap import xml
from gateway.trust.pseudonym import Pseudonyms

HERE = Path(__file__).parent
CASES = sorted(HERE.rglob("*.xml"))
AT = datetime(2026, 1, 10, 9, 30, tzinfo=UTC)
PSEUDONYMS = Pseudonyms(bytes(32))
LEAF = LeafHash(bytes(32))


@cache
def rules() -> tuple[registry.Registry, Law, compose.Routes]:
    """Return contracts, law and routes as delivered."""
    read = config.load(HERE.parents[1] / "config/gateway.toml")
    contracts = registry.Registry.load(read.gateway.schemas)
    law = Law.build(read, contracts.kinds(), contracts.outgoing)
    return contracts, law, compose.Routes.build(read.queues, read.bases, compose.Own.of(read, contracts.outgoing))


def valid(case: Path) -> Valid:
    """Read a golden message as its contract does. Raises RejectedError."""
    contracts, _, _ = rules()
    id_ = ContractId(case.parent.relative_to(HERE).as_posix())
    payload = xml.parse(case.read_bytes(), Limits())
    contract, records = registry.read_offline(payload, contracts, on=AT.date(), contract=id_)
    provenance = Provenance(
        partner=PartnerId(id_.partition("/")[0]),
        organisation=OrganisationNumber("5560269986"),
        contract=id_,
        message_id=MessageId(f"urn:golden:{case.stem}"),
        digest=Digest("0" * 64),
        version=SoapVersion.SOAP_11,
        action=None,
        signer=Fingerprint("0" * 64),
        created=AT,
        received_at=AT,
    )
    return Valid(provenance=provenance, version=contract.version, records=records, evidence=b"")


def told(case: Path) -> dict[str, object]:
    """Return what becomes of a golden message: refused, or an outcome a record and an event a permitted record."""
    _, law, _ = rules()
    try:
        permitted = purpose.permit(valid(case), law, lambda _: Protection.NONE)
        outcomes = [_outcome(decision) for decision in permitted.decisions]
        events = [_event(permitted, decision) for decision in permitted.decisions if decision.outcome is Outcome.PERMIT]
    except RejectedError as error:
        return {"refused": {"code": error.code.name, "detail": error.detail}}
    return {"outcomes": outcomes, "events": events}


def _outcome(decision: Decision) -> dict[str, object]:
    return {
        "record": decision.record,
        "outcome": decision.outcome,
        "told": purpose.coarse(decision),
        "reasons": list(decision.reasons),
        "learned": decision.learned,
    }


def _event(permitted: Permitted, decision: Decision) -> dict[str, object]:
    contracts, _, routes = rules()
    person, asked = PSEUDONYMS.of(decision.person), None
    if contracts[permitted.provenance.contract].solicited:
        asked = _asked(permitted.provenance.contract, decision)
        routes = routes.answering(asked.command.asker)
    event = compose.event(permitted, decision, pseudonym=person, leaf=LEAF, routes=routes, asked=asked)
    return {"queues": list(event.queues), "event": json.loads(event.body)}


def _asked(contract: ContractId, decision: Decision) -> Queued:
    """Return a question that an answer of a contract could be to, where it comes in no other way."""
    one = Recipient(
        position=1,
        partner=PartnerId(contract.partition("/")[0]),
        organisation=None,
        basis="FK-NAVET-01",
        fields={"personpost": True},
    )
    command = Command(
        id=CommandId("golden-1"),
        asker=AskerId("rehabilitering"),
        contract=contract,
        purpose="fk:Arendehandlaggning",
        case=Case(reference="golden", benefit="sjukpenning", period=Period(first=AT.date(), last=AT.date())),
        person=decision.person,
        period=None,
        fields={},
        recipients=(one,),
        consent=None,
        suspicion=None,
        at=AT,
        expires=AT,
    )
    return Queued(dispatch=DispatchId("urn:uuid:6f1d7a52-61c5-5a0e-9e0b-5f0a3c8f7d11"), command=command, recipient=one)


def written(case: Path) -> Path:
    """Return where the case's events stand."""
    return case.with_suffix(".event.json")


def text(case: Path) -> str:
    """Return what a case becomes, as text to read and to compare."""
    return json.dumps(told(case), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for one in CASES:
        written(one).write_text(text(one), encoding="utf-8")
