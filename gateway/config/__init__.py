"""Settings, partners, law and queues: read once, validated, immutable, swapped whole on reload.

`config/gateway.toml` names the other files of the configuration, each relative to itself. What differs between two
installations of the same configuration (keys, PKI, store, servers) lies in one folder, `data`, and every path to such a
thing is relative to that folder: in `gateway.toml` `[listen]`, `[keys]` and `[store]`, in a partner's file `[trust]`,
in `services.toml` all. So a demo, a test and a second node share `config/` and differ by `load(path, data=…)`.

Unknown keys are refused with the accepted ones: a misspelt limit is never a silent default. Secrets are references
(`sources`), never values. What law and bases *mean* is in `privacy/law.py`; here they only have to be well formed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from gateway.config import files, register
from gateway.config import retention as retaining
from gateway.config.doors import Auditors, Transparency
from gateway.config.law import Basis, Extracts, Information, Lagrum, Model, Review
from gateway.config.retention import Rule
from gateway.dispatch import AskerId
from gateway.errors import ConfigError
from gateway.message import Category, ContractId, PartnerId
from gateway.partners import Organisation, Partner
from gateway.services import PATHS, Seconds, Services
from gateway.sources import Token, located


class Listen(Model):
    """Where the front listens and as whom."""

    host: str = "127.0.0.1"
    port: int = Field(default=8443, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    certificate: Path
    key: Path
    minimum_tls: Literal["1.2", "1.3"] = "1.2"
    concurrent_connections: int = Field(default=512, ge=1)
    header_timeout: Seconds = timedelta(seconds=10)
    """From the first byte of a request, or of a connection, to the end of its headers."""
    body_timeout: Seconds = timedelta(seconds=30)
    """From the end of the headers to the end of the body, whatever trickles in between."""
    idle_timeout: Seconds = timedelta(seconds=75)
    drain_timeout: Seconds = timedelta(seconds=20)


class Limits(Model):
    """What an envelope may be, before anything in it is trusted."""

    body: int = Field(default=1024 * 1024, ge=1024)
    """Bytes; a contract may say otherwise."""
    depth: int = Field(default=64, ge=8, le=200)
    elements: int = Field(default=100_000, ge=100)
    attributes: int = Field(default=20_000, ge=100)
    element_attributes: int = Field(default=64, ge=8)
    text: int = Field(default=2 * 1024 * 1024, ge=1024)
    """Characters in one text or attribute value."""
    clock_skew: Seconds = timedelta(seconds=60)
    """How far a partner's clock may be ahead of or behind ours."""
    message_age: Seconds = timedelta(seconds=300)
    """How old a message may be, whatever its own Expires says."""


class Next(Model):
    """The signing key that takes over from another, with its certificate; they overlap."""

    key: Path | Token
    certificate: Path
    begins: AwareDatetime
    """When it begins to sign. Earlier where the other's certificate ends earlier, never before its own holds."""


class Keys(Model):
    """Where our own secrets are (`sources`). Only what signs may be on a token."""

    receipt: Path | Token
    """PEM, private, or on a token: signs receipts and what we send (P-256 by default)."""
    receipt_certificate: Path
    receipt_next: Next | None = None
    """What takes over from it."""
    client: Path | None = None
    """PEM, private: our TLS client key, where we are the one who calls. None: nobody is called."""
    client_certificate: Path | None = None
    """With its chain."""
    receipt_rsa: Path | Token | None = None
    """The same, for partners with `receipt = "rsa"`."""
    receipt_rsa_certificate: Path | None = None
    receipt_rsa_next: Next | None = None
    sealing: Path
    """32 bytes: the key-encryption key."""
    sealing_former: tuple[Path, ...] = ()
    """Those that sealed before it: they open what they sealed, and seal nothing more."""
    pseudonym: Path
    """32 bytes: keys the pseudonyms of persons."""
    checkpoint: Path
    """PEM, private Ed25519: signs checkpoints."""


