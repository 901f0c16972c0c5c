"""A worker that slept beyond its lease: its own older claims, and its calls, beside whoever has the job by then."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import gate, reconcile, removal
from chat_hygiene.pipeline.calls import Calls
from chat_hygiene.pipeline.lines import SIDE_BY_SIDE
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.store import moves
from chat_hygiene.store.tables import jobs as rows
from support.gates import claim, matching


@pytest.fixture
def twice(claimed):
    """A job that one process claimed twice: it slept beyond its lease, and the task of the older claim has not ended."""
    context, older, wid = claimed
    reconcile.run(context, now=context.clock() + context.settings.lease_seconds * 2)
    return context, older, claim(context), wid


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_claims_of_one_job_that_come_together_only_the_later_one_passes(twice, order):
    context, older, newer, wid = twice
    now = context.clock()
    asks = [gate.Ask(job, matching(context, wid), now) for job in (older, newer)][::order]
    passed = dict(zip((ask.job.fence for ask in asks), gate.run(context, asks, now=now), strict=True))
    assert passed == {older.fence: gate.Refusal(None), newer.fence: gate.Pass("whatsapp")}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_claims_of_one_job_that_end_together_only_the_later_one_writes(twice, order):
    context, older, newer, _ = twice
    ends = [moves.Move(job.id, JobEvent.RELEASE, job.fence) for job in (older, newer)][::order]
    shared = removal.Removals(context, None)

    async def both():
        return await asyncio.gather(*map(shared.moves.ask, ends))

    assert asyncio.run(both())[::order] == [False, True]


def test_two_claims_of_one_job_give_back_the_lines_that_both_took(twice):
    context, older, newer, _ = twice
    shared = removal.Removals(context, None)

    async def more_than_there_are():
        for _ in range(SIDE_BY_SIDE):
            await shared.enter(older)
            await shared.enter(newer)
            shared.leave(older)
            shared.leave(newer)

    asyncio.run(asyncio.wait_for(more_than_there_are(), 10))


@pytest.mark.parametrize("lease", [3, 60])
def test_no_call_leaves_when_somebody_else_may_have_the_job(claimed, lease):
    context, job, wid = claimed
    short = context.settings.model_copy(update={"lease_seconds": timedelta(seconds=lease)})
    context, left = replace(context, settings=short), []

    class Service:
        """Tells until when the call may leave, and until when the lease lasts."""

        clock_skew, name = None, "wassenger"

        async def chat(self, *_):
            return matching(context, wid)._replace(status="removed" if left else "resolved")

        async def delete(self, *_, not_after, **__):
            with context.sessions.begin() as session:
                until = session.scalar(select(rows.c.lease_until).where(rows.c.id == job.id))
            left.append((not_after, until))

    calls = Calls(context, Service(), Service(), Pacer(context))
    assert asyncio.run(removal.run(removal.Removals(context, calls), job))
    ((not_after, until),) = left
    assert not_after <= until
