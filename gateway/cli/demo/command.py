"""`gateway demo`: set up, send, drain, prove, reconcile; then the other way; show.

1. A PKI, a store and the real server, in a temporary folder that is gone afterwards.
2. What comes in: every case of the script, one after another.
3. Every queue is drained; every leaf that a receipt promises is proven under a signed checkpoint.
4. What goes out: the gateway asks Navet and Arbetsförmedlingen, summons and tells others, and far sides fail in every
   way they can (`outgoing`, `abroad`).
5. What was seen is reconciled with what was sent: exit code 0 only if every number is right, else 1.

With `--serve` the gateway then stays up until Ctrl-C, for calls of one's own.
"""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from gateway.cli import exits, options, output
from gateway.cli.demo import abroad, ledger, report
from gateway.cli.demo.cases import AGI, FOLKBOKFORING, Script
from gateway.cli.demo.clients import Partner, signing_key
from gateway.cli.demo.payloads import Calendar
from gateway.cli.demo.reconcile import reconcile
from gateway.cli.demo.servers import private
from gateway.cli.demo.stage import Stage, staged
from gateway.swedish import swedish_day

MESSAGES = 60
"""Right messages by default: enough to see every queue fill, and done in a few seconds."""


@click.command(name="demo")
@click.option(
    "--messages", type=click.IntRange(4, 100_000), default=MESSAGES, show_default=True, help="Right messages."
)
@click.option("--serve", is_flag=True, help="Leave the gateway up afterwards, until Ctrl-C.")
@click.option(
    "--store",
    type=click.Choice(["sqlite", "postgresql"]),
    default="sqlite",
    show_default=True,
    help="postgresql: on a private server that is started for it.",
)
@click.option(
    "--broker",
    type=click.Choice(["embedded", "rabbitmq"]),
    default="embedded",
    show_default=True,
    help="rabbitmq: on a private server that is started for it.",
)
@options.config
@options.as_json
def command(messages: int, store: str, broker: str, config: Path, *, serve: bool, as_json: bool) -> None:
    """Send right and wrong messages from three partners to a real gateway, have it send and ask, and reconcile it all.

    Exit code 0 only if every number is as it must be.
    """
    console = output.progress()
    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us ends the server and the folder too
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as folder, ExitStack() as closing:
        if (store, broker) != ("sqlite", "embedded"):
            console.print(f"starting private servers: store on {store}, queues on {broker} …")
        closing.enter_context(private(Path(folder) / "data", store=store, broker=broker))
        console.print("making keys and certificates, and starting the gateway …")
        stage = closing.enter_context(staged(config, Path(folder), now=datetime.now(UTC)))
        partners = closing.enter_context(_partners(stage))
        book = _played(stage, partners, messages, console)
        console.print("draining the queues, and proving every leaf that a receipt promises …")
        drained = ledger.drain(stage)
        logged = ledger.audit(stage, book.promised)
        seen = ledger.seen(book, drained, logged, b"".join(stage.server.lines))
        console.print("sending and asking, while the far sides fail in every way they can …")
        sent = abroad.play(stage, size=logged.size)
        played = report.Played(
            stage=stage,
            ledger=book,
            drained=drained,
            logged=logged,
            rules=reconcile(ledger.expected(line.case for line in book.lines), seen),
            abroad=sent,
            seconds=time.monotonic() - started,
        )
        if as_json:
            output.document(report.document(played))
        else:
            report.show(output.results(), played)
        _told(console, played)
        if serve:
            _stay(stage, console)
    click.get_current_context().exit(exits.Exit.OK if played.reconciled else exits.Exit.REFUSED)


def _told(console: Console, played: report.Played) -> None:
    result = "every number reconciles" if played.reconciled else "NOT every number reconciles"
    style = "bold green" if played.reconciled else "bold red"
    counted = f"{len(played.ledger.lines)} messages in, {len(played.abroad.walked)} out"
    console.print(f"{counted}, {played.seconds:.1f} s in all: {result}", style=style)


@contextmanager
def _partners(stage: Stage) -> Iterator[Mapping[str, Partner]]:
    """Connect every client of the PKI."""
    made = {
        name: Partner(client, stage.data / "clients" / name, stage.address, stage.data / "pki" / "server-ca.pem")
        for name, client in stage.demo.clients.items()
    }
    try:
        yield made
    finally:
        for partner in made.values():
            partner.close()


def _played(stage: Stage, partners: Mapping[str, Partner], messages: int, console: Console) -> ledger.Ledger:
    book = ledger.Ledger(stage.demo.receipt.certificate)
    script = Script(
        partners,
        revoked=signing_key(stage.revoked),
        calendar=Calendar(today=swedish_day(datetime.now(UTC))),
        messages=messages,
    )
    with console.status("sending …"):
        for case in script.cases():
            line = book.play(case)
            if not line.as_expected:
                console.print(
                    f"{case.what}: {line.outcome} {line.code or ''} {line.step or ''}", style="red", markup=False
                )
    return book


def _stay(stage: Stage, console: Console) -> None:
    """Keep the gateway up, and say how to call it."""
    data, address = stage.data, stage.address
    client = data / "clients" / "skatteverket"
    lines = (
        f"The gateway receives on {address} until Ctrl-C. Its log, keys and store are below {data}.",
        "",
        "The contract, as a partner's tools read it:",
        f"  curl --cacert {data}/pki/server-ca.pem --cert {client}/tls.pem --key {client}/tls.key \\",
        f"       '{address}/soap/{FOLKBOKFORING}?wsdl'",
        "A signed envelope (message.xml) of your own:",
        f"  curl --cacert {data}/pki/server-ca.pem --cert {client}/tls.pem --key {client}/tls.key \\",
        f"       -H 'Content-Type: text/xml; charset=utf-8' --data-binary @message.xml {address}/soap/{AGI}",
        "From Python:",
        "  session = requests.Session()",
        f'  session.verify, session.cert = "{data}/pki/server-ca.pem", ("{client}/tls.pem", "{client}/tls.key")',
        f'  zeep.Client("{address}/soap/{FOLKBOKFORING}?wsdl", transport=zeep.Transport(session=session))',
        f"Sign with {client}/sign.key and sign.pem. Look at what came, from another terminal:",
        f"  gateway queue list --data {data}",
        f"  gateway dispatch list --data {data}",
        f"  gateway audit verify --data {data}",
    )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        stop.wait()
    finally:
        for number, former in before.items():
            signal.signal(number, former)
