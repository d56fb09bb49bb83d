"""`gateway serve`: receive messages until told to stop.

With one worker everything is in this process. With more, this process binds the socket, integrates the log, relays to
the broker and keeps the workers; each of them receives. `--role` leaves out what other processes do. Either way the log
is checked before anything is received or signed, and the exit code says how it ended: 0 drained and stopped,
3 configuration, 4 temporarily not possible, 5 integrity.

SIGTERM, SIGINT: drain and stop. SIGHUP: read the configuration again. Logs go to stderr as JSON lines; the first,
`server.started`, has the address.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue

import click

from gateway import __version__, logs, wiring
from gateway.cli import exits, options
from gateway.config import Configuration, load
from gateway.errors import ConfigError, GatewayError, IntegrityError, UnavailableError
from gateway.logs import Happened
from gateway.transport import server
from gateway.transport.workers import READY, Workers

LISTENING = 1.0
"""Seconds in which a signal is heard at the latest."""
GARBAGE = 20_000
"""Objects between two collections: some hundred messages' worth. With Python's own 700 a worker under load spent 6 % of
its time collecting; what messages leave in cycles is little."""


@click.command(name="serve")
@options.config
@options.data
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that receive; default as configured.")
@click.option("--port", type=click.IntRange(0, 65535), help="Listen here instead; 0 is the system's choice.")
@click.option(
    "--role",
    "names",
    type=click.Choice([role.value for role in wiring.Role]),
    multiple=True,
    help="Do only this; may be given several times. Default: everything.",
)
def command(config: Path, data: Path | None, workers: int | None, port: int | None, names: tuple[str, ...]) -> None:
    """Receive messages, relay events, sign the log, call partners: all of it, or one role."""
    logs.configure()
    configuration = _load(config, data, port)
    roles = frozenset(wiring.Role(name) for name in names) or wiring.EVERYTHING
    if not wiring.DOORS.isdisjoint(roles):
        sys.exit(_at_door(configuration, roles, partial(load, config, data=data), port))
    if not roles <= {wiring.Role.RELAY, wiring.Role.DISPATCHER, wiring.Role.RELEASER, wiring.Role.GALLRING}:  # no log
        wiring.guarded(configuration)
    if wiring.Role.FRONT not in roles:
        sys.exit(_behind(configuration, roles, partial(_load, config, data, port)))
    count = workers or configuration.gateway.listen.workers
    bound = server.bind(configuration.gateway.listen)
    code = (
        _alone(configuration, bound, partial(_load, config, data, port), roles)
        if count == 1
        else _many(
            configuration, bound, count, (str(config), str(data or ""), str("" if port is None else port)), roles
        )
    )
    sys.exit(code)


def _load(config: Path, data: Path | None, port: int | None) -> Configuration:
    found = load(config, data=data)
    if port is None:
        return found
    listen = found.gateway.listen.model_copy(update={"port": port})
    return found.model_copy(update={"gateway": found.gateway.model_copy(update={"listen": listen})})


def _load_as(config: str, data: str, port: str) -> Configuration:
    """Load as a worker is told to, by words."""
    return _load(Path(config), Path(data) if data else None, int(port) if port else None)


def _behind(configuration: Configuration, roles: Collection[wiring.Role], again: Callable[[], Configuration]) -> int:
    """Receive nothing, do the rest until SIGTERM or SIGINT; return the exit code. SIGHUP: read again."""
    disagreed: list[IntegrityError] = []
    said: SimpleQueue[int] = SimpleQueue()

    def alarm(error: IntegrityError) -> None:
        disagreed.append(error)
        said.put(signal.SIGTERM)

    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _: said.put(number)) for number in heard}
    background = wiring.Background(configuration, clock=wiring.SystemClock(), alarm=alarm, roles=roles)
    try:
        background.start()
        logs.tell(Happened.ROLES_STARTED, roles=" ".join(sorted(roles)), process=os.getpid(), version=__version__)
        while _next(said) == signal.SIGHUP:
            _reload(background, again, alarm)
        logs.tell(Happened.SERVER_STOPPING, process=os.getpid())
    finally:
        background.close()
        for number, former in before.items():
            signal.signal(number, former)
    logs.tell(Happened.SERVER_STOPPED, process=os.getpid())
    return exits.of(disagreed[0]) if disagreed else exits.Exit.OK


def _at_door(
    configuration: Configuration, roles: Collection[wiring.Role], again: Callable[[], Configuration], port: int | None
) -> int:
    """Answer those who ask at a listener of its own, and do nothing else; return the exit code."""
    if len(roles) > 1:
        raise click.UsageError(f"--role {' '.join(sorted(wiring.DOORS.intersection(roles)))}: a process by itself")
    with ExitStack() as closing:
        made = wiring.Auditing if wiring.Role.AUDITOR in roles else wiring.Transparency
        door = made(configuration, clock=wiring.SystemClock())
        closing.callback(door.close)
        listen = door.listen if port is None else door.listen.model_copy(update={"port": port})
        bound, running = server.bind(listen), door.server()
        _receive(running, door, bound, again, ready=partial(_started, bound, 1), alarm=lambda _error: running.stop())
        logs.tell(Happened.SERVER_STOPPING, process=os.getpid())
    logs.tell(Happened.SERVER_STOPPED, process=os.getpid())
    return exits.Exit.OK


def _next(said: SimpleQueue[int]) -> int:
    """Return the next signal. Handlers run when the main thread does, and a wait may not hear of one: so it ends."""
    while True:
        with suppress(Empty):
            return said.get(timeout=LISTENING)


def _reload(
    background: wiring.Background, again: Callable[[], Configuration], alarm: Callable[[IntegrityError], None]
) -> None:
    """Have dispatcher and releaser go by a new configuration; the other roles keep theirs until a restart."""
    if background.sending is None and background.releasing is None and background.gallring is None:
        return
    try:
        configuration = again()
        background.reload(configuration)
    except ConfigError as error:
        logs.tell(Happened.RELOAD_REFUSED, detail=error.detail)
    except IntegrityError as error:
        logs.integrity(error)
        alarm(error)
    except UnavailableError as error:  # what cannot be put on record is not judged by
        logs.fault(error)
    else:
        logs.tell(Happened.RELOADED, policy=configuration.policy)


def _alone(
    configuration: Configuration,
    bound: socket.socket,
    again: Callable[[], Configuration],
    roles: Collection[wiring.Role],
) -> int:
    """Do everything in this process; return the exit code."""
    clock = wiring.SystemClock()
    disagreed: list[IntegrityError] = []
    with ExitStack() as closing:
        intake = wiring.Intake(configuration, clock=clock)
        closing.callback(intake.close)
        running = intake.server()

        def alarm(error: IntegrityError) -> None:
            disagreed.append(error)
            running.stop()

        background = wiring.Background(configuration, clock=clock, alarm=alarm, roles=roles)
        closing.callback(background.close)
        intake.committed = background.wake
        intake.reloaded = background.reload
        background.start()
        _receive(running, intake, bound, again, ready=partial(_started, bound, 1), alarm=alarm)
        logs.tell(Happened.SERVER_STOPPING, process=os.getpid())
    logs.tell(Happened.SERVER_STOPPED, process=os.getpid())
    return exits.of(disagreed[0]) if disagreed else exits.Exit.OK


def _many(
    configuration: Configuration,
    bound: socket.socket,
    count: int,
    arguments: tuple[str, ...],
    roles: Collection[wiring.Role],
) -> int:
    """Keep `count` workers, and do in this process what only one may do; return the exit code."""
    drain = configuration.gateway.listen.drain_timeout.total_seconds()
    crew = Workers(
        work=work, arguments=arguments, bound=bound, count=count, drain=drain, on_ready=partial(_started, bound, count)
    )
    background = wiring.Background(
        configuration, clock=wiring.SystemClock(), alarm=lambda error: crew.end(exits.of(error)), roles=roles
    )
    crew.on_reload = partial(
        _reload, background, partial(_load_as, *arguments), lambda error: crew.end(exits.of(error))
    )
    background.start()
    try:
        code = crew.run()
        logs.tell(Happened.SERVER_STOPPING, process=os.getpid())
    finally:
        background.close()
        bound.close()
    logs.tell(Happened.SERVER_STOPPED, process=os.getpid())
    return code


def work(bound: socket.socket, parent: Connection, config: str, data: str, port: str) -> None:
    """Be one worker: receive until SIGTERM, or until the parent is gone. Exits with a code of `exits`."""
    logs.configure()
    again = partial(_load_as, config, data, port)
    try:
        with ExitStack() as closing:
            intake = wiring.Intake(again(), clock=wiring.SystemClock())
            closing.callback(intake.close)
            running = intake.server()
            threading.Thread(target=_watch, args=(parent, running), daemon=True).start()
            disagreed: list[IntegrityError] = []

            def alarm(error: IntegrityError) -> None:
                disagreed.append(error)
                running.stop()

            _receive(running, intake, bound, again, ready=partial(parent.send_bytes, READY), alarm=alarm)
        if disagreed:
            sys.exit(exits.of(disagreed[0]))
    except GatewayError as error:
        if isinstance(error, IntegrityError):
            logs.integrity(error)
        else:
            logs.tell(Happened.RELOAD_REFUSED, detail=error.detail)
        sys.exit(exits.of(error))


def _receive(
    running: server.Server,
    serving: wiring.Renewed,
    bound: socket.socket,
    again: Callable[[], Configuration],
    *,
    ready: Callable[[], None],
    alarm: Callable[[IntegrityError], None],
) -> None:
    """Serve in the main thread until stopped; SIGHUP has everything read again."""
    # What stands now stands for good: the collector need not walk it again for every few hundred messages.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    keeper = wiring.Keeper(serving, again, alarm=alarm)
    before = signal.signal(signal.SIGHUP, lambda _number, _frame: keeper.ask())
    keeper.start()
    running.on_started = ready
    try:
        running.run(sockets=[bound])
    finally:
        keeper.stop()
        signal.signal(signal.SIGHUP, before)


def _watch(parent: Connection, running: server.Server) -> None:
    """Stop when the parent is gone: nothing comes on this pipe, it can only end."""
    try:
        parent.recv_bytes()
    except (EOFError, OSError):
        running.stop()


def _started(bound: socket.socket, workers: int) -> None:
    host, port = bound.getsockname()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    logs.tell(Happened.SERVER_STARTED, address=address, workers=workers, process=os.getpid(), version=__version__)
