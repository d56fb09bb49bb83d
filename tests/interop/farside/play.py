"""Have the gateway send to and ask a service by Apache CXF (`FarSide.java`), and tell what each made of the other.

Real store, dispatcher and courier (`tests.abroad`), real mutual TLS. Between them stands a wire that can lose answers.

1. A summons, and a question to Navet: our signature is verified by WSS4J, theirs by us.
2. A summons whose answer is lost on the way after CXF has processed it: the same id comes again, and is known.
3. Answers that are changed after they were signed, and faults in the place of answers that could not be signed: neither
   tells that nothing has happened.
4. What CXF says of a message of ours that is changed, too old, or signed by somebody else, and what we make of that.

Run by hand: `python -m tests.interop.farside.play CLASSES LIB`. Exit code 0 only if all came out so.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from lxml import etree

from gateway.cli.demo import errands
from gateway.cli.demo.farsides.keys import Keys, agency, numbered, organisation
from gateway.dispatch import DispatchId, Result
from gateway.message import SoapVersion
from gateway.outbound import outcome
from gateway.outbound.states import Happening, State
from gateway.trust.issuing import SIGNER, Issued, KeyKind, issue
from gateway.trust.signing import SigningKey, sign
from tests.abroad import MOTE, NAVET, ROOT, Abroad, Sent
from tests.builders import NUMBERS

PASSWORD = b"farside"
PATH = "/mottagning/v1"
SUMMONS = '<Kallelse xmlns="urn:forsakringskassan:utbyte:avstamningsmote:1"></Kallelse>'


class Wire:
    """Passes connections on; of so many it keeps the answer for itself, and hangs up when it has come."""

    def __init__(self, target: int, *, losing: int = 0) -> None:
        self._target = target
        self._losing = losing
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                losing = self.lost < self._losing
                self.lost += losing
                threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, losing), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, losing: bool) -> None:  # noqa: FBT001  # of two
        """Copy; a loser stops when more has come than a handshake has."""
        passed = 0
        with suppress(OSError), closing(source), closing(sink):
            while data := source.recv(65536):
                passed += len(data)
                if losing and passed > HANDSHAKE:
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listening.close()


HANDSHAKE = 6_000
"""Bytes that a server of CXF's sends at most before its answer, which is longer."""


