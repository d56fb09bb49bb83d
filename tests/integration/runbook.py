"""Runbooks whose commands are run: what an operator reads is what the drill does, character by character.

A block of a runbook that is to be run begins with

    ```sh övning: NAME
    ```sh övning: NAME som postgres

and belongs to the drill under that name. `som` says as whom on a real machine; where the test is root it really is that
account. A drill runs each block of its runbook at least once, or it fails when it is left.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

FOLDER = Path(__file__).parents[2] / "docs" / "runbooks"
_BLOCK = re.compile(
    r"^( *)```sh övning: (?P<name>[\w-]+)(?: som (?P<account>[\w-]+))?\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """Commands as they stand in the text."""

    name: str
    text: str
    account: str | None


class Runbook:
    """One runbook, as a context: leaving it checks that nothing in it was left out."""

    def __init__(self, name: str) -> None:
        text = (FOLDER / f"{name}.md").read_text()
        self.blocks = {
            found["name"]: Block(found["name"], found["text"], found["account"]) for found in _BLOCK.finditer(text)
        }
        assert text.count("```sh övning:") == len(self.blocks), "two blocks have one name, or one is not closed"
        self._left = set(self.blocks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            assert not self._left, f"the drill leaves out {sorted(self._left)}"

    def run(self, name: str, environment: Mapping[str, str | Path], *, code: int = 0) -> str:
        """Run a block and return what it printed; it must end with `code`."""
        done = subprocess.run(**self._call(name, environment), capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == code, f"{name}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def begin(self, name: str, environment: Mapping[str, str | Path], log: Path) -> subprocess.Popen[bytes]:
        """Start a block that goes on until it is ended."""
        with log.open("ab") as output:
            return subprocess.Popen(**self._call(name, environment), stdout=output, stderr=output)

    def _call(self, name: str, environment: Mapping[str, str | Path]) -> dict[str, object]:
        block = self.blocks[name]
        self._left.discard(name)
        account = block.account if os.getuid() == 0 else None
        return {
            "args": ["bash", "-euo", "pipefail", "-c", block.text],
            "env": {key: str(value) for key, value in environment.items()},
            "cwd": "/",
            "user": account,
            "group": account,
            "extra_groups": [] if account else None,
        }
