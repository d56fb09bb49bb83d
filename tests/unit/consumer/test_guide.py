"""The guide for consumers says what the code and the configuration say."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path

from gateway import config, consumer
from gateway.cli import consume, send
from gateway.consumer import inbox
from gateway.consumer.asking import composed
from gateway.outbound import commands
from gateway.outbound.commands import Agreed
from gateway.outbound.states import ENDED
from tests import rules
from tests.builders import NUMBERS

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "consumer.md").read_text(encoding="utf-8")
READ = config.load(ROOT / "config" / "gateway.toml")
QUEUES = READ.queues
SCHEMA = json.loads((ROOT / "schemas" / "events" / "utfall.v1.json").read_text(encoding="utf-8"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


def test_every_queue_is_there_with_its_purposes_and_events():
    rows = re.findall(r"^\| `([a-z.]+)` \| (.*?) \| (.*?) \|$", GUIDE, flags=re.MULTILINE)
    told = {name: (re.findall(r"`(\S+?)`", purposes), re.findall(r"`(\S+?)`", kinds)) for name, purposes, kinds in rows}
    assert told == {
        queue.name: (list(queue.purposes), [type_.split(".")[-2] for type_ in queue.types]) for queue in QUEUES
    }


def test_the_table_is_the_one_the_code_uses():
    (statement,) = blocks("sql")
    assert statement.strip() == consumer.CREATE


def test_the_examples_are_python_and_use_names_that_there_are():
    examples = blocks("python")
    assert len(examples) >= 3
    for example in examples:
        compile(example, "guide", "exec")
        for name in re.findall(r"\bconsumer\.(\w+)", example):
            assert hasattr(consumer, name), name
        for name in re.findall(r"\binbox\.(\w+)", example):
            assert hasattr(inbox.Inbox, name), name


def test_every_command_and_option_is_one_there_is():
    commands = (consume.command, send.command)
    options = {name for command in commands for option in command.params for name in option.opts}
    told = {word for line in GUIDE.splitlines() for word in re.findall(r"(?<![\w-])--[a-z]+", line)}
    assert told
    assert told <= options


def test_the_exit_codes_are_all_there():
    assert re.findall(r"^\| (\d) \|", GUIDE, flags=re.MULTILINE) == ["0", "1", "2", "3", "4", "5"]


def given() -> dict:
    """Return the data of the command that the guide gives, with an official test number in the person's place."""
    calls = [
        node for example in blocks("python") for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Call)
    ]
    (call,) = [one for one in calls if isinstance(one.func, ast.Attribute) and one.func.attr == "give"]
    data = ast.unparse(call.args[1]).replace("personnummer", repr(NUMBERS[0]))
    return ast.literal_eval(data)


def test_the_command_in_the_guide_is_one_that_is_taken():
    agreed = Agreed(askers=READ.askers, partners=READ.partners, outgoing=rules.contracts().outgoing)
    body = composed("handlaggning.aktivitetsstod", "fraga-4711", given(), datetime(2026, 3, 1, tzinfo=UTC))
    command, _ = commands.read(body, agreed)
    assert {one.basis for one in command.recipients} <= {basis.id for basis in READ.bases}


def test_the_guide_names_what_an_outcome_has():
    has = SCHEMA["properties"]["data"]["properties"]
    table = GUIDE.partition("| `state` | betyder |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`(\w+)`", table))
    ends = {state.value for state in ENDED}
    assert told & ends == ends, "every end is told"
    assert told - ends == {"notFound", "partial", "reasons", "partnerCode"}
    assert told - ends <= has.keys()
