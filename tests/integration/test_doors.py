"""`gateway serve --role auditor` and `--role transparency`, as processes: real TLS, a real store, real signals."""

from __future__ import annotations

import hashlib
import signal
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field

import orjson
import pytest
import requests

from gateway import wiring
from gateway.audit.reading import Purpose
from gateway.sqlite import File
from gateway.store.place import DATABASE, Duty
from gateway.store.readings import ReadingViews
from tests.integration import stage as stages
from tests.integration.installation import Installation, Process, until
from tests.integration.stage import ROOT, Stage
from tests.payloads import PERSON

KNOWN, UNKNOWN, FOREIGN = "skatteverket", "arbetsformedlingen", "stranger"
"""Clients of the throw-away PKI stand in for readers and portals: one that has a row, one that has none under the same
authority, and one under an authority that no door believes."""


@dataclass(frozen=True)
class Role:
    """What is asked at one of the doors."""

    name: str
    path: str
    body: bytes
    content_type: str
    question: str
    purpose: Purpose
    headers: dict[str, str] = field(default_factory=dict)

    def content(self, answer: requests.Response) -> list[object]:
        """Return what was told of the one message."""
        return answer.json()["usages" if self.name == "transparency" else "rows"]


AUDITOR = Role(
    "auditor",
    "/audit/questions/Q1",
    orjson.dumps({"purpose": "kontroll", "case": "K 2026/17", "about": [PERSON]}),
    "application/json",
    "Q1",
    Purpose.KONTROLL,
)
TRANSPARENCY = Role(
    "transparency",
    "/v2/findUsage",
    b"limit=10",
    "application/x-www-form-urlencoded",
    "findUsage",
    Purpose.REGISTERUTDRAG,
    {"X-Road-UserId": f"SE{PERSON}"},
)


class Configured(Installation):
    """An installation with a configuration of its own, that has both doors."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "GATEWAY_CONFIG": str(self.data / "gateway.toml")}

    def admit(self, name: str) -> None:
        """Write the configuration: who may come in."""
        der = self.demo.clients[name].tls.der
        row = f'id = "{name}"\ncertificates = ["{hashlib.sha256(der).hexdigest()}"]'
        text = (ROOT / "config" / "gateway.toml").read_text()
        text = text.replace('"../schemas"', f'"{ROOT / "schemas"}"')
        for part in ("partners", "law", "queues.toml", "askers.toml", "retention.toml"):
            text = text.replace(f'"{part}"', f'"{ROOT / "config" / part}"')
        text += f'\n[[transparency.portal]]\n{row}\n[auditors]\nanchors = ["pki/agencies.pem"]\n'
        self.rewrite(f'{text}[[auditors.reader]]\n{row}\nduties = ["auditor"]\n')

    def rewrite(self, text: str) -> None:
        (self.data / "gateway.toml").write_text(text)


@dataclass
class Open:
    """A door that is open."""

    role: Role
    installation: Configured
    stage: Stage
    process: Process

    @property
    def address(self) -> str:
        return str(self.process.told("server.started")["address"])

    def ask(self, name: str = KNOWN) -> requests.Response:
        with self.stage.session(name) as session:
            return session.post(
                f"https://{self.address}{self.role.path}",
                data=self.role.body,
                headers={**self.role.headers, "Content-Type": self.role.content_type},
                timeout=20,
            )

    def readings(self) -> list:
        """Return who has read, the newest first."""
        configuration = self.stage.configuration
        sealer = wiring.sealer(configuration.gateway.keys)
        return [kept.opened(sealer) for kept in ReadingViews(wiring.place(configuration, Duty.OVERSEER)).newest()]

    def reload(self) -> dict[str, object]:
        """Have everything read again; return what the log says of it."""
        before = len(self._reloads())
        self.process.program.send_signal(signal.SIGHUP)
        until(lambda: len(self._reloads()) > before, "it read its configuration again")
        return self._reloads()[-1]

    def _reloads(self) -> list[dict[str, object]]:
        return [line for line in self.process.lines() if str(line["event"]).startswith("configuration.")]

    @contextmanager
    def connected(self):
        host, port = self.address.split(":")
        with (
            socket.create_connection((host, int(port)), timeout=20) as plain,
            self.stage.context(KNOWN).wrap_socket(plain, server_hostname=host) as secure,
        ):
            yield secure

    def shut(self) -> bool:
        """Tell whether nobody new is let in."""
        host, port = self.address.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=20).close()
        except ConnectionRefusedError:
            return True
        return False


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """A store with one message about one person, and its configuration."""
    stage = stages.make(tmp_path_factory.mktemp("doors"))
    with stage.running() as stand, stage.session() as session:
        answer = session.post(stand.address(), data=stage.message(), headers={"Content-Type": "text/xml"}, timeout=20)
        assert answer.status_code == 200
    made = Configured(stage.data, stage.demo)
    made.admit(KNOWN)
    yield made, stage
    for process in made.processes:
        process.kill()


@pytest.fixture(scope="module")
def processes():
    """Each role's process, started when first asked for: starting one is what costs."""
    return {}


