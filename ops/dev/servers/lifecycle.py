"""What can be done with the private servers: for the command, the tests and the soak alike.

Every change holds the folder's lock and ends with `state.json` written, so that another process sees what is so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ops.dev.servers import packages, postgresql, rabbitmq, settings, state
from ops.dev.servers.processes import ServerError
from ops.dev.servers.state import PostgreSQL, RabbitMQ, State

Name = Literal["rabbitmq", "postgresql"]
NAMES: tuple[Name, ...] = ("rabbitmq", "postgresql")
_LAST = 3.0
"""Seconds that a server has to end in order when its data is thrown away."""
_START: dict[Name, Callable[[Path], RabbitMQ | PostgreSQL]] = {
    "rabbitmq": rabbitmq.start,
    "postgresql": postgresql.start,
}


def running(folder: Path) -> tuple[Name, ...]:
    """Return which servers run."""
    now = state.read(folder)
    return tuple(name for name in NAMES if _alive(now, name))


def start(folder: Path, names: Sequence[Name] = NAMES) -> tuple[Name, ...]:
    """Start those that do not run, side by side, and wait until they answer.

    One that has died is made anew: empty. If one cannot be started, the others that this call started are stopped and
    what it made is removed.

    Returns:
        Which were started by this call.

    Raises:
        ServerError: not installed and may not be, or it does not start; the text says what its log says.
    """
    with state.alone(folder):
        wanted = [name for name in names if name not in running(folder)]
        if not wanted:
            return ()
        packages.provide(wanted)
        state.prepare(folder)
        now = state.read(folder)
        for name in wanted:
            _forget(folder, now, name)
        now, failures = _started(folder, replace(now, **dict.fromkeys(wanted)), wanted)
        if failures:
            _take_down(folder, now, wanted)
            raise failures[0]
        state.write(folder, now)
        settings.write(folder, now)
        return tuple(wanted)


def _started(folder: Path, now: State, wanted: Sequence[Name]) -> tuple[State, list[BaseException]]:
    """Start them side by side; whoever interrupts waits until they are up, and they can be stopped."""
    interrupted: list[BaseException] = []
    with ThreadPoolExecutor(len(wanted)) as pool:
        futures = {name: pool.submit(_START[name], folder) for name in wanted}
        try:
            wait(futures.values())
        except KeyboardInterrupt as error:
            interrupted.append(error)
    for name, future in futures.items():
        failure = future.exception()
        if failure is None:
            now = _with(now, name, future.result())
        else:
            interrupted.append(failure)
    return now, interrupted


def _with(now: State, name: Name, server: RabbitMQ | PostgreSQL | None) -> State:
    return replace(now, **{name: server})  # type: ignore[arg-type]  # by name


def stop(folder: Path, names: Sequence[Name] = NAMES) -> None:
    """Stop these and remove what was theirs; the folder too when none is left."""
    with state.alone(folder):
        _take_down(folder, state.read(folder), names)


def _take_down(folder: Path, now: State, names: Sequence[Name]) -> None:
    with ThreadPoolExecutor(len(NAMES)) as pool:
        list(pool.map(lambda name: _forget(folder, now, name), names))
    left = replace(now, **dict.fromkeys(names))
    if left == State():
        state.remove(folder)
    else:
        state.write(folder, left)
        settings.write(folder, left)


def _forget(folder: Path, now: State, name: Name) -> None:
    server = getattr(now, name)
    if isinstance(server, RabbitMQ):
        rabbitmq.stop(server, within=_LAST)
    elif isinstance(server, PostgreSQL):
        postgresql.stop(server, within=_LAST)
    shutil.rmtree(folder / name, ignore_errors=True)


def down(folder: Path, name: Name, *, kill: bool = False) -> None:
    """Stop one, in order or as a power failure does; its data stays for `up`."""
    with state.alone(folder):
        server = _server(folder, name)
        if isinstance(server, RabbitMQ):
            (rabbitmq.kill if kill else rabbitmq.stop)(server)
        else:
            (postgresql.kill if kill else postgresql.stop)(server)


def up(folder: Path, name: Name) -> None:
    """Start one again that is down: the same ports, the same data. Waits until it answers."""
    with state.alone(folder):
        server = _server(folder, name)
        now = state.read(folder)
        if _alive(now, name):
            return
        if isinstance(server, RabbitMQ):
            state.write(folder, replace(now, rabbitmq=rabbitmq.again(folder, server)))
        else:
            state.write(folder, replace(now, postgresql=postgresql.again(folder, server)))


def restart(folder: Path, name: Name, *, kill: bool = False) -> None:
    """`down` and `up`."""
    down(folder, name, kill=kill)
    up(folder, name)


def pause(folder: Path, name: Name) -> None:
    """Let one stand still: its connections stay open, and nobody answers."""
    server = _server(folder, name)
    if isinstance(server, RabbitMQ):
        rabbitmq.pause(server)
    else:
        postgresql.pause(server)


def resume(folder: Path, name: Name) -> None:
    """Let it go on."""
    server = _server(folder, name)
    if isinstance(server, RabbitMQ):
        rabbitmq.resume(server)
    else:
        postgresql.resume(server)


def _server(folder: Path, name: Name) -> RabbitMQ | PostgreSQL:
    found: RabbitMQ | PostgreSQL | None = getattr(state.read(folder), name)
    if found is None:
        raise ServerError(f"no {name} in {folder}: ops/dev/services start")
    return found


def _alive(now: State, name: Name) -> bool:
    found: RabbitMQ | PostgreSQL | None = getattr(now, name)
    return found is not None and found.process.alive
