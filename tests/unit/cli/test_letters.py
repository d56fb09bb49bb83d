import json
import os
import pwd

import pytest

from gateway import wiring
from gateway.broker.collector import Collector
from gateway.cli.demo.persons import PERSONNUMMER
from gateway.cli.person import me, person
from gateway.config import load
from gateway.store.outbox import StoredOutbox
from tests.unit.cli.conftest import CONFIG

INCOME, ABSENCE = "handlaggning.inkomst", "kontroll.foraldrapenning"
SOMEBODY = "somebody-else"


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def dead(installation):
    """An installation whose letters 1 and 2 died on one queue of the same, and 3 on another."""
    configuration, clock = load(CONFIG, data=installation.data), wiring.SystemClock()
    broker = wiring.queues(configuration, clock)
    letters = wiring.dead_letters(configuration, clock, wiring.Duty.RELAY)
    for queue, reason in ((INCOME, "no_such_case"), (ABSENCE, "timeout")):
        for one in broker.take(queue, limit=9):
            broker.reject(one, reason=reason, again=False)
    assert Collector(broker.dead_letters(), letters, random=lambda: 0.5).step() == 3
    letters.close()
    broker.close()
    return installation


def asked_by_another(installation, *numbers: int) -> None:
    """Somebody else asks to discard them."""
    letters = wiring.dead_letters(load(CONFIG, data=installation.data), wiring.SystemClock())
    assert not any(one.refused for one in letters.ask_discard(numbers, reason="test data", by=SOMEBODY))
    letters.close()


def states(installation) -> dict[int, str]:
    return {
        one["letter"]: one["state"]
        for one in lines(installation.run("queue", "dead", "--state", "all", "--json").stdout)
    }


def outbox(installation) -> list[tuple[int, tuple[str, ...], str]]:
    where = wiring.place(load(CONFIG, data=installation.data), wiring.Duty.RELAY)
    opened = StoredOutbox(where, clock=wiring.SystemClock())
    found = opened.pending(99)
    opened.close()
    return [(one.event.replay.letter, one.event.queues, one.event.replay.reason) for one in found]


def test_dead_shows_letters_and_no_person(dead):
    for options in ([], ["--json"]):
        result = dead.run("queue", "dead", *options)
        assert result.exit_code == 0
        assert "no_such_case" in result.stdout
        assert INCOME in result.stdout
        for number in PERSONNUMMER[:3]:
            assert number not in result.stdout
    found = lines(dead.run("queue", "dead", "--json").stdout)
    assert [one["letter"] for one in found] == [3, 2, 1]
    assert {one["state"] for one in found} == {"open"}
    assert "body" not in found[0]


def test_dead_is_narrowed_by_queue_state_and_group(dead):
    assert [one["letter"] for one in lines(dead.run("queue", "dead", "--queue", ABSENCE, "--json").stdout)] == [3]
    (one, *_) = lines(dead.run("queue", "dead", "--queue", INCOME, "--json").stdout)
    assert len(lines(dead.run("queue", "dead", "--group", one["group"], "--json").stdout)) == 2
    assert dead.run("queue", "dead", "--state", "asked", "--json").stdout == ""
    assert dead.run("queue", "dead", "--state", "lost").exit_code == 2


def test_groups_tell_what_failed_alike(dead):
    large, small = lines(dead.run("queue", "dead", "--groups", "--json").stdout)
    assert (large["queue"], large["count"], large["reason"], large["example"]) == (INCOME, 2, "no_such_case", 2)
    assert (small["queue"], small["count"]) == (ABSENCE, 1)
    result = dead.run("queue", "dead", "--groups")
    assert large["group"] in result.stdout
    assert "no_such_case" in result.stdout


