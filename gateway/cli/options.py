"""Options that several commands share, and where the project's own files are.

The configuration is looked for in this order: `--config`, the environment's GATEWAY_CONFIG, `config/gateway.toml` in
the working folder, and last the one that came with the program.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

import click

import gateway

JSON = "gateway.json"
"""Key in click's context: True where the caller asked for JSON, so that errors are JSON too."""


def _remember(context: click.Context, _parameter: click.Parameter, value: bool) -> bool:  # noqa: FBT001  # click's way
    context.meta[JSON] = value
    return value


as_json = click.option("--json", "as_json", is_flag=True, callback=_remember, help="Write JSON to stdout.")


def delivered(name: str) -> Path:
    """Return the folder `config` or `schemas` that came with the program: beside it, or installed with it.

    Raises click.UsageError where neither exists.
    """
    beside = Path(gateway.__file__).parents[1] / name
    installed = Path(sysconfig.get_path("data")) / "share" / "gateway" / name
    for folder in (beside, installed):
        if folder.is_dir():
            return folder
    raise click.UsageError(f"No folder {name} came with this installation; give --config.")


def _default() -> Path:
    here = Path("config") / "gateway.toml"
    return here if here.is_file() else delivered("config") / "gateway.toml"


config = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="GATEWAY_CONFIG",
    default=_default,
    show_default="config/gateway.toml",
    help="The gateway's configuration file.",
)

data = click.option(
    "--data",
    "data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="GATEWAY_DATA",
    default=None,
    help="The folder with keys, PKI and store, instead of the configuration's own.",
)
