"""Persons, and cases and consents, under another name: what logs, queues and indexes may hold (GDPR art. 4.5 and 25).

A pseudonym is HMAC-SHA256 under a key of our own, so that nobody outside can try all some ten million numbers against
it. The same person has the same pseudonym for as long as the key lives, which is what keeps a person's events in order
and a record findable; it is still personal data, and guarded as such.
"""

from __future__ import annotations

import hmac

from gateway.errors import ConfigError
from gateway.message import Person, Pseudonym

KEY = 32
"""Least bytes of the key: as many as the hash has (RFC 2104 section 3)."""
_DOMAIN = b"gateway/person/1\0"
"""So that the same key and digits never give the same name in another use."""
_CASE = b"gateway/case/1\0"
_CONSENT = b"gateway/consent/1\0"
_HEX = 32
"""Characters kept, 128 bits: two persons of a hundred million meet with a chance below 2^-75."""


class Pseudonyms:
    """The pseudonyms under one key."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """`key` is secret and at least `KEY` bytes. Raises ConfigError if it is shorter."""
        if len(key) < KEY:
            raise ConfigError(f"keys.pseudonym: holds {len(key)} bytes; at least {KEY} are needed")
        self._key = key

    def of(self, person: Person) -> Pseudonym:
        """Return 32 hex characters for a person's number, as the adapter normalised it."""
        return Pseudonym(self._named(_DOMAIN, person.number))

    def case(self, reference: str) -> str:
        """Return 32 hex characters for the reference of a case: what the log is asked about a case by."""
        return self._named(_CASE, reference)

    def consent(self, reference: str) -> str:
        """Return 32 hex characters for the reference of a consent."""
        return self._named(_CONSENT, reference)

    def keyed(self, case: str, consent: str | None) -> tuple[str, str | None]:
        """Return both, as leaves of what goes out have them."""
        return self.case(case), None if consent is None else self.consent(consent)

    def _named(self, domain: bytes, text: str) -> str:
        return hmac.digest(self._key, domain + text.encode(), "sha256").hex()[:_HEX]


class Named:
    """The pseudonyms of one message's persons, each computed once. Ends with the message."""

    __slots__ = ("_named", "_pseudonyms")

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        """Begin with nobody."""
        self._pseudonyms = pseudonyms
        self._named: dict[str, Pseudonym] = {}

    def of(self, person: Person) -> Pseudonym:
        """Return what `Pseudonyms.of` does."""
        found = self._named.get(person.number)
        if found is None:
            found = self._named[person.number] = self._pseudonyms.of(person)
        return found
