"""What goes into `soap:Body`, built by zeep from the WSDLs in `schemas/`, and from nothing else.

zeep is given a transport that reads files below `schemas/` and knows no network; it never sends. Every contract's WSDL
is read once, at start: zeep itself costs a third of a second, each WSDL 5 to 35 ms, and then a body 0.2 to 1.2 ms.

One lock a contract, because zeep's types resolve themselves on first use and nothing promises that threads may share
them, although nothing went wrong where they were made to. It is Python all through and holds the interpreter anyway, so
the lock costs nothing.

zeep's errors quote what it was given. Only the contract, and the names of elements and arguments, go on. Whether the
body keeps its schema in everything (patterns, lengths) zeep does not know: `adapters.registry.hold` judges it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import zeep
from zeep.transports import Transport
from zeep.wsdl import Document
from zeep.wsdl.bindings.soap import Soap11Binding, Soap12Binding

from gateway.adapters.outgoing import Outgoing
from gateway.errors import ConfigError, IntegrityError
from gateway.message import ContractId, SoapVersion
from gateway.soap import xml

_UNKNOWN: Final = re.compile(r"unexpected keyword argument '([A-Za-z_]\w{0,63})'", re.ASCII)
_BINDINGS: Final = {SoapVersion.SOAP_11: Soap11Binding, SoapVersion.SOAP_12: Soap12Binding}
_SETTINGS: Final = {"strict": True, "forbid_dtd": True, "forbid_external": True}


class Bodies:
    """Every contract's body, by arguments. Shared between threads."""

    def __init__(self, schemas: Path, contracts: Iterable[Outgoing]) -> None:
        """Read the WSDL of every contract. Raises ConfigError, which names the file.

        Args:
            schemas: The folder `schemas/`.
            contracts: What goes out.
        """
        self._composers = {contract.id: _Composer(schemas, contract) for contract in contracts}

    def body(self, contract: ContractId, arguments: Mapping[str, object]) -> bytes:
        """Return the one child of `soap:Body` in exclusive canonical form.

        Raises IntegrityError where the contract does not go out, or zeep finds no place for an argument.
        """
        return self._composer(contract).compose(arguments)

    def soap_action(self, contract: ContractId) -> str:
        """Return the WSDL's soapAction: often the empty string. Raises IntegrityError as `body`."""
        return self._composer(contract).soap_action

    def _composer(self, contract: ContractId) -> _Composer:
        composer = self._composers.get(contract)
        if composer is None:
            raise IntegrityError(f"{contract} has no body: it does not go out")
        return composer


class _Composer:
    """One contract's operation."""

    def __init__(self, schemas: Path, contract: Outgoing) -> None:
        self._contract = contract.id
        self._root = contract.root
        self._lock = threading.Lock()
        try:
            document = _read(schemas, contract.wsdl)
        except ConfigError:
            raise
        except Exception as error:  # a library that does not say what it raises
            raise ConfigError(f"{schemas / contract.wsdl}: zeep cannot read it: {type(error).__name__}") from error
        self._operation = _operation(document, contract)
        self.soap_action = str(self._operation.soapaction or "")

    def compose(self, arguments: Mapping[str, object]) -> bytes:
        try:
            with self._lock:
                envelope = self._operation.create(**arguments).content
        except Exception as error:  # noqa: BLE001  # as above
            raise IntegrityError(f"{self._contract}: {_place(error)}: {type(error).__name__}") from None
        body = envelope[-1]
        if len(body) != 1 or body[0].tag != self._root:
            raise IntegrityError(f"{self._contract}: zeep has not made one {self._root}")
        return xml.canonical(body[0])


class _Local(Transport):
    """Loads files below one folder. Sends nothing, and has nothing to send with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._close_session = False  # what the parent's destructor asks

    def load(self, url: str) -> bytes:
        """Return a file's content. Raises ConfigError for anything that is not below the folder."""
        path = Path(url).resolve()
        if urlsplit(url).scheme or not path.is_relative_to(self._folder):
            raise ConfigError(f"{self._folder}: a WSDL or XSD names {url}, which is not below the folder")
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None

    def get(self, address: str, params: object, headers: object) -> Any:  # noqa: ANN401  # as above
        """Never: nothing is fetched."""
        del address, params, headers
        raise IntegrityError("zeep was about to fetch something")

    def post(self, address: str, message: object, headers: object) -> Any:  # noqa: ANN401  # as above
        """Never: the courier sends, not zeep."""
        del address, message, headers
        raise IntegrityError("zeep was about to send something")


def _read(schemas: Path, wsdl: str) -> Any:  # noqa: ANN401  # zeep has hardly any types
    location, settings = str((schemas / wsdl).resolve()), zeep.Settings(**_SETTINGS)
    return Document(location, _Local(schemas), settings=settings)  # type: ignore[arg-type]  # as above


def _operation(document: Any, contract: Outgoing) -> Any:  # noqa: ANN401  # as above
    for binding in document.bindings.values():
        if isinstance(binding, _BINDINGS[contract.soap]) and contract.operation in (operations := binding.all()):  # type: ignore[no-untyped-call]  # as above
            return operations[contract.operation]
    raise ConfigError(f"{contract.wsdl}: has no operation {contract.operation} for {contract.soap}")


def _place(error: Exception) -> str:
    """Return where the arguments are wrong: the path of elements, else the argument that has no place."""
    if isinstance(error, zeep.exceptions.ValidationError):
        return ".".join(str(part) for part in error.path) or "an element"
    unknown = _UNKNOWN.search(str(error)) if isinstance(error, TypeError) else None
    return f"no place for {unknown[1]}" if unknown else "an argument"
