"""So many may wait for a thread; who comes then is told so at once, and who waits gets what the work gives."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway import codes
from gateway.errors import ContractError, UnavailableError
from gateway.inquiries import USAGE_WRONG
from gateway.transport.pool import Pool


@pytest.fixture
def pool():
    made = Pool("test", bound=2, of="questions")
    yield made
    made.close()


def test_whoever_comes_when_enough_wait_is_turned_away_and_the_others_get_their_answers(pool):
    gate = threading.Event()

    async def run() -> list[object]:
        waiting = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError) as turned:
            await pool.run(lambda: "never")
        assert turned.value.code is codes.OVERLOADED
        gate.set()
        return [*await asyncio.gather(*waiting), await pool.run(lambda: "afterwards")]

    assert asyncio.run(run()) == [True, True, "afterwards"]


def test_what_the_work_raises_is_raised_and_leaves_its_place(pool):
    def wrong() -> None:
        raise ContractError(USAGE_WRONG)

    async def run() -> None:
        for _ in range(3):
            with pytest.raises(ContractError):
                await pool.run(wrong)

    asyncio.run(run())
    assert pool.waiting == 0
