"""The rules of gallring as data (`config/retention.toml`): for how long what is kept, by which law and decision.

A rule says of one class of data, for bases of one retention class (`retention` in `config/law/bases`) or for bases by
name, how many months after what it is to be destroyed. A rule is never edited in place: it ends, and a new row with the
same id begins the day after. Here they only have to be well formed; what holds for what is `privacy.retention`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from itertools import combinations
from pathlib import Path

from pydantic import Field

from gateway.config import files
from gateway.config.law import NAME, Model
from gateway.errors import ConfigError

ANY = "*"
"""In `retention`: what no rule names by basis or class, such as what was denied without a basis."""
APPROVERS = 2


class DataClass(StrEnum):
    """What is destroyed together."""

    EVIDENCE = "evidence"
    """The exact bytes of an accepted message: values about every person in it."""
    RECORD = "record"
    """Salt and hidden record of each leaf of an accepted message, its trail, and whose it was. With a message's last
    record goes its data key."""
    CONTENT = "content"
    """Command, payload, envelope and answer of a dispatch."""
    DISPATCH = "dispatch"
    """Salts and hidden records of a dispatch's leaves, their trail, its data keys, and whose it was."""
    REVIEW = "review"
    """Salt, hidden record, trail and data key of the leaf that says what people decided."""
    SHIELDING = "shielding"
    """Salt, hidden record, trail and data key of the leaf that says that an event was shielded."""
    REFUSAL = "refusal"
    """Salt, hidden record, trail and data key of a refused message."""
    QUARANTINE = "quarantine"
    """The exact bytes of a refused message that was set apart, with all that `REFUSAL` has."""


class After(StrEnum):
    """What the months are counted from."""

    ACCEPTED = "accepted"
    ENDED = "ended"
    SETTLED = "settled"
    REFUSED = "refused"
    SHIELDED = "shielded"


COUNTED: Mapping[DataClass, After] = {
    DataClass.EVIDENCE: After.ACCEPTED,
    DataClass.RECORD: After.ACCEPTED,
    DataClass.CONTENT: After.ENDED,
    DataClass.DISPATCH: After.ENDED,
    DataClass.REVIEW: After.SETTLED,
    DataClass.SHIELDING: After.SHIELDED,
    DataClass.REFUSAL: After.REFUSED,
    DataClass.QUARANTINE: After.REFUSED,
}
"""The event that a class is counted from: a rule says it too, so that whoever reads the rule need not know."""
FIRST: Mapping[DataClass, DataClass] = {
    DataClass.RECORD: DataClass.EVIDENCE,
    DataClass.DISPATCH: DataClass.CONTENT,
}
"""What must be gone before: what tells whose data we hold never goes before the data (GDPR art. 15)."""


class Rule(Model):
    """One version of one rule."""

    id: str = Field(pattern=NAME)
    data: DataClass
    retention: str | None = Field(default=None, min_length=1)
    """The retention class of the bases that it is for, `*` for what nothing else names; or"""
    bases: tuple[str, ...] = ()
    """their ids. A rule that names a basis goes before one that names its class."""
    months: int = Field(ge=0, le=1200)
    after: After
    lagrum: tuple[str, ...] = Field(min_length=1)
    """Ids of the paragraphs that say that it is to be destroyed: `SFB-114-15`."""
    beslut: str = ""
    """The decision that fixes the period (RA-MS, or the authority's own): reference and date."""
    author: str = Field(min_length=1)
    approved_by: tuple[str, ...] = ()
    verified: bool
    """False while the period rests on no decision that was read: outside demo and test such a rule destroys nothing."""
    giltig_fom: date
    giltig_tom: date | None = None

    @property
    def key(self) -> str:
        """What names the row in errors: `rule GR-BEVIS@2026-01-01`."""
        return f"rule {self.id}@{self.giltig_fom}"

    def holds(self, day: date) -> bool:
        """Tell whether it is in force that day."""
        return self.giltig_fom <= day and (self.giltig_tom is None or day <= self.giltig_tom)


def read(path: Path) -> tuple[Rule, ...]:
    """Read the rules, in the file's order. Raises ConfigError: file, row, what is wrong and how to mend it."""
    found = list(files.numbered(files.table(path), path, "rule", Rule))
    for number, rule in found:
        for wrong in _wrong(rule):
            raise ConfigError(f"{path}: [[rule]] {number} ({rule.id}@{rule.giltig_fom}): {wrong}")
    rules = [rule for _, rule in found]
    for wrong in (*_overlapping(rules), *_turned(rules)):
        raise ConfigError(f"{path}: {wrong}")
    return tuple(rules)


def _wrong(rule: Rule) -> Iterator[str]:
    if (rule.retention is None) == (not rule.bases):
        yield "give either retention (a class of bases) or bases (their ids)"
    if rule.after is not COUNTED[rule.data]:
        yield f"after: {rule.data.value} is counted from {COUNTED[rule.data].value}: write that"
    if rule.giltig_tom is not None and rule.giltig_tom < rule.giltig_fom:
        yield "giltig_tom: is before giltig_fom"
    if rule.author in rule.approved_by:
        yield f"approved_by: {rule.author} wrote the rule: another person approves it"
    if rule.verified and len(set(rule.approved_by)) < APPROVERS:
        yield f"approved_by: a verified rule has {APPROVERS} approvers who are not its author"
    if rule.verified and not rule.beslut.strip():
        yield "beslut: a verified rule names the decision that fixes the period; or write verified = false"


def _overlapping(rules: Sequence[Rule]) -> Iterator[str]:
    for one, other in combinations(rules, 2):
        same = {one.retention} & {other.retention} - {None} or set(one.bases) & set(other.bases)
        if one.data is other.data and same and _meet(one, other):
            what = ", ".join(sorted(str(name) for name in same))
            yield f"{one.key} and {other.key}: both hold for {one.data.value} of {what}: end the older (giltig_tom)"


def _turned(rules: Sequence[Rule]) -> Iterator[str]:
    """Yield rules by which what tells whose data we hold would go before the data."""
    for later in rules:
        for sooner in rules:
            if FIRST.get(later.data) is not sooner.data or not _meet(later, sooner):
                continue
            same = later.retention == sooner.retention if later.retention else set(later.bases) & set(sooner.bases)
            if same and later.months < sooner.months:
                yield (
                    f"{later.key}: {later.data.value} goes after {later.months} months and {sooner.data.value} after "
                    f"{sooner.months} ({sooner.key}): what we hold of a person must be found by the person; "
                    f"make it at least {sooner.months}"
                )


def _meet(one: Rule, other: Rule) -> bool:
    return (other.giltig_tom is None or one.giltig_fom <= other.giltig_tom) and (
        one.giltig_tom is None or other.giltig_fom <= one.giltig_tom
    )