@dataclass
class Cxf:
    """The Java process."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, classes: str, lib: str, folder: Path, ports: tuple[int, ...], *more: str) -> Cxf:
        command = ["java", "-cp", f"{classes}:{lib}/*", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "FarSide"]
        where = [str(folder), str(ROOT / "schemas"), *map(str, ports), *more]
        made = cls(
            subprocess.Popen([*command, *where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, text=True)
        )
        assert made.process.stdout is not None
        assert made.process.stdout.readline().strip() == "ready"
        threading.Thread(target=lambda: made.said.extend(made.process.stdout or ()), daemon=True).start()
        return made

    def stop(self) -> None:
        self.process.communicate("\n", timeout=20)


def main(classes: str, lib: str) -> int:
    wrong = []
    for kind in (KeyKind.P256, KeyKind.RSA_2048):
        with tempfile.TemporaryDirectory() as made, ExitStack() as closing_:
            wrong += _played(classes, lib, Path(made), kind, closing_)
        with tempfile.TemporaryDirectory() as made, ExitStack() as closing_:
            wrong += _unproven(classes, lib, Path(made), "changed", kind, closing_)
    with tempfile.TemporaryDirectory() as made, ExitStack() as closing_:
        wrong += _unproven(classes, lib, Path(made), "unable", KeyKind.P256, closing_)
    _tell("all as it must be" if not wrong else f"NOT as it must be: {wrong}")
    return 1 if wrong else 0


def _set_up(folder: Path, kind: KeyKind) -> tuple[Abroad, Keys]:
    """Make PKI, and what Java reads of it."""
    abroad = Abroad(folder / "data")
    demo, now = abroad.demo, abroad.now
    employer = organisation(demo, "Arbetsgivare CXF AB", numbered("559", 77), now=now)
    navet = agency(demo, "skatteverket", now=now)
    employer = replace(employer, sign=_signing(demo.organisations, employer, kind, now))
    navet = replace(navet, sign=_signing(demo.agencies, navet, kind, now))
    for name, keys in (("arbetsgivare", employer), ("navet", navet)):
        for use, one in (("server", keys.server), ("sign", keys.sign)):
            (folder / f"{name}-{use}.p12").write_bytes(
                pkcs12.serialize_key_and_certificates(
                    b"key",
                    one.key,  # type: ignore[arg-type]  # RSA or EC
                    one.certificate,
                    [above.certificate for above in (demo.agencies,) if name == "navet"],
                    BestAvailableEncryption(PASSWORD),
                )
            )
    anchors = [
        pkcs12.PKCS12Certificate(one.certificate, name)
        for one, name in ((demo.agencies_root, b"root"), (demo.agencies, b"issuing"))
    ]
    (folder / "anchors.p12").write_bytes(pkcs12.serialize_java_truststore(anchors, BestAvailableEncryption(PASSWORD)))
    return abroad, employer


def _signing(above: Issued, keys: Keys, kind: KeyKind, now: datetime) -> Issued:
    profile = replace(
        SIGNER, kind=kind, common_name=keys.name, organisation=keys.name, serial_numbers=(f"16{keys.organisation}",)
    )
    return issue(above, profile, now=now)


def _free(count: int) -> tuple[int, ...]:
    with ExitStack() as open_:
        made = [open_.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(one.getsockname()[1] for one in made)


def _address(port: int) -> str:
    return f"https://localhost:{port}{PATH}"


def _commanded(abroad: Abroad, employer: Keys, ports: tuple[int, ...]) -> tuple[DispatchId, DispatchId]:
    """Have a summons sent and Navet asked at these ports."""
    at = SimpleNamespace(address=_address(ports[0]))
    abroad._reach("arbetsgivare", at, MOTE, organisation=employer.organisation, limits={})
    data = errands.summons(NUMBERS[0], abroad.now, [("arbetsgivare", employer.organisation)])
    summons = abroad._give("rehabilitering", data, at)
    at = SimpleNamespace(address=_address(ports[1]))
    settings = {"bestallning": "00000079-FO01-0001"}
    abroad._reach("skatteverket", at, NAVET, settings=settings, limits={})
    question = abroad._give("handlaggning.aktivitetsstod", errands.navet(NUMBERS[0], abroad.now), at)
    return summons, question


def _played(classes: str, lib: str, folder: Path, kind: KeyKind, closing_: ExitStack) -> list[str]:
    ports = _free(2)
    abroad, employer = _set_up(folder, kind)
    cxf = Cxf.start(classes, lib, folder, ports)
    closing_.callback(cxf.stop)
    losing = Wire(ports[0], losing=1)
    closing_.callback(losing.close)
    summons, question = _commanded(abroad, employer, (losing.port, ports[1]))
    wrong = []
    with abroad.sending() as sent:
        sent.settle()
        for dispatch in (summons, question):
            wrong += _told(sent, dispatch, cxf, kind)
        _tell(f"{kind}: answers lost on the way {losing.lost}; the log of {sent.verified()} leaves computes")
        wrong += [f"{kind}: alarm {one}" for one in sent.alarms]
        if (losing.lost, sent.of(summons).attempts) != (1, 2):
            wrong.append(f"{kind}: no answer was lost")
    wrong += _said(folder, ports[0], abroad, kind)
    return wrong


def _told(sent: Sent, dispatch: DispatchId, cxf: Cxf, kind: KeyKind) -> list[str]:
    found = sent.of(dispatch)
    steps = sent.timeline(dispatch)
    content = next(step.digest for step in steps if step.happening is Happening.COMPOSE)
    theirs = [line.split() for line in cxf.said if dispatch in line]
    line = " ".join(step.happening if step.code is None else f"{step.happening}({step.code})" for step in steps)
    _tell(f"{kind}: {found.contract}: {found.state}, {found.attempts} attempts: {line}")
    _tell(f"{kind}:   CXF: {', '.join(one[1] for one in theirs)}; the same digest: {theirs[0][3] == content}")
    processed = [one for one in theirs if one[1] == "processed"]
    right = found.state is State.DELIVERED and len(processed) == 1 and {one[3] for one in theirs} == {content}
    return [] if right else [f"{kind}: {found.contract} is {found.state}: {theirs}"]


CODES = {"changed": "GW-FAR-UNPROVEN", "unable": "GW-FAR-FAULT"}


def _unproven(  # noqa: PLR0917  # of a play by hand
    classes: str, lib: str, folder: Path, how: str, kind: KeyKind, closing_: ExitStack
) -> list[str]:
    """Have answers changed after they were signed, or not signed at all: believed never, and asked for again."""
    ports = _free(2)
    abroad, employer = _set_up(folder, kind)
    cxf = Cxf.start(classes, lib, folder, ports, how)
    closing_.callback(cxf.stop)
    both = _commanded(abroad, employer, ports)
    wrong = []
    with abroad.sending() as sent:
        end = datetime.now(UTC) + timedelta(seconds=30)
        while any(sent.of(one).attempts < 2 for one in both if sent.views.dispatch(one)) and datetime.now(UTC) < end:
            threading.Event().wait(0.1)
        for one in both:
            ends = [(step.happening, step.code) for step in sent.timeline(one) if step.code]
            _tell(f"{kind}: {how}: {sorted(set(ends))}")
            if set(ends) != {(Happening.LOSE, CODES[how])}:
                wrong.append(f"{kind}: {how} came to {ends}")
    return wrong


def _said(folder: Path, port: int, abroad: Abroad, kind: KeyKind) -> list[str]:
    """Tell what CXF says of messages that are not as they must be, and what we make of that."""
    ours, other = abroad.demo.receipt, abroad.demo.clients["stranger"].sign
    now = datetime.now(UTC)
    right = _signed(ours, now, port)
    cases = {
        "changed": right.replace(b"</Kallelse>", b" </Kallelse>"),
        "stale": _signed(ours, now - timedelta(hours=1), port),
        "of the future": _signed(ours, now + timedelta(hours=1), port),
        "signed by a stranger": _signed(other, now, port),
        "unsigned": b'<s:Envelope xmlns:s="%s"><s:Body>%s</s:Body></s:Envelope>'
        % (SoapVersion.SOAP_11.encode(), SUMMONS.encode()),
    }
    wrong = []
    for name, body in cases.items():
        status, content = _posted(folder, port, body)
        fault = outcome.fault(etree.fromstring(content)[-1][0], SoapVersion.SOAP_11)
        if fault is None:
            wrong.append(f"{kind}: CXF took a message that is {name}")
            continue
        meant = outcome.by_status(status, fault) or outcome.by_fault(fault, status, _untyped)
        _tell(
            f"{kind}: CXF of one that is {name}: HTTP {status}, {fault.code}: {type(meant).__name__} {meant.code.name}"
        )
    return wrong


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _untyped(*_: object) -> Result | None:
    return None


def _signed(by: Issued, at: datetime, port: int) -> bytes:
    return sign(
        SUMMONS,
        key=SigningKey(key=by.key, certificate=by.der),
        version=SoapVersion.SOAP_11,
        created=at,
        expires=at + timedelta(minutes=5),
        message_id=uuid4().urn,
        to=_address(port),
        action="urn:forsakringskassan:utbyte:avstamningsmote:1:Kalla",
    )


def _posted(folder: Path, port: int, body: bytes) -> tuple[int, bytes]:
    context = ssl.create_default_context(cafile=str(folder / "data" / "pki" / "organisations.pem"))
    context.load_cert_chain(folder / "data" / "keys" / "client.pem", folder / "data" / "keys" / "client.key")
    with closing(http.client.HTTPSConnection("localhost", port, context=context, timeout=20)) as line:
        line.request("POST", PATH, body, {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'})
        answer = line.getresponse()
        return answer.status, answer.read()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
