"""Several jobs at the gate at the same time: each is judged as if it were alone, and what is the same for all is asked once."""

from datetime import timedelta

import pytest
from sqlalchemy import event, update

from chat_hygiene.pipeline import gate
from chat_hygiene.store.tables import chats
from chat_hygiene.store.tables import jobs as job_rows
from integration.pipeline.syncing import queue, whole
from integration.pipeline.test_gate import matching
from support.gates import claim_all

MANY = 8


@pytest.fixture
def claimed(rig):
    """Leased jobs of chats that still match, with the context of their worker."""
    wids = [rig.chat(number) for number in range(MANY)]
    rig.apply(more="  - {name: keep-vip, action: keep, when: {labels: [vip]}}")
    whole(rig)
    queue(rig)
    with rig.ledger() as ledger:
        context = ledger.context
        found = claim_all(context)
        assert sorted(job.wid for job in found) == sorted(wids)
        yield context, found


def asks(context, found):
    now = context.clock()
    return [gate.Ask(job, matching(context, job.wid), now) for job in found], now


def test_each_is_judged_as_if_it_were_alone(claimed, rig):
    context, found = claimed
    lost, unmatched, newer, old, longer, *others = found
    with context.sessions.begin() as session:
        session.execute(update(job_rows).where(job_rows.c.id == lost.id).values(fence=lost.fence + 1))
        ahead = context.clock() + timedelta(minutes=1)
        session.execute(update(chats).where(chats.c.id == newer.chat_id).values(hinted_at=ahead))
        session.execute(update(job_rows).where(job_rows.c.id == longer.id).values(not_before=ahead))
    wanted, now = asks(context, found)
    wanted[1] = gate.Ask(unmatched, wanted[1].facts._replace(status="active"), now)
    wanted[3] = gate.Ask(old, wanted[3].facts, now - timedelta(seconds=5.1))
    assert gate.run(context, wanted, now=now) == [
        gate.Refusal(None),
        gate.Refusal("when.resolved_for"),
        gate.Refusal("read too old", waits=True),
        gate.Refusal("read too old", waits=True),
        gate.Refusal("grace", waits=True),
        *[gate.Pass("whatsapp")] * len(others),
    ]
    assert rig.states() == {"leased": 1, "cancelled": 1, "queued": 3, "sent": len(others)}


def test_more_jobs_cost_no_statement_more(claimed):
    context, found = claimed
    ran = []
    with context.sessions() as session:
        engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", lambda *args: ran.append(args[2]))

    def statements(some):
        ran.clear()
        wanted, now = asks(context, some)
        assert gate.run(context, wanted, now=now) == [gate.Pass("whatsapp")] * len(some)
        return len(ran)

    assert statements(found[:1]) == statements(found[1:])
