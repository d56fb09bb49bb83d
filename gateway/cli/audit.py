"""`gateway audit …`: recompute the log, prove a leaf, and verify a proof with nothing but a key.

`verify` believes nothing that is stored about the tree: it computes everything from the entries and compares every
checkpoint, tile and the anchor beside the store. `proof` writes a C2SP `.tlog-proof`, which anybody can verify without
us; `verify --proof` is one such verifier and needs neither configuration nor store.
"""

from __future__ import annotations

import binascii
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from gateway.cli import exits, instructions, options, output
from gateway.dispatch import DispatchId
from gateway.errors import ConfigError
from gateway.message import LeafHash, MessageId

if TYPE_CHECKING:
    from gateway.audit.note import Key
    from gateway.config import Configuration
    from gateway.store.dispatch_views import DispatchViews

_HASH = 32
_ONE_OF = 3


def _leaf(_context: click.Context, _parameter: click.Parameter, written: str | None) -> LeafHash | None:
    """Read a leaf hash: hex, or base64 as receipts write it."""
    if written is None:
        return None
    for decode in (bytes.fromhex, lambda text: b64decode(text, validate=True)):
        try:
            found = decode(written)
        except (ValueError, binascii.Error):
            continue
        if len(found) == _HASH:
            return LeafHash(found)
    raise click.BadParameter("not 32 bytes in hex or base64, as in a receipt's Leaf")


@click.group(name="audit", help="Recompute the log; prove a leaf.")
def command() -> None:
    """Hold the audit commands."""


@contextmanager
def _views(configuration: Configuration) -> Iterator[DispatchViews]:
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed for --help, nor to verify a proof
    from gateway.store.dispatch_views import DispatchViews  # noqa: PLC0415

    views = DispatchViews(wiring.place(configuration, wiring.Duty.OPERATOR))
    try:
        yield views
    finally:
        views.close()


def _key(configuration: Configuration, vkey: str | None) -> Key:
    """Return the log's public key: the one given, else the public half of the one that signs."""
    from gateway import wiring  # noqa: PLC0415
    from gateway.audit.note import Key  # noqa: PLC0415

    return Key.parse(vkey) if vkey else wiring.checkpoint_key(configuration)


@command.command("verify")
@click.option("--proof", "file", type=click.File("rb"), help="Verify this .tlog-proof; needs --vkey and --leaf.")
@click.option("--leaf", callback=_leaf, help="The leaf hash that the proof is about, as in the receipt.")
@click.option("--vkey", metavar="KEY", help="The log's public key; without it, of the configured private key.")
@options.config
@options.data
@options.as_json
def verify(
    file: BinaryIO | None, leaf: LeafHash | None, vkey: str | None, config: Path, data: Path | None, *, as_json: bool
) -> None:
    """Compute the whole log again and compare everything; or verify one proof offline.

    Exit code 5: something disagrees. Stop, and let a person look before anything is repaired.
    """
    if file is not None:
        if leaf is None or vkey is None:
            raise click.UsageError("--proof needs --leaf and --vkey")
        _verify_proof(file.read(), leaf, vkey, as_json=as_json)
        return
    from gateway import wiring  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import guard  # noqa: PLC0415

    configuration = load(config, data=data)
    key = _key(configuration, vkey)
    guard.check(wiring.place(configuration, wiring.Duty.AUDITOR), key)
    with _views(configuration) as views:
        report = views.verify_log(key)
    found: dict[str, output.Json] = {
        "origin": key.name,
        "size": report.size,
        "root": b64encode(report.root).decode(),
        "checkpoints": report.checkpoints,
        "tiles": report.tiles,
        "pending": report.pending,
        "vkey": str(key),
    }
    _show("The log agrees with itself: entries, tiles, checkpoints and anchor", found, as_json=as_json)


