"""`--purpose`, `--case` and `gateway audit readings`: nothing is told before it is written down who asks and why."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
from dataclasses import replace

import click
import pytest
from click.testing import CliRunner

from gateway import wiring
from gateway.adapters import persons
from gateway.audit import proof
from gateway.audit.note import Key
from gateway.audit.reading import GIVEN, Purpose
from gateway.cli import main, options, reading
from gateway.cli.person import me
from gateway.config import load
from gateway.errors import ConfigError, IntegrityError, UnavailableError
from gateway.sqlite import File
from gateway.store import guard
from gateway.store.log import READINGS
from gateway.store.place import SqlitePlace
from gateway.store.readings import ReadingViews
from tests import builders
from tests.integration.killed import Child
from tests.unit.cli.conftest import CONFIG

WHY = ("--purpose", "kontroll", "--case", "K 2026/17")
PERSON = builders.pseudonym(builders.NUMBERS[0])


@click.command()
@click.argument("number", type=int)
@reading.why()
@options.config
@options.data
@options.as_json
def ask(*, number, why, config, data, as_json):
    """A command of those that read."""
    with reading.released(load(config, data=data), why, "Q1", {"page": number}, pseudonym=PERSON):
        click.echo("the answer")


@click.command()
@reading.why(always=False)
@options.config
@options.data
def maybe(*, why, config, data):
    """One that reads sometimes."""
    click.echo(f"before {why}")
    with reading.released(load(config, data=data), why, "Q2"):
        click.echo("the answer")


def run(command, installation, *arguments: str):
    return CliRunner().invoke(command, [*arguments, "--config", str(CONFIG), "--data", str(installation.data)])


def place(installation) -> SqlitePlace:
    return SqlitePlace(installation.data / "store")


def count(installation) -> int:
    return ReadingViews(place(installation)).length()


def listed(installation, *arguments: str) -> list[dict[str, object]]:
    result = installation.run("audit", "readings", "list", *WHY, "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def sign(installation) -> None:
    """What the gateway that runs does every second."""
    configuration = load(CONFIG, data=installation.data)
    background = wiring.Background(
        configuration, clock=wiring.SystemClock(), alarm=pytest.fail, roles=[wiring.Role.INTEGRATOR]
    )
    background.reading.step()
    background.close()


def test_who_reads_is_written_down_with_purpose_and_case_and_then_answered(installation):
    result = run(ask, installation, "7", *WHY)
    assert (result.exit_code, result.stdout) == (0, "the answer\n")
    newest, before = listed(installation)
    assert before == {
        "reading": 0, "at": before["at"], "reader": me(), "account": None, "purpose": "kontroll", "case": "K 2026/17",
        "question": "Q1", "parameters": {"page": 7}, "person": PERSON,
    }  # fmt: skip
    assert (newest["reading"], newest["question"]) == (1, "audit readings list"), "who oversees is written down too"


@pytest.mark.parametrize(
    "lacking",
    [
        ("--case", "K 1"), ("--purpose", "kontroll"), (), ("--purpose", "nyfikenhet", "--case", "K 1"),
        ("--purpose", "granskning", "--case", "K 1"), ("--purpose", "kontroll", "--case", " "),
        ("--purpose", "kontroll", "--case", f"om {builders.NUMBERS[0]}"),
    ],
)  # fmt: skip
def test_without_a_purpose_that_is_one_and_a_case_nothing_is_asked(installation, lacking):
    for command, more in ((ask, ("1",)), (maybe, ())):
        result = run(command, installation, *more, *lacking)
        assert result.exit_code == 2
        assert "answer" not in result.stdout
        assert builders.NUMBERS[0] not in result.output
    assert count(installation) == 0


def test_a_command_that_reads_sometimes_may_be_called_without_and_reads_nothing_then(installation):
    result = run(maybe, installation)
    assert result.exit_code == 2
    assert result.stdout == "before None\n"
    assert "--purpose and --case" in result.stderr
    assert run(maybe, installation, *WHY).stdout.endswith("the answer\n")
    assert count(installation) == 1


def test_every_purpose_that_a_reader_may_say_is_taken(installation):
    for one in GIVEN:
        assert run(ask, installation, "1", "--purpose", one.value, "--case", "K 1").exit_code == 0
    assert {line["purpose"] for line in listed(installation)} == {one.value for one in Purpose} - {"granskning"}


def test_what_the_store_cannot_hold_is_not_answered(installation):
    file = File(installation.data / "store" / "gateway.db")
    file.connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON reading_records BEGIN SELECT RAISE(ABORT, 'no more'); END"
    )
    result = run(ask, installation, "1", *WHY)
    assert isinstance(result.exception, IntegrityError)
    assert "answer" not in result.stdout
    for command in (("list",), ("show", "0"), ("verify", "--records")):
        result = installation.run("audit", "readings", *command, *WHY)
        assert (result.exit_code, result.stdout) == (5, "")
    file.connection.execute("DROP TRIGGER full")
    file.close()
    assert count(installation) == 0
    assert run(ask, installation, "1", *WHY).exit_code == 0


def test_on_a_full_disk_nothing_is_answered_and_the_command_may_be_tried_again(installation):
    def work(tell) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        asked = run(ask, installation, "1", *WHY)
        tell((type(asked.exception), asked.stdout))
        result = installation.run("audit", "readings", "list", *WHY)
        tell((result.exit_code, result.stdout))

    assert Child(work).end().told == [(UnavailableError, ""), (4, "")]
    assert count(installation) == 0
    assert run(ask, installation, "1", *WHY).exit_code == 0


def test_without_the_sealing_key_nothing_is_answered_and_the_configuration_is_wrong(installation):
    (installation.data / "keys" / "sealing.key").unlink()
    result = run(ask, installation, "1", *WHY)
    assert isinstance(result.exception, ConfigError)
    assert "answer" not in result.stdout
    assert installation.run("audit", "readings", "show", "0", *WHY).exit_code == 3
    assert count(installation) == 0


def test_killed_between_the_log_and_the_answer_it_is_written_down_and_nobody_was_answered(installation):
    configuration = load(CONFIG, data=installation.data)
    why = reading.Why(purpose=Purpose.REVISION, case="R 1")

    def work(tell) -> None:
        with reading.released(configuration, why, "Q1"):
            os.kill(os.getpid(), 9)
            tell("the answer")

    ended = Child(work).end()
    assert (ended.killed, ended.told) == (True, [])
    assert [(one["question"], one["case"]) for one in listed(installation)[1:]] == [("Q1", "R 1")]


def test_readings_are_found_by_reader_purpose_case_time_and_person(installation):
    for number, purpose in enumerate(("revision", "incident", "tillsyn")):
        assert run(ask, installation, str(number), "--purpose", purpose, "--case", f"K {number}").exit_code == 0
    assert [one["case"] for one in listed(installation, "--for", "incident")] == ["K 1"]
    assert [one["purpose"] for one in listed(installation, "--in", "K 2")] == ["tillsyn"]
    assert listed(installation, "--by", "nobody") == []
    assert len(listed(installation, "--by", me(), "-n", "2")) == 2
    assert listed(installation, "--since", "2099-01-01") == []


def test_a_person_is_given_by_a_file_and_is_in_no_reading_but_as_a_pseudonym(installation):
    configuration = load(CONFIG, data=installation.data)
    person = wiring.pseudonyms(configuration.gateway.keys).of(persons.read(builders.NUMBERS[0]))
    with reading.released(configuration, reading.Why(purpose=Purpose.KONTROLL, case="K 1"), "Q1", pseudonym=person):
        pass
    arguments = ["audit", "readings", "list", *WHY, "--json", "--person", "-"]
    paths = ["--config", str(CONFIG), "--data", str(installation.data)]
    result = CliRunner().invoke(main, [*arguments, *paths], input=builders.NUMBERS[0] + "\n")
    assert result.exit_code == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["question"], one["person"]) for one in lines] == [("audit readings list", person), ("Q1", person)]
    assert CliRunner().invoke(main, [*arguments, *paths], input="nobody\n").exit_code == 2
    assert builders.NUMBERS[0] not in json.dumps(listed(installation))


def test_one_reading_is_shown_by_its_number(installation):
    run(ask, installation, "7", *WHY)
    result = installation.run("audit", "readings", "show", "0", *WHY, "--json")
    assert json.loads(result.stdout)["parameters"] == {"page": 7}
    assert installation.run("audit", "readings", "show", "99", *WHY).exit_code == 1
    assert [one["question"] for one in listed(installation)][1:] == ["audit readings show", "audit readings show", "Q1"]


def test_a_reading_that_cannot_be_opened_is_told_beside_the_others(installation):
    for number in range(3):
        run(ask, installation, str(number), *WHY)
    file = File(installation.data / "store" / "gateway.db")
    builders.forge(file, "UPDATE reading_records SET sealed = x'00' WHERE position = 1")
    file.close()
    result = installation.run("audit", "readings", "list", *WHY, "--json")
    assert result.exit_code == 5
    lines = [json.loads(line) for line in result.stdout.splitlines()[:4]]
    assert [(one["reading"], one["reader"]) for one in lines] == [(3, me()), (2, me()), (1, None), (0, me())]
    assert installation.run("audit", "readings", "verify", "--records", *WHY).exit_code == 5
    assert installation.run("audit", "readings", "verify").exit_code == 0, "the tree is whole; a record is not"


def test_the_log_of_readings_is_verified_and_proven_with_its_own_key(installation):
    run(ask, installation, "7", *WHY)
    assert installation.run("audit", "readings", "proof", "0").exit_code == 4
    sign(installation)
    found = json.loads(installation.run("audit", "readings", "verify", "--json").stdout)
    assert (found["size"], found["pending"], found["records"]) == (1, 0, "there")
    assert found["origin"].endswith("/readings")
    key = Key.parse(found["vkey"])
    written = installation.run("audit", "readings", "proof", "0").stdout.encode()
    hash_ = ReadingViews(place(installation)).at(0).hash
    assert proof.verify(proof.read(written), hash_, key).size == 1
    told = json.loads(installation.run("audit", "readings", "proof", "0", "--json").stdout)
    assert (told["leaf"], told["proof"].encode()) == (hash_.hex(), written)
    assert installation.run("audit", "readings", "proof", "1").exit_code == 1
    assert installation.run("audit", "readings", "verify", "--vkey", found["vkey"]).exit_code == 0
    (installation.data / "keys" / "checkpoint.key").unlink()
    assert installation.run("audit", "readings", "verify", "--vkey", found["vkey"]).exit_code == 0
    assert installation.run("audit", "readings", "verify", "--records", "--vkey", found["vkey"]).exit_code == 2
    for wrong in ("nonsense", str(Key("another.example/log", b"\x01" * 32))):
        assert installation.run("audit", "readings", "verify", "--vkey", wrong).exit_code == 2
    other = str(Key("another.example/log/readings", b"\x01" * 32))
    assert installation.run("audit", "readings", "verify", "--vkey", other).exit_code == 5


def test_what_is_changed_in_the_log_of_readings_exits_5(installation):
    run(ask, installation, "7", *WHY)
    sign(installation)
    file = File(installation.data / "store" / "gateway.db")
    builders.forge(file, "UPDATE reading_leaves SET entry = X'7b7d'")
    file.close()
    assert installation.run("audit", "readings", "verify").exit_code == 5
    assert installation.run("audit", "verify").exit_code == 0


def test_both_anchors_are_kept(installation):
    run(ask, installation, "7", *WHY)
    sign(installation)
    anchor = installation.data / "store" / READINGS.anchor
    newest = anchor.read_bytes()
    anchor.unlink()
    assert installation.run("audit", "anchor").exit_code == 5
    assert installation.run("audit", "anchor", "--first").exit_code == 0
    assert anchor.read_bytes() == newest
    assert installation.run("audit", "anchor").exit_code == 0
    assert installation.run("audit", "anchor", "--first").exit_code == 5
    anchor.unlink()
    assert installation.run("audit", "readings", "anchor").exit_code == 5
    assert installation.run("audit", "readings", "anchor", "--first").exit_code == 0
    assert anchor.read_bytes() == newest
    told = json.loads(installation.run("audit", "readings", "anchor", "--json").stdout)
    assert (told["size"], told["anchor"]) == (1, str(anchor))
    assert json.loads(installation.run("audit", "anchor", "--json").stdout)["readings_root"] == told["root"]


@pytest.mark.parametrize("how", ["absent", "shorter", "forked", "rows gone"])
def test_with_a_log_of_readings_that_is_absent_shorter_or_another_the_gateway_does_not_start(
    installation, tmp_path, how
):
    before = shutil.copytree(installation.data, tmp_path / "before")
    for number in range(3):
        run(ask, installation, str(number), *WHY)
    sign(installation)
    configuration = load(CONFIG, data=installation.data)
    wiring.guarded(configuration)
    anchor = READINGS.anchored(place(installation))
    match how:
        case "absent":
            anchor.unlink()
        case "shorter":
            forged(installation, "DELETE FROM reading_records", "DELETE FROM reading_leaves WHERE position = 2")
        case "rows gone":
            forged(installation, *(f"DELETE FROM reading_{one}" for one in ("records", "leaves", "checkpoints")))  # noqa: S608
        case "forked":
            other = replace(installation, data=tmp_path / "other")
            shutil.copytree(before, other.data)
            for number in range(3):
                run(ask, other, str(number), *WHY)
            sign(other)
            shutil.copy(READINGS.anchored(place(other)), anchor)
    with pytest.raises(IntegrityError):
        wiring.guarded(configuration)
    assert installation.run("serve", "--port", "0").exit_code == 5


def forged(installation, *statements: str) -> None:
    file = File(installation.data / "store" / "gateway.db")
    builders.forge(file, *statements)
    file.close()


def test_a_store_that_is_older_than_its_log_of_readings_is_given_it_by_upgrade_once(installation):
    shutil.rmtree(installation.data / "store")
    store = builders.older(installation.data / "store", "0009")
    why = reading.Why(purpose=Purpose.KONTROLL, case="K 1")
    configuration = load(CONFIG, data=installation.data)
    with pytest.raises((IntegrityError, UnavailableError)), reading.released(configuration, why, "Q1"):
        pytest.fail("answered without a log to write it down in")
    assert installation.run("store", "upgrade").exit_code == 0
    key = wiring.checkpoint_key(configuration)
    first = READINGS.anchored(store).read_bytes()
    assert guard.check(store, key, READINGS).size == 0
    with reading.released(configuration, why, "Q1"):
        pass
    assert installation.run("store", "upgrade").exit_code == 0
    assert READINGS.anchored(store).read_bytes() == first
    assert count(installation) == 1
