"""`gateway serve` as operators run it: its own processes, signals, exit codes and log lines."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.sqlite import File
from gateway.store.place import DATABASE
from tests.integration import stage as stages
from tests.integration.stage import ROOT


class Served:
    """A running `gateway serve`."""

    def __init__(self, stage, process):
        self.stage = stage
        self.process = process
        self.lines = []

    def until(self, event, seconds=30):
        """Read log lines until one tells of the event; return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            line = self.process.stderr.readline()
            assert line, f"it ended with {self.process.wait()} before {event}: {self.lines}"
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(event)

    def send(self, address, message=None):
        with self.stage.session() as session:
            return session.post(
                f"https://{address}/soap/skatteverket/folkbokforing",
                data=message or self.stage.message(),
                headers={"Content-Type": "text/xml"},
            )


def command(stage, *arguments, config=ROOT / "config" / "gateway.toml"):
    return [
        sys.executable, "-m", "gateway.cli", *arguments,
        "--config", str(config), "--data", str(stage.data),
    ]  # fmt: skip


@contextmanager
def serving(stage, *arguments, **more):
    process = subprocess.Popen(
        command(stage, "serve", "--port", "0", *arguments, **more),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Served(stage, process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=40)


def children(process):
    """Return the process ids of the workers, from procfs."""
    found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(one) for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


@pytest.fixture
def own(tmp_path):
    return stages.make(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_one_worker_starts_serves_drains_and_ends_with_0(own, number):
    with serving(own, "--workers", "1") as served:
        started = served.until("server.started")
        assert served.send(started["address"]).status_code == 200
        served.process.send_signal(number)
        served.until("server.stopped")
        assert served.process.wait(20) == 0


def test_two_workers_share_one_address_and_one_store(own):
    with serving(own, "--workers", "2") as served:
        address = served.until("server.started")["address"]
        assert len(children(served.process.pid)) == 2
        message = own.message()
        answers = [served.send(address, message) for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 8
        ready = {answer.content.split(b"<Receipt")[1].split(b"</Receipt>")[0] for answer in answers}
        assert len(ready) == 1
        served.process.terminate()
        served.until("server.stopped")
        assert served.process.wait(20) == 0


def test_a_worker_that_dies_is_replaced_and_the_other_goes_on(own):
    with serving(own, "--workers", "2") as served:
        address = served.until("server.started")["address"]
        before = children(served.process.pid)
        os.kill(before[0], signal.SIGKILL)
        ended = served.until("worker.ended")
        assert ended["process"] == before[0]
        assert served.send(address).status_code == 200
        end = time.monotonic() + 20
        while len(after := children(served.process.pid)) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        assert len(after) == 2
        assert before[0] not in after
        served.process.terminate()
        assert served.process.wait(30) == 0


def test_workers_do_not_outlive_their_parent(own):
    with serving(own, "--workers", "2") as served:
        served.until("server.started")
        workers = children(served.process.pid)
        served.process.kill()
        end = time.monotonic() + 20
        while any(Path(f"/proc/{one}/cmdline").exists() for one in workers) and time.monotonic() < end:
            time.sleep(0.05)
        assert time.monotonic() < end


def test_sighup_reads_the_configuration_again(own):
    with serving(own, "--workers", "1") as served:
        address = served.until("server.started")["address"]
        served.process.send_signal(signal.SIGHUP)
        assert served.until("configuration.reloaded")["restart"] is None
        assert served.send(address).status_code == 200
        (own.data / "pki" / "agencies.pem").write_text("nonsense")
        served.process.send_signal(signal.SIGHUP)
        assert "agencies.pem" in served.until("configuration.refused")["detail"]
        assert served.send(address).status_code == 200


def test_with_several_workers_the_parent_goes_by_the_new_law_too(own, tmp_path):
    """It carries out what people answered and calls partners: never by a law that the workers have left."""
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    with serving(own, "--workers", "2", config=config / "gateway.toml") as served:
        served.until("server.started")
        row = next(iter(sorted((config / "law").rglob("*.toml"))))
        row.write_text(row.read_text() + "\n# read again\n")
        served.process.send_signal(signal.SIGHUP)
        for _ in range(2):
            served.until("configuration.reloaded")
        served.process.terminate()
        served.until("server.stopped")
        told = [one["policy"] for one in served.lines if one["event"] == "configuration.reloaded"]
        assert len(told) == 3, "two workers and the parent"
        assert len(set(told)) == 1
        assert served.process.wait(30) == 0


def ended(stage, *arguments):
    done = subprocess.run(command(stage, *arguments), cwd=ROOT, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stderr.decode()


def test_an_absent_log_is_not_served(own):
    for file in own.configuration.gateway.store.path.iterdir():
        file.unlink()
    status, told = ended(own, "serve", "--port", "0")
    assert status == 5
    assert "gateway.db" in told


def test_a_wrong_configuration_is_not_served(own):
    (own.data / "pki" / "agencies.pem").write_text("nonsense")
    for workers in ("1", "2"):
        status, told = ended(own, "serve", "--port", "0", "--workers", workers)
        assert status == 3
        assert "agencies.pem" in told


def test_an_address_that_is_taken_is_told(own, stand):
    status, told = ended(own, "serve", "--port", str(stand.server.port))
    assert status == 3
    assert str(stand.server.port) in told


def test_init_makes_a_store_once(own):
    for file in own.configuration.gateway.store.path.iterdir():
        file.unlink()
    assert ended(own, "init")[0] == 0
    status, told = ended(own, "init")
    assert status == 5
    assert "is there already" in told


def test_init_without_keys_is_a_wrong_configuration(own):
    for file in own.configuration.gateway.store.path.iterdir():
        file.unlink()
    own.configuration.gateway.keys.checkpoint.unlink()
    status, told = ended(own, "init")
    assert status == 3
    assert "keys.checkpoint" in told


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_is_tampered_with_while_it_runs_ends_everything_with_5(own, workers):
    with serving(own, "--workers", workers) as served:
        address = served.until("server.started")["address"]
        assert served.send(address).status_code == 200
        file = File(own.configuration.gateway.store.path / DATABASE)
        with file.writing() as connection:
            connection.execute("INSERT INTO leaves (position, hash, entry) VALUES (1000, zeroblob(32), zeroblob(8))")
        file.close()
        assert served.until("integrity")["level"] == "critical"
        assert served.process.wait(40) == 5
