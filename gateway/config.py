"""Settings, partners, law and queues: read once, validated, immutable, swapped whole on reload.

`config/gateway.toml` names the other files of the configuration, each relative to itself. What differs between two
installations of the same configuration (keys, PKI, store, servers) lies in one folder, `data`, and every path to such a
thing is relative to that folder: in `gateway.toml` `[listen]`, `[keys]` and `[store]`, in a partner's file `[trust]`,
in `services.toml` all. So a demo, a test and a second node share `config/` and differ by `load(path, data=…)`.

Unknown keys are refused with the accepted ones: a misspelt limit is never a silent default. Secrets are references
(`sources`), never values. What law and bases *mean* is in `privacy/law.py`; here they only have to be well formed.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gateway.dispatch import AskerId
from gateway.errors import ConfigError
from gateway.message import Category, ContractId, PartnerId
from gateway.partners import Organisation, Partner
from gateway.services import PATHS, Seconds, Services
from gateway.sources import Token, located

_NAME = r"^[A-Za-z0-9][A-Za-z0-9:.-]*$"
"""What ids and versions are made of: they are joined by spaces and `@` in events and in the audit log."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Listen(_Model):
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


class Limits(_Model):
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


class Next(_Model):
    """The signing key that takes over from another, with its certificate; they overlap."""

    key: Path | Token
    certificate: Path
    begins: AwareDatetime
    """When it begins to sign. Earlier where the other's certificate ends earlier, never before its own holds."""


class Keys(_Model):
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
    pseudonym: Path
    """32 bytes: keys the pseudonyms of persons."""
    checkpoint: Path
    """PEM, private Ed25519: signs checkpoints."""


class Audit(_Model):
    """The tamper-evident log."""

    origin: str = Field(pattern=r"^[^\s+]+$")
    """C2SP checkpoint origin and key name: a URL without scheme."""
    vkey: str = ""
    """The log's public key, where only the integrator has the private one. Empty: taken from `keys.checkpoint`."""
    interval: Seconds = timedelta(seconds=1)
    maximum_merge_delay: Seconds = timedelta(seconds=60)
    """Within which a leaf promised in a receipt is in a signed checkpoint."""


class Store(_Model):
    """Where durable things are."""

    path: Path
    """A folder on a local disk: `gateway.db` (messages, log, outbox) and `queues.db` (the embedded broker)."""
    group: int = Field(default=128, ge=1, le=1000)
    """Most messages in one transaction."""
    backlog: int = Field(default=2000, ge=1)
    """Most messages that may wait for the writer; beyond it senders are told to come back."""
    gather: Seconds = Field(default=timedelta(milliseconds=2), ge=timedelta(0), le=timedelta(seconds=1))
    """How long the writer waits for company while messages come in crowds: larger groups cost less each."""


class Sending(_Model):
    """The way out."""

    commands: str = "utgaende.kommandon"
    """The queue, in `queues.toml`, on which our own systems put their commands."""
    workers: int = Field(default=8, ge=1, le=64)
    """Attempts at the same time, over all partners."""


class Gateway(_Model):
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


class Lagrum(_Model):
    """One version of one paragraph (`config/law/lagrum.toml`). Never edited in place: a new version is a new row."""

    id: str = Field(pattern=_NAME)
    version: str = Field(pattern=_NAME)
    forfattning: str
    kapitel: str | None = None
    paragraf: str
    stycke: int | None = None
    punkt: int | None = None
    giltig_fom: date
    giltig_tom: date | None = None
    day: Literal["event", "decision"]
    """Which day picks the version: the first day the data is about (where the law says from which period it applies),
    or the day on which we decide (rules about the disclosure and the processing themselves)."""
    kind: Literal["obligation", "permission", "access_right", "consent", "international", "purpose", "restriction"]
    test: Literal[
        "none", "synnerliga_skal", "sarskilda_skal", "overvagande_skal", "star_klart", "uppenbart", "men", "omvant_men"
    ] = "none"
    secrecy_break: str = "none"
    """Id of the row that breaks the sender's secrecy (`OSL-10-28`), or `none` where no secrecy binds the sender."""
    verified: bool
    """True when the row was read in the consolidated text of the law; False while it rests on something else. It is not
    a lawyer's approval (that is a basis' `approved_by`), but without it nothing is used in production."""


