"""A small soak, with real servers of its own: every group of faults happens, and nothing is lost or doubled.

`make soak` is the same, longer. This one starts and stops its servers itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from ops.soak import schedule
from ops.soak.schedule import Group, Kind
from tests.integration.stage import ROOT

pytestmark = pytest.mark.services

SEED, MESSAGES, COMMANDS, RATE = 49405, 380, 20, 20
"""About 20 seconds of sending. Each group has its turn; first of all answers are lost and acknowledgements, so messages
are really sent again and events really come twice. What goes out meets the same faults, and a dispatcher's clock is
wrong. The seed's plan stops and starts the broker without `rabbitmqctl`, which takes longest on a machine in use."""


def test_whatever_goes_wrong_every_receipted_message_arrives_once_and_every_leaf_is_proven(tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "ops.soak", "--pace", "quick", "--messages", str(MESSAGES), "--seed", str(SEED),
            "--commands", str(COMMANDS), "--rate", str(RATE), "--report", str(tmp_path / "soak.json"),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=560,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    report = json.loads((tmp_path / "soak.json").read_text())
    assert report["passed"]
    assert f"SEED={SEED}" in report["command"]
    checks = {check["name"]: check for check in report["checks"]}
    assert len(checks) == 15 + 12
    assert all(check["counted"] for check in checks.values()), "a rule that looked at nothing proves nothing"
    assert not any(check["wrong"] for check in checks.values())
    happened = Counter(schedule.group(Kind(one["planned"]["kind"])) for one in report["done"])
    possible = set(Group) - ({Group.DISK} if "NO FULL DISK" in done.stdout else set())
    assert set(happened) == possible, happened
    assert report["numbers"]["resends"] > 0
    assert report["numbers"]["attempts without an answer"] > 0
    assert report["numbers"]["redeliveries of handled events"] > 0
    assert report["numbers"]["commands"] == COMMANDS
    assert report["numbers"]["messages that came to a partner again"] > 0
    assert report["numbers"]["fetched by REST"] > 0
    assert report["numbers"]["fetched by signed SOAP"] > 0
