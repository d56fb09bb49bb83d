import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway import wiring
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
    assert {name: row["depth"] for name, row in found.items() if row["depth"]} == {
        INCOME: 2,
        "kontroll.inkomst": 2,
        ABSENCE: 1,
    }
    assert found[ABSENCE]["purposes"] == ["fk:Kontroll"]
    assert found[ABSENCE]["oldest"] is not None
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
    assert (depths(installation)[INCOME]["lent"], depths(installation)[INCOME]["depth"]) == (2, 0)

    assert installation.run("queue", "take", INCOME).exit_code == 1

    tags = [str(line["tag"]) for line in taken]
    result = installation.run("queue", "ack", INCOME, *tags, "--json")
    assert result.exit_code == 0
    assert all(line["acknowledged"] for line in json.loads(result.stdout))
    assert (depths(installation)[INCOME]["lent"], depths(installation)[INCOME]["depth"]) == (0, 0)
    assert depths(installation)["kontroll.inkomst"]["depth"] == 2


def test_what_is_not_lent_cannot_be_acknowledged(installation):
    (line,) = lines(installation.run("queue", "peek", ABSENCE, "--json").stdout)
    result = installation.run("queue", "ack", ABSENCE, str(line["tag"]))
    assert result.exit_code == 1
    assert "not lent" in result.stdout
    assert depths(installation)[ABSENCE]["depth"] == 1


class _Ahead:
    """A clock that is a while ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def dead(installation):
    """An installation on which one event has failed too often."""
    clock = _Ahead()
    broker = wiring.queues(load(CONFIG, data=installation.data), clock)
    while taken := broker.take(ABSENCE, limit=1):
        broker.reject(taken[0], reason="consumer failed")
        clock.ahead += timedelta(hours=1)
    broker.close()
    assert depths(installation)[ABSENCE]["dead"] == 1
    return installation


def test_a_dead_letter_is_sent_again_with_a_reason(dead):
    (letter,) = lines(dead.run("queue", "peek", ABSENCE, "--dead", "--json").stdout)
    assert letter["reason"] == "consumer failed"
    assert letter["replayed_at"] is None
    result = dead.run("queue", "retry", str(letter["letter"]), "--reason", "the consumer is mended", "--json")
    assert result.exit_code == 0
    (taken,) = lines(dead.run("queue", "take", ABSENCE).stdout)
    assert taken["event"] == letter["event"]
    assert taken["headers"]["x-gw-replay-reason"] == "the consumer is mended"


def test_a_dead_letter_is_sent_again_once_and_never_without_a_reason(dead):
    (letter,) = lines(dead.run("queue", "peek", ABSENCE, "--dead", "--json").stdout)
    number = str(letter["letter"])
    assert dead.run("queue", "retry", number).exit_code == 2
    assert dead.run("queue", "retry", number, "--reason", "  ").exit_code == 2
    assert dead.run("queue", "retry", number, "--reason", "mended").exit_code == 0
    assert dead.run("queue", "retry", number, "--reason", "mended").exit_code == 1
    assert dead.run("queue", "retry", "4711", "--reason", "mended").exit_code == 1


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
