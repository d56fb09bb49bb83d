"""`gateway audit …`: recompute the log, prove a leaf, and verify a proof with nothing but a key.

`verify` believes nothing that is stored about the tree: it computes everything from the entries and compares every
checkpoint, tile and the anchor beside the store. `export` writes the log as static files (C2SP tlog-tiles), `proof` a
C2SP `.tlog-proof`: anybody can verify them without us. `verify EXPORT|URL` and `verify --proof` are such verifiers, and
need neither configuration nor store.
"""

from __future__ import annotations

import binascii
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from gateway.audit import tree
from gateway.cli import (
    asking,
    control,
    evidence,
    exits,
    exported,
    instructions,
    options,
    output,
    readings,
    reconcile,
    registerutdrag,
    traced,
    witnessed,
)
from gateway.dispatch import DispatchId
from gateway.message import LeafHash, MessageId

if TYPE_CHECKING:
    from gateway.audit.note import Key
    from gateway.audit.policy import Policy
    from gateway.config import Configuration
    from gateway.store.dispatch_views import DispatchViews
    from gateway.store.views import Entry

_HASH = 32
_ONE_OF = 3
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


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


command.add_command(asking.command)
command.add_command(asking.questions)
command.add_command(control.command)
command.add_command(evidence.command)
command.add_command(readings.command)
command.add_command(reconcile.command)
command.add_command(registerutdrag.command)
command.add_command(traced.command)
command.add_command(witnessed.stamps)
command.add_command(witnessed.witnesses)


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


def _policy(configuration: Configuration) -> Policy | None:
    """Return what a checkpoint must have, where somebody witnesses; only then is our own key asked for."""
    from gateway import wiring  # noqa: PLC0415

    witnesses = configuration.gateway.audit.witnesses
    return None if witnesses.policy is None else wiring.agreed(witnesses, wiring.checkpoint_key(configuration))


@command.command("verify")
@click.argument("where", metavar="[EXPORT|URL]", required=False)
@click.option("--proof", "files", type=click.File("rb"), multiple=True, help="Verify this .tlog-proof; needs --vkey.")
@click.option("--leaf", callback=_leaf, help="The leaf hash that the proof is about, as in the receipt; or")
@click.option("--entry", type=click.File("rb"), help="a file with the very entry.")
@click.option("--earlier", type=click.File("rb"), multiple=True, help="A kept checkpoint that the log must go on from.")
@click.option("--vkey", metavar="KEY", help="The log's public key; without it, of the configured private key.")
@click.option("--policy", type=click.File("rb"), help="For an export or URL: witnesses it must have (tlog-policy).")
@click.option("--certificate", type=_FILE, help="For a URL: our client certificate,")
@click.option("--key", "private", type=_FILE, help="its key,")
@click.option("--authority", type=_FILE, help="and whom to believe.")
@options.config
@options.data
@options.as_json
def verify(
    where: str | None,
    files: tuple[BinaryIO, ...],
    *,
    leaf: LeafHash | None,
    entry: BinaryIO | None,
    earlier: tuple[BinaryIO, ...],
    vkey: str | None,
    policy: BinaryIO | None,
    certificate: Path | None,
    private: Path | None,
    authority: Path | None,
    config: Path,
    data: Path | None,
    as_json: bool,
) -> None:
    """Compute the whole log again and compare everything: that of the store, or of an export or a URL without it.

    With a proof and no log, verify that proof alone. An export or URL needs --vkey and nothing else of ours.

    Exit code 5: something disagrees. Stop, and let a person look before anything is repaired.
    """
    if where is not None:
        if vkey is None or leaf is not None or entry is not None:
            raise click.UsageError("An export or a URL needs --vkey, and has the leaves itself.")
        line = exported.Line(certificate=certificate, key=private, authority=authority)
        found = exported.verified(
            where,
            line,
            exported.key(vkey),
            earlier=[one.read() for one in earlier],
            proofs=[one.read() for one in files],
            asked=None if policy is None else exported.witnesses(policy.read()),
        )
        _show("The log agrees with itself: entries, tiles, checkpoints and proofs", found, as_json=as_json)
        return
    if earlier or policy or certificate or private or authority:
        raise click.UsageError("--earlier, --policy, --certificate, --key and --authority are for an export or a URL.")
    if files:
        if (leaf is None) == (entry is None) or vkey is None or len(files) > 1:
            raise click.UsageError("One --proof needs --vkey, and --leaf or --entry.")
        _verify_proof(files[0].read(), leaf or tree.leaf_hash(entry.read() if entry else b""), vkey, as_json=as_json)
        return
    _verify_store(config, data, vkey, as_json=as_json)


