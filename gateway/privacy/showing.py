"""What a person who is to decide may see of what waits, judged when it is shown.

What the gateway withholds from a queue it does not show on a screen: whoever looks is judged by what is known of
protected identity now, and by what the message itself says (OSL 21 kap. 3 and 3 a §§, 22 kap. 1 §). Those who handle
protected identities see all of it, because they are the ones who must tell. Everybody else sees

* of somebody who is protected, or where the record names somebody who is: no number, no name, no address or other way
  to reach anybody, no family, no free text (a date and a place in it may be enough), and nothing that locates;
* of somebody of whom nothing is known: nothing that locates, as everywhere.

A field that no contract describes is treated as the worst of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.message import Category, FieldSpec, Person, Protection, Value, Withheld
from gateway.privacy import protected
from gateway.privacy.protected import Known

_TELLING = frozenset({Category.IDENTITET, Category.KONTAKT, Category.FAMILJ, Category.FRITEXT})
"""Categories that tell who somebody is, or how to find out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is shown."""

    person: Person | None
    """None where that is withheld."""
    fields: Mapping[str, Value]
    withheld: tuple[Withheld, ...] = ()


def seen(  # noqa: PLR0913  # the record, what is known, and who looks
    person: Person,
    related: Iterable[Person],
    fields: Mapping[str, Value],
    *,
    known: Known,
    specs: Mapping[str, FieldSpec],
    entitled: bool,
) -> Seen:
    """Return what is shown of a record.

    Args:
        person: Whose it is.
        related: Whom else it names.
        fields: Its fields.
        known: What is known now, and what the message says (`protected.said`).
        specs: Its fields, as the contract describes them.
        entitled: Whether whoever looks handles protected identities.
    """
    reason = None if entitled else protected.withholds(known(person), related, known)
    if reason is None:
        return Seen(person=person, fields=fields)
    marked = protected.marked((person, *related), known)
    hidden = [name for name in fields if _hides(specs.get(name), marked=marked)]
    return Seen(
        person=None if marked else person,
        fields={name: value for name, value in fields.items() if name not in hidden},
        withheld=tuple(Withheld(field=name, reason=reason) for name in hidden),
    )


def _hides(spec: FieldSpec | None, *, marked: bool) -> bool:
    return spec is None or spec.locating or (marked and spec.category in _TELLING)


def known_of(rows: Mapping[tuple[int, bool], Protection], record: int, person: Person) -> Known:
    """Return what tells what is known of a record's person, and of whom it names: of those, the worst of theirs.

    `rows`: by position of the record, and whether it is the record's own person. Where nobody wrote down whom else a
    record names, they are treated as protected.
    """
    own = rows.get((record, True), Protection.UNKNOWN)
    others = rows.get((record, False), Protection.SEKRETESSMARKERING)
    return lambda one: own if one.number == person.number else others
