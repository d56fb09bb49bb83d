"""Listeners beside the front's, for few who are named one by one: auditors, and citizens' portals.

Who may come in at a door is said by the fingerprint of the very certificate that is shown. TLS proves that the key is
there and that the certificate stands under an anchor and holds; the fingerprint says whose it is. No name out of a
certificate is read, and a row that is taken away shuts the door at the next reload.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.law import Model

if TYPE_CHECKING:
    from gateway.config import Listen

Print = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a certificate's DER, in hex: `openssl x509 -outform DER | sha256sum`."""


class Client(Model):
    """Who may come in."""

    id: str = Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$")
    """The name that readings have: an official's account, or a system's. Never a person's number."""
    certificates: tuple[Print, ...] = Field(min_length=1)
    """Those it may show; two while it changes them."""


C = TypeVar("C", bound=Client)


class Door(Model, Generic[C]):
    """Where a door is, and what it shows."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    certificate: Path | None = None
    """With its chain. None: the front's, `listen.certificate`."""
    key: Path | None = None
    anchors: tuple[Path, ...] = Field(min_length=1)
    """The authorities of those who may come in (PEM or DER)."""
    concurrent_connections: int = Field(default=64, ge=1)
    rate: int = Field(default=60, ge=1)
    """Questions in a minute that each may ask."""

    @property
    def clients(self) -> tuple[C, ...]:
        """Who may come in."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _paired(self) -> Self:
        """Hold certificate and key together."""
        if (self.certificate is None) != (self.key is None):
            raise PydanticCustomError("door", "certificate and key: both or none")
        return self

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        """Hold names and certificates apart."""
        for name, count in Counter(name for one in self.clients for name in (one.id, *one.certificates)).items():
            if count > 1:
                raise PydanticCustomError("door", "{name} is used twice", {"name": name})
        return self

    def by_certificate(self) -> Mapping[str, C]:
        """Return those who may come in by the fingerprints of their certificates."""
        return {one: client for client in self.clients for one in client.certificates}

    def listen(self, front: Listen) -> Listen:
        """Return where and as whom to listen; times are the front's."""
        changes = {
            "host": self.host, "port": self.port, "workers": 1, "concurrent_connections": self.concurrent_connections,
        }  # fmt: skip
        if self.certificate is not None:
            changes |= {"certificate": self.certificate, "key": self.key}
        return front.model_copy(update=changes)


class Reader(Client):
    """Who may ask the log."""

    duties: tuple[Literal["auditor", "archivist", "overseer"], ...] = Field(min_length=1)
    """auditor: the questions. overseer: who has read the log (Q17), and nothing else. archivist: no question yet."""


class Auditors(Door[Reader]):
    """The auditors' listener (`[auditors]`): `gateway serve --role auditor`."""

    port: int = Field(default=8444, ge=0, le=65535)
    reader: tuple[Reader, ...] = ()

    @property
    def clients(self) -> tuple[Reader, ...]:
        """Who may come in."""
        return self.reader


class Portal(Client):
    """A system through which persons see who has got what about them."""

    delegated: bool = False
    """True: it may ask for one person on behalf of another, and answers for having judged that (föräldrabalken,
    framtidsfullmakt, ombud). Otherwise each asks about himself or herself alone."""


class Transparency(Door[Portal]):
    """The portals' listener (`[transparency]`): `gateway serve --role transparency`."""

    port: int = Field(default=8445, ge=0, le=65535)
    rate: int = Field(default=600, ge=1)
    """Questions in a minute that each portal may ask."""
    portal: tuple[Portal, ...] = ()

    @property
    def clients(self) -> tuple[Portal, ...]:
        """Who may come in."""
        return self.portal
