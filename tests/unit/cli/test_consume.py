"""`gateway consume`: an event is acknowledged when it was written, or when the command took it, and never before."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.broker import schedule
from gateway.broker.embedded import DATABASE, EmbeddedBroker
from gateway.cli import main
from gateway.config import load
from gateway.ports import Publication
from gateway.wiring import SystemClock
from tests.unit.consumer.letters import PURPOSE, event

CONFIG = Path(__file__).parents[3] / "config" / "gateway.toml"
QUEUE = "handlaggning.inkomst"
ENDS = ("--idle", "0")


class Installation:
    """The embedded queues of an installation, and nothing else of it: a consumer needs no more."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.configuration = load(CONFIG, data=data)
        store = self.configuration.gateway.store.path
        store.mkdir(parents=True)
        schedule.create(store / DATABASE)

    def broker(self) -> EmbeddedBroker:
        path = self.configuration.gateway.store.path / DATABASE
        return EmbeddedBroker(path, self.configuration.queues, clock=SystemClock())

    def publish(self, *events) -> None:
        broker = self.broker()
        assert set(broker.submit(list(events)).result(10)) == {Publication.CONFIRMED}
        broker.close()

    def left(self) -> dict[str, int]:
        """Return how many events are on the queue, and how many are dead."""
        broker = self.broker()
        (depth,) = [one for one in broker.depths() if one.queue == QUEUE]
        broker.close()
        return {"depth": depth.ready + depth.unacked, "dead": depth.dead}

    def arguments(self, *more: str) -> list[str]:
        where = ["--config", str(CONFIG), "--data", str(self.data)]
        return ["consume", QUEUE, "--purpose", PURPOSE, *where, *more]

    def run(self, *more: str):
        return CliRunner().invoke(main, self.arguments(*more))

    def start(self, *more: str, **options) -> subprocess.Popen:
        words = [sys.executable, "-m", "gateway.cli", *self.arguments(*more)]
        return subprocess.Popen(words, stderr=subprocess.PIPE, **options)


@pytest.fixture
def installation(tmp_path):
    return Installation(tmp_path / "data")


@pytest.fixture
def program(tmp_path):
    """Return the command line of a program that runs `body` with `event` (parsed) and `environ`."""

    def made(body: str) -> str:
        path = tmp_path / "program.py"
        path.write_text(f"import json, os, sys\nevent = json.load(sys.stdin)\nenviron = os.environ\n{body}\n")
        return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}"

    return made


def ids(text: str) -> list[str]:
    return [json.loads(line)["id"] for line in text.splitlines()]


def test_events_are_written_as_they_were_composed_one_on_a_line(installation):
    sent = [event(1), event(2, person=1), event(3)]
    installation.publish(*sent)
    result = installation.run(*ENDS)
    assert result.exit_code == 0, result.stderr
    assert sorted(result.stdout_bytes.splitlines()) == sorted(one.body for one in sent)
    assert ids(result.stdout).index(sent[0].id) < ids(result.stdout).index(sent[2].id)  # one person, in order
    assert installation.left() == {"depth": 0, "dead": 0}


def test_an_empty_queue_is_no_failure(installation):
    result = installation.run(*ENDS)
    assert (result.exit_code, result.stdout) == (0, "")


def test_no_more_is_taken_than_asked_for_and_the_rest_goes_back(installation):
    installation.publish(*[event(n, person=n) for n in range(3)])
    result = installation.run("--limit", "2", *ENDS)
    assert len(ids(result.stdout)) == 2
    assert installation.left() == {"depth": 1, "dead": 0}
    assert len(ids(installation.run(*ENDS).stdout)) == 1


@pytest.mark.parametrize("purpose", ["fk:Kontroll", "forskning", ""])
def test_a_purpose_that_the_queue_does_not_serve_is_wrong_use_and_nothing_is_taken(installation, purpose):
    installation.publish(event(1))
    result = installation.run("--purpose", purpose, *ENDS)
    assert result.exit_code == 2
    assert "fk:Arendehandlaggning" in result.stderr
    assert result.stdout == ""
    assert installation.left() == {"depth": 1, "dead": 0}


def test_without_a_purpose_nothing_is_taken(installation):
    result = CliRunner().invoke(main, ["consume", QUEUE, "--config", str(CONFIG), "--data", str(installation.data)])
    assert result.exit_code == 2
    assert "--purpose" in result.stderr