@pytest.fixture(params=[AUDITOR, TRANSPARENCY], ids=lambda role: role.name)
def door(request, installation, processes):
    made, stage = installation
    role = request.param
    if role.name not in processes or processes[role.name].program.poll() is not None:
        processes[role.name] = made.start(role.name)
    return Open(role, made, stage, processes[role.name])


def test_it_answers_one_who_is_named_and_who_read_is_in_the_log_of_readings(door):
    before = len(door.readings())
    answer = door.ask()
    assert answer.status_code == 200, answer.text
    assert len(door.role.content(answer)) == 1
    assert "skatteverket" in answer.text.lower(), "who it came from"
    readings = door.readings()
    assert len(readings) == before + 1
    assert (readings[0].reader, readings[0].question) == (KNOWN, door.role.question)
    assert readings[0].purpose is door.role.purpose
    assert readings[0].pseudonym is not None
    assert [line["records"] for line in door.process.lines() if line["event"] == "question.answered"][-1] == 1


def test_nothing_is_told_until_the_reading_is_written(door):
    before = len(door.readings())
    file = File(door.stage.configuration.gateway.store.path / DATABASE)
    try:
        file.execute("ALTER TABLE reading_records RENAME TO gone")
        answer = door.ask()
    finally:
        file.execute("ALTER TABLE gone RENAME TO reading_records")
        file.close()
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "skatteverket" not in answer.text.lower()
    assert len(door.readings()) == before
    assert door.ask().status_code == 200
    assert len(door.readings()) == before + 1


def test_strangers_get_nothing_and_are_no_readers(door):
    before = len(door.readings())
    answer = door.ask(UNKNOWN)
    assert (answer.status_code, answer.json()["code"]) == (403, "GW-ASK-READER")
    with pytest.raises(requests.exceptions.ConnectionError):
        door.ask(FOREIGN)
    with pytest.raises(requests.exceptions.ConnectionError):  # no certificate at all
        requests.get(
            f"https://{door.address}/health/live", verify=str(door.stage.data / "pki/server-ca.pem"), timeout=20
        )
    assert len(door.readings()) == before


def test_a_reload_takes_another_list_of_certificates_and_a_wrong_file_changes_nothing(door):
    text = (door.installation.data / "gateway.toml").read_text()
    try:
        door.installation.admit(UNKNOWN)
        assert [door.ask(name).status_code for name in (KNOWN, UNKNOWN)] == [200, 403], "nothing before the signal"
        told = door.reload()
        assert (told["event"], told["restart"]) == ("configuration.reloaded", None)
        assert [door.ask(name).status_code for name in (KNOWN, UNKNOWN)] == [403, 200]
        door.installation.rewrite(f"{text}\nnonsense = [")
        assert door.reload()["event"] == "configuration.refused"
        assert [door.ask(name).status_code for name in (KNOWN, UNKNOWN)] == [403, 200]
    finally:
        door.installation.rewrite(text)
        assert door.reload()["event"] == "configuration.reloaded"
    assert [door.ask(name).status_code for name in (KNOWN, UNKNOWN)] == [200, 403]


def test_a_reload_names_what_waits_for_a_restart(door):
    text = (door.installation.data / "gateway.toml").read_text()
    try:
        door.installation.rewrite(text.replace('path = "store"', 'path = "other"').replace("port = 84", "port = 94"))
        told = door.reload()
    finally:
        door.installation.rewrite(text)
        assert door.reload()["restart"] is None
    assert str(told["restart"]).split()[0] == "store"
    assert door.ask().status_code == 200


def test_no_number_is_in_what_a_process_logged(door):
    door.ask()
    door.ask(UNKNOWN)
    text = door.process.log.read_text()
    assert "question.answered" in text
    assert PERSON not in text
    assert PERSON[2:] not in text


def test_when_told_to_end_it_answers_what_is_under_way_and_ends_with_0(door):
    role = door.role
    head = [
        f"POST {role.path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {role.content_type}",
        f"Content-Length: {len(role.body)}",
        "Expect: 100-continue",
        *(f"{name}: {value}" for name, value in role.headers.items()),
    ]
    with door.connected() as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 "), "the request is under way, and its body wanted"
        connection.sendall(role.body[:4])
        door.process.program.send_signal(signal.SIGTERM)
        until(door.shut, "nobody new is let in")
        connection.sendall(role.body[4:])
        got, body = stages.one(connection)
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"skatteverket" in body.lower()
    assert door.process.program.wait(60) == 0
    assert [line["event"] for line in door.process.lines()][-2:] == ["server.stopping", "server.stopped"]
