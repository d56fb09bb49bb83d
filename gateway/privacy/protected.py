"""Protected identity: who is protected, and what then may not be told.

The folkbokföring is the only source of who is protected (OSL 22 kap. 1 §, folkbokföringslagen (1991:481) 16 §;
JO 4684-2007: an authority that sets the mark by itself does wrong). Four rules follow:

1. What the folkbokföring states of the person a record is about sets protection at once, and settles what was unknown.
2. It lifts protection by being learned: the journal compares when two statements were made, and an older one lifts
   nothing. Until then the worse holds, so that a notice that comes late or twice does not give away the address of
   somebody who has been protected since. The lifting notice's own locating fields are the price.
3. From anyone else a mark in the message can only add: the worse of the mark and what we know holds. An agency that
   knows more must be believed; one that says "not marked" may not have heard yet, and may mean one of the two kinds of
   protection only (Arbetsförmedlingen's `Sekretessmarkering` says nothing of skyddad folkbokföring).
4. Where neither says anything the status is unknown, and unknown is treated as protected.

What a message says of protection is known for all its records, in whatever order they stand (`within`): a family moves
in one notice, and the address of the one who is not marked is that of the one who is.

Under protection every field that tells where the person may be found is withheld (OSL 21 kap. 3 and 3 a §§): address,
workplace, employer, school, kommun. A field is withheld whole, with everything nested in it.

For *other* persons in a record the fourth rule does not hold: only known protection counts. Nearly every record names
someone that nobody has asked the folkbokföring about, so withholding for them would withhold everything from everyone;
and it is the record's own person that the locating fields are about. Where another person is known to be protected, the
two may well live together: then the fields are withheld too.

Fingerade personuppgifter have no mark by design, and nothing here may look for a link (OSL 21 kap. 3 §).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gateway.message import Person, Protection, Record
from gateway.privacy.reasons import Reason
from gateway.privacy.words import fold

SOURCE_KIND = "folkbokforing"
"""The one kind of information that states protection."""
SOURCE_PARTNER = "skatteverket"
"""The one type of partner that may send it."""

Known = Callable[[Person], Protection]
"""What the folkbokföring has told us of a person; UNKNOWN if nothing."""

_WORST_FIRST = (
    Protection.SKYDDAD_FOLKBOKFORING,
    Protection.SEKRETESSMARKERING,
    Protection.UNKNOWN,
    Protection.NONE,
)
_RANK = {protection: rank for rank, protection in enumerate(_WORST_FIRST)}
_PROTECTED = frozenset({Protection.SKYDDAD_FOLKBOKFORING, Protection.SEKRETESSMARKERING})
_REASON = {
    Protection.SKYDDAD_FOLKBOKFORING: Reason.PROTECTED_IDENTITY,
    Protection.SEKRETESSMARKERING: Reason.PROTECTED_IDENTITY,
    Protection.UNKNOWN: Reason.PROTECTION_UNKNOWN,
}


_MARKS = ("sekretessmark", "sekretessskydd", "skyddadfolkbokforing", "skyddadidentitet", "kvarskrivning")
"""What a field that tells of protection is called, in one part of its name or other."""


def tells(field: str) -> bool:
    """Say whether a field tells, by its name, that somebody's identity is protected: we tell nobody that."""
    folded = "".join(filter(str.isalnum, fold(field)))
    return any(mark in folded for mark in _MARKS)


def within(records: Iterable[Record], known: Known) -> Known:
    """Return `known`, worsened by what the folkbokföring says in these records of anyone's protection."""
    told: dict[str, Protection] = {}
    for record in records:
        stated = stated_by_source(record)
        if stated in _PROTECTED:
            told[record.person.number] = _worse(stated, told.get(record.person.number, Protection.NONE))
    if not told:
        return known
    return lambda person: _worse(told[person.number], known(person)) if person.number in told else known(person)


def said(records: Iterable[Record], known: Known) -> Known:
    """Return `known`, worsened by whatever these records say of anyone's protection, whoever sent them.

    For what is shown to people, which waits for nobody to be believed.
    """
    marked: dict[str, Protection] = {}
    for record in records:
        if record.protection is not None and record.protection in _PROTECTED:
            number = record.person.number
            marked[number] = _worse(record.protection, marked.get(number, Protection.NONE))
    return lambda person: _worse(marked[person.number], known(person)) if person.number in marked else known(person)


def anybody(records: Sequence[Record], known: Known) -> bool:
    """Say whether any of these records is about, or names, somebody who is protected."""
    known = said(records, known)
    return any(marked((record.person, *record.related), known) for record in records)


def marked(persons: Iterable[Person], known: Known) -> bool:
    """Say whether any of them is protected."""
    return any(known(person) in _PROTECTED for person in persons)


def status(record: Record, known: Known) -> Protection:
    """Return the protection that holds for the record's person (rules 1-4 of this module)."""
    stated, before = record.protection, known(record.person)
    if stated is None or stated is before:
        return before
    if record.kind == SOURCE_KIND and before is Protection.UNKNOWN:
        return stated
    return _worse(stated, before)


def _worse(one: Protection, other: Protection) -> Protection:
    return min(one, other, key=_RANK.__getitem__)


def stated_by_source(record: Record) -> Protection | None:
    """Return what the folkbokföring says here of its own person: to be known from now on. None from anyone else."""
    if record.kind != SOURCE_KIND or record.protection is Protection.UNKNOWN:
        return None
    return record.protection


def raised_by_source(record: Record) -> Protection | None:
    """Return a protection that the folkbokföring states here. Hiding a person needs no legal basis; lifting does."""
    stated = stated_by_source(record)
    return stated if stated in _PROTECTED else None


def withholds(protection: Protection, related: Iterable[Person], known: Known) -> Reason | None:
    """Return why locating fields may not pass, or None if they may."""
    reason = _REASON.get(protection)
    if reason is not None:
        return reason
    for person in related:
        if known(person) in _PROTECTED:
            return Reason.PROTECTED_RELATED
    return None
