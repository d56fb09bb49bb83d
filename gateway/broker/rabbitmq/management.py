"""The brokers' management interface, read as the monitor: what AMQP does not tell (arguments, policies, bindings)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter

from gateway import codes
from gateway.errors import ConfigError, UnavailableError
from gateway.services import RabbitMQ

_TIMEOUT = (5.0, 15.0)
"""Seconds to connect, and between two pieces of the answer."""


class NotAllowedError(UnavailableError):
    """The account may not see this: a matter of its tags."""


class _Named(HTTPAdapter):
    """The certificate must have a name that is not the host's."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:  # noqa: ANN401  # requests' signature
        super().init_poolmanager(*args, assert_hostname=self._name, server_hostname=self._name, **more)


class Management:
    """Reads `/api/…`; writes nothing."""

    def __init__(self, settings: RabbitMQ) -> None:
        """Raises ConfigError where there is no address, or no monitor that logs in by password."""
        account = settings.accounts.monitor
        if settings.management is None or account is None or account.user is None or account.password_file is None:
            raise ConfigError(
                "services.toml: rabbitmq.management: needs rabbitmq.accounts.monitor with user and password_file"
            )
        try:
            password = account.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{account.password_file}: cannot be read: {type(error).__name__}") from None
        self._address = settings.management.rstrip("/") + "/api/"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc: it is our own broker
        self._session.auth = (account.user, password)
        if settings.authority is not None:
            self._session.verify = str(settings.authority)
        if settings.server_name is not None:
            self._session.mount("https://", _Named(settings.server_name))

    def get(self, *path: str) -> Any:  # noqa: ANN401  # JSON
        """Return what stands there. Raises NotAllowedError, UnavailableError."""
        address = self._address + "/".join(quote(part, safe="") for part in path)
        try:
            answer = self._session.get(address, timeout=_TIMEOUT, allow_redirects=False)
            if answer.status_code in {401, 403}:
                raise NotAllowedError(codes.STORE_UNAVAILABLE, f"{self._address}{path[0]}: not for this account")
            answer.raise_for_status()
            return answer.json()
        except requests.RequestException as error:
            detail = f"{self._address}{path[0]}: {type(error).__name__}"
            raise UnavailableError(codes.STORE_UNAVAILABLE, detail) from None

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()
