"""Processes are kept as systemd would keep them; a full disk is full, and a shifted clock shifted."""

from __future__ import annotations

import errno
import os
import signal
import sys
from datetime import UTC, datetime, timedelta

import pytest

from ops.dev.servers.processes import Process, waited
from ops.soak import units
from ops.soak.consumer import poisoned
from ops.soak.disk import Disk
from ops.soak.serve import ShiftedClock
from ops.soak.units import Unit

WITHIN = 20


@pytest.fixture
def unit(tmp_path, monkeypatch):
    monkeypatch.setattr(units, "RESTART", 0.05)
    made = []

    def make(program, **environment):
        failures = []
        one = Unit(
            "unit",
            [sys.executable, "-c", program],
            log=tmp_path / "unit.log",
            environment=os.environ | environment,
            failed=failures.append,
        )
        one.start()
        made.append(one)
        return one, failures

    yield make
    for one in made:
        one.stop()


def begun(one):
    assert waited(lambda: one.main is not None, within=WITHIN)
    return one.main


@pytest.mark.parametrize("code", [0, 1, 4])
def test_a_process_that_ends_is_started_again(unit, code):
    one, failures = unit(f"raise SystemExit({code})")
    assert waited(lambda: one.ends[code] >= 2, within=WITHIN)
    assert failures == []


@pytest.mark.parametrize("code", [3, 5])
def test_a_process_that_must_not_be_started_again_fails_the_soak(unit, code):
    one, failures = unit(f"print('why', flush=True); raise SystemExit({code})")
    assert waited(lambda: failures, within=WITHIN)
    assert failures[0].startswith(f"unit ended with {code} (")
    assert failures[0].endswith("why")
    one.stop()
    assert one.ends == {code: 1}


def test_a_killed_process_is_started_again_and_takes_what_it_left_with_it(unit, tmp_path):
    left = tmp_path / "left"
    one, _ = unit(
        "import subprocess, sys, time, os\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "new = os.environ['LEFT'] + '.new'\n"
        "open(new, 'w').write(str(child.pid)); os.replace(new, os.environ['LEFT'])\n"
        "time.sleep(600)\n",
        LEFT=str(left),
    )
    assert waited(left.exists, within=WITHIN)
    first, child = begun(one), Process.of(int(left.read_text()))
    first.send(signal.SIGKILL)
    assert waited(lambda: one.ends[-signal.SIGKILL] == 1 and not child.alive, within=WITHIN)
    assert waited(lambda: one.main not in {None, first}, within=WITHIN)


def test_stopping_is_in_order_even_of_one_that_stands_still(unit):
    one, failures = unit(
        "import signal\nsignal.signal(signal.SIGTERM, lambda *_: exit(0))\nprint(1, flush=True)\nsignal.pause()"
    )
    assert waited(lambda: one.log.exists() and one.log.read_bytes(), within=WITHIN)
    main = begun(one)
    one.send(signal.SIGSTOP)
    one.stop()
    assert not main.alive
    assert (failures, dict(one.ends)) == ([], {})


def test_what_the_log_tells_is_counted_by_event(unit):
    one, _ = unit(
        "import sys\n"
        'for n in range(3): print(\'{"event": "fault", "error": "X", "at": %d}\' % n)\n'
        "print('{\"event\": \"other\"}'); print('Traceback'); sys.stdout.flush()\n"
        "import signal; signal.pause()\n"
    )
    assert waited(lambda: b"Traceback" in one.log.read_bytes() if one.log.exists() else False, within=WITHIN)
    assert one.told("fault") == {"error=X event=fault": 3, "(not a log line) Traceback": 1}


def test_a_full_disk_has_no_room_and_then_has_again(tmp_path):
    folder = tmp_path / "disk"
    if os.getuid() != 0:
        with pytest.raises(OSError, match=r".+"):
            Disk(folder, 1024 * 1024)
        assert not folder.exists()
        return
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "before").write_text("kept")
    disk = Disk(folder, 1024 * 1024)
    try:
        disk.move(data)
        assert (data / "before").read_text() == "kept"
        assert data.stat().st_mode & 0o777 == 0o700
        assert disk.fill() > 500_000
        with pytest.raises(OSError, match="No space") as caught:
            (data / "more").write_bytes(b"x" * 10_000)
        assert caught.value.errno == errno.ENOSPC
        disk.free()
        (data / "more").write_bytes(b"x" * 10_000)
    finally:
        disk.close()
    assert not folder.exists()


def test_a_clock_is_shifted_by_what_stands_in_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(ShiftedClock, "file", tmp_path / "clock")
    for seconds in (0.0, 600.0, -600.0):
        (tmp_path / "clock").write_text(str(seconds))
        monkeypatch.setattr(ShiftedClock, "_due", 0.0)
        away = ShiftedClock().now() - datetime.now(UTC)
        assert abs(away - timedelta(seconds=seconds)) < timedelta(seconds=5)


def test_one_event_in_so_many_can_never_be_handled_and_the_same_one_every_time():
    names = [f"{number:08x}rest-1" for number in range(1000)]
    assert sum(poisoned(name, 100) for name in names) == 10
    assert not any(poisoned(name, 0) for name in names)
