"""The way out in memory: the repository's own contracts, law and configuration, partners with keys, and no network.

    scene = Scene.found(folder, bodies)
    signed = scene.signed(scene.question())                a question to Arbetsförmedlingen, ready to be sent
    scene.read(signed, scene.answer(signed))               what its honest answer comes to

Everything that is judged is real: bodies are zeep's, signatures are made by `forge`, which shares no line with the
gateway. Only the exchange itself is left out: a reply is handed over as the courier hands it over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway import config
from gateway.adapters.registry import Registry
from gateway.config import Configuration
from gateway.dispatch import (
    Answered,
    AskerId,
    Broken,
    Case,
    Command,
    CommandId,
    Composed,
    Consent,
    Period,
    Queued,
    Recipient,
    Reply,
    Signed,
)
from gateway.events import compose as events
from gateway.message import (
    ContractId,
    NumberKind,
    OrganisationNumber,
    PartnerId,
    Person,
    Protection,
    Pseudonym,
    Sealed,
    SoapVersion,
    Value,
)
from gateway.outbound import commands, path
from gateway.outbound.ports import Held
from gateway.outbound.rules import Rules
from gateway.outbound.states import State
from gateway.partners import Endpoint, Partner
from gateway.privacy.law import Law
from gateway.soap import xml
from gateway.transport.bodies import Bodies
from gateway.trust import chain, pseudonym, sealing
from gateway.trust.issuing import SIGNER, Issued, KeyKind, issue
from tests import forge, payloads, rules
from tests.attacks.catalogue import NOW
from tests.authorities import OURSELVES, Authorities, with_bad_ones
from tests.forge import Recipe

RECEIPT = "urn:forsakringskassan:utbyte:receipt:1"
AF, SKV, EMPLOYER = PartnerId("arbetsformedlingen"), PartnerId("skatteverket"), PartnerId("arbetsgivare")
ERSATTNINGSSTOD = ContractId("arbetsformedlingen/ersattningsstod")
PERSONPOST = ContractId("skatteverket/personpost")
MOTE = ContractId("forsakringskassan/avstamningsmote")
NAVET = "http://xmls.skatteverket.se/se/skatteverket/folkbokforing/na/epersondata/V1"
CASE = Period(first=date(2025, 9, 1), last=date(2026, 6, 30))
ASKED = Period(first=date(2025, 12, 1), last=date(2026, 1, 10))
MEETING: Mapping[str, Value] = {
    "namn": "Åsa Testsson",
    "form": "FYSISKT",
    "borjar": "2026-03-10T09:00+01:00",
    "slutar": "2026-03-10T10:00+01:00",
    "plats": "Testgatan 1, Stockholm",
    "kontakt": ({"namn": "Försäkringskassan", "telefon": "010-0000000"},),
}


class Known:
    """What the folkbokföring has said: the same of everybody."""

    def __init__(self, protection: Protection = Protection.NONE) -> None:
        self.protection = protection

    def status(self, person: Pseudonym) -> Protection:
        del person
        return self.protection


class Courier:
    """The half of a courier that composes: the real bodies."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def body(self, contract: ContractId, arguments: Mapping[str, object]) -> bytes:
        return self._bodies.body(contract, arguments)

    def send(self, signed: Signed, endpoint: Endpoint) -> Reply | Broken:
        raise NotImplementedError


def person(number: str = payloads.PERSON) -> Person:
    return Person(number=number, kind=NumberKind.PERSONNUMMER, check_digit_valid=True)


def command(contract: ContractId, *recipients: Recipient, **changes: Any) -> Command:
    """Return a command that every gate lets through, unless the changes say otherwise."""
    made = Command(
        id=CommandId(f"k-{contract.partition('/')[2]}"),
        asker=AskerId("rehabilitering" if contract == MOTE else "handlaggning.aktivitetsstod"),
        contract=contract,
        purpose="fk:Arendehandlaggning",
        case=Case(reference="A-4711", benefit="sjukpenning" if contract == MOTE else "aktivitetsstod", period=CASE),
        person=person(),
        period=None,
        fields={},
        recipients=recipients,
        consent=Consent(reference="S-1", recipients=frozenset({"arbetsgivare"}), until=date(2026, 6, 30)),
        suspicion=None,
        at=NOW - timedelta(minutes=1),
        expires=NOW + timedelta(days=1),
    )
    return replace(made, **changes)


def recipient(partner: PartnerId, basis: str, *, organisation: str | None = None, **fields: Value) -> Recipient:
    named = None if organisation is None else OrganisationNumber(organisation)
    return Recipient(position=1, partner=partner, organisation=named, basis=basis, fields=fields)


