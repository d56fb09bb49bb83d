"""Who answers for a command, which roles that user of the operating system has, and whom a command is about.

A role is a group of the operating system (`[reviewers]` in gateway.toml). No option and no variable gives anybody one:
whoever may change groups on the machine decides who reviews.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gateway.config import Configuration
    from gateway.message import Pseudonym


def me() -> str:
    """Return who runs this process."""
    return person(os.getuid(), os.environ)


def person(uid: int, environment: Mapping[str, str]) -> str:
    """Return the name of a user; behind sudo, of who called it.

    Only root may say that somebody else called it: to anybody else SUDO_USER is just a variable.
    """
    behind = environment.get("SUDO_USER", "")
    try:
        if uid == 0 and behind:
            return pwd.getpwnam(behind).pw_name
    except KeyError:
        pass  # no user of this machine: root itself answers
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def roles(name: str, reviewers: Mapping[str, str]) -> frozenset[str]:
    """Return the roles that a user has, by the groups that the operating system says the user is in."""
    try:
        known = pwd.getpwnam(name)
    except KeyError:
        return frozenset()
    groups = set()
    for number in os.getgrouplist(known.pw_name, known.pw_gid):
        try:
            groups.add(grp.getgrgid(number).gr_name)
        except KeyError:
            continue  # a number without a name is no role's
    return frozenset(role for role, group in reviewers.items() if group in groups)


def pseudonym(configuration: Configuration, written: str) -> Pseudonym:
    """Return whom a number, out of a file or standard input, is about: it goes no further than here.

    Raises click.BadParameter, which does not quote it; ConfigError where the key cannot be read.
    """
    from gateway import wiring  # noqa: PLC0415  # drivers: not needed to know who answers
    from gateway.adapters import persons  # noqa: PLC0415
    from gateway.message import NumberKind  # noqa: PLC0415

    person = persons.read(written)
    if person.kind is NumberKind.OTHER:
        raise click.BadParameter("holds no personnummer or samordningsnummer of twelve digits", param_hint="--person")
    return wiring.pseudonyms(configuration.gateway.keys).of(person)
