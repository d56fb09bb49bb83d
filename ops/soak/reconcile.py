"""What was sent against what there is: pure, and every rule of it can fail (`tests/unit/soak`).

Four books are laid side by side: the sender's, the store's, the consumers' and the dead letters'. Each rule counts what
it looked at and names what does not hold, by message id or event id. A rule that looked at nothing proves nothing; the
report shows the numbers.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ops.soak.lines import Line
from ops.soak.traffic import CODES, Kind

ACCEPTABLE = frozenset({Kind.RIGHT, Kind.TWIN})
"""Kinds that begin a message; the others repeat one, or are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An accepted message, as the store has it."""

    number: int
    """In order of acceptance."""
    message_id: str
    digest: str
    leaves: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refusal, as the store has it."""

    code: str
    leaf: str
    """Its hash (hex)."""
    content: str
    """SHA-256 of the refused bytes, out of the sealed record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An event that a message must become."""

    event: str
    queues: tuple[str, ...]
    digests: frozenset[str]
    """SHA-256 of the body: one for each state of knowledge about the person's protection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """An event, as a consumer handled it; in the order of handling."""

    event: str
    queue: str
    subject: str
    digest: str
    replay_of: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter, as the store has it."""

    id: int
    event: str
    queue: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Everything that is known in the end."""

    lines: Sequence[Line]
    stored: Sequence[Stored]
    refused: Sequence[Refused]
    expected: Mapping[str, Sequence[Expected]]
    """Message id -> its events."""
    handled: Sequence[Handled]
    letters: Sequence[Letter]
    poisoned: Callable[[str], bool]
    """Whether a consumer never takes an event by itself."""
    proven: frozenset[str]
    """Leaves (hex) proven under the last checkpoint."""
    verified: str
    """What is wrong with the log; empty where it computes to its checkpoints."""
    asked: Mapping[str, int] = field(default_factory=dict)
    """SHA-256 of what was sent by those who ask their mailbox, and how often: it may be refused, too."""
    left: Mapping[str, int]
    """What is not empty: outbox, queues, dead letters that nobody took home."""


@dataclass(slots=True)
class Check:
    """One rule."""

    name: str
    counted: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """True where nothing is wrong."""
        return not self.wrong


def reconcile(books: Books) -> list[Check]:
    """Apply every rule."""
    return [rule(books) for rule in _RULES]


def _sent(books: Books, *kinds: Kind) -> Iterator[Line]:
    return (line for line in books.lines if line.kind in kinds)


def _outcomes(books: Books) -> Check:
    check = Check("every message: the outcome that it must have")
    for line in books.lines:
        check.counted += 1
        wanted = CODES.get(line.kind)
        receipts = 0 if wanted else 2 if line.kind is Kind.TWIN else 1
        if line.code != wanted or len(line.receipts) != receipts or line.odd:
            check.wrong.append(
                f"{line.message_id} ({line.kind}): code {line.code}, {len(line.receipts)} receipts {line.odd}"
            )
    return check


def _receipted(books: Books) -> Check:
    check = Check("every receipt: its message is stored, with that digest and those leaves")
    stored = {one.message_id: one for one in books.stored}
    for line in books.lines:
        for message_id, digest, _, leaves in line.receipts:
            check.counted += 1
            found = stored.get(message_id)
            if message_id != line.message_id:
                check.wrong.append(f"{line.message_id}: the receipt is of {message_id}")
            elif found is None:
                check.wrong.append(f"{message_id}: a receipt without a message")
            elif (found.digest, found.leaves) != (digest, leaves):
                check.wrong.append(f"{message_id}: the receipt says another digest or other leaves")
    return check


def _known(books: Books) -> Check:
    check = Check("every stored message: its sender has a receipt")
    receipted = {line.message_id for line in books.lines if line.receipts}
    sent = {line.message_id for line in books.lines}
    for one in books.stored:
        check.counted += 1
        if one.message_id not in sent:
            check.wrong.append(f"{one.message_id}: stored, and nobody sent it")
        elif one.message_id not in receipted:
            check.wrong.append(f"{one.message_id}: stored, and its sender got no receipt in the end")
    check.wrong += [
        f"{name}: stored twice" for name, count in Counter(s.message_id for s in books.stored).items() if count > 1
    ]
    return check


def _facts(books: Books) -> Check:
    check = Check("every repetition: the first receipt's facts")
    first = {line.number: line.receipts[0] for line in _sent(books, *ACCEPTABLE) if line.receipts}
    for line in _sent(books, Kind.TWIN, Kind.REPEATED):
        original = first.get(line.number if line.of is None else line.of)
        for receipt in line.receipts:
            check.counted += 1
            if receipt != original:
                check.wrong.append(f"{line.message_id}: the repetition says something else")
    return check


def _delivered(books: Books) -> Check:
    check = Check("every event of a receipted message: handled exactly once on each queue, or discarded")
    times = Counter((one.event, one.queue) for one in books.handled)
    discarded = {(one.event, one.queue) for one in books.letters if one.state == "discarded"}
    for message_id, events in books.expected.items():
        for event in events:
            for queue in event.queues:
                check.counted += 1
                must = 0 if (event.event, queue) in discarded else 1
                if (seen := times.pop((event.event, queue), 0)) != must:
                    check.wrong.append(f"{message_id}: {event.event} on {queue}: {seen} times, not {must}")
    check.wrong += [f"{event} on {queue}: handled, and no receipted message has it" for event, queue in times]
    return check


def _bodies(books: Books) -> Check:
    check = Check("every event handled: the body that the rules make of what was sent")
    digests = {event.event: event.digests for events in books.expected.values() for event in events}
    for one in books.handled:
        check.counted += 1
        if one.digest not in digests.get(one.event, frozenset()):
            check.wrong.append(f"{one.event} on {one.queue}: another body")
    return check


def _order(books: Books) -> Check:
    check = Check("every person's events on a queue: in order of acceptance")
    place = _places(books)
    died = {(one.event, one.queue) for one in books.letters}
    last: dict[tuple[str, str], tuple[tuple[int, int], str]] = {}
    for one in books.handled:
        if (one.event, one.queue) in died or one.event not in place:
            continue  # it came when somebody sent it again
        check.counted += 1
        key = (one.queue, one.subject)
        now = place[one.event]
        if key in last and now < last[key][0]:
            check.wrong.append(f"{one.event} on {one.queue}: after {last[key][1]}, which was accepted later")
        last[key] = (now, one.event)
    return check


def _places(books: Books) -> Mapping[str, tuple[int, int]]:
    """Return where each event stands in the order of acceptance: message, and record in it."""
    numbers = {one.message_id: one.number for one in books.stored}
    return {
        event.event: (numbers[message_id], int(event.event.rpartition("-")[2]))
        for message_id, events in books.expected.items()
        if message_id in numbers
        for event in events
    }


def _sequence(books: Books) -> Check:
    check = Check("every person's messages: accepted in the order in which their sender got receipts")
    numbers = {one.message_id: one.number for one in books.stored}
    persons: defaultdict[int, list[Line]] = defaultdict(list)
    for line in _sent(books, *ACCEPTABLE):
        if line.message_id in numbers:
            for person in line.persons:
                persons[person].append(line)
    for lines in persons.values():
        lines.sort(key=lambda line: numbers[line.message_id], reverse=True)
        earliest = float("inf")
        for line in lines:  # the last accepted first
            check.counted += 1
            if earliest < line.began:
                check.wrong.append(f"{line.message_id}: sent after a receipt, and accepted before that message")
            earliest = min(earliest, line.ended)
    return check


def _proven(books: Books) -> Check:
    check = Check("every promised leaf: proven under the last checkpoint")
    promised = {leaf: line.message_id for line in books.lines for receipt in line.receipts for leaf in receipt[3]}
    check.counted = len(promised)
    check.wrong = [
        f"{name}: leaf {leaf[:16]}… is not proven" for leaf, name in promised.items() if leaf not in books.proven
    ]
    return check


def _log(books: Books) -> Check:
    check = Check("the whole log: recomputed from its entries")
    check.counted = sum(len(one.leaves) for one in books.stored) + len(books.refused)
    check.wrong = [books.verified] if books.verified else []
    return check


def _refusals(books: Books) -> Check:
    check = Check("every refusal that was answered: a refusal leaf with that code, of those bytes")
    leaves = {one.leaf[:32]: one for one in books.refused}
    for line in books.lines:
        answered = [(line.reference, line.code)] if line.code else []
        for reference, code in [*answered, *((one, None) for one in line.untimely)]:
            check.counted += 1
            found = leaves.get(reference or "")
            if found is None:
                check.wrong.append(f"{line.message_id}: refused, and no leaf {reference} tells of it")
            elif found.content not in line.sent or found.code != (code or found.code):
                check.wrong.append(f"{line.message_id}: leaf {reference} tells of other bytes or another code")
    return check


def _unanswered(books: Books) -> Check:
    check = Check("every refusal leaf: of bytes that were sent, at most as often as they were")
    sent: Counter[str] = Counter(books.asked)
    for line in books.lines:
        sent.update(line.sent)
    told = Counter(one.content for one in books.refused)
    check.counted = len(books.refused)
    check.wrong = [
        f"bytes {content[:16]}…: {count} refusal leaves, sent {sent[content]} times"
        for content, count in told.items()
        if count > sent[content]
    ]
    return check


def _letters(books: Books) -> Check:
    check = Check("every event that no consumer can take: a dead letter; every dead letter: judged")
    died = {(one.event, one.queue) for one in books.letters}
    for message_id, events in books.expected.items():
        for event in events:
            if books.poisoned(event.event):
                check.counted += len(event.queues)
                check.wrong += [
                    f"{message_id}: {event.event} on {queue}: no dead letter"
                    for queue in event.queues
                    if (event.event, queue) not in died
                ]
    for one in books.letters:
        check.counted += 1
        if one.state not in {"replayed", "discarded"}:
            check.wrong.append(f"letter {one.id}: {one.event} on {one.queue} is {one.state}")
    return check


def _replays(books: Books) -> Check:
    check = Check("every event that was sent again: handled as such, from its letter")
    letters = {one.id: one for one in books.letters}
    for one in books.handled:
        if one.replay_of is not None:
            check.counted += 1
            letter = letters.get(one.replay_of)
            if letter is None or (letter.event, letter.queue) != (one.event, one.queue):
                check.wrong.append(f"{one.event} on {one.queue}: says it was letter {one.replay_of}, which is another")
    return check


def _nothing_left(books: Books) -> Check:
    check = Check("nothing left in outbox, queues and dead letters")
    check.counted = len(books.left)
    check.wrong = [f"{name}: {count}" for name, count in books.left.items() if count]
    return check


_RULES: tuple[Callable[[Books], Check], ...] = (
    _outcomes, _receipted, _known, _facts, _delivered, _bodies, _order, _sequence, _proven, _log, _refusals,
    _unanswered, _letters, _replays, _nothing_left,
)  # fmt: skip
