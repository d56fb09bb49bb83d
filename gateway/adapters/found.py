"""The agreements there are: every module of `adapters/<partner>/` with a `CONTRACT`, an `OUTGOING` or both."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType

from gateway import adapters
from gateway.adapters.contract import Contract
from gateway.adapters.outgoing import Outgoing
from gateway.dispatch import Interaction
from gateway.errors import ConfigError
from gateway.message import ContractId


def agreements() -> Iterator[Contract | Outgoing]:
    """Import every module, and yield what it has. Raises ConfigError, which names the module."""
    for package in pkgutil.iter_modules(adapters.__path__, f"{adapters.__name__}."):
        if package.ispkg:
            yield from _agreed(importlib.import_module(package.name))


def _agreed(partner: ModuleType) -> Iterator[Contract | Outgoing]:
    for module in pkgutil.iter_modules(partner.__path__, f"{partner.__name__}."):
        place = "/".join(module.name.split(".")[-2:])
        written = importlib.import_module(module.name)
        for name, kind in (("CONTRACT", Contract), ("OUTGOING", Outgoing)):
            agreed = getattr(written, name, None)
            if agreed is None:
                continue
            if not isinstance(agreed, kind) or agreed.id != place:
                raise ConfigError(f"{module.name}: {name} must be of type {kind.__name__} with the id {place}")
            yield agreed


def check(going: Outgoing, contracts: Mapping[ContractId, Contract]) -> None:
    """Check that what goes out and what comes in fit each other. Raises ConfigError."""
    incoming = contracts.get(going.id)
    if incoming is not None and (both := sorted(incoming.kinds.keys() & going.kinds.keys())):
        raise ConfigError(f"{going.id}: OUTGOING.kinds and CONTRACT.kinds both have {', '.join(both)}")
    if (going.interaction is Interaction.ASK) != (going.answer is not None):
        raise ConfigError(
            f"{going.id}: OUTGOING.answer: a question is answered by a contract, what is sent by a receipt"
        )
    if going.answer is not None and going.answer not in contracts:
        raise ConfigError(f"{going.id}: OUTGOING.answer: accepted are {', '.join(contracts)}")
    if going.kind not in going.kinds or not going.mandatory <= going.kinds[going.kind].keys():
        raise ConfigError(f"{going.id}: OUTGOING.kind and OUTGOING.mandatory: must be among OUTGOING.kinds")
