"""Employers with a mailbox at a whole gateway on loopback: commands go in, real dispatchers lay them, partners ask."""

from __future__ import annotations

import hashlib
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import requests
from lxml import etree

from gateway import wiring
from gateway.consumer.asking import composed
from gateway.dispatch import DispatchId
from gateway.message import SoapVersion
from gateway.outbound import commands
from gateway.outbound.states import State
from gateway.store.dispatch_views import DispatchViews
from gateway.store.dispatches import StoredDispatches
from gateway.store.place import Duty
from gateway.trust.signing import SigningKey, sign
from gateway.wiring.drivers import place
from gateway.wiring.rules import sealer
from tests import payloads
from tests.integration.stage import TYPES, Stage, Stand

NAMESPACE = "urn:forsakringskassan:utbyte:brevlada:1"
NS = f"{{{NAMESPACE}}}"
WSA = "{http://www.w3.org/2005/08/addressing}"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
NUMBERS = {"arbetsgivare-a": "5560269986", "arbetsgivare-b": "5566778899"}
SECRET = "Hemliga gatan 17"  # a place, to be looked for where it must not be


class Clock:
    """The machine's time, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def command(name: str, *to: str, expires: datetime, consent: date | None = None) -> dict[str, Any]:
    """A summons to employers, as the asker gives it."""
    start = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=60)
    year = start.year
    return {
        "contract": "forsakringskassan/avstamningsmote",
        "purpose": "fk:Arendehandlaggning",
        "case": {
            "reference": f"A-{name}",
            "benefit": "sjukpenning",
            "period": {"first": f"{year - 1}-01-01", "last": f"{year + 1}-12-31"},
        },
        "person": payloads.PERSON,
        "fields": {
            "namn": "Åsa Testsson",
            "form": "FYSISKT",
            "borjar": start.strftime("%Y-%m-%dT%H:%M+00:00"),
            "slutar": (start + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M+00:00"),
            "plats": SECRET,
            "kontakt": [{"namn": "Försäkringskassan", "telefon": "010-0000000"}],
        },
        "recipients": [
            {"partner": "arbetsgivare", "organisation": NUMBERS[one], "basis": "FK-KALLELSE-AG-01"} for one in to
        ],
        "consent": {
            "reference": "S-1",
            "recipients": ["arbetsgivare"],
            "until": f"{consent or date(year + 1, 12, 31)}",
        },
        "expires": expires.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


@dataclass
class Employer:
    """A partner with a client certificate, a signing key, and plain tools."""

    name: str
    stage: Stage
    origin: str
    clock: Clock
    session: requests.Session

    def signed(self, payload: str, *, version: SoapVersion = SoapVersion.SOAP_11, **more: Any) -> bytes:
        material = self.stage.demo.clients[more.pop("signer", self.name)].sign
        now = more.pop("now", self.clock.now())
        exact = etree.tostring(etree.fromstring(payload), method="c14n", exclusive=True).decode()
        return sign(
            exact,
            key=SigningKey(key=material.key, certificate=material.der),
            version=version,
            created=now,
            expires=now + timedelta(minutes=5),
            **{"message_id": f"urn:uuid:{uuid4()}", **more},
        )

    def post(self, body: bytes, *, version: SoapVersion = SoapVersion.SOAP_11, partner: str = "arbetsgivare"):
        headers = {"Content-Type": TYPES[version]}
        return self.session.post(f"{self.origin}/soap/{partner}/brevlada", data=body, headers=headers)

    def soap(self, payload: str, **more: Any) -> etree._Element:
        """Ask, and return the payload of the answer."""
        version = more.get("version", SoapVersion.SOAP_11)
        answer = self.post(self.signed(payload, **more), version=version)
        assert answer.status_code == 200, answer.text
        return etree.fromstring(answer.content)[-1][0]

    def list(self) -> list[str]:
        return [one.text for one in self.soap(f'<ListMessages xmlns="{NAMESPACE}"/>').iter(f"{NS}Id")]

    def fetch(self, dispatch: str) -> bytes:
        found = self.soap(f'<FetchMessage xmlns="{NAMESPACE}"><Id>{dispatch}</Id></FetchMessage>')
        return b64decode(found.findtext(f"{NS}Envelope"))

    def acknowledge(self, dispatch: str, digest: str) -> etree._Element:
        return self.soap(acknowledgement(dispatch, digest))

    def get(self, path: str) -> requests.Response:
        return self.session.get(f"{self.origin}/api/v1/mailbox{path}")

    def put(self, dispatch: str, body: bytes, content_type: str = TYPES[SoapVersion.SOAP_11]) -> requests.Response:
        address = f"{self.origin}/api/v1/mailbox/{dispatch.removeprefix('urn:uuid:')}/acknowledgement"
        return self.session.put(address, data=body, headers={"Content-Type": content_type})


def acknowledgement(dispatch: str, digest: str) -> str:
    return (
        f'<AcknowledgeMessage xmlns="{NAMESPACE}"><Id>{dispatch}</Id>'
        f'<Digest algorithm="{SHA256}">{digest}</Digest></AcknowledgeMessage>'
    )


NOBODY = "urn:uuid:00000000-0000-5000-8000-000000000000"
"""No dispatch has this id."""


def uuid(dispatch: str) -> str:
    """Return what an address calls it."""
    return dispatch.removeprefix("urn:uuid:")


def digest(envelope: bytes) -> str:
    """Return the digest of what stands inside Body, as a partner's own tools make it."""
    payload = etree.fromstring(envelope)[-1][0]
    return hashlib.sha256(etree.tostring(payload, method="c14n", exclusive=True)).hexdigest()


