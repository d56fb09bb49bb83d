"""One person's registerutdrag out of the store: for the command, and for the listener that citizens' portals ask."""

from __future__ import annotations

from datetime import datetime

from gateway.config import Configuration
from gateway.database import Session
from gateway.message import Protection, Pseudonym
from gateway.privacy.extract import Extract, extract
from gateway.store.disclosed import disclosed


def extracted(  # noqa: PLR0913  # of whom, for which time
    session: Session,
    configuration: Configuration,
    about: Pseudonym,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    protection: Protection | None = None,
) -> Extract:
    """Return what one person is told. Whoever calls has had the reading written down.

    Args:
        session: Of a store opened on behalf of the auditor, inside `reading`.
        configuration: Its register says what is held back.
        about: Whom it is about.
        now: The time.
        since: From when.
        until: Up to and without.
        protection: What whoever asks is told by, instead of what is known of the person.

    Raises ConfigError (the register), UnavailableError (the trail).
    """
    told = disclosed(session, about, since=since, until=until)
    return extract(
        told.disclosed,
        told.refused,
        configuration,
        protection=protection or told.protection,
        now=now,
        since=since,
        until=until,
    )
