"""On PostgreSQL: a question that runs away is given up, and whoever asked is told what to do."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest
from click.testing import CliRunner

from gateway import config
from gateway.cli import main
from gateway.database import Turn
from tests.integration import stage as stages
from tests.integration.test_auditors import Listening

pytestmark = pytest.mark.services
CONFIG = stages.ROOT / "config" / "gateway.toml"


@pytest.fixture
def stage(tmp_path, stored):
    """An installation on PostgreSQL, where a statement may take a second."""
    made = stages.make(tmp_path / "data")
    shutil.copy(stored.settings.passfile, made.data / "pgpass")
    os.chmod(made.data / "pgpass", 0o600)  # noqa: PTH101
    server = f'[postgresql]\ndsn = "{stored.settings.dsn}"\npassfile = "pgpass"\nstatement_timeout = 1\n'
    (made.data / "services.toml").write_text(server)
    read = config.load(CONFIG, data=made.data)
    return replace(made, configuration=made.configuration.model_copy(update={"services": read.services}))


@contextmanager
def stuck(stored):
    """Let every question wait for the trail: longer than it may."""
    session = stored.open()
    try:
        with session.writing(Turn.CONTROL):
            session.execute("LOCK TABLE trail IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        session.close()


def test_the_command_says_that_the_question_takes_too_long_and_how_to_put_it_and_answers_the_next(stage, stored):
    words = ["audit", "ask", "Q12", "--purpose", "kontroll", "--case", "K 1", "--config", str(CONFIG)]
    words += ["--data", str(stage.data)]
    with stuck(stored):
        given_up = CliRunner().invoke(main, words)
    assert given_up.exit_code == 1
    assert "GW-ASK-LONG" in given_up.output
    assert "shorter period" in given_up.output
    assert CliRunner().invoke(main, words).exit_code == 0


def test_the_listener_says_so_too_and_has_written_the_reading_down_and_answers_the_next(stage, stored, tmp_path):
    with Listening(stage, tmp_path).running() as desk:
        before = len(desk.readings())
        with stuck(stored):
            given_up = desk.ask("Q12")
        assert (given_up.status_code, given_up.json()["code"]) == (400, "GW-ASK-LONG")
        assert (given_up.json()["mender"], "shorter period" in json.dumps(given_up.json())) == ("sender", True)
        assert len(desk.readings()) == before + 1
        assert desk.ask("Q12").status_code == 200
