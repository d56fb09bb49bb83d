"""The citizens' portals' listener: a reading for each question, and the answer in the Data Tracker's words.

It is a process of its own (`gateway serve --role transparency`), on behalf of the auditor: it sees the trail and
nothing that is sealed. The reading has the portal as its reader, the purpose `registerutdrag` and the person by
pseudonym; where somebody asks for somebody else, the asker's pseudonym stands beside. It is durable before anything is
told.

An answer is what a registerutdrag says (`privacy.extract`), with the same held back. To a representative nothing is
told that tells a place: the register does not know whom a protected child or ward is protected from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.audit.reading import Parameter, Purpose, Reading
from gateway.config import Configuration
from gateway.config.doors import Door as Configured
from gateway.config.doors import Portal
from gateway.message import Protection
from gateway.ports import Clock
from gateway.privacy.exemptions import Exemptions
from gateway.privacy.extract import Entry
from gateway.store import disclosed
from gateway.store.place import Duty
from gateway.store.readings import Readings
from gateway.store.sessions import Sessions
from gateway.transport import usage
from gateway.transport.usage import Find, Found
from gateway.trust.pseudonym import Pseudonyms
from gateway.wiring.doors import Door, present
from gateway.wiring.drivers import place
from gateway.wiring.extracting import extracted
from gateway.wiring.rules import pseudonyms, sealer

UNTOLD = "-"
"""In `receiverCode`, which the protocol demands, where no number may be told."""


class Transparency(Door[Portal]):
    """The listener, with all it needs."""

    table = "transparency"

    def __init__(
        self, configuration: Configuration, *, clock: Clock, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Open the store as the auditor. Raises ConfigError, IntegrityError, UnavailableError."""
        super().__init__(configuration)
        self._clock = clock
        keys, where = configuration.gateway.keys, place(configuration, Duty.AUDITOR)
        self._names: Pseudonyms = pseudonyms(keys)
        self._readings = Readings(where, sealer=sealer(keys), random=random)
        self._sessions = Sessions(where)
        self.desk = usage.Desk(self.terms(configuration), find=self.find, period=self.period)

    def found(self, configuration: Configuration) -> Configured[Portal]:
        """Return `[transparency]`. Raises ConfigError."""
        Exemptions.of(configuration)  # what may not be told yet must be known before anybody asks
        return present(configuration.gateway.transparency, "transparency.portal")

    def find(self, find: Find) -> Found:
        """Write the reading down, then answer."""
        about, now = self._names.of(find.about), self._clock.now()
        told: dict[str, Parameter] = {"offset": find.offset, "limit": find.limit}
        told |= {} if not find.delegated else {"asker": self._names.of(find.asker)}
        told |= {name: at.isoformat() for name, at in (("start", find.start), ("end", find.end)) if at is not None}
        self._readings.read(
            Reading(
                reader=find.portal.id,
                purpose=Purpose.REGISTERUTDRAG,
                case=find.case,
                question="findUsage",
                parameters=told,
                pseudonym=about,
                at=now,
            )
        )
        with self._sessions.lent() as session, session.reading():
            made = extracted(
                session,
                self.configuration,
                about,
                now=now,
                since=find.start,
                until=find.end,
                protection=Protection.UNKNOWN if find.delegated else None,
            )
        shown = made.entries[find.offset : find.offset + find.limit]
        usages = [self._usage(one) for one in shown]
        return Found({"totalUsages": len(made.entries), "usages": usages}, len(usages))

    def period(self) -> Mapping[str, object]:
        """Return from when the log can be asked: until now, so without an end."""
        with self._sessions.lent() as session, session.reading():
            first = disclosed.first(session)
        return {"periodStart": _written(first or self._clock.now())}

    def close(self) -> None:
        """Answer what was asked, then stop. The server must have ended."""
        self.desk.close()
        self._sessions.close()
        self._readings.close()

    def _usage(self, one: Entry) -> dict[str, str]:
        ours = one.direction == "in"
        words = [f"{one.what}: {one.information}", *one.purposes, *one.lagrum]
        if ours:
            words[0] += f" (från {one.counterpart})"
        if one.held:
            words.append(one.held)
        gateway = self.configuration.gateway
        return {
            "logtime": _written(one.at),
            "action": ". ".join(word.rstrip(".") for word in words) + ".",
            "receiverCode": gateway.organisation if ours else one.organisation or UNTOLD,
            "receiverName": "Försäkringskassan" if ours else one.counterpart,
            "receiverSystem": one.system,
        }


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
