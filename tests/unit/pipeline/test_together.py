import asyncio
import threading

import pytest
from sqlalchemy.exc import OperationalError

from chat_hygiene.core.errors import DatabaseError
from chat_hygiene.pipeline.together import MOST, Together


def test_what_comes_while_one_is_at_work_is_done_together_afterwards():
    batches, begun, company = [], threading.Event(), threading.Event()

    def work(asks):
        batches.append(list(asks))
        begun.set()
        company.wait(10)
        return [ask * 10 for ask in asks]

    async def scenario():
        together = Together(work)
        alone = asyncio.create_task(together.ask(1))
        await asyncio.to_thread(begun.wait, 10)
        others = [asyncio.create_task(together.ask(number)) for number in range(2, MOST + 4)]
        await asyncio.sleep(0)
        company.set()
        return [await alone, *[await each for each in others]]

    assert asyncio.run(scenario()) == [number * 10 for number in range(1, MOST + 4)]
    assert [len(each) for each in batches] == [1, MOST, 2]


def test_of_several_only_the_one_at_fault_is_told_of_its_error():
    stored = []

    def work(asks):
        if 3 in asks:
            raise ValueError("three")
        stored.extend(asks)
        return asks

    async def scenario():
        together = Together(work)
        return await asyncio.gather(*(together.ask(number) for number in range(6)), return_exceptions=True)

    found = asyncio.run(scenario())
    assert [each for each in found if not isinstance(each, ValueError)] == [0, 1, 2, 4, 5]
    assert stored == [0, 1, 2, 4, 5], "each once"


@pytest.mark.parametrize(
    "error", [DatabaseError("it is away"), OperationalError("SELECT 1", {}, OSError("away"))]
)
def test_a_database_that_is_away_is_waited_for_once_and_not_by_each(error):
    asked = []

    def work(asks):
        asked.append(asks)
        raise error

    async def scenario():
        together = Together(work)
        return await asyncio.gather(*(together.ask(number) for number in range(6)), return_exceptions=True)

    assert asyncio.run(scenario()) == [error] * 6
    assert len(asked) == 1


def test_it_serves_again_after_a_failure():
    async def scenario():
        together = Together(lambda asks: [1 // ask for ask in asks])
        with pytest.raises(ZeroDivisionError):
            await together.ask(0)
        return await together.ask(1)

    assert asyncio.run(scenario()) == 1
