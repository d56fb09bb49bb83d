"""One person's events are lent one at a time and in order, whatever fails."""

from __future__ import annotations

import random
from collections import deque

import pytest

from gateway.broker.rabbitmq.order import Order
from gateway.errors import IntegrityError


def order(*lines: str, most: int = 100) -> Order[str]:
    """Things named by their line and their number in it: `a1 a2 b1`."""
    made: Order[str] = Order(most)
    seen: dict[str, int] = {}
    for line in lines:
        seen[line] = seen.get(line, 0) + 1
        made.add(line, f"{line}{seen[line]}")
    return made


def lent(made: Order[str], limit: int = 100) -> list[str]:
    return [thing for _, thing in made.lend(limit)]


def test_what_came_first_is_lent_first_and_no_more_than_asked_for():
    made = order("a", "b", "c")
    assert lent(made, 2) == ["a1", "b1"]
    assert lent(made, 2) == ["c1"]
    assert lent(made, 2) == []


def test_the_next_of_a_line_is_lent_only_when_the_first_is_done():
    made = order("a", "a", "b")
    assert lent(made) == ["a1", "b1"]
    assert lent(made) == []
    made.done("a")
    assert lent(made) == ["a2"]
    assert len(made) == 2


def test_what_failed_is_lent_again_in_its_old_place_before_its_followers_and_before_others():
    made = order("a", "a", "b")
    assert lent(made, 1) == ["a1"]
    made.again("a")
    assert lent(made) == ["a1", "b1"]
    made.done("a")
    assert lent(made) == ["a2"]


def test_more_than_was_asked_for_is_refused():
    made = order("a", "b", most=2)
    with pytest.raises(IntegrityError):
        made.add("c", "c1")


def test_what_is_done_makes_room():
    made = order("a", "b", most=2)
    lent(made)
    made.done("a")
    made.add("c", "c1")
    assert len(made) == 2


def test_after_a_lost_connection_nothing_is_in_hand():
    made = order("a", "a", "b")
    lent(made, 1)
    made.clear()
    assert (len(made), made.ready, lent(made)) == (0, 0, [])
    made.add("a", "a1")
    assert lent(made) == ["a1"]


@pytest.mark.parametrize("seed", range(20))
def test_any_history_lends_each_line_in_order_one_at_a_time_and_loses_nothing(seed):
    chance = random.Random(seed)  # noqa: S311  # a history, not a secret
    made: Order[tuple[str, int]] = Order(10_000)
    expected = {line: deque(range(30)) for line in "abcdefg"}
    coming = [line for line in expected for _ in range(30)]
    chance.shuffle(coming)
    numbers = dict.fromkeys(expected, 0)
    out: dict[str, int] = {}
    while coming or out or made.ready:
        match chance.randrange(4):
            case 0 if coming:
                line = coming.pop()
                made.add(line, (line, numbers[line]))
                numbers[line] += 1
            case 1:
                for line, (_, number) in made.lend(chance.randrange(1, 4)):
                    assert line not in out
                    assert number == expected[line][0]
                    out[line] = number
            case 2 if out:
                line = chance.choice(sorted(out))
                del out[line]
                expected[line].popleft()
                made.done(line)
            case 3 if out:
                line = chance.choice(sorted(out))
                del out[line]
                made.again(line)
    assert not any(expected.values())
    assert len(made) == 0
