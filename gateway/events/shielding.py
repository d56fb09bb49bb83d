"""An event that has waited, looked at once more before it goes: its person may have been protected meanwhile.

An event is composed by what was known when its message came. Between that and the queue it may wait for hours: the
broker is away, or it was a dead letter and is sent again. A marking that arrives in between holds for it too (OSL 21
kap. 3 and 3 a §§, 22 kap. 1 §): what locates the person is taken out and named as withheld, with the reason, and
`protection` says what holds now. The id stays: it is the same event, and whoever has it had it before the marking.

Nothing is ever put in. A marking that was lifted meanwhile lifts nothing here: what was withheld is not in the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson

from gateway.message import Event, Protection

PROTECTED = frozenset({Protection.SEKRETESSMARKERING, Protection.SKYDDAD_FOLKBOKFORING})
REASON = "PROTECTED_IDENTITY"
"""As `privacy.reasons` has it: a stable code."""

_CLEAR = b'"protection":"ingen"'

Locating = Mapping[str, frozenset[str]]
"""Kind of information -> its fields that tell where a person may be found."""


def unsettled(event: Event, status: Protection) -> bool:
    """Say whether nothing is known now of somebody of whom something was: then we cannot see, and nothing may go."""
    if status is not Protection.UNKNOWN or _CLEAR not in event.body:  # most are settled without reading them
        return False
    return _said(event).get("protection") == Protection.NONE


def shielded(event: Event, status: Protection, locating: Locating) -> Event:
    """Return the event as it may go: the same, unless its person is protected and it does not say so."""
    if status not in PROTECTED:
        return event
    said = _said(event)
    if said.get("protection") in {*PROTECTED, None}:
        return event
    data = said.get("data")
    if isinstance(data, dict) and isinstance(data.get("fields"), dict):
        hidden = sorted(locating.get(str(data.get("kind")), frozenset()) & data["fields"].keys())
        fields = {name: value for name, value in data["fields"].items() if name not in hidden}
        withheld = [*data.get("withheld", ()), *({"field": name, "reason": REASON} for name in hidden)]
        said["data"] = {**data, "fields": fields, "withheld": withheld}
    said["protection"] = status.value
    return replace(event, body=orjson.dumps(said, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER))


def _said(event: Event) -> dict[str, object]:
    found = orjson.loads(event.body)
    return found if isinstance(found, dict) else {}