def _verify_proof(data: bytes, leaf: LeafHash, vkey: str, *, as_json: bool) -> None:
    from gateway.audit import proof  # noqa: PLC0415
    from gateway.audit.note import Key  # noqa: PLC0415

    try:
        key = Key.parse(vkey)
    except ConfigError as error:
        raise click.BadParameter(error.detail, param_hint="--vkey") from None
    read = proof.read(data)
    signed = proof.verify(read, leaf, key)
    found: dict[str, output.Json] = {
        "origin": signed.origin,
        "size": signed.size,
        "root": b64encode(signed.root).decode(),
        "leaf": leaf.hex(),
        "index": read.index,
    }
    _show("Proven: the log holds this leaf", found, as_json=as_json)


def _show(title: str, found: dict[str, output.Json], *, as_json: bool) -> None:
    if as_json:
        output.document(found)
        return
    console = output.results()
    console.print(title, style="bold green", markup=False)
    for name, value in found.items():
        console.print(f"{name:>12}  {value}", markup=False, soft_wrap=True)


@command.command("anchor")
@click.option("--first", is_flag=True, help="This machine has no anchor yet: begin with the log as it is now.")
@click.option("--vkey", metavar="KEY", help="The log's public key; without it, as configured.")
@options.config
@options.data
@options.as_json
def anchor_(vkey: str | None, config: Path, data: Path | None, *, first: bool, as_json: bool) -> None:
    """Keep this machine's own copy of the last signed checkpoint, once the log has been proven to go on from it.

    Every machine that keeps one makes it harder to shorten the log unseen. Run it on a machine of the auditors' own,
    every day. Exit code 5: the log is not the one that this machine knew.
    """
    from gateway import wiring  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import guard  # noqa: PLC0415

    configuration = load(config, data=data)
    place = wiring.place(configuration, wiring.Duty.AUDITOR)
    signed = (guard.join if first else guard.renew)(place, _key(configuration, vkey))
    found: dict[str, output.Json] = {
        "origin": signed.origin,
        "size": signed.size,
        "root": b64encode(signed.root).decode(),
        "anchor": str(place.anchor),
    }
    title = "Kept: compare size and root with another machine's" if first else "Kept: the log goes on"
    _show(title, found, as_json=as_json)


@command.command("proof")
@click.argument("leaf", metavar="[LEAFHASH]", callback=_leaf, required=False)
@click.option("--message-id", metavar="ID", help="Every leaf of the accepted messages with this id.")
@click.option("--dispatch", type=instructions.Id(), help="Every leaf of what we sent or asked under this id.")
@options.config
@options.data
@options.as_json
def proof_(
    leaf: LeafHash | None,
    message_id: str | None,
    dispatch: str | None,
    config: Path,
    data: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write the .tlog-proof of a leaf (hex or base64, as in the receipt), or with --json of all of one thing.

    Exit code 1: the log has no such leaf. 4: it has, but no checkpoint covers it yet; ask again in a moment.
    """
    from gateway.audit import proof  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415

    if [leaf, message_id, dispatch].count(None) != _ONE_OF - 1:
        raise click.UsageError("Give LEAFHASH, --message-id or --dispatch: one of them.")
    with _views(load(config, data=data)) as views:
        leaves = [leaf] if leaf is not None else _leaves(views, message_id, dispatch)
        if len(leaves) > 1 and not as_json:  # one file has one proof
            listed = " ".join(one.hex() for one in leaves)
            raise click.UsageError(f"It has {len(leaves)} leaves: add --json, or ask for one of {listed}")
        found = [(one, views.proof(one)) for one in leaves]
    for one, proven in found:
        if proven is not None and as_json:
            output.document({"leaf": one.hex(), "index": proven.index, "proof": proof.write(proven).decode()})
        elif proven is not None:
            sys.stdout.write(proof.write(proven).decode())
    if not found or any(proven is None for _, proven in found):
        output.progress().print("the log has no such leaf", style="bold red")
        click.get_current_context().exit(exits.Exit.REFUSED)


def _leaves(views: DispatchViews, message_id: str | None, dispatch: str | None) -> list[LeafHash]:
    if dispatch is not None:
        return [entry.hash for entry in views.dispatch_leaves(DispatchId(dispatch))]
    found = views.messages(message_id=MessageId(message_id or ""))
    return [entry.hash for one in found for entry in views.leaves(one.number)]
