"""`gateway serve` does not go on from a log that is shorter than it was, or another: exit code 5, whatever its role."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import wiring
from gateway.cli.demo.ledger import GOVERNING
from gateway.store.place import ANCHOR, DATABASE
from tests.integration import stage as stages
from tests.integration.installation import until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A stage whose log is signed for, and beside it databases that are not the one that was."""
    stage = stages.make(tmp_path_factory.mktemp("grown"))
    folder = stage.configuration.gateway.store.path
    kept = tmp_path_factory.mktemp("kept")
    shutil.copy(folder / DATABASE, kept / "shorter")
    _grow(stage)
    shutil.copy(folder / DATABASE, kept / "whole")
    shutil.copy(folder / ANCHOR, kept / ANCHOR)
    for file in folder.iterdir():
        file.unlink()
    wiring.create_store(stage.configuration, wiring.SystemClock())  # the same key, the same origin, another history
    _grow(stage)
    shutil.copy(folder / DATABASE, kept / "forked")
    return stage, kept


def _grow(stage) -> None:
    anchor = stage.configuration.gateway.store.path / ANCHOR
    with stage.running():
        until(lambda: int(anchor.read_bytes().split()[1]) >= GOVERNING, "what governs is signed for")


def _serve(stage, *roles: str) -> tuple[int, str]:
    words = [sys.executable, "-m", "gateway.cli", "serve", "--data", str(stage.data), "--port", "0"]
    words += [word for role in roles for word in ("--role", role)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=60, check=False, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("database", "roles", "told"),
    [
        ("shorter", (), "this is an older copy"),
        ("shorter", ("integrator",), "this is an older copy"),
        ("forked", (), "the stored tree does not have the root signed for"),
        ("forked", ("front",), "the stored tree does not have the root signed for"),
        (None, ("integrator",), "gateway.db"),
    ],
)
def test_a_log_that_is_not_the_one_that_was_is_not_served(grown, database, roles, told):
    stage, kept = grown
    folder = stage.configuration.gateway.store.path
    for file in (*folder.glob("gateway.db*"), folder / ANCHOR):
        file.unlink(missing_ok=True)
    shutil.copy(kept / ANCHOR, folder / ANCHOR)
    if database is not None:
        shutil.copy(kept / database, folder / DATABASE)
    status, said = _serve(stage, *roles)
    assert (status, told in said) == (5, True), said
    assert (folder / ANCHOR).read_bytes() == (kept / ANCHOR).read_bytes()


def test_a_log_without_its_anchor_is_not_served(grown):
    stage, kept = grown
    folder = stage.configuration.gateway.store.path
    shutil.copy(kept / "whole", folder / DATABASE)
    (folder / ANCHOR).unlink(missing_ok=True)
    status, said = _serve(stage)
    assert (status, "how long the log was cannot be told" in said) == (5, True), said


@pytest.mark.parametrize("roles", [("auditor", "front"), ("auditor", "relay")])
def test_who_answers_auditors_does_nothing_else(grown, roles):
    stage, _ = grown
    status, said = _serve(stage, *roles)
    assert (status, "a process by itself" in said) == (2, True), said


def test_a_listener_that_nobody_may_ask_at_is_not_begun(grown):
    stage, _ = grown
    status, said = _serve(stage, "auditor")
    assert (status, "auditors" in said) == (3, True), said
