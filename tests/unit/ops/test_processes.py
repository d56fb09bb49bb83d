"""A server is ended, and nothing that has only its number."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ops.dev.servers import processes
from ops.dev.servers.processes import Process, ServerError


@pytest.fixture
def run(tmp_path):
    made = []

    def started(script, **more):
        process = processes.start(
            ["sh", "-c", script],
            pidfile=tmp_path / f"{len(made)}.pid",
            log=tmp_path / "log",
            environment=os.environ,
            cwd=tmp_path,
            **more,
        )
        made.append(process)
        return process

    yield started
    for process in made:
        process.send(signal.SIGKILL)


def test_one_that_obeys_ends_by_itself(run):
    process = run("exec sleep 60")
    assert process.alive
    assert process.end(signal.SIGTERM, within=5)
    assert not process.alive


def test_one_that_does_not_is_killed(run, tmp_path):
    process = run('trap "" TERM; touch ready; while :; do sleep 0.05; done')
    assert processes.waited((tmp_path / "ready").exists, within=5)
    assert not process.end(signal.SIGTERM, within=0.2)
    assert not process.alive


def test_one_that_stands_still_ends_too(run):
    process = run("exec sleep 60")
    process.send(signal.SIGSTOP)
    assert process.end(signal.SIGTERM, within=5)


def test_another_with_the_same_number_is_left_alone(run):
    process = run("exec sleep 60")
    other = Process(pid=process.pid, started=process.started + 1)
    assert not other.alive
    assert other.end(signal.SIGKILL, within=1)
    assert process.alive


def test_the_log_is_shown_where_a_server_ends_while_starting(run, tmp_path):
    process = run("echo no room; exit 1")
    with pytest.raises(ServerError, match="X ended while it was starting\nno room"):
        processes.ready(lambda: False, process, tmp_path / "log", name="X", within=5)


def test_and_where_it_does_not_answer(run, tmp_path):
    process = run("echo thinking; exec sleep 60")
    assert processes.waited(lambda: "thinking" in processes.tail(tmp_path / "log"), within=5)
    with pytest.raises(ServerError, match="X does not answer\nthinking"):
        processes.ready(lambda: False, process, tmp_path / "log", name="X", within=0.1)


def test_ports_are_free_and_not_those_that_clients_get():
    ports = processes.free_ports(7)
    assert len(set(ports)) == 7
    assert not any(processes.listening(port) for port in ports)
    assert max(ports) < int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