def test_list_counts_letters_that_somebody_must_judge(dead):
    def counted() -> int:
        rows = json.loads(dead.run("queue", "list", "--json").stdout)
        return next(row["dead"] for row in rows if row["queue"] == INCOME)

    assert counted() == 2
    asked_by_another(dead, 1)
    assert counted() == 2
    dead.run("queue", "retry", "2", "--reason", "mended")
    assert counted() == 1


def test_bodies_are_shown_for_a_purpose_the_queue_serves_and_for_no_other_and_that_is_written_down(dead):
    for options in ([], ["--purpose", "fk:Arendehandlaggning"], ["--purpose", "forskning"]):
        result = dead.run("queue", "dead", "3", "--bodies", *options)
        assert result.exit_code == 2
        assert "fk:Kontroll" in result.stderr
        assert result.stdout == ""
    assert lines(dead.run("queue", "dead", "3", "--json").stdout)[0]["history"] == []
    (line,) = lines(dead.run("queue", "dead", "3", "--bodies", "--purpose", "fk:Kontroll").stdout)
    assert line["body"]["data"]["person"]["id"] == PERSONNUMMER[2]
    assert [(one["action"], one["by"], one["reason"]) for one in line["history"]] == [("read", me(), "fk:Kontroll")]


def test_a_letter_that_is_not_is_a_negative_answer(dead):
    result = dead.run("queue", "dead", "99")
    assert result.exit_code == 1
    assert "no letter 99" in result.stderr


