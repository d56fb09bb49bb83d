"""Which logs are believed, and how many witnesses it takes (C2SP tlog-policy).

    log     utbyte.example/audit+1d5b9c3c+AX…                        who signs
    witness internrevision witness.revision.example+…  https://…    who cosigns; the address is where it is asked
    group   utanfor 2 internrevision dataskyddsombud riksarkivet    at least so many of them: a number, any, all
    quorum  utanfor                                                 what a checkpoint must have; or none

A name is defined on a line before the one that uses it, and is a member of one group at most, so every witness counts
once. The file is read as bytes: names need not be any language's letters. What is wrong is named by its line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.audit import checkpoint, cosignature, note
from gateway.errors import ConfigError, IntegrityError

NONE: Final = "none"
_FORMS: Final = {
    "log": "log VKEY [URL]",
    "witness": "witness NAME VKEY [URL]",
    "group": "group NAME any|all|NUMBER MEMBER…",
    "quorum": "quorum NAME|none",
}
_LINES: Final = 1000
"""At most, with comments: tlog-policy asks for room for 32 logs, 32 witnesses and 32 groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log whose signature is believed, for the origin of its key's name."""

    key: note.Key
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One who cosigns."""

    name: str
    """In the policy alone."""
    key: cosignature.Key
    url: str = ""
    """Its submission prefix (C2SP tlog-witness); empty where it is not asked from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """So many of these, witnesses or groups."""

    name: str
    least: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a checkpoint must have to be believed."""

    logs: tuple[Log, ...]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]
    quorum: str

    def met(self, cosigned: Collection[cosignature.Key]) -> bool:
        """Tell whether these witnesses are enough."""
        return self.quorum == NONE or self._met(self.quorum, cosigned)

    def least(self) -> int:
        """Return how many witnesses it takes at least."""
        return 0 if self.quorum == NONE else self._least(self.quorum)

    def reach(self, last: Mapping[cosignature.Key, int]) -> int:
        """Return the most leaves that a quorum can have cosigned, given the most that each witness has.

        A bound: whether they cosigned one and the same checkpoint of that size, it does not tell. 0 without a quorum.
        """
        return 0 if self.quorum == NONE else self._reach(self.quorum, last)

    def cosigned(self, signed: bytes) -> tuple[str, ...]:
        """Return the names, in the policy, of the witnesses that cosigned. Raises IntegrityError as `verify` does."""
        by = cosignature.verify(signed, [one.key for one in self.witnesses.values()])
        return tuple(one.name for one in self.witnesses.values() if one.key in by)

    def verify(self, signed: bytes) -> checkpoint.Checkpoint:
        """Return the checkpoint that one of the logs signed and enough witnesses cosigned. Raises IntegrityError."""
        known: list[note.Verifier] = [log.key for log in self.logs]
        known += [one.key for one in self.witnesses.values()]
        text, signatures = note.signatures(signed, known)
        found = checkpoint.parse(text)
        by = {key for key, _ in signatures}
        if not any(isinstance(key, note.Key) and key.name == found.origin for key in by):
            raise IntegrityError(f"the checkpoint of {found.origin} is signed by no log of the policy")
        if not self.met({key for key in by if isinstance(key, cosignature.Key)}):
            raise IntegrityError(f"the checkpoint of {found.size} leaves lacks the quorum {self.quorum}")
        return found

    def _met(self, name: str, cosigned: Collection[cosignature.Key]) -> bool:
        if name in self.witnesses:
            return self.witnesses[name].key in cosigned
        group = self.groups[name]
        return sum(self._met(member, cosigned) for member in group.members) >= group.least

    def _reach(self, name: str, last: Mapping[cosignature.Key, int]) -> int:
        if name in self.witnesses:
            return last.get(self.witnesses[name].key, 0)
        group = self.groups[name]
        return sorted((self._reach(member, last) for member in group.members), reverse=True)[group.least - 1]

    def _least(self, name: str) -> int:
        if name in self.witnesses:
            return 1
        group = self.groups[name]
        return sum(sorted(self._least(member) for member in group.members)[: group.least])


def parse(data: bytes) -> Policy:
    """Read a policy file. Raises ConfigError, which names the line and what should stand there."""
    reading = _Reading()
    # The octets of another encoding stay what they are: a name is compared, never spelt.
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        if number > _LINES:
            raise ConfigError(f"the policy has more than {_LINES} lines")
        try:
            reading.line(line)
        except ConfigError as error:
            raise ConfigError(f"line {number}: {error.detail}") from None
    if not reading.quorum:
        raise ConfigError(
            "there is no quorum line; the last line says what a checkpoint must have: quorum NAME, or quorum none"
        )
    return Policy(logs=tuple(reading.logs), witnesses=reading.witnesses, groups=reading.groups, quorum=reading.quorum)


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    logs: list[Log] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = ""
    member: dict[str, str] = field(default_factory=dict)
    """Name -> the group it is in."""

    def line(self, line: str) -> None:
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line):
            raise ConfigError("has a control character; only tabs may be there, and lines end with a newline alone")
        words = [word for word in re.split("[ \t]+", line) if word]
        if not words or words[0].startswith("#"):
            return
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._log(vkey, *url)
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(name, vkey, *url)
            case ["group", name, least, *members] if members:
                self._group(name, least, members)
            case ["quorum", name]:
                self._quorum(name)
            case [word, *_] if word in _FORMS:
                raise ConfigError(f"a line of {word} is: {_FORMS[word]}")
            case _:
                raise ConfigError(f"begins with none of {', '.join(_FORMS)}; a comment begins with #")

    def _log(self, vkey: str, url: str = "") -> None:
        key = note.Key.parse(vkey)
        self._once(key)
        self.logs.append(Log(key=key, url=url))

    def _witness(self, name: str, vkey: str, url: str = "") -> None:
        self._new(name)
        key = cosignature.Key.parse(vkey)
        self._once(key)
        self.witnesses[name] = Witness(name=name, key=key, url=url)

    def _group(self, name: str, least: str, members: list[str]) -> None:
        self._new(name)
        for member in members:
            self._defined(member, "a member")
            if member in self.member:
                raise ConfigError(f"{_shown(member)} is a member of {_shown(self.member[member])} already: one alone")
            self.member[member] = name
        self.groups[name] = Group(name=name, least=_least(least, len(members)), members=tuple(members))

    def _quorum(self, name: str) -> None:
        if self.quorum:
            raise ConfigError("is a second quorum line; there is one")
        if name != NONE:
            self._defined(name, "the quorum")
        self.quorum = name

    def _new(self, name: str) -> None:
        if name == NONE:
            raise ConfigError("nobody may be called none: it says that no quorum is needed")
        if name in self.witnesses or name in self.groups:
            raise ConfigError(f"{_shown(name)} is defined already; witnesses and groups have names of their own")

    def _defined(self, name: str, what: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ConfigError(f"{_shown(name)} cannot be {what}: no witness or group above this line has the name")

    def _once(self, key: note.Verifier) -> None:
        """Refuse a key that another line has, under whatever name: it would be counted twice."""
        same = self.logs if isinstance(key, note.Key) else self.witnesses.values()
        if any(one.key.public == key.public for one in same):
            raise ConfigError(f"the key of {key.name} stands on a line above already")


def _least(written: str, members: int) -> int:
    if written == "any":
        return 1
    if written == "all":
        return members
    if not re.fullmatch(r"[1-9][0-9]{0,3}", written) or int(written) > members:
        raise ConfigError(f"{_shown(written)} is not any, all, or a number from 1 to {members}")
    return int(written)


def _shown(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
