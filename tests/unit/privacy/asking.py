"""A whole request for a decision, as a stranger would write it in JSON: the tests change one thing at a time."""

from __future__ import annotations

import copy
from typing import Any

from tests.builders import NUMBERS

BANK: dict[str, Any] = {
    "requestId": "req-2026-03-02-0001",
    "direction": "fk_question",
    "channelType": "request_reply",
    "partner": {
        "orgNr": "556000-4615",
        "type": "kreditinstitut",
        "system": "bankens-system",
        "authN": {"orgNr": "5560004615", "signature": True, "certificate": "sha256:ab"},
    },
    "actor": {"id": "h-17", "role": "handlaggare", "unit": "bostadsbidrag-nord"},
    "purpose": "fk:Arendehandlaggning",
    "lagrum": {"id": "SFB-110-33", "version": "2025:937"},
    "basisId": "FK-BANK-01",
    "caseRef": "A-1",
    "caseProof": {
        "open": True,
        "caseRef": "A-1",
        "subject": NUMBERS[0],
        "capacity": "forsakrad",
        "period": {"fom": "2026-01-01", "tom": "2026-12-31"},
    },
    "benefit": "bostadsbidrag",
    "subject": {"pid": NUMBERS[0], "role": "forsakrad"},
    "eventDate": "2026-01-01",
    "period": {"fom": "2026-01-01", "tom": "2026-01-31"},
    "fieldsRequested": ["saldo"],
    "trigger": "on_request",
    "dataProvenance": [],
    "sidStatus": "none",
    "environment": "test",
    "auditReady": True,
}


def asking(**changes: object) -> dict[str, Any]:
    """Return it with some inputs changed, by dotted names with `__` for the dot; `...` takes one away."""
    request = copy.deepcopy(BANK)
    for name, value in changes.items():
        *path, last = name.split("__")
        inner = request
        for part in path:
            inner = inner[part]
        if value is ...:
            inner.pop(last, None)
        else:
            inner[last] = value
    return request