def test_a_dead_letter_is_sent_again_with_a_reason(dead):
    result = dead.run("queue", "retry", "3", "--reason", " the consumer is mended ", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [{"letter": 3, "state": "replayed", "refused": None}]
    assert outbox(dead) == [(3, (ABSENCE,), "the consumer is mended")]
    (line,) = lines(dead.run("queue", "dead", "3", "--json").stdout)
    assert [(one["action"], one["by"]) for one in line["history"]] == [("retry", me())]


def test_a_dead_letter_is_sent_again_once_and_never_without_a_fit_reason(dead):
    assert dead.run("queue", "retry", "3").exit_code == 2
    for reason in ("  ", f"it was {PERSONNUMMER[2]}", "x" * 201):
        result = dead.run("queue", "retry", "3", "--reason", reason)
        assert result.exit_code == 2
        assert PERSONNUMMER[2] not in result.stderr
    assert states(dead)[3] == "open"
    assert dead.run("queue", "retry", "3", "--reason", "mended").exit_code == 0
    assert dead.run("queue", "retry", "3", "--reason", "mended").exit_code == 1
    assert dead.run("queue", "retry", "4711", "--reason", "mended").exit_code == 1
    assert len(outbox(dead)) == 1


def test_a_whole_group_is_sent_again_and_can_be_counted_first(dead):
    group = lines(dead.run("queue", "dead", "--groups", "--json").stdout)[0]["group"]
    result = dead.run("queue", "retry", "--group", group, "--reason", "mended", "--dry-run")
    assert result.exit_code == 0
    assert "2 letters: would be sent again" in result.stdout
    result = dead.run("queue", "retry", "--group", group, "--reason", "mended", "--dry-run", "--json")
    assert [(one["letter"], one["refused"], one["dry_run"]) for one in json.loads(result.stdout)] == [
        (1, None, True),
        (2, None, True),
    ]
    assert outbox(dead) == []
    result = dead.run("queue", "retry", "--group", group, "--reason", "mended")
    assert result.exit_code == 0
    assert "2 letters: goes out again" in result.stdout
    assert [one[0] for one in outbox(dead)] == [1, 2]
    assert dead.run("queue", "retry", "--group", group, "--reason", "mended").exit_code == 1


def test_a_dry_run_says_what_retry_will_refuse(dead):
    asked_by_another(dead, 1)
    arguments = ["queue", "retry", "1", "2", "99", "--reason", "mended"]
    foreseen = dead.run(*arguments, "--dry-run", "--json")
    done = dead.run(*arguments, "--json")
    assert foreseen.exit_code == done.exit_code == 1
    assert [one["refused"] for one in json.loads(foreseen.stdout)] == [
        one["refused"] for one in json.loads(done.stdout)
    ]
    assert [one[0] for one in outbox(dead)] == [2]


def test_retry_takes_letters_or_a_group(dead):
    for arguments in ([], ["1", "--group", "0123456789abcdef"]):
        assert dead.run("queue", "retry", *arguments, "--reason", "mended").exit_code == 2


def ask(dead, number):
    """The fingerprint of what is asked, as whoever approves reads it."""
    (line,) = lines(dead.run("queue", "dead", str(number), "--json").stdout)
    return line["fingerprint"]


def test_discarding_takes_another_person(dead):
    result = dead.run("queue", "discard", "1", "--reason", "test data")
    assert result.exit_code == 0
    assert "another person" in result.stdout
    own = dead.run("queue", "approve", "1", "--ask", ask(dead, 1), "--json")
    assert own.exit_code == 1
    assert "another person" in json.loads(own.stdout)[0]["refused"]
    assert states(dead)[1] == "asked"
    assert f"asked by {me()}" in dead.run("queue", "dead", "--state", "asked").stdout

    asked_by_another(dead, 2)
    assert dead.run("queue", "approve", "2").exit_code == 2, "nobody is there to be asked what was seen"
    assert dead.run("queue", "approve", "2", "--ask", ask(dead, 1)).exit_code == 1
    assert states(dead)[2] == "asked"
    assert dead.run("queue", "approve", "2", "--ask", ask(dead, 2)).exit_code == 0
    assert states(dead) == {1: "asked", 2: "discarded", 3: "open"}
    assert dead.run("queue", "retry", "2", "--reason", "after all").exit_code == 1


def test_an_ask_needs_a_fit_reason(dead):
    assert dead.run("queue", "discard", "1").exit_code == 2
    assert dead.run("queue", "discard", "1", "--reason", f"it was {PERSONNUMMER[2]}").exit_code == 2
    assert states(dead)[1] == "open"


def test_a_withdrawn_ask_leaves_the_letter_open(dead):
    asked_by_another(dead, 1)
    assert json.loads(dead.run("queue", "withdraw", "1", "--json").stdout)[0]["state"] == "open"
    assert dead.run("queue", "withdraw", "1").exit_code == 1
    assert dead.run("queue", "approve", "1", "--ask", "0123456789abcdef").exit_code == 1
    assert states(dead)[1] == "open"


def test_a_retried_event_comes_to_its_consumer_as_a_replay(dead):
    dead.run("queue", "retry", "3", "--reason", "mended")
    configuration = load(CONFIG, data=dead.data)
    background = wiring.Background(configuration, clock=wiring.SystemClock(), alarm=pytest.fail)
    background.relay.step()
    assert lines(dead.run("queue", "take", ABSENCE).stdout) == [], "nobody has looked whom it names"
    assert background.releasing.shielder.step() == 1
    background.relay.step()
    background.close()
    (taken,) = lines(dead.run("queue", "take", ABSENCE).stdout)
    assert taken["headers"] == {"x-gw-replay-of": "3", "x-gw-replay-reason": "mended"}
    assert taken["body"]["data"]["person"]["id"] == PERSONNUMMER[2]


def test_who_answers_is_the_user_of_the_process():
    assert me() in {pwd.getpwuid(os.getuid()).pw_name, os.environ.get("SUDO_USER")}
    assert person(4242424, {}) == "uid 4242424"


def test_only_root_may_say_that_somebody_else_called_it():
    nobody = pwd.getpwnam("nobody")
    assert person(0, {"SUDO_USER": "nobody"}) == "nobody"
    assert person(nobody.pw_uid, {"SUDO_USER": "root"}) == "nobody"
    assert person(0, {"SUDO_USER": "no such user"}) == person(0, {}) == pwd.getpwuid(0).pw_name
