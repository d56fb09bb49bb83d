"""An event that has waited, looked at once more before it goes: somebody in it may have been protected meanwhile.

An event is composed by what was known when its message came. Between that and the queue it may wait for hours: the
broker is away, or it was a dead letter and is sent again. A marking that arrives in between holds for it too (OSL 21
kap. 3 and 3 a §§, 22 kap. 1 §): what locates is taken out, with free text, in which a place may stand, and named as
withheld with the reason. Where it is the event's own person, `protection` says what holds now. The id stays: it is the
same event, and whoever has it had it before the marking.

An event that was composed knowing it stays as it is: what people let pass of somebody protected, they let pass.

Nothing is ever put in. A marking that was lifted meanwhile lifts nothing here: what was withheld is not in the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from gateway.message import Event, Protection, Withheld

PROTECTED = frozenset({Protection.SEKRETESSMARKERING, Protection.SKYDDAD_FOLKBOKFORING})
REASON, RELATED, UNKNOWN = "PROTECTED_IDENTITY", "PROTECTED_RELATED", "PROTECTION_UNKNOWN"
"""As `privacy.reasons` has them: stable codes."""

_NOTHING = b"{}"
_CLEAR = b'"protection":"ingen"'

Hiding = Mapping[str, frozenset[str]]
"""Kind of information -> its fields that tell where a person may be found, or may, being free text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shielded:
    """An event as it may go, where that is not as it was."""

    body: bytes
    withheld: tuple[Withheld, ...]
    """What was taken out now."""
    said: Mapping[str, object]
    """The event, as it was."""


def unsettled(event: Event, status: Protection) -> bool:
    """Say whether nothing is known now of somebody of whom something was: then we cannot see, and nothing may go."""
    if status is not Protection.UNKNOWN or _CLEAR not in event.body:  # most are settled without reading them
        return False
    said = _said(event.body)
    return said is not None and said.get("protection") == Protection.NONE


def shielded(event: Event, status: Protection, beside: Protection, hiding: Hiding) -> Shielded | None:
    """Return the event as it may go; None where that is as it is.

    Args:
        event: As it was composed.
        status: What is known now of its person.
        beside: The worst that is known of whom else it names.
        hiding: What is taken out.
    """
    if status not in PROTECTED and beside not in PROTECTED:
        return None
    said = _said(event.body)
    if said is None:  # nobody promised what a broker gave up, and nobody can say what is in it
        return Shielded(body=_NOTHING, withheld=(), said={})
    marked = said.get("protection")
    if marked is None:  # it tells of no person's data
        return None
    if status in PROTECTED and marked not in PROTECTED:
        return _less(said, hiding, REASON, status)
    if beside in PROTECTED and not _knew(said):
        found = _less(said, hiding, RELATED, None)
        return found if found.withheld else None
    return None


def shown(body: bytes, status: Protection, beside: Protection, hiding: Hiding) -> bytes:
    """Return what may be shown to somebody who judges why an event failed: nothing that locates anybody who may be.

    What nobody knows hides here as a marking does: whoever looks needs no address to judge it. What cannot be read as
    an event is not shown then.
    """
    clear = status is Protection.NONE and beside is Protection.NONE
    if clear:
        return body
    said = _said(body)
    if said is None:
        return _NOTHING
    reason = REASON if status in PROTECTED else RELATED if beside in PROTECTED else UNKNOWN
    return _less(said, hiding, reason, status if status in PROTECTED else None).body


def _less(said: dict[str, object], hiding: Hiding, reason: str, status: Protection | None) -> Shielded:
    data = said.get("data")
    less, hidden = dict(said), list[str]()
    if isinstance(data, dict) and isinstance(data.get("fields"), dict):
        hidden = sorted(hiding.get(str(data.get("kind")), frozenset()) & data["fields"].keys())
        fields = {name: value for name, value in data["fields"].items() if name not in hidden}
        withheld = [*data.get("withheld", ()), *({"field": name, "reason": reason} for name in hidden)]
        less["data"] = {**data, "fields": fields, "withheld": withheld}
    if status is not None and "protection" in said:
        less["protection"] = status.value
    return Shielded(
        body=orjson.dumps(less, option=orjson.OPT_SORT_KEYS),
        withheld=tuple(Withheld(field=name, reason=reason) for name in hidden),
        said=said,
    )


def _knew(said: Mapping[str, object]) -> bool:
    """Say whether somebody who is named was known to be protected when it was composed, or was shielded since."""
    data = said.get("data")
    withheld = data.get("withheld", ()) if isinstance(data, dict) else ()
    return any(isinstance(one, dict) and one.get("reason") in {REASON, RELATED} for one in withheld)


def _said(body: bytes) -> dict[str, object] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
