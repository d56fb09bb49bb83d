"""Private servers for the demonstration: RabbitMQ and PostgreSQL from Debian's packages, gone when it ends.

`ops/dev/services` starts them in a temporary folder and writes how they are reached; that becomes the installation's
`services.toml`, as on any other machine. The folder is not the demonstration's own: where we are root, PostgreSQL runs
as another user, who may not enter that.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway import codes
from gateway.cli import options
from gateway.errors import ConfigError, UnavailableError

_TOLD = 500
"""Characters of what the servers' own start says that an error quotes."""


@contextmanager
def private(data: Path, *, store: str, broker: str) -> Iterator[None]:
    """Run the servers that are asked for, and write `services.toml` in `data`; neither where everything is embedded.

    Raises:
        ConfigError: this installation has no `ops/dev/services`.
        UnavailableError: a server does not start; the text says why.
    """
    wanted = [name for name, asked in (("postgresql", store), ("rabbitmq", broker)) if asked == name]
    if not wanted:
        yield
        return
    script = options.delivered("ops") / "dev" / "services"
    if not script.is_file():
        raise ConfigError("ops/dev/services is not here: it starts private servers, in a checkout of the project")
    only = ["--only", wanted[0]] if len(wanted) == 1 else []
    folder = Path(tempfile.mkdtemp(prefix="gateway-servers-"))
    command = [str(script), "--folder", str(folder)]
    try:
        _run([*command, "start", *only])
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(folder / "services.toml", data / "services.toml")
        yield
    finally:
        subprocess.run([*command, "stop"], check=False, capture_output=True)  # noqa: S603  # our own script


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  # our own script
    if done.returncode:
        raise UnavailableError(codes.INTERNAL, (done.stderr or done.stdout).strip()[-_TOLD:])
