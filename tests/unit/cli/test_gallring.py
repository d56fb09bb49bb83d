"""Gallring on the command line, and by the process that does it by itself: by rules of no months all is due."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from gateway import wiring
from gateway.cli import exits, holding, main
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.config import load
from gateway.errors import ConfigError
from gateway.swedish import swedish_time
from gateway.wiring.gallring import Gallring
from tests.unit.cli.test_review import MINE, ROLES, Desk


class Archive(Desk):
    """The same installation; nothing is kept longer than not at all."""

    def ruled(self, old: str, new: str) -> None:
        path = self.config.with_name("retention.toml")
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def set(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def gallring(self, *arguments, given: str | None = None):
        where = ["--config", str(self.config), "--data", str(self.installation.data)]
        return CliRunner().invoke(main, ["gallring", *arguments, *where], input=given)

    def lines(self, *arguments, given: str | None = None):
        return [json.loads(line) for line in self.gallring(*arguments, "--json", given=given).stdout.splitlines()]

    def relay(self) -> None:
        background = wiring.Background(
            self.read(), clock=wiring.SystemClock(), alarm=pytest.fail, roles=[wiring.Role.RELAY]
        )
        try:
            while background.relay.step().settled:
                continue
        finally:
            background.close()

    def alone(self, clock=None) -> Gallring:
        return Gallring(self.read(), clock=clock or wiring.SystemClock(), holder="h", alarm=pytest.fail)


@pytest.fixture
def archive(installation, tmp_path):
    """One message about three persons, delivered to its queues, and one that was refused."""
    made = Archive(installation, tmp_path, dict.fromkeys(ROLES, MINE))
    path = made.config.with_name("retention.toml")
    path.write_text(re.sub(r"months = \d+", "months = 0", path.read_text()))
    made.relay()
    return made


def test_due_counts_by_rule_and_shows_nobody(archive):
    shown = archive.gallring("due")
    assert shown.exit_code == exits.Exit.OK, shown.output
    assert PERSONNUMMER[0] not in shown.output
    due = {one["rule"].split("@")[0]: one for one in archive.lines("due")}
    assert (due["GR-BEVIS"]["due"], due["GR-POST"]["due"], due["GR-POST"]["held"]) == (1, 0, {"evidence": 3})


def test_a_dry_run_destroys_nothing_and_a_run_destroys_and_tells(archive):
    assert archive.gallring("run", "--dry-run").exit_code == exits.Exit.OK
    assert archive.lines("history") == []
    (done,) = archive.lines("run")
    counts = {key.split("@")[0]: count for key, count in done["destroyed"].items()}
    assert counts == {"GR-BEVIS": 1, "GR-AVVISAT": 1, "GR-POST": 3}
    assert (done["refused"], done["lingers"]) == ({}, False)
    assert [one["data"] for one in archive.lines("history")] == ["record", "refusal", "evidence"]
    assert archive.gallring("check").exit_code == exits.Exit.OK
    (again,) = archive.lines("run")
    assert again["destroyed"] == {}


def test_what_is_gone_without_a_rule_is_found(archive):
    session = wiring.place(archive.read(), wiring.Duty.OWNER).open()
    session.execute("DELETE FROM records WHERE pseudonym IS NOT NULL")
    session.close()
    found = archive.gallring("check", "--json")
    assert (found.exit_code, json.loads(found.stdout)) == (exits.Exit.INTEGRITY, {"unexplained": {"record": 3}})


def test_in_production_a_rule_that_is_not_verified_is_refused_loudly_and_destroys_nothing(archive):
    archive.set('environment = "demo"', 'environment = "production"')
    due = archive.gallring("due")
    assert due.exit_code == exits.Exit.REFUSED
    assert "REFUSED: not verified" in due.output
    done = archive.gallring("run")
    assert done.exit_code == exits.Exit.REFUSED
    assert "1 due and NOT destroyed" in done.output
    assert archive.lines("history") == []


def test_a_person_is_held_by_a_number_on_stdin_and_released_by_two(archive, monkeypatch):
    held = archive.gallring("hold", "--person", "-", "--reason", "tvist 17", given=PERSONNUMMER[0] + "\n")
    assert held.exit_code == exits.Exit.OK, held.output
    (done,) = archive.lines("run")
    assert list(done["destroyed"].values()) == [1], "the refusal alone: nobody else's record goes before the evidence"
    (one,) = archive.lines("holds")
    assert (one["kind"], one["reason"], one["last"]) == ("person", "tvist 17", "hold")
    assert PERSONNUMMER[0] not in json.dumps(one) + held.output
    assert archive.gallring("release", "1", "--reason", "avslutad").exit_code == exits.Exit.OK
    same = archive.gallring("release", "1", "--reason", "avslutad")
    assert (same.exit_code, "another person" in same.output) == (exits.Exit.REFUSED, True)
    monkeypatch.setattr(holding, "me", lambda: "somebody-else")
    assert archive.gallring("release", "1", "--reason", "avslutad").exit_code == exits.Exit.OK
    assert archive.lines("holds") == []
    assert [one["last"] for one in archive.lines("holds", "--all")] == ["release"]
    (done,) = archive.lines("run")
    assert sum(done["destroyed"].values()) == 4


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), exits.Exit.USAGE),
        (("--partner", "skatteverket", "--refusal", "1"), exits.Exit.USAGE),
        (("--partner", "nobody"), exits.Exit.USAGE),
        (("--message", "urn:uuid:nowhere"), exits.Exit.REFUSED),
        (("--refusal", "7"), exits.Exit.REFUSED),
        (("--person", "-"), exits.Exit.USAGE),
        (("--from", "2026-01-02", "--until", "2026-01-01"), exits.Exit.REFUSED),
        (("--partner", "skatteverket"), exits.Exit.OK),
        (("--from", "2026-01-02"), exits.Exit.OK),
    ],
)
def test_a_hold_says_one_thing_that_there_is(archive, arguments, code):
    assert archive.gallring("hold", *arguments, "--reason", "tvist", given="no number").exit_code == code


def test_the_log_is_never_pruned(archive):
    pruned = CliRunner().invoke(main, ["gallring", "prune"])
    assert (pruned.exit_code, "minimum index is 0" in pruned.output) == (exits.Exit.REFUSED, True)


def test_while_another_process_destroys_a_run_waits_for_its_turn(archive):
    other = archive.alone()
    other.step()
    assert archive.gallring("run").exit_code == exits.Exit.UNAVAILABLE
    other.close()
    assert archive.gallring("run").exit_code == exits.Exit.OK


# --- by itself --------------------------------------------------------------------------------------------------------


def enabled(archive, *, now: bool) -> None:
    hour = swedish_time(wiring.SystemClock().now()).hour
    archive.set("enabled = false", "enabled = true")
    archive.set("hour = 2", f"hour = {hour if now else (hour + 12) % 24}")


def test_in_its_hour_it_destroys_and_leaves_figures_for_watchers(archive):
    enabled(archive, now=True)
    alone = archive.alone()
    assert all(one.ripe == 0 for one in alone.step())
    alone.close()
    assert len(archive.lines("history")) == 3
    intake = wiring.Intake(archive.read(), clock=wiring.SystemClock())
    told = intake.readings()
    intake.close()
    assert set(told.gallring) == {one.key.removeprefix("rule ") for one in archive.read().retention}
    assert told.gallring_looked is not None


def test_in_another_hour_it_only_looks(archive):
    enabled(archive, now=False)
    alone = archive.alone()
    assert sum(one.ripe for one in alone.step()) == 2
    alone.close()
    assert archive.lines("history") == []


def test_it_is_off_unless_it_is_configured(archive):
    def background(*roles):
        return wiring.Background(archive.read(), clock=wiring.SystemClock(), alarm=pytest.fail, roles=roles)

    everything = background(*wiring.EVERYTHING - {wiring.Role.FRONT})
    assert everything.gallring is None
    everything.close()
    alone = background(wiring.Role.GALLRING)
    assert alone.gallring is not None, "asked for by name it looks, and destroys nothing"
    assert sum(one.ripe for one in alone.gallring.step()) == 2
    alone.close()
    archive.set('rules = "retention.toml"', "")
    with pytest.raises(ConfigError, match="names no rules"):
        background(wiring.Role.GALLRING)


def test_a_wrong_rule_stops_the_start_and_says_where(archive):
    archive.ruled("months = 0", "months = -1")
    with pytest.raises(ConfigError, match=r"retention\.toml: \[\[rule\]\] 1"):
        load(archive.config, data=archive.installation.data)


def test_where_somebody_read_when_the_files_were_made_anew_they_are_again_at_the_next_look(archive):
    enabled(archive, now=True)
    log = archive.read().gateway.store.path / "gateway.db-wal"
    reader = wiring.place(archive.read(), wiring.Duty.OWNER).open()
    alone = archive.alone()
    with reader.reading():
        reader.execute("SELECT count(*) FROM messages").fetchone()
        alone.step()
        assert log.stat().st_size > 0, "it cannot be emptied while somebody reads"
    reader.close()
    alone.step()
    alone.close()
    assert not log.exists() or log.stat().st_size < 100_000
