import json
from datetime import UTC, datetime

import pytest

from gateway.cli.demo.persons import PERSONNUMMER
from gateway.config import load
from tests.unit.cli.conftest import CONFIG

INCOME, ABSENCE = "handlaggning.inkomst", "kontroll.foraldrapenning"


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def depths(installation) -> dict[str, dict]:
    result = installation.run("queue", "list", "--json")
    assert result.exit_code == 0, result.stderr
    return {row["queue"]: row for row in json.loads(result.stdout)}


def test_list_shows_every_queue_with_depth_and_purposes(original):
    found = depths(original)
    assert found.keys() == {queue.name for queue in load(CONFIG).queues}
    assert {name: row["ready"] for name, row in found.items() if row["ready"]} == {
        INCOME: 2,
        "kontroll.inkomst": 2,
        ABSENCE: 1,
    }
    assert found[ABSENCE]["purposes"] == ["fk:Kontroll"]
    assert found[ABSENCE]["oldest"] is not None
    assert {(row["unacked"], row["dead"], row["consumers"]) for row in found.values()} == {(0, 0, None)}
    assert found["handlaggning.sjukpenning"]["oldest"] is None


def test_list_is_a_table_for_people(original):
    result = original.run("queue", "list")
    assert result.exit_code == 0
    assert INCOME in result.stdout
    assert "oldest" in result.stdout


def test_peek_shows_ids_and_no_person(original):
    for options in ([], ["--json"]):
        result = original.run("queue", "peek", INCOME, *options)
        assert result.exit_code == 0
        assert "se.forsakringskassan.utbyte.inkomst.v1" in result.stdout
        for number in PERSONNUMMER[:3]:
            assert number not in result.stdout


def test_peek_shows_bodies_for_a_purpose_the_queue_serves_and_for_no_other(original):
    wrong = (["--bodies"], ["--bodies", "--purpose", "fk:Arendehandlaggning"], ["--bodies", "--purpose", "forskning"])
    for options in wrong:
        result = original.run("queue", "peek", ABSENCE, *options)
        assert result.exit_code == 2
        assert "fk:Kontroll" in result.stderr
        assert result.stdout == ""
    result = original.run("queue", "peek", ABSENCE, "--bodies", "--purpose", "fk:Kontroll")
    assert result.exit_code == 0
    (line,) = lines(result.stdout)
    assert line["body"]["data"]["person"]["id"] == PERSONNUMMER[2]


def test_peek_lends_nothing(original):
    before = depths(original)
    original.run("queue", "peek", INCOME)
    assert depths(original) == before


def test_what_is_taken_is_lent_until_it_is_acknowledged(installation):
    result = installation.run("queue", "take", INCOME, "-n", "2")
    assert result.exit_code == 0
    taken = lines(result.stdout)
    assert {line["body"]["data"]["person"]["id"] for line in taken} == set(PERSONNUMMER[:2])
    assert all(line["attempt"] == 1 and line["queue"] == INCOME for line in taken)
    assert all(datetime.fromisoformat(line["lease_ends"]) > datetime.now(UTC) for line in taken)
    assert (depths(installation)[INCOME]["unacked"], depths(installation)[INCOME]["ready"]) == (2, 0)

    assert installation.run("queue", "take", INCOME).exit_code == 1

    tags = [str(line["tag"]) for line in taken]
    result = installation.run("queue", "ack", INCOME, *tags, "--json")
    assert result.exit_code == 0
    assert all(line["acknowledged"] for line in json.loads(result.stdout))
    assert (depths(installation)[INCOME]["unacked"], depths(installation)[INCOME]["ready"]) == (0, 0)
    assert depths(installation)["kontroll.inkomst"]["ready"] == 2


def test_what_is_not_lent_cannot_be_acknowledged(installation):
    (line,) = lines(installation.run("queue", "peek", ABSENCE, "--json").stdout)
    result = installation.run("queue", "ack", ABSENCE, str(line["tag"]))
    assert result.exit_code == 1
    assert "not lent" in result.stdout
    assert depths(installation)[ABSENCE]["ready"] == 1


_RABBITMQ = """
[rabbitmq]
hosts = ["127.0.0.1:5671"]
[rabbitmq.accounts]
publisher = { user = "gw-publisher", password_file = "x" }
consumer = { user = "gw-consumer", password_file = "x" }
collector = { user = "gw-collector", password_file = "x" }
"""


@pytest.mark.parametrize("command", [["peek", INCOME], ["take", INCOME], ["ack", INCOME, "1"]], ids=lambda one: one[0])
def test_queues_on_rabbitmq_are_not_looked_into_and_the_way_to_their_events_is_told(installation, command):
    (installation.data / "services.toml").write_text(_RABBITMQ, encoding="utf-8")
    result = installation.run("queue", *command)
    assert result.exit_code == 2
    assert "gateway consume" in result.stderr
    assert "405" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", [["peek"], ["take"], ["ack"]], ids=lambda command: command[0])
def test_a_queue_that_is_not_is_wrong_use_and_the_queues_there_are_are_named(original, command):
    more = ["1"] if command == ["ack"] else []
    result = original.run("queue", *command, "no.such", *more)
    assert result.exit_code == 2
    assert INCOME in result.stderr


def test_without_a_store_the_exit_code_is_5(original, tmp_path):
    absent = type(original)(data=tmp_path, demo=original.demo, message_id="", leaves=())
    result = absent.run("queue", "list")
    assert result.exit_code == 5
    assert "gateway init" in result.stderr