class Outbound(_Model):
    """What more a basis asks of what goes out (`[basis.outbound]`)."""

    purpose_text: str = Field(min_length=1)
    """The purpose in words, as the partner is told it (`SyfteMedFraga`)."""
    required: tuple[str, ...] = ()
    """Fields without which it does not go: lag (2008:206) 4 § wants the circumstances stated."""
    longest_period: int | None = Field(default=None, ge=1)
    """Most days that a question may be about; it must always lie within the case's own period (JO 2031-2015)."""
    consent: bool = False
    """True: only with the person's consent that covers the recipient (SFB 30 kap. 10 §)."""
    suspicion: bool = False
    """True: only with written reasons to suspect a wrong payment (SFB 110 kap. 31 a and 33 §§)."""


class Basis(_Model):
    """Why one kind of information may pass from one type of partner, or to it (`config/law/bases.toml`)."""

    id: str = Field(pattern=_NAME)
    direction: Literal["inbound_push", "inbound_answer", "fk_question", "fk_push"]
    partner_type: str
    contract: ContractId
    kind: str
    lagrum: tuple[str, ...] = Field(min_length=1)
    """Ids; all are relied on together. Each row's `day` says which day picks the version."""
    purposes: tuple[str, ...] = Field(min_length=1)
    benefits: tuple[str, ...] | None = None
    fields: tuple[str, ...] = Field(min_length=1)
    forbidden: tuple[Category, ...] = ()
    referred: tuple[Category, ...] = ()
    """Categories that only a person may release: free text, for one."""
    cited: tuple[str, ...] | None = None
    """If given, what the partner itself cites must be among these."""
    outbound: Outbound | None = None
    """For `fk_question` and `fk_push`, and only for them."""
    standing_decision: str | None = None
    """Reference to the documented decision that answers a balancing test; without one such a basis refers."""
    retention: str
    no_onward: bool = True
    author: str
    approved_by: tuple[str, ...] = Field(min_length=2)
    giltig_fom: date
    giltig_tom: date | None = None

    @property
    def inward(self) -> bool:
        """Whether it is about what comes in; else about what goes out."""
        return self.direction in {"inbound_push", "inbound_answer"}


class Queue(_Model):
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


class Asker(_Model):
    """One of Försäkringskassan's own systems that may send and ask (`config/askers.toml`)."""

    id: AskerId = Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$")
    name: str
    contracts: tuple[ContractId, ...] = Field(min_length=1)
    """What it may send or ask."""
    purposes: tuple[str, ...] = Field(min_length=1)
    """What it may do so for: closed list, SFB 114 kap. 8-9 §§."""
    queue: str
    """Where outcomes and answers come back, in `queues.toml`: a queue that may serve what is answered."""


class Configuration(_Model):
    """Everything that was read, and a hash of the law as it was read."""

    gateway: Gateway
    partners: Mapping[PartnerId, Partner]
    lagrum: tuple[Lagrum, ...]
    bases: tuple[Basis, ...]
    categories: Mapping[str, Category]
    """Words in element names that give away what an unknown element holds."""
    queues: tuple[Queue, ...]
    askers: Mapping[AskerId, Asker]
    services: Services = Services()
    """Servers in the place of embedded drivers, from `services.toml` in the `data` folder."""
    policy: str
    """Hex SHA-256 over the law files' names and digests, in order of name: which law decided."""


_M = TypeVar("_M", bound=BaseModel)


