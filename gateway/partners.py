"""Who the partners are, as `config/partners/<id>.toml` says: their certificates, what they may send, how we reach them.

Files are named relative to the installation's `data` folder (`config.py`). What the settings *mean* is where they are
used: certificates in `trust/`, endpoints in `outbound/` and `transport/courier.py`, mailboxes in `store/mailbox.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import ConfigError
from gateway.message import ContractId, OrganisationNumber, PartnerId
from gateway.services import Seconds


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Organisation = Annotated[OrganisationNumber, Field(pattern=r"^\d{10}$")]


class Subject(_Model):
    """Whom a named agency's certificates must name."""

    organisation: Organisation
    """Compared with subject serialNumber, normalised to ten digits."""
    common_names: tuple[str, ...] = ()
    """If given, subject commonName must be one of them: old and new side by side while a certificate is changed. Not of
    the TLS server that we call: its name is the host's."""


class Trust(_Model):
    """How a partner's certificates are judged."""

    anchors: tuple[Path, ...] = Field(min_length=1)
    """PEM files, each with one or more CA certificates."""
    intermediates: tuple[Path, ...] = ()
    subject: Subject | None = None
    """None only for a class of partners: then any organisation certificate under the anchors."""
    revocation: tuple[Path, ...] = ()
    """CRL files, PEM or DER."""
    revocation_required: bool = True
    """True: no fresh CRL for a certificate's issuer means nothing is accepted."""


class Maintenance(_Model):
    """When the partner has told us that its service is closed; Swedish time. Over midnight where `until` is earlier."""

    days: frozenset[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = frozenset(
        ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    )
    """On which days it begins."""
    begins: time
    ends: time


class Endpoint(_Model):
    """Where and how a partner is reached."""

    address: str = Field(pattern=r"^https://[A-Za-z0-9.\[\]:-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?$")
    """`https://host[:port]/path`, without user, query or fragment. The far side's certificate must be for the host."""
    contracts: tuple[ContractId, ...] = Field(min_length=1)
    organisation: Organisation | None = None
    """Which of a class of partners answers here; None for a named agency."""
    anchors: tuple[Path, ...] = ()
    """CA certificates of the far side's TLS server, where they are others than `trust.anchors`."""
    connect_timeout: Seconds = Field(default=timedelta(seconds=5), ge=timedelta(milliseconds=100))
    read_timeout: Seconds = Field(default=timedelta(seconds=30), ge=timedelta(milliseconds=100))
    """Longest silence while an answer is awaited or read."""
    total_timeout: Seconds = Field(default=timedelta(seconds=60), ge=timedelta(milliseconds=100))
    """From the first byte of the request to the last of the answer, whatever trickles in between."""
    answer_limit: int = Field(default=1024 * 1024, ge=1024)
    """Bytes of an answer."""
    concurrent: int = Field(default=2, ge=1, le=32)
    """Attempts at the same time."""
    first_pause: Seconds = Field(default=timedelta(seconds=5), ge=timedelta(0))
    longest_pause: Seconds = Field(default=timedelta(minutes=15), ge=timedelta(0))
    """Before the next attempt of one dispatch: doubles from the first to the longest, with jitter."""
    breaker_failures: int = Field(default=5, ge=1)
    """Failures in a row after which nobody is sent here for a while."""
    breaker_rest: Seconds = Field(default=timedelta(seconds=60), ge=timedelta(0))
    """After it one attempt is let through; what becomes of it decides for the others."""
    maintenance: tuple[Maintenance, ...] = ()
    settings: Mapping[str, str] = {}
    """What its contracts need to know of our agreement with the partner; each contract says what."""


class Mailbox(_Model):
    """For partners without an endpoint: what is for them waits here until they fetch it."""

    contracts: tuple[ContractId, ...] = Field(min_length=1)
    unread: Seconds = Field(default=timedelta(days=5), gt=timedelta(0))
    """After so long unread it is no longer theirs to fetch, and whoever sent it is told."""
    retention: Seconds = Field(default=timedelta(days=7), ge=timedelta(0))
    """How long the sealed content is kept after it was acknowledged."""


class Partner(_Model):
    """`config/partners/<id>.toml`."""

    id: PartnerId
    name: str
    kind: Literal["agency", "class"]
    partner_type: str
    """As in the bases: `skatteverket`, `arbetsformedlingen`, `arbetsgivare`."""
    contracts: tuple[ContractId, ...]
    """What it may send us."""
    body_limits: Mapping[ContractId, int] = {}
    """Bytes, per contract, where the default does not fit."""
    receipt: Literal["p256", "rsa"] = "p256"
    """With which of our keys we sign for it."""
    trust: Trust
    endpoint: tuple[Endpoint, ...] = ()
    mailbox: Mailbox | None = None

    def reached(self, contract: ContractId, organisation: OrganisationNumber | None) -> Endpoint | Mailbox | None:
        """Return where a dispatch of this contract goes; None where it cannot."""
        for endpoint in self.endpoint:
            if contract in endpoint.contracts and endpoint.organisation == organisation:
                return endpoint
        if self.mailbox is not None and contract in self.mailbox.contracts:
            return self.mailbox
        return None

    def check(self, where: str) -> None:
        """Hold the parts of the file to each other. Raises ConfigError.

        Args:
            where: The file, for the error.
        """
        if (self.kind == "class") != (self.trust.subject is None):
            raise ConfigError(f"{where}: trust.subject: an agency is pinned to a subject, a class is not")
        for number, endpoint in enumerate(self.endpoint, start=1):
            if (self.kind == "class") != (endpoint.organisation is not None):
                raise ConfigError(
                    f"{where}: [[endpoint]] {number}: organisation: one of a class is named by it, an agency is not"
                )
        seen: set[tuple[ContractId, OrganisationNumber | None]] = set()
        for endpoint in self.endpoint:
            for contract in endpoint.contracts:
                if (contract, endpoint.organisation) in seen:
                    raise ConfigError(f"{where}: [[endpoint]]: contracts: {contract} has two addresses")
                seen.add((contract, endpoint.organisation))