class Witnesses(Model):
    """Who cosigns the log's checkpoints (C2SP tlog-witness)."""

    policy: Path | None = None
    """C2SP tlog-policy: the witnesses, where each is asked, and the quorum. None: nobody witnesses."""
    interval: Seconds = Field(default=timedelta(seconds=5), ge=timedelta(milliseconds=10))
    """Between two checkpoints that witnesses are asked about."""
    timeout: Seconds = Field(default=timedelta(seconds=5), ge=timedelta(milliseconds=10))
    """For one question to one of them."""
    maximum_absence: Seconds = timedelta(minutes=15)
    """Within which a checkpoint has its quorum. Beyond it is an alarm; nothing is held up."""
    anchors: Path | None = None
    """Whom witnesses with https are believed by (PEM). None: the machine's own authorities."""
    readings: bool = False
    """Whether the same witnesses cosign the log of readings too: each must have been given its vkey first."""


class Stamps(Model):
    """Who stamps each day's last checkpoint (RFC 3161)."""

    authority: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Its address. Empty: nobody stamps."""
    anchors: Path | None = None
    """Certificates that its tokens are believed by (PEM)."""
    timeout: Seconds = Field(default=timedelta(seconds=30), ge=timedelta(milliseconds=10))
    maximum_delay: Seconds = timedelta(hours=12)
    """After the day's end, within which its stamp is there. Beyond it is an alarm; nothing is held up."""


class Audit(Model):
    """The tamper-evident log."""

    origin: str = Field(pattern=r"^[^\s+]+$")
    """C2SP checkpoint origin and key name: a URL without scheme."""
    vkey: str = ""
    """The log's public key, where only the integrator has the private one. Empty: taken from `keys.checkpoint`."""
    interval: Seconds = timedelta(seconds=1)
    maximum_merge_delay: Seconds = timedelta(seconds=60)
    """Within which a leaf promised in a receipt is in a signed checkpoint."""
    witnesses: Witnesses = Witnesses()
    stamps: Stamps = Stamps()


class Store(Model):
    """Where durable things are."""

    path: Path
    """A folder on a local disk: `gateway.db` (messages, log, outbox) and `queues.db` (the embedded broker)."""
    group: int = Field(default=128, ge=1, le=1000)
    """Most messages in one transaction."""
    backlog: int = Field(default=2000, ge=1)
    """Most messages that may wait for the writer; beyond it senders are told to come back."""
    gather: Seconds = Field(default=timedelta(milliseconds=2), ge=timedelta(0), le=timedelta(seconds=1))
    """How long the writer waits for company while messages come in crowds: larger groups cost less each."""


class Sending(Model):
    """The way out."""

    commands: str = "utgaende.kommandon"
    """The queue, in `queues.toml`, on which our own systems put their commands."""
    workers: int = Field(default=8, ge=1, le=64)
    """Attempts at the same time, over all partners."""


class Gallring(Model):
    """What is destroyed when it has been kept long enough (SFB 114 kap. 15 §)."""

    rules: Path | None = None
    """`retention.toml`; without it nothing is ever due."""
    enabled: bool = False
    """Whether a process that serves destroys by itself. By hand: `gateway gallring run`."""
    hour: int = Field(default=2, ge=0, le=23)
    """The Swedish hour in which it does: on the embedded store everybody waits while the files are made anew."""


class Gateway(Model):
    """`config/gateway.toml`, paths made absolute."""

    name: str
    organisation: Organisation
    """Our own: what we ask and send as."""
    environment: Literal["production", "test", "demo"]
    schemas: Path
    partners: Path
    law: Path
    queues: Path
    askers: Path
    data: Path
    """The folder that keys, PKI and store are relative to. Not part of the configuration: never in version control."""
    listen: Listen
    limits: Limits = Limits()
    keys: Keys
    audit: Audit
    store: Store
    sending: Sending = Sending()
    gallring: Gallring = Gallring()
    auditors: Auditors | None = None
    """The listener at which auditors ask; None: there is none."""
    transparency: Transparency | None = None
    """The listener at which citizens' portals ask; None: there is none."""
    reviewers: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")], str] = {}
    """Role -> the group of the operating system whose members have it: who may answer what waits for a person."""


