"""The guide for consumers says what the code and the configuration say."""

from __future__ import annotations

import re
from pathlib import Path

from gateway import config, consumer
from gateway.cli import consume, send
from gateway.consumer import inbox

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "consumer.md").read_text(encoding="utf-8")
QUEUES = config.load(ROOT / "config" / "gateway.toml").queues


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
