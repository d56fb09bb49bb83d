"""What is sent, and what must come of it: decided here, before anything is sent, from the contracts and the law.

Right messages of all four contracts first, so that protected identities are known and there is something to capture,
repeat and contradict; then every kind of wrong one. A case is made when its turn comes, so that its timestamp is fresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import cycle, islice

from gateway.cli.demo import payloads
from gateway.cli.demo.clients import Answer, Envelope, Partner, envelope
from gateway.cli.demo.persons import PERSONNUMMER, PROTECTED, SAMORDNINGSNUMMER
from gateway.message import ContractId
from gateway.trust.signing import SigningKey

FOLKBOKFORING = ContractId("skatteverket/folkbokforing")
AGI = ContractId("skatteverket/arbetsgivardeklaration")
AF = ContractId("arbetsformedlingen/ersattningsstod")
SJUKANMALAN = ContractId("arbetsgivare/sjukanmalan")
CONTRACTS = (FOLKBOKFORING, AGI, AF, SJUKANMALAN)

QUEUES: Mapping[str, tuple[str, ...]] = {
    "folkbokforing": ("handlaggning.folkbokforing",),
    "inkomst": ("handlaggning.inkomst", "kontroll.inkomst"),
    "franvaro": ("kontroll.foraldrapenning",),
    "ersattningsbeslut": ("handlaggning.aktivitetsstod",),
    "sjukanmalan": ("handlaggning.sjukpenning",),
}
"""Kind of information -> every queue that its legal basis lets have it. Absence for care of children, for one, may
serve the control of two benefits and nothing else (lag (2024:1300) 1 §)."""

RIGHT = "right message"


class Outcome(StrEnum):
    """What came of a message."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    REFUSED = "refused"
    TURNED_AWAY = "turned away"
    """By TLS: no message was ever read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A record that the law lets through: one event."""

    kind: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message, and what must come of it."""

    what: str
    partner: str
    contract: ContractId
    send: Callable[[], Answer]
    outcome: Outcome = Outcome.ACCEPTED
    code: str | None = None
    passed: tuple[Passed, ...] = ()
    stopped: int = 0
    """Records of an accepted message that wait for a person or have no basis: a leaf each, and no event."""
    stranger: bool = False
    """Refused before the peer was known as this address' partner: counted, but no leaf."""

    @property
    def leaves(self) -> int:
        """How many leaves it must leave in the log."""
        match self.outcome:
            case Outcome.ACCEPTED:
                return len(self.passed) + self.stopped
            case Outcome.REFUSED:
                return 0 if self.stranger else 1
            case _:
                return 0


