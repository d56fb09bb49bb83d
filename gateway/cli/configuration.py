"""`gateway config check`: everything is read as at a start, and nothing is started.

The same code as the server's start builds law, routes, schemas, trust and keys, so what passes here starts there. What
an operator should know and no rule refuses (a certificate that ends soon, a law row nobody has read) is told as well.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli import options, output

if TYPE_CHECKING:
    from gateway.config import Configuration

_SOON = 60
"""Days: partners need weeks to change a certificate."""


@click.group(name="config", help="Check the configuration.")
def command() -> None:
    """Hold the configuration commands."""


@command.command("check")
@options.config
@options.data
@options.as_json
def check(config: Path, data: Path | None, *, as_json: bool) -> None:
    """Read everything the configuration names, and tell what was found.

    Exit code 3: something is wrong; the message names file and key.
    """
    from gateway.config import load  # noqa: PLC0415  # pydantic: not needed for --help

    configuration = load(config, data=data)
    found, warnings = _read(configuration)
    if as_json:
        output.document({**found, "warnings": warnings})
        return
    console = output.results()
    console.print("The configuration is right", style="bold green")
    for name, value in found.items():
        console.print(f"{name:>14}  {_text(value)}", markup=False, soft_wrap=True)
    for warning in warnings:
        console.print(f"{'note':>14}  {warning}", style="yellow", markup=False, soft_wrap=True)


def _text(value: output.Json) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _read(configuration: Configuration) -> tuple[dict[str, output.Json], list[str]]:
    """Build all that a start builds. Raises ConfigError."""
    from gateway import wiring  # noqa: PLC0415
    from gateway.cli.offline import Nobody  # noqa: PLC0415
    from gateway.wiring import stamping  # noqa: PLC0415

    rules = wiring.rules(configuration, Nobody())
    key = wiring.checkpoint_signer(configuration).key
    wiring.context(configuration)
    gateway = configuration.gateway
    policy = wiring.agreed(gateway.audit.witnesses, key)
    if gateway.audit.stamps.authority:
        stamping.believed(gateway.audit.stamps)
    found: dict[str, output.Json] = {
        "name": gateway.name,
        "environment": gateway.environment,
        "policy": configuration.policy,
        "listen": f"{gateway.listen.host}:{gateway.listen.port}, TLS {gateway.listen.minimum_tls} or newer",
        "partners": sorted(configuration.partners),
        "contracts": sorted(rules.contracts),
        "lagrum": len(configuration.lagrum),
        "bases": list(dict.fromkeys(basis.id for basis in configuration.bases)),
        "queues": [queue.name for queue in configuration.queues],
        "vkey": str(key),
        "witnesses": [] if policy is None else sorted(policy.witnesses),
        "quorum": "none" if policy is None else policy.quorum,
        "timestamps": gateway.audit.stamps.authority or "none",
        "store": _store(configuration),
        "broker": configuration.services.broker,
    }
    return found, [*_unread(configuration), *_ending(configuration)]


def _store(configuration: Configuration) -> str:
    """Say where the store is; a server is not asked, for nothing is started here."""
    if configuration.services.postgresql is not None:
        return "on PostgreSQL, as services.toml says"
    there = (configuration.gateway.store.path / "gateway.db").is_file()
    return "there" if there else "not there: gateway init makes it"


def _unread(configuration: Configuration) -> list[str]:
    """Tell which bases decide nothing by themselves outside demo and test."""
    from gateway.privacy import register  # noqa: PLC0415

    waiting, all_ = register.unread(configuration), {basis.id for basis in configuration.bases}
    if not waiting:
        return []
    told = f"LAW_UNVERIFIED: outside demo and test a person decides by {len(waiting)} of {len(all_)} bases"
    return [f"{told} (gateway law check tells which rows are not verified): {', '.join(waiting)}"]


def _ending(configuration: Configuration) -> list[str]:
    """Tell which certificates end within `_SOON` days. Revocation lists always do."""
    from gateway.trust.certificates import Use, inventory  # noqa: PLC0415

    now = datetime.now(UTC)
    left = {
        one.file: (one.ends - now).days
        for one in reversed(inventory(configuration))
        if one.ends is not None and one.use is not Use.REVOCATION
    }
    return [f"{file}: the certificate ends in {days} days" for file, days in sorted(left.items()) if days < _SOON]
