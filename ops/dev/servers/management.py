"""RabbitMQ's management interface, as far as starting and testing need it."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

_GOOD = range(200, 300)
_NOT_FOUND = 404


class ManagementError(Exception):
    """The broker refused a request, and said why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Management:
    """The interface on loopback, as one account."""

    port: int
    user: str
    password: str = field(repr=False)
    timeout: float = 10.0

    def call(self, method: str, *path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401  # JSON
        """Send one request to `/api/` and the segments, which are escaped here; return the JSON answer, or None.

        Raises:
            ManagementError: the broker refused.
            OSError, http.client.HTTPException: it did not answer.
        """
        address = "/api/" + "/".join(quote(segment, safe="") for segment in path)
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            connection.request(method, address, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if method == "DELETE" and answer.status == _NOT_FOUND:
            return None
        if answer.status not in _GOOD:
            raise ManagementError(f"{method} {address}: {answer.status} {content[:500].decode(errors='replace')}")
        return json.loads(content) if content else None
