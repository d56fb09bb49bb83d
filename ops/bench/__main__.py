"""`make bench`: the path against the speed of light, and the whole gateway over mutual TLS, into `build/bench.json`.

1. In process: groups of 4 KB RSA-signed messages walk the bare primitives (`light.py`) and then the gateway's own path
   (prepare, group commit, receipt), in turn, in CPU time. The ratio is the path over the sum of the primitives.
2. End to end: `gateway serve --workers 2` in its own processes, messages signed beforehand, mutual TLS on kept
   connections. First as fast as it goes (closed loop), then at 70 % of that (open loop), where latency is told.
3. The relay from SQLite and from PostgreSQL to RabbitMQ's quorum queues, against raw pipelined pika (`relaying.py`).
4. A decision on purpose and law, with ten thousand bases in the register (`deciding.py`).
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import uvloop

from gateway import config, wiring
from gateway.inbound import path
from gateway.message import ContractId, Ready, Received
from gateway.trust import pki, signing
from ops.bench import corpus, deciding, light, relaying
from ops.bench.load import Result, load
from ops.bench.report import Report

ROOT = Path(__file__).parents[2]
GROUPS = 40
WARM, FAST, STEADY = 1_000, 12_000, 8_000
CONNECTIONS = 32
SHARE = 0.7


def main() -> None:
    """Measure everything, print it, write it."""
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        demo = pki.make(data, now=datetime.now(UTC))
        client = demo.clients["arbetsformedlingen"]
        key = signing.SigningKey(key=client.sign.key, certificate=client.sign.der)
        configuration = config.load(ROOT / "config/gateway.toml", data=data)
        wiring.create_store(configuration, wiring.SystemClock())
        in_process(report, configuration, data, key, client.tls.der)
        end_to_end(report, data, key)
    deciding.measure(report)
    relaying.measure(report)
    report.show()
    report.write(ROOT / "build/bench.json")


def in_process(
    report: Report, configuration: config.Configuration, data: Path, key: signing.SigningKey, peer: bytes
) -> None:
    """Compare the path with the sum of its primitives, in CPU time."""
    schema = configuration.gateway.schemas / f"{corpus.CONTRACT}.xsd"
    bare = light.Light(next(corpus.messages(key, 1)), schema, data)
    intake = wiring.Intake(configuration, clock=wiring.SystemClock())
    costs, paths = [], []
    try:
        for number in range(1 + GROUPS):
            messages = list(corpus.messages(key, light.GROUP))
            cost, walked = bare.walk(messages), _walk(intake, messages, peer)
            if number:  # the first finds nothing warm
                costs.append(cost)
                paths.append(walked)
    finally:
        intake.close()
    medians = [statistics.median(values) for values in zip(*costs, strict=True)]
    total = sum(medians)
    report.add("message", len(messages[0]), "bytes")
    for name, value in zip(bare.NAMES, medians, strict=True):
        report.add(f"speed of light: {name}", value * 1e6, "µs CPU", value / total)
    report.add("speed of light: sum", total * 1e6, "µs CPU", 1.0)
    for part in ("prepare", "commit", "receipt", "path"):
        value = statistics.median(one[part] for one in paths)
        report.add(f"path: {part}" if part != "path" else "path in process", value * 1e6, "µs CPU", value / total)


def _walk(intake: wiring.Intake, messages: list[bytes], peer: bytes) -> dict[str, float]:
    """Take one group all the way; return CPU seconds per message for each part."""
    rules, now = intake.front.terms.rules, datetime.now(UTC)
    marks = [time.process_time()]
    readies = []
    for body in messages:
        received = Received(
            body=body,
            content_type="text/xml; charset=utf-8",
            contract=ContractId(corpus.CONTRACT),
            peer=peer,
            at=now,
        )
        ready = path.prepare(received, rules)
        if not isinstance(ready, Ready):
            sys.exit(f"the benchmark's own message was refused: {ready.error}")
        readies.append(ready)
    marks.append(time.process_time())
    accepted = [future.result() for future in [intake.journal.accept(ready) for ready in readies]]
    marks.append(time.process_time())
    for one in accepted:
        intake.journal.keep(path.answer(one, rules, now).sign)  # written with the next group
    marks.append(time.process_time())
    parts = [(after - before) / len(messages) for before, after in pairwise(marks)]
    return dict(zip(("prepare", "commit", "receipt"), parts, strict=True), path=sum(parts))


def end_to_end(report: Report, data: Path, key: signing.SigningKey) -> None:
    """Run the real server with two workers, and load it."""
    context = ssl.create_default_context(cafile=str(data / "pki/server-ca.pem"))
    folder = data / "clients/arbetsformedlingen"
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    server = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "serve", "--data", str(data), "--port", "0", "--workers", "2"],
        env={**os.environ, "GATEWAY_CONFIG": str(ROOT / "config/gateway.toml")},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = _address(server)
        _measure(report, address, context, key)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _measure(report: Report, address: tuple[str, int], context: ssl.SSLContext, key: signing.SigningKey) -> None:
    def run(count: int, rate: float | None = None) -> Result:
        requests = [corpus.request(message) for message in corpus.messages(key, count)]
        return uvloop.run(load(address, context, requests, connections=CONNECTIONS, rate=rate))

    run(WARM)
    fast = run(FAST)
    steady = run(STEADY, rate=fast.rate * SHARE)
    for name, result in (("closed loop", fast), (f"at {SHARE:.0%}", steady)):
        report.add(f"end to end, 2 workers, {name}: accepted", result.rate, "messages/s", result.rate / fast.rate)
        report.add(f"end to end, {name}: refused or failed", sum(result.statuses.values()) - result.statuses[200], "n")
        for share in (0.5, 0.99):
            report.add(f"end to end, {name}: p{share * 100:.0f}", result.percentile(share) * 1e3, "ms")


def _address(server: subprocess.Popen[str]) -> tuple[str, int]:
    """Read where it listens from its first log lines, and let the rest of the log run off."""
    assert server.stderr is not None  # noqa: S101  # a pipe was asked for
    for line in server.stderr:
        said = json.loads(line)
        if said["event"] == "server.started":
            threading.Thread(target=deque, args=(server.stderr, 0), daemon=True).start()
            host, _, port = said["address"].rpartition(":")
            return host, int(port)
    sys.exit("the server did not start")


if __name__ == "__main__":
    main()
