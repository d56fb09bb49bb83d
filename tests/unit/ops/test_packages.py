"""Installing a server starts nothing, and what denied it is put back as it was."""

from __future__ import annotations

import subprocess

import pytest

from ops.dev.servers import packages
from ops.dev.servers.processes import ServerError


@pytest.fixture
def policy(tmp_path):
    return tmp_path / "policy-rc.d"


def denied(path):
    return subprocess.run([path, "rabbitmq-server", "start"], check=False).returncode


def test_starts_are_denied_only_meanwhile(policy):
    with packages.nothing_starts(policy):
        assert denied(policy) == 101
    assert list(policy.parent.iterdir()) == []


def test_the_machines_own_policy_is_put_back_even_after_a_failure(policy):
    policy.write_text("#!/bin/sh\nexit 42\n")
    policy.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError, match="101"), packages.nothing_starts(policy):
        subprocess.run([policy], check=True)
    assert denied(policy) == 42
    assert list(policy.parent.iterdir()) == [policy]


def test_a_policy_that_a_killed_run_left_saved_comes_back(policy):
    saved = policy.with_name("policy-rc.d.before-gateway")
    saved.write_text("#!/bin/sh\nexit 42\n")
    saved.chmod(0o755)
    policy.write_text("#!/bin/sh\nexit 101\n")
    with packages.nothing_starts(policy):
        assert denied(policy) == 101
    assert denied(policy) == 42


def test_what_is_missing_and_may_not_be_installed_is_named():
    with pytest.raises(ServerError, match="apt-get install rabbitmq-server postgresql-15"):
        packages.install(("rabbitmq-server", "postgresql-15"), allowed=False)


def test_the_newest_postgresql_is_taken(tmp_path):
    assert packages.postgresql(tmp_path) is None
    for version in ("9", "15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()
    (tmp_path / "18" / "bin").mkdir(parents=True)
    assert packages.postgresql(tmp_path) == tmp_path / "17" / "bin"