@dataclass
class Post:
    """A gateway that runs, and what is beside it."""

    stand: Stand
    clock: Clock
    dispatches: StoredDispatches
    views: DispatchViews
    employers: dict[str, Employer] = field(default_factory=dict)
    _count: int = 0

    def employer(self, name: str = "arbetsgivare-a") -> Employer:
        if name not in self.employers:
            stage = self.stand.stage
            made = Employer(name, stage, self.stand.server.origin, self.clock, stage.session(name))
            self.employers[name] = made
        return self.employers[name]

    def lay(self, *to: str, life: timedelta = timedelta(days=30), consent: date | None = None) -> list[DispatchId]:
        """Give a command, and wait until the dispatcher has laid it in these employers' mailboxes.

        `consent` is the last day of the person's.
        """
        self._count += 1
        stage = self.stand.stage.configuration
        data = command(f"k-{self._count}", *to, expires=self.clock.now() + life, consent=consent)
        body = composed("rehabilitering", f"k-{self._count}", data, self.clock.now())
        made = commands.reread(body)
        queued = commands.queue(made)
        seals = sealer(stage.gateway.keys)
        self.dispatches.take(made, queued, [seals.seal(body, []) for _ in queued], hashlib.sha256(body).hexdigest())
        self.stand.background.sending.dispatcher.wake()
        laid = [one.dispatch for one in queued]
        under_way = {State.QUEUED, State.COMPOSED}
        waited_for(lambda: not under_way & {self.state(one) for one in laid})
        assert {self.state(one) for one in laid} == {State.DEPOSITED}, self.happened(laid[0])
        return laid

    def state(self, dispatch: str) -> State:
        return self.dispatches.get(dispatch).state

    def happened(self, dispatch: str) -> list[str]:
        return [one.happening.value for one in self.views.timeline(dispatch)]


def waited_for(ready: Callable[[], bool], *, within: float = 20.0) -> None:
    """Look until it is so; fail if it takes too long."""
    end = time.monotonic() + within
    while not ready():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@contextmanager
def opened(stage: Stage) -> Iterator[Post]:
    """Run a gateway whose clock can be moved; the folkbokföring has said that the person is not protected."""
    clock = Clock()
    with wiring.running(stage.configuration, clock=clock) as (server, intake, background):
        stand = Stand(stage, server, intake, background)
        with stage.session() as session:
            answer = session.post(stand.address(), data=stage.message(), headers={"Content-Type": "text/xml"})
            assert answer.status_code == 200, answer.text
        background.sending._protections.refresh()  # not only when its copy is old
        where = place(stage.configuration, Duty.DISPATCHER)
        views = DispatchViews(place(stage.configuration, Duty.OWNER))
        made = Post(stand, clock, StoredDispatches(where, clock=clock), views)
        yield made
        for one in made.employers.values():
            one.session.close()
        made.dispatches.close()
        made.views.close()
