"""A listener beside the front's, as a process has it: a desk, a certificate, and the configuration both go by.

What is open is kept until a restart, and the log names it at every reload until then: address and times, the store, the
paths of keys, and servers. The rest is new at once: who may come in, how often, our own certificate, and the law.
"""

from __future__ import annotations

from typing import Final, Generic

from gateway import logs
from gateway.config import Configuration
from gateway.config.doors import C
from gateway.config.doors import Door as Configured
from gateway.errors import ConfigError
from gateway.logs import Happened
from gateway.transport import server, tls
from gateway.transport.door import Desk, Terms

_SHOWN: Final = {"certificate", "key", "minimum_tls"}
"""What a reload changes of how it listens."""


class Door(Generic[C]):
    """What auditors' and portals' listeners have in common."""

    table: str
    """Of `gateway.toml`."""
    desk: Desk[C]

    def __init__(self, configuration: Configuration) -> None:
        """Read what the door shows. Raises ConfigError."""
        door = self.found(configuration)
        self.configuration = configuration
        self.listen = door.listen(configuration.gateway.listen)
        self.context = tls.Listener(self.listen, anchors=door.anchors, table=self._shown(door))

    def found(self, configuration: Configuration) -> Configured[C]:
        """Return the door as configured (`present`). Raises ConfigError."""
        raise NotImplementedError

    def terms(self, configuration: Configuration) -> Terms[C]:
        """Return what a desk judges by. Raises ConfigError."""
        return Terms.of(self.found(configuration), configuration.gateway.listen)

    def server(self) -> server.Server:
        """Return the server; it is not running."""
        return server.Server(
            self.desk.app(), self.desk, listen=self.listen, context=self.context, refused=self.desk.refused
        )

    def renew(self) -> None:
        """Read certificates again where a file has changed. Raises ConfigError; the old ones stay."""
        self.context.renew()

    def reload(self, configuration: Configuration) -> None:
        """Go by others who may come in, other certificates and another law.

        Raises ConfigError, IntegrityError, UnavailableError; the old ones stay.
        """
        door, terms, opened = self.found(configuration), self.terms(configuration), self.configuration
        gateway, listen = configuration.gateway, door.listen(configuration.gateway.listen)
        kept = {"store": opened.gateway.store, "keys": opened.gateway.keys}
        restart = [name for name, value in kept.items() if getattr(gateway, name) != value]
        restart += ["services"] if configuration.services != opened.services else []
        restart += [self.table] if listen.model_dump(exclude=_SHOWN) != self.listen.model_dump(exclude=_SHOWN) else []
        configuration = configuration.model_copy(
            update={"gateway": gateway.model_copy(update=kept), "services": opened.services}
        )
        self.widen(configuration)
        self.context.reload(listen, anchors=door.anchors, table=self._shown(door))
        self.configuration, self.desk.terms = configuration, terms
        logs.tell(Happened.RELOADED, policy=configuration.policy, restart=" ".join(restart) or None)

    def widen(self, configuration: Configuration) -> None:
        """Open what those who are new need beside. Raises ConfigError, IntegrityError, UnavailableError."""

    def _shown(self, door: Configured[C]) -> str:
        """Return the table that says what is shown."""
        return "listen" if door.certificate is None else self.table


def present(door: Configured[C] | None, rows: str) -> Configured[C]:
    """Return a door that somebody may come in at; `rows` names those. Raises ConfigError."""
    if door is None or not door.clients:
        table, _, _ = rows.partition(".")
        raise ConfigError(f"{table}: no [[{rows}]] is configured, so nobody could ask")
    return door