class Queue(Model):
    """An internal queue and what it may serve (`config/queues.toml`)."""

    name: str = Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$")
    types: tuple[str, ...] = Field(min_length=1)
    purposes: tuple[str, ...] = Field(min_length=1)
    benefits: tuple[str, ...] = ()
    """The benefits its consumers handle; data locked to benefits goes nowhere else."""
    delivery_limit: int = Field(default=8, ge=1, le=100)
    partitions: int = Field(default=4, ge=1, le=99)
    """Into how many a broker of several machines divides it; a person's events are always in the same one. To be
    changed only while the queue is empty: a person's events would be in two."""

    def may_serve(self, purposes: frozenset[str], benefits: frozenset[str] | None) -> bool:
        """Say whether data that is labelled so may be put on this queue.

        All purposes the queue serves must be allowed (SFB 114 kap. 8 §), and where a law locks the data to benefits
        (lag (2024:1300) 1 §) the queue must say which benefits it handles, and handle no others.
        """
        if not purposes.issuperset(self.purposes):
            return False
        return benefits is None or (bool(self.benefits) and benefits.issuperset(self.benefits))


class Asker(Model):
    """One of Försäkringskassan's own systems that may send and ask (`config/askers.toml`)."""

    id: AskerId = Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$")
    name: str
    contracts: tuple[ContractId, ...] = Field(min_length=1)
    """What it may send or ask."""
    purposes: tuple[str, ...] = Field(min_length=1)
    """What it may do so for: closed list, SFB 114 kap. 8-9 §§."""
    queue: str
    """Where outcomes and answers come back, in `queues.toml`: a queue that may serve what is answered."""


class Configuration(Model):
    """Everything that was read, and a hash of the law as it was read."""

    gateway: Gateway
    partners: Mapping[PartnerId, Partner]
    lagrum: tuple[Lagrum, ...]
    bases: tuple[Basis, ...]
    information: tuple[Information, ...] = ()
    places: Mapping[str, str] = {}
    """Where each row of the law stands, by its `key`: `basis IN-1@2025-12-01` -> `bases/banker.toml: [[basis]] 2`."""
    categories: Mapping[str, Category]
    """Words in element names that give away what an unknown element holds."""
    reviews: tuple[Review, ...] = ()
    """Who answers what only a person may decide. Where no row does, the strictest answer holds (`privacy.referral`)."""
    test_numbers: frozenset[str] = frozenset()
    """Official test numbers: whom alone a test may be about."""
    extracts: Extracts | None = None
    """What a registerutdrag holds back. None: the register does not say, and none is given."""
    queues: tuple[Queue, ...]
    askers: Mapping[AskerId, Asker]
    retention: tuple[Rule, ...] = ()
    """The rules of gallring, in the file's order. They are no law that decides, so `policy` is not of them."""
    services: Services = Services()
    """Servers in the place of embedded drivers, from `services.toml` in the `data` folder."""
    policy: str
    """Hex SHA-256 over the law files' names and digests, in order of name: which law decided."""
    files: Mapping[str, bytes] = {}
    """The files of law as they were read, by name: what `policy` is the hash of."""


_OF_THE_CONFIGURATION = {
    "": ("schemas", "partners", "law", "queues", "askers", "data"),
    "gallring": ("rules",),
}
_OF_THE_AUDIT = {"witnesses": ("policy", "anchors"), "stamps": ("anchors",)}
"""What others are believed by is the same for every machine, and no secret."""
_OF_THE_DATA = {
    "listen": ("certificate", "key"),
    "auditors": ("certificate", "key", "anchors"),
    "transparency": ("certificate", "key", "anchors"),
    "keys": tuple(Keys.model_fields),
    "store": ("path",),
    "trust": ("anchors", "intermediates", "revocation"),
    "endpoint": ("anchors",),
}