@dataclass(slots=True, kw_only=True)
class Scene:
    """Rules, and everybody's keys."""

    authorities: Authorities
    read_: Configuration
    rules: Rules
    courier: Courier
    now: datetime = NOW
    known: Known = field(default_factory=Known)

    @classmethod
    def found(cls, folder: Path, contracts: Registry, bodies: Bodies) -> Scene:
        """Found it in a folder; employers A and B have an endpoint each, beside the mailbox of all others."""
        authorities = with_bad_ones(NOW, life=timedelta(days=365))
        for partner in payloads.ORGANISATIONS:
            authorities.server(partner)
        authorities.credentials["ourselves-sign"] = ourselves(authorities)
        authorities.write(folder)
        read = config.load(rules.ROOT / "config" / "gateway.toml", data=folder)
        employers = read.partners[EMPLOYER].model_copy(
            update={"endpoint": (employer("arbetsgivare"), employer("arbetsgivare-b"))}
        )
        read = read.model_copy(update={"partners": {**read.partners, EMPLOYER: employers}})
        known = Known()
        made = Rules(
            organisation=read.gateway.organisation,
            limits=read.gateway.limits,
            trust=chain.Trust.build(read.partners),
            contracts=contracts,
            law=Law.build(read, contracts.kinds(), contracts.outgoing),
            partners=read.partners,
            askers=read.askers,
            queues={queue.name: queue for queue in read.queues},
            routes=events.Routes.build(read.queues, read.bases, events.Own.of(read, contracts.outgoing)),
            protections=known,
            pseudonyms=pseudonym.Pseudonyms(rules.PSEUDONYM),
            sealer=sealing.Sealer(rules.KEY_ID, rules.SEALING, Random()),
            signers=rules.signers(authorities.credentials["ourselves-sign"]),
            random=Random(),
        )
        return cls(authorities=authorities, read_=read, rules=made, courier=Courier(bodies), known=known)

    # --- what we send -------------------------------------------------------------------------------------------------

    def question(self, **changes: Any) -> Queued:
        """A question to Arbetsförmedlingen."""
        fields: Mapping[str, Value] = {"inkluderaArbetssokande": True, "inkluderaBeslut": True}
        asked = command(ERSATTNINGSSTOD, recipient(AF, "FK-AF-ERSATTNING-01", **fields), period=ASKED)
        return commands.queue(replace(asked, **changes))[0]

    def navet(self, **changes: Any) -> Queued:
        """A question to Navet."""
        asked = command(PERSONPOST, recipient(SKV, "FK-NAVET-01", personpost=True))
        return commands.queue(replace(asked, **changes))[0]

    def summons(self, who: str = "arbetsgivare", *, only: Mapping[str, Value] | None = None, **changes: Any) -> Queued:
        """A summons to an employer; `only` is for it alone."""
        to = recipient(EMPLOYER, "FK-KALLELSE-AG-01", organisation=payloads.ORGANISATIONS[who], **(only or {}))
        sent = command(MOTE, to, fields=MEETING)
        return commands.queue(replace(sent, **changes))[0]

    def composed(self, queued: Queued) -> Composed:
        return path.compose(path.permit(queued, self.rules, self.now), self.courier, self.rules, self.now)

    def signed(self, queued: Queued) -> Signed:
        composed = self.composed(queued)
        place = self.rules.place(queued)
        return path.sign(composed, place, self.rules, self.now)

    def held(self, composed: Composed, **changes: Any) -> Held:
        """Return a dispatch as the store holds it after its first BEGIN."""
        queued = composed.queued
        stored = replace(composed.intent, salt=b"", record=b"")
        made = held(queued, contents={"payload": composed.sealed}, intent=(17, stored))
        return replace(made, **changes)

    # --- what comes back ----------------------------------------------------------------------------------------------

    def answer(self, signed: Signed, payload: str | None = None, **changes: Any) -> Reply:
        """Return the partner's honest answer to this very message, unless the changes say otherwise."""
        return self.reply(signed, forge.answered(self.recipe(signed, payload, **changes)).bytes())

    def recipe(self, signed: Signed, payload: str | None = None, **changes: Any) -> Recipe:
        made = Recipe(
            payload=self.payload(signed) if payload is None else payload,
            credential=self.authorities.credentials[f"{self.who(signed)}-sign"],
            now=self.now,
            message_id="urn:uuid:0e3c1f9a-5c2d-4a53-9d52-0c0f4f1a7c11",
            to=None,
            relates_to=signed.message_id,
            version=SoapVersion(signed.composed.version),
        )
        return made.but(**changes)

    def reply(self, signed: Signed, body: bytes, *, status: int = 200, **changes: Any) -> Reply:
        """Return bytes as the partner's server gives them back."""
        made = Reply(
            status=status,
            content_type=forge.content_type(signed.composed.version),
            body=body,
            peer=self.authorities.credentials[f"{self.who(signed)}-server"].der,
            at=self.now,
        )
        return replace(made, **changes)

    def fault(self, signed: Signed, inside: str, *, status: int = 500, **changes: Any) -> Reply:
        """Return an unsigned fault with this content."""
        version = signed.composed.version
        body = f'<s:Envelope xmlns:s="{version}"><s:Body><s:Fault>{inside}</s:Fault></s:Body></s:Envelope>'
        return self.reply(signed, body.encode(), status=status, **changes)

    def payload(self, signed: Signed) -> str:
        """Return what the partner of this message answers it with."""
        match signed.composed.queued.command.contract:
            case "arbetsformedlingen/ersattningsstod":
                return af_answer(signed)
            case "skatteverket/personpost":
                return navet_answer(payloads.post(signed.composed.parcel.person.number))
            case _:
                return receipt_of(signed)

    def who(self, signed: Signed) -> str:
        """Return the name of the recipient, as credentials have it."""
        to = signed.composed.queued.recipient
        if to.organisation is None:
            return to.partner
        return next(name for name, number in payloads.ORGANISATIONS.items() if number == to.organisation)

    def read(self, signed: Signed, reply: Reply | Broken) -> Answered:
        return path.read(signed, reply, self.rules)

    def with_partner(self, partner: Partner) -> None:
        """Go on with another file of one partner."""
        partners = {**self.rules.partners, partner.id: partner}
        self.rules = replace(self.rules, partners=partners, trust=chain.Trust.build(partners))