def _accepted(kind: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """Return the keys that the table at `place` accepts; the place's last part is the key that is wrong."""
    table = kind
    for part in place[:-1]:
        field = table.model_fields.get(str(part))
        annotation = None if field is None else field.annotation
        candidates = (annotation, *get_args(annotation))
        inner = next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)
        if inner is None:
            break
        table = inner
    return ", ".join(table.model_fields)


def _build(kind: type[_M], data: object, where: str) -> _M:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in fault["loc"])
        keys = _accepted(kind, fault["loc"]) if fault["type"] in {"extra_forbidden", "missing"} else ""
        accepted = f"; accepted keys: {keys}" if keys else ""
        raise ConfigError(f"{where}: {key}: {fault['msg']}{accepted}") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(_bytes(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None


_OF_THE_CONFIGURATION = {"": ("schemas", "partners", "law", "queues", "askers", "data")}
_OF_THE_DATA = {
    "listen": ("certificate", "key"),
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


def _rows(path: Path, table: str, kind: type[_M]) -> tuple[_M, ...]:
    data = _toml(path)
    rows = data.pop(table, None)
    if data or not isinstance(rows, list):
        raise ConfigError(f"{path}: {', '.join(data) or table}: only [[{table}]] tables are accepted here")
    return tuple(_build(kind, row, f"{path}: [[{table}]] {n}{_named(row)}") for n, row in enumerate(rows, start=1))


def _named(row: object) -> str:
    name = (row.get("id") or row.get("name")) if isinstance(row, dict) else None
    return f" ({name})" if isinstance(name, str) else ""


def _gateway(path: Path, data: Path | None) -> Gateway:
    table = _toml(path)
    _absolute(table, _OF_THE_CONFIGURATION, path.parent)
    if data is not None:
        table["data"] = str(data.resolve())
    folder = table.get("data")
    if isinstance(folder, str | Path):
        _absolute(table, _OF_THE_DATA, Path(folder))
    return _build(Gateway, table, str(path))


def _partners(folder: Path, data: Path) -> dict[PartnerId, Partner]:
    partners = {}
    for path in sorted(folder.glob("*.toml")):
        table = _toml(path)
        _absolute(table, _OF_THE_DATA, data)
        partner = _build(Partner, table, str(path))
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
    table = _toml(path)
    for place, keys in PATHS.items():
        part: object = table
        for name in place:
            part = part.get(name) if isinstance(part, dict) else None
        if isinstance(part, dict):
            _absolute(part, {"": keys}, data)
    return _build(Services, table, str(path))


def _askers(path: Path) -> dict[AskerId, Asker]:
    askers: dict[AskerId, Asker] = {}
    for asker in _rows(path, "asker", Asker):
        if asker.id in askers:
            raise ConfigError(f"{path}: id: {asker.id} is used twice")
        askers[asker.id] = asker
    return askers


class _Categories(_Model):
    words: Mapping[str, Category]


def _policy(law: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(law.glob("*.toml")):
        digest.update(file.name.encode() + b"\0" + hashlib.sha256(_bytes(file)).digest())
    return digest.hexdigest()


def load(path: Path, *, data: Path | None = None) -> Configuration:
    """Read `gateway.toml` and all it names; `data`, if given, stands in for the file's own `data` folder.

    Raises:
        ConfigError: names file, key and the accepted keys.
    """
    path = path.resolve()
    gateway = _gateway(path, data)
    law = gateway.law
    return Configuration(
        gateway=gateway,
        partners=_partners(gateway.partners, gateway.data),
        lagrum=_rows(law / "lagrum.toml", "lagrum", Lagrum),
        bases=_rows(law / "bases.toml", "basis", Basis),
        categories=_build(_Categories, _toml(law / "categories.toml"), str(law / "categories.toml")).words,
        queues=_rows(gateway.queues, "queue", Queue),
        askers=_askers(gateway.askers),
        services=_services(gateway.data),
        policy=_policy(law),
    )
