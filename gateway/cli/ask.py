"""`gateway ask FILE`: have a partner asked, by hand. All of it is in `send.py`."""

from __future__ import annotations

from gateway.cli.send import made

command = made("ask", "Have a partner asked: FILE holds the command's data (JSON, or TOML by its name; - is stdin).")
