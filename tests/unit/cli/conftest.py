"""A whole installation in a folder: throw-away PKI, store, one accepted and one refused message, queues filled."""

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway import wiring
from gateway.cli import main
from gateway.cli.demo import clients, payloads
from gateway.cli.demo.cases import AGI
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.config import load
from gateway.inbound import path
from gateway.message import Ready, Received, Refusal
from gateway.trust import pki
from gateway.trust.issuing import KeyKind

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config" / "gateway.toml"


@dataclass(frozen=True)
class Installation:
    data: Path
    demo: pki.Demo
    message_id: str
    leaves: tuple[bytes, ...]

    def run(self, *arguments: str):
        """Run a command on this installation."""
        return CliRunner().invoke(main, [*arguments, "--config", str(CONFIG), "--data", str(self.data)])


@pytest.fixture(scope="session")
def demo() -> pki.Demo:
    return pki.build(now=datetime.now(UTC), kind=KeyKind.P256)


@pytest.fixture(scope="session")
def calendar() -> payloads.Calendar:
    return payloads.Calendar(today=datetime.now(UTC).date())


@pytest.fixture(scope="session")
def declaration(demo, calendar) -> str:
    """An AGI document: two incomes and one absence, three persons."""
    employer = demo.clients["arbetsgivare-a"].organisation
    text = payloads.arbetsgivardeklaration(employer, calendar, incomes=PERSONNUMMER[:2], absences=PERSONNUMMER[2:3])
    return payloads.canonical(text)


@pytest.fixture(scope="session")
def signed(demo, declaration) -> clients.Envelope:
    """The same, signed by Skatteverket just now."""
    return clients.envelope(AGI, declaration, clients.signing_key(demo.clients["skatteverket"].sign))


@pytest.fixture(scope="session")
def notice(demo, calendar) -> str:
    """An employer's notice of sickness."""
    employer = demo.clients["arbetsgivare-a"]
    text = payloads.sjukanmalan(PERSONNUMMER[0], employer.organisation, calendar, signer=employer.sign)
    return payloads.canonical(text)


@pytest.fixture(scope="session")
def untouched(tmp_path_factory, demo, signed) -> Installation:
    """Nothing has been asked of it: every other is a copy."""
    data = tmp_path_factory.mktemp("installation") / "data"
    pki.write(demo, data)
    configuration, clock = load(CONFIG, data=data), wiring.SystemClock()
    wiring.create_store(configuration, clock)
    intake = wiring.Intake(configuration, clock=clock)
    background = wiring.Background(configuration, clock=clock, alarm=pytest.fail)
    try:
        peer = demo.clients["skatteverket"].tls.der
        rules = intake.front.terms.rules
        bodies = (signed.body, signed.body.replace(b"<soap:Body", b"<soap:Bodi"))
        ready, refusal = (
            path.prepare(Received(body=body, content_type="text/xml", contract=AGI, peer=peer, at=clock.now()), rules)
            for body in bodies
        )
        assert isinstance(ready, Ready)
        assert isinstance(refusal, Refusal)
        accepted = intake.journal.accept(ready).result(10)
        intake.journal.keep(path.answer(accepted, rules, clock.now()).sign)
        intake.journal.refuse(refusal).result(10)
        background.relay.step()
        background.integrator.step()
    finally:
        intake.close()
        background.close()
    return Installation(data=data, demo=demo, message_id=signed.message_id, leaves=accepted.leaves)


@pytest.fixture(scope="session")
def original(untouched, tmp_path_factory) -> Installation:
    """One to read: what is read is written down there."""
    return _copied(untouched, tmp_path_factory.mktemp("original") / "data")


@pytest.fixture
def installation(untouched, tmp_path) -> Installation:
    """A copy of its own, to change."""
    return _copied(untouched, tmp_path / "data")


def _copied(one: Installation, data: Path) -> Installation:
    shutil.copytree(one.data, data)
    return replace(one, data=data)