def ourselves(authorities: Authorities) -> Issued:
    """Return what we sign with: under the agencies' CA, like the partners'."""
    profile = replace(
        SIGNER,
        kind=KeyKind.P256,
        common_name="Utbyte",
        organisation="Försäkringskassan",
        serial_numbers=(f"16{OURSELVES}",),
        not_after=NOW + timedelta(days=365),
    )
    return issue(authorities.roots["agencies"], profile, now=NOW)


class Random:
    """Counts: every salt and key is another, and every run the same."""

    def __init__(self) -> None:
        self._given = 0

    def __call__(self, size: int) -> bytes:
        self._given += 1
        return hashlib.shake_256(self._given.to_bytes(8, "big")).digest(size)


def employer(name: str) -> Endpoint:
    return Endpoint(
        address=f"https://{name}.example/mottagning",
        contracts=(MOTE,),
        organisation=OrganisationNumber(payloads.ORGANISATIONS[name]),
    )


def held(queued: Queued, *, contents: Mapping[str, Sealed] | None = None, **changes: Any) -> Held:
    """Return a dispatch as the store holds it; without changes it is queued."""
    made = Held(
        id=queued.dispatch,
        number=1,
        command=queued.command.id,
        asker=queued.command.asker,
        contract=queued.command.contract,
        partner=queued.recipient.partner,
        organisation=queued.recipient.organisation,
        position=queued.recipient.position,
        state=State.SENDING,
        step=2,
        attempts=1,
        due=NOW,
        expires=queued.command.expires,
        first_failure=None,
        contents=contents or {},
    )
    return replace(made, **changes)


def af_answer(signed: Signed, **changes: str) -> str:
    """Return Arbetsförmedlingen's answer to a question of ours: it echoes reference, purpose and paragraph."""
    parcel = signed.composed.parcel
    told = {"syfte": parcel.citation.purpose, "lag": parcel.citation.lagrum, "person": parcel.person.number} | changes
    return payloads.ersattningsstod(**told).replace(">T1<", f">{parcel.reference}<")


def navet_answer(*posts: str) -> str:
    return (
        f'<n:PersonpostXMLResponse xmlns:n="{NAVET}"><n:Folkbokforingsposter>{"".join(posts)}'
        "</n:Folkbokforingsposter></n:PersonpostXMLResponse>"
    )


def receipt_of(signed: Signed, **changes: str) -> str:
    """Return the receipt of a partner that took the message; the changes are of its elements' content."""
    leaf = "q" * 43 + "="
    said = {
        "MessageId": xml.escape(signed.message_id),
        "Digest": signed.composed.digest,
        "Contract": signed.composed.queued.command.contract,
        "ReceivedAt": "2026-01-15T10:00:00Z",
        "AcceptedAt": "2026-01-15T10:00:00.123Z",
        "Decision": "ACCEPTED",
        "Outcomes": '<Outcome code="OK" position="1" result="PERMIT"/>',
        "Leaves": f"<Leaf>{leaf}</Leaf>",
    } | changes
    attributes = {"Digest": f' algorithm="{forge.SHA256}"'}
    inside = "".join(f"<{name}{attributes.get(name, '')}>{text}</{name}>" for name, text in said.items())
    return f'<Receipt xmlns="{RECEIPT}">{inside}</Receipt>'