_ON_TOKENS = ("keys.receipt", "keys.receipt_rsa", "keys.receipt_next.key", "keys.receipt_rsa_next.key")


def _absolute(table: dict[str, object], paths: Mapping[str, tuple[str, ...]], folder: Path) -> None:
    for name, keys in paths.items():
        part = table.get(name) if name else table
        for one in part if isinstance(part, list) else [part]:
            if isinstance(one, dict):
                _resolve(one, keys, folder, name)


def _resolve(part: dict[str, object], keys: tuple[str, ...], folder: Path, name: str) -> None:
    for key in keys:
        value, where = part.get(key), f"{name}.{key}" if name else key
        if isinstance(value, str):
            part[key] = _located(value, folder, where)
        elif isinstance(value, list):
            part[key] = [_located(item, folder, where) if isinstance(item, str) else item for item in value]
        elif isinstance(value, dict):
            _resolve(value, ("key", "certificate"), folder, where)


def _located(value: str, folder: Path, key: str) -> Path | Token:
    found = located(value, folder, key)
    if isinstance(found, Token) and key not in _ON_TOKENS:
        raise ConfigError(f"{key}: is a file or a credential; on a token may be: {', '.join(_ON_TOKENS)}")
    return found


def _gateway(path: Path, data: Path | None) -> Gateway:
    table = files.table(path)
    _absolute(table, _OF_THE_CONFIGURATION, path.parent)
    audit = table.get("audit")
    if isinstance(audit, dict):
        _absolute(audit, _OF_THE_AUDIT, path.parent)
    if data is not None:
        table["data"] = str(data.resolve())
    folder = table.get("data")
    if isinstance(folder, str | Path):
        _absolute(table, _OF_THE_DATA, Path(folder))
    return files.build(Gateway, table, str(path))


def _partners(folder: Path, data: Path) -> dict[PartnerId, Partner]:
    partners = {}
    for path in sorted(folder.glob("*.toml")):
        table = files.table(path)
        _absolute(table, _OF_THE_DATA, data)
        partner = files.build(Partner, table, str(path))
        if partner.id != path.stem:
            raise ConfigError(f"{path}: id: must be the file's name, {path.stem}")
        partner.check(str(path))
        partners[partner.id] = partner
    if not partners:
        raise ConfigError(f"{folder}: no partner is configured: one <id>.toml each")
    return partners


def _services(data: Path) -> Services:
    path = data / "services.toml"
    if not path.exists():
        return Services()
    table = files.table(path)
    for place, keys in PATHS.items():
        part: object = table
        for name in place:
            part = part.get(name) if isinstance(part, dict) else None
        if isinstance(part, dict):
            _absolute(part, {"": keys}, data)
    return files.build(Services, table, str(path))


def _askers(path: Path) -> dict[AskerId, Asker]:
    askers: dict[AskerId, Asker] = {}
    for asker in files.rows(path, "asker", Asker):
        if asker.id in askers:
            raise ConfigError(f"{path}: id: {asker.id} is used twice")
        askers[asker.id] = asker
    return askers


def load(path: Path, *, data: Path | None = None) -> Configuration:
    """Read `gateway.toml` and all it names; `data`, if given, stands in for the file's own `data` folder.

    Raises:
        ConfigError: names file, key and the accepted keys.
    """
    path = path.resolve()
    gateway = _gateway(path, data)
    law = register.read(gateway.law)
    return Configuration(
        gateway=gateway,
        partners=_partners(gateway.partners, gateway.data),
        lagrum=law.lagrum,
        bases=law.bases,
        information=law.information,
        places=law.places,
        categories=law.categories,
        reviews=law.reviews,
        test_numbers=law.test_numbers,
        extracts=law.extracts,
        queues=files.rows(gateway.queues, "queue", Queue),
        askers=_askers(gateway.askers),
        retention=() if gateway.gallring.rules is None else retaining.read(gateway.gallring.rules),
        services=_services(gateway.data),
        policy=law.policy,
        files=law.files,
    )