class Script:
    """The whole play. One instance is played once."""

    def __init__(
        self, partners: Mapping[str, Partner], *, revoked: SigningKey, calendar: payloads.Calendar, messages: int
    ) -> None:
        """`messages` is how many right messages there are, shared by the four contracts, at least one each."""
        self._skatteverket = partners["skatteverket"]
        self._af = partners["arbetsformedlingen"]
        self._employer = partners["arbetsgivare-a"]
        self._other = partners["arbetsgivare-b"]
        self._stranger = partners["stranger"]
        self._revoked = revoked
        self._calendar = calendar
        self._messages = max(messages, len(CONTRACTS))
        self._sent: dict[ContractId, Envelope] = {}
        """The last right message of a contract that was posted as it stands."""

    def cases(self) -> Iterator[Case]:
        """Yield every case in its turn."""
        counts = [self._messages // 4 + (rest < self._messages % 4) for rest in range(4)]
        for contract, count in zip(CONTRACTS, counts, strict=True):
            for number in range(count):
                yield self._right(contract, number)
        yield from self._protected()
        yield from self._waiting()
        yield from self._again()
        yield from self._tampered()
        yield from self._replayed()
        yield from self._unlawful()
        yield from self._foreign()
        yield from self._malformed()

    def _right(self, contract: ContractId, number: int) -> Case:
        persons = list(islice(cycle(PERSONNUMMER), 3 * number, 3 * number + 3))
        if contract == FOLKBOKFORING:
            people = [*persons, PROTECTED] if number == 0 else persons
            text = payloads.folkbokforing(people, self._calendar, protected=frozenset({PROTECTED}))
            return self._by_zeep(RIGHT, contract, text, _all("folkbokforing", people))
        if contract == AGI:
            return self._declared(RIGHT, persons[:2], persons[2:])
        if contract == AF:
            person = SAMORDNINGSNUMMER[number % 4] if number % 3 else persons[0]
            text = payloads.ersattningsstod(person, f"D{number}", self._calendar)
            return self._by_zeep(RIGHT, contract, text, _all("ersattningsbeslut", [person]))
        text = self._notice(persons[0])
        return self._by_zeep(RIGHT, contract, text, _all("sjukanmalan", persons[:1]))

    def _protected(self) -> Iterator[Case]:
        """Declare pay of a person whose protected identity is known since the first message."""
        yield self._declared("protected identity", [PROTECTED], [PROTECTED])

    def _waiting(self) -> Iterator[Case]:
        """Send what the law leaves to a person: accepted and sealed, but no event."""
        text = payloads.ersattningsstod(
            PERSONNUMMER[1], "D-110-31", self._calendar, syfte=payloads.SYFTE_SFB, lagparagraf=payloads.LAG_SFB_110_31
        )
        yield self._by_zeep("waits for a person: balancing test", AF, text, stopped=1)
        text = self._notice(PERSONNUMMER[2], fritext="Kontakta oss gärna.")
        yield self._by_zeep("waits for a person: free text", SJUKANMALAN, text, stopped=1)

    def _again(self) -> Iterator[Case]:
        """Send again what was accepted: the same bytes, the same message signed anew, and another under its name."""
        first = self._sent[AGI]
        yield self._posted("the same bytes again", first, Outcome.REPEATED)
        text = self._payload(AGI)
        anew = envelope(AGI, text, self._skatteverket.signer, message_id=first.message_id)
        yield self._posted("signed anew, same MessageID", anew, Outcome.REPEATED)
        other = text.replace("4.00</agd:FranvaroTimmarTFP>", "2.00</agd:FranvaroTimmarTFP>")
        clash = envelope(AGI, other, self._skatteverket.signer, message_id=first.message_id)
        yield self._posted("same MessageID, other content", clash, Outcome.REFUSED, "GW-CONFLICT-DIGEST")

    def _tampered(self) -> Iterator[Case]:
        made = self._fresh()
        changed = made.body.replace(b'faltkod="011">2', b'faltkod="011">9')
        yield self._bytes("tampered: an amount", made, changed, "GW-SIG-DIGEST")
        changed = made.body.replace(b"<wsu:Created>20", b"<wsu:Created>21")
        yield self._bytes("tampered: its time", made, changed, "GW-SIG-DIGEST")
        at = made.body.index(b"<ds:SignatureValue>") + len(b"<ds:SignatureValue>")
        flipped = b"B" if made.body[at : at + 1] == b"A" else b"A"
        changed = made.body[:at] + flipped + made.body[at + 1 :]
        yield self._bytes("tampered: signature value", made, changed, "GW-SIG-VALUE")
        text = self._payload(AGI)
        yield self._bytes("not signed", made, _unsigned(text), "GW-SIG-MISSING")

    def _replayed(self) -> Iterator[Case]:
        """Play back old and captured messages: late, and over the connections of others."""
        past, future = datetime.now(UTC) - timedelta(minutes=11), datetime.now(UTC) + timedelta(minutes=11)
        yield self._posted("replayed eleven minutes later", self._fresh(at=past), Outcome.REFUSED, "GW-TIME-STALE")
        yield self._posted("from the future", self._fresh(at=future), Outcome.REFUSED, "GW-TIME-FUTURE")
        captured = self._fresh()
        yield Case(
            what="captured, over another's connection",
            partner=self._af.name,
            contract=AGI,
            send=lambda: self._af.post(captured),
            outcome=Outcome.REFUSED,
            code="GW-PEER-CONTRACT",
            stranger=True,
        )
        yield Case(
            what="captured, to another's own address",
            partner=self._af.name,
            contract=AF,
            send=lambda: self._af.post(captured, contract=AF),
            outcome=Outcome.REFUSED,
            code="GW-CERT-SUBJECT",
        )
        theirs = self._envelope(SJUKANMALAN, self._notice(PERSONNUMMER[3]), self._employer.signer)
        yield Case(
            what="captured, by another employer",
            partner=self._other.name,
            contract=SJUKANMALAN,
            send=lambda: self._other.post(theirs),
            outcome=Outcome.REFUSED,
            code="GW-SIGNER-PEER",
        )

    def _unlawful(self) -> Iterator[Case]:
        """Cite a purpose that no basis has, and send a kind of data that may not come this way."""
        text = payloads.ersattningsstod(PERSONNUMMER[4], "D-X", self._calendar, syfte="Forskning")
        yield Case(
            what="wrong purpose",
            partner=self._af.name,
            contract=AF,
            send=lambda: self._af.call(AF, payloads.arguments(text)),
            outcome=Outcome.REFUSED,
            code="GW-PURPOSE-DENIED",
        )
        health = self._payload(AGI).replace(
            "</agd:Franvarouppgift>", "<agd:Diagnoskod>Z00</agd:Diagnoskod></agd:Franvarouppgift>"
        )
        made = self._envelope(AGI, health, self._skatteverket.signer)
        yield self._posted("forbidden category: health", made, Outcome.REFUSED, "GW-PURPOSE-QUARANTINED")

    def _foreign(self) -> Iterator[Case]:
        """Speak for another, sign with what no longer holds, and come without being known."""
        text = self._notice(PERSONNUMMER[5], signer=self._other)
        yield Case(
            what="speaks for another organisation",
            partner=self._other.name,
            contract=SJUKANMALAN,
            send=lambda: self._other.call(SJUKANMALAN, payloads.arguments(text)),
            outcome=Outcome.REFUSED,
            code="GW-CONTRACT-SENDER",
        )
        swapped = self._notice(PERSONNUMMER[5]).replace("ANORDNARE", "ASSISTENT")
        yield Case(
            what="no employer's underskrift inside",
            partner=self._employer.name,
            contract=SJUKANMALAN,
            send=lambda: self._employer.call(SJUKANMALAN, payloads.arguments(swapped)),
            outcome=Outcome.REFUSED,
            code="GW-CONTRACT-PAYLOAD-SIGNATURE",
        )
        made = self._envelope(AGI, self._payload(AGI), self._revoked)
        yield self._posted("revoked signer", made, Outcome.REFUSED, "GW-CERT-REVOKED")
        theirs = self._envelope(SJUKANMALAN, self._notice(PERSONNUMMER[5]), self._stranger.signer)
        yield Case(
            what="stranger: unknown CA",
            partner=self._stranger.name,
            contract=SJUKANMALAN,
            send=lambda: self._stranger.post(theirs),
            outcome=Outcome.TURNED_AWAY,
            stranger=True,
        )

    def _malformed(self) -> Iterator[Case]:
        made = self._fresh()
        yield self._bytes("malformed: cut off", made, made.body[: len(made.body) // 2], "GW-XML-SYNTAX")
        doctype = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + made.body
        yield self._bytes("malformed: DOCTYPE with an entity", made, doctype, "GW-XML-DTD")
        missing = self._payload(AGI).replace(' omrade="Arbetsgivardeklaration"', "")
        broken = self._envelope(AGI, missing, self._skatteverket.signer)
        yield self._posted("malformed: not the contract's schema", broken, Outcome.REFUSED, "GW-CONTRACT-SCHEMA")

    def _payload(self, contract: ContractId) -> str:
        """Return the payload of the last right message, which every wrong one is made from."""
        sent = self._sent[contract].body.decode()
        return sent[sent.index("<Skatteverket") : sent.rindex("</soap:Body>")]

    def _fresh(self, *, at: datetime | None = None) -> Envelope:
        return envelope(AGI, self._payload(AGI), self._skatteverket.signer, at=at)

    def _notice(self, person: str, *, signer: Partner | None = None, fritext: str | None = None) -> str:
        """Return a notice of employer A's, whoever signs it."""
        employer = self._employer.material.organisation
        by = (signer or self._employer).material.sign
        return payloads.sjukanmalan(person, employer, self._calendar, signer=by, fritext=fritext)

    def _envelope(self, contract: ContractId, text: str, signer: SigningKey) -> Envelope:
        return envelope(contract, payloads.canonical(text), signer)

    def _declared(self, what: str, incomes: list[str], absences: list[str]) -> Case:
        employer = self._employer.material.organisation
        text = payloads.arbetsgivardeklaration(employer, self._calendar, incomes=incomes, absences=absences)
        made = self._sent[AGI] = self._envelope(AGI, text, self._skatteverket.signer)
        return Case(
            what=what,
            partner=self._skatteverket.name,
            contract=AGI,
            send=lambda: self._skatteverket.post(made),
            passed=_all("inkomst", incomes) + _all("franvaro", absences),
        )

    def _by_zeep(
        self,
        what: str,
        contract: ContractId,
        text: str,
        passed: tuple[Passed, ...] = (),
        *,
        stopped: int = 0,
    ) -> Case:
        """Have the contract's own partner build and sign it with zeep, by the WSDL."""
        partner = {FOLKBOKFORING: self._skatteverket, AF: self._af, SJUKANMALAN: self._employer}[contract]
        return Case(
            what=what,
            partner=partner.name,
            contract=contract,
            send=lambda: partner.call(contract, payloads.arguments(text)),
            passed=passed,
            stopped=stopped,
        )

    def _posted(self, what: str, made: Envelope, outcome: Outcome, code: str | None = None) -> Case:
        return Case(
            what=what,
            partner=self._skatteverket.name,
            contract=made.contract,
            send=lambda: self._skatteverket.post(made),
            outcome=outcome,
            code=code,
        )

    def _bytes(self, what: str, made: Envelope, body: bytes, code: str) -> Case:
        return self._posted(
            what, Envelope(contract=made.contract, body=body, message_id=made.message_id), Outcome.REFUSED, code
        )


def _all(kind: str, persons: Sequence[str]) -> tuple[Passed, ...]:
    return tuple(Passed(kind=kind, person=one) for one in persons)


def _unsigned(text: str) -> bytes:
    return (
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f"{text}</soap:Body></soap:Envelope>"
    ).encode()