def test_no_such_queue_names_those_there_are(installation):
    arguments = [word if word != QUEUE else "nowhere" for word in installation.arguments(*ENDS)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert QUEUE in result.stderr


def test_no_queues_at_all_is_an_integrity_fault(tmp_path):
    arguments = ["consume", QUEUE, "--purpose", PURPOSE, "--config", str(CONFIG), "--data", str(tmp_path)]
    assert CliRunner().invoke(main, arguments).exit_code == 5


# --- with a command ---------------------------------------------------------------------------------------------------


def test_a_command_gets_the_event_on_stdin_and_nothing_about_a_person_anywhere_else(installation, program, tmp_path):
    sent = event(1)
    installation.publish(sent)
    told = tmp_path / "told.json"
    keep = f"json.dump([event, dict(environ), sys.argv], open({str(told)!r}, 'w'))"
    result = installation.run("--exec", program(keep), *ENDS)
    assert result.exit_code == 0, result.stderr
    got, environment, words = json.loads(told.read_text())
    assert got == json.loads(sent.body)
    assert environment["GATEWAY_EVENT"] == sent.id
    assert (environment["GATEWAY_QUEUE"], environment["GATEWAY_ATTEMPT"]) == (QUEUE, "1")
    assert environment["GATEWAY_REPLAY_OF"] == ""
    number = got["data"]["person"]["id"]
    assert not [value for value in (*environment.values(), *words) if number in value]
    assert result.stdout == ""
    assert installation.left() == {"depth": 0, "dead": 0}


def test_a_command_that_ends_otherwise_leaves_the_event_for_another_attempt(installation, program):
    installation.publish(event(1), event(2, person=1))
    result = installation.run("--exec", program(f"sys.exit(event['id'] == {event(1).id!r})"), *ENDS)
    assert result.exit_code == 1
    assert installation.left() == {"depth": 1, "dead": 0}
    line = json.loads(result.stderr.splitlines()[-1])
    assert (line["event"], line["error"], line["final"]) == ("event.failed", "CommandFailedError", False)


def test_a_command_that_is_killed_has_not_taken_the_event(installation, program):
    installation.publish(event(1))
    assert installation.run("--exec", program("os.kill(os.getpid(), 9)"), *ENDS).exit_code == 1
    assert installation.left() == {"depth": 1, "dead": 0}


def test_a_command_that_is_not_there_is_a_fault_in_the_call_and_costs_no_event(installation):
    installation.publish(event(1))
    result = installation.run("--exec", "/no/such/program", *ENDS)
    assert result.exit_code == 3
    assert "/no/such/program" in result.stderr
    assert installation.left() == {"depth": 1, "dead": 0}


@pytest.mark.parametrize("words", ["", "'open"])
def test_a_command_that_is_none_is_wrong_use(installation, words):
    assert installation.run("--exec", words, *ENDS).exit_code == 2


def test_no_shell_reads_the_command(installation, tmp_path):
    installation.publish(event(1))
    witness = tmp_path / "witness"
    installation.run("--exec", f"true ; touch {witness}", *ENDS)
    assert not witness.exists()


# --- as a process -----------------------------------------------------------------------------------------------------


def test_it_waits_for_ever_and_drains_when_it_is_told_to_stop(installation):
    installation.publish(event(1))
    running = installation.start("--forever", stdout=subprocess.PIPE)
    try:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["id"] == event(1).id
        installation.publish(event(2))
        assert json.loads(running.stdout.readline())["id"] == event(2).id
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0, running.stderr.read()
    finally:
        running.kill()
        running.communicate()
    assert installation.left() == {"depth": 0, "dead": 0}


def test_a_command_at_work_when_it_is_told_to_stop_may_finish_and_nothing_more_is_begun(
    installation, program, tmp_path
):
    installation.publish(*[event(n, person=n) for n in range(3)])
    begun, go = tmp_path / "begun", tmp_path / "go"
    wait = f"import time\nopen({str(begun)!r}, 'a').write('x')\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    running = installation.start("--forever", "--exec", program(wait))
    try:
        while not begun.exists():
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        go.touch()
        assert running.wait(20) == 0, running.stderr.read()
    finally:
        running.kill()
        running.communicate()
    assert begun.read_text() == "x"
    assert installation.left() == {"depth": 2, "dead": 0}


def test_an_event_that_nobody_reads_is_not_acknowledged(installation):
    installation.publish(event(1))
    reading, writing = os.pipe()
    os.close(reading)
    running = installation.start(*ENDS, stdout=writing)
    os.close(writing)
    _, stderr = running.communicate(timeout=20)
    assert running.returncode == 4
    assert b"not acknowledged" in stderr
    assert b"Traceback" not in stderr
    assert installation.left() == {"depth": 1, "dead": 0}