def _verify_store(config: Path, data: Path | None, vkey: str | None, *, as_json: bool) -> None:
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

    key = exported.key(vkey)
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


@command.command("export")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--vkey", metavar="KEY", help="The log's public key; without it, as configured.")
@options.config
@options.data
@options.as_json
def export_(folder: Path, vkey: str | None, config: Path, data: Path | None, *, as_json: bool) -> None:
    """Write the log as static files that anybody can mirror, and bring them up to date the next time.

    The files commit to records and tell none. Exit code 5: what is in FOLDER is not the beginning of this log.
    """
    from gateway import wiring  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import export  # noqa: PLC0415

    configuration = load(config, data=data)
    key = _key(configuration, vkey)
    shown = wiring.witnessed(configuration, wiring.Duty.AUDITOR).shown
    made = export.export(wiring.place(configuration, wiring.Duty.AUDITOR), folder, key, shown=shown)
    found: dict[str, output.Json] = {
        "origin": made.checkpoint.origin,
        "before": made.before,
        "size": made.checkpoint.size,
        "root": b64encode(made.checkpoint.root).decode(),
        "files": made.files,
        "vkey": str(key),
    }
    _show("Exported: the folder holds the log up to its last checkpoint", found, as_json=as_json)


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

    And that of the log of readings beside it.

    Every machine that keeps one makes it harder to shorten the log unseen. Run it on a machine of the auditors' own,
    every day. Exit code 5: the log is not the one that this machine knew.
    """
    from gateway import wiring  # noqa: PLC0415
    from gateway.config import load  # noqa: PLC0415
    from gateway.store import guard  # noqa: PLC0415

    configuration = load(config, data=data)
    place = wiring.place(configuration, wiring.Duty.AUDITOR)
    signed, readings_ = guard.keep_all(place, _key(configuration, vkey), first=first)
    found: dict[str, output.Json] = {
        "origin": signed.origin,
        "size": signed.size,
        "root": b64encode(signed.root).decode(),
        "anchor": str(place.anchor),
        "readings_size": readings_.size,
        "readings_root": b64encode(readings_.root).decode(),
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
    configuration = load(config, data=data)
    policy = _policy(configuration)
    with _views(configuration) as views:
        leaves = [views.leaf(leaf)] if leaf is not None else _leaves(views, message_id, dispatch)
        if len(leaves) > 1 and not as_json:  # one file has one proof
            listed = " ".join(one.hash.hex() for one in leaves if one is not None)
            raise click.UsageError(f"It has {len(leaves)} leaves: add --json, or ask for one of {listed}")
        found = [(one.hash, views.proof_at(one.position, policy)) for one in leaves if one is not None]
    for one, proven in found:
        if as_json:
            output.document({"leaf": one.hex(), "index": proven.index, "proof": proof.write(proven).decode()})
        else:
            sys.stdout.write(proof.write(proven).decode())
    if not found:
        output.progress().print("the log has no such leaf", style="bold red")
        click.get_current_context().exit(exits.Exit.REFUSED)


def _leaves(views: DispatchViews, message_id: str | None, dispatch: str | None) -> Sequence[Entry | None]:
    if dispatch is not None:
        return views.dispatch_leaves(DispatchId(dispatch))
    found = views.messages(message_id=MessageId(message_id or ""))
    return [entry for one in found for entry in views.leaves(one.number)]
