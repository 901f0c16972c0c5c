"""Who of a device's jobs may call next."""

import asyncio

from chat_hygiene.pipeline.lines import SIDE_BY_SIDE, Lines


def told(scene) -> list[str]:
    """The order in which a scene's jobs got a line while all were taken."""
    order: list[str] = []

    async def run() -> None:
        lines = Lines()
        for _ in range(SIDE_BY_SIDE):
            await lines.take()

        def job(name: str, *, pressed: bool = False) -> asyncio.Task[None]:
            async def work() -> None:
                await lines.take(pressed=pressed)
                order.append(name)

            return asyncio.create_task(work())

        await scene(lines, job)

    asyncio.run(run())
    return order


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_a_job_that_is_about_to_delete_goes_before_those_that_still_have_to_read():
    async def scene(lines, job):
        tasks = [job("first read"), job("second read"), job("delete", pressed=True)]
        await settled()
        for _ in tasks:
            lines.give_back()
            await settled()

    assert told(scene) == ["delete", "first read", "second read"]


def test_no_line_is_lost_with_a_job_that_ends_as_it_gets_one():
    async def scene(lines, job):
        ended, waiting = job("ended"), job("waiting")
        await settled()
        lines.give_back()
        ended.cancel()
        await settled()
        lines.give_back()
        await asyncio.wait_for(lines.take(), 10)
        assert waiting.done()

    assert told(scene) == ["waiting"]


def test_no_more_call_than_the_client_has_connections():
    async def scene(_lines, job):
        job("one more")
        await settled()

    assert told(scene) == []
