"""`gateway witness` as its operators run it: processes of its own, killed and stopped, over real sockets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from base64 import b64encode
from contextlib import contextmanager

import pytest

from gateway.audit import cosignature
from tests import builders
from tests.integration.installation import PROGRAM
from tests.witnesses import Log, body, post

NAME = "witness.example/w1"


def run(*arguments: str, code: int = 0) -> str:
    done = subprocess.run([PROGRAM, "witness", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    run("init", "--name", NAME, "--folder", str(tmp_path / "w"))
    run("add", str(builders.signer().key), "--folder", str(tmp_path / "w"))
    return tmp_path / "w"


@contextmanager
def serving(folder, code: int = 0):
    """Run it until the block ends; then SIGTERM must end it with `code`."""
    log = folder.parent / "log"
    with log.open("wb") as stream:
        program = subprocess.Popen(
            [PROGRAM, "witness", "serve", "--folder", folder, "--listen", "127.0.0.1:0"], stderr=stream, cwd="/"
        )
    try:
        end = time.monotonic() + 60
        while b"witness.started" not in log.read_bytes():
            assert program.poll() is None, log.read_text()
            assert time.monotonic() < end
            time.sleep(0.02)
        line = json.loads(log.read_bytes().splitlines()[0])
        yield program, int(line["address"].rpartition(":")[2]), line
        if program.poll() is None:
            program.send_signal(signal.SIGTERM)
        assert program.wait(20) == code
    finally:
        program.kill()
        program.wait()


def test_it_tells_its_key_and_what_it_cosigned(folder):
    log = Log(size=9)
    with serving(folder) as (_, port, line):
        assert (line["witness"], line["logs"]) == (NAME, 1)
        status, _, said = post(port, log.asks(0))
        assert status == 200
        shown = json.loads(run("show", "--folder", str(folder), "--json"))
    key = cosignature.Key.parse(shown["vkey"])
    assert cosignature.verify(log.signed() + said, [key])
    assert shown["logs"] == [
        {"origin": log.key.name, "size": 9, "root": b64encode(log.checkpoint().root).decode(), "keys": 1},
    ]  # fmt: skip
    assert NAME in run("show", "--folder", str(folder))


def test_killed_and_started_again_it_goes_on_and_refuses_a_fork(folder):
    log, fork = Log(size=20), Log(size=20, salt="fork")
    with serving(folder, code=-signal.SIGKILL) as (program, port, _):
        assert post(port, log.asks(0, 9))[0] == 200
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
    with serving(folder) as (_, port, _):
        assert post(port, log.asks(0)) == (409, "text/x.tlog.size", b"9\n")
        assert post(port, fork.asks(9))[0] == 422
        assert post(port, fork.asks(9, 9))[0] == 409
        assert post(port, body(9, (), log.signed(5)))[0] == 400
        assert post(port, log.asks(9))[0] == 200


def test_a_log_may_be_added_while_it_serves(folder):
    other = Log("other.example/log", 3)
    with serving(folder) as (_, port, _):
        assert post(port, other.asks(0))[0] == 404
        run("add", str(other.key), "--folder", str(folder))
        assert post(port, other.asks(0))[0] == 200


def test_two_of_them_on_one_memory_never_contradict_each_other(folder):
    log, fork = Log(size=9), Log(size=9, salt="fork")
    with serving(folder) as (_, first, _):
        second_log = folder.parent / "second"
        second_log.mkdir()
        (second_log / "w").symlink_to(folder)
        with serving(second_log / "w") as (_, second, _):
            assert post(first, log.asks(0))[0] == 200
            assert post(second, fork.asks(0)) == (409, "text/x.tlog.size", b"9\n")
            assert post(second, fork.asks(9))[0] == 409


def test_where_its_memory_is_gone_it_stops_with_5_and_does_not_start_again(folder):
    with serving(folder, code=5) as (program, port, _):
        (folder / "witness.json").unlink()
        assert post(port, Log(size=1).asks(0))[0] == 500
        program.wait(20)
    run("serve", "--folder", str(folder), code=5)
    run("show", "--folder", str(folder), code=5)


def test_it_is_never_made_over_an_old_one_and_wrong_words_are_named(folder):
    run("init", "--name", NAME, "--folder", str(folder), code=5)
    run("init", "--name", "a b", "--folder", str(folder / "new"), code=3)
    run("add", "hello", "--folder", str(folder), code=2)
    run("serve", "--folder", str(folder), "--listen", "8447", code=2)
    run("serve", "--folder", str(folder), "--listen", "203.0.113.1:1", code=3)
