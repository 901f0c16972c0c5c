"""The rollup that dashboards read says what counting the jobs would, whatever happened to them."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text

from chat_hygiene.core.states import MOVES, JobEvent, JobState
from chat_hygiene.store import moves
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import audit_events, chats, devices, jobs, policies, policy_runs

BEGIN = datetime(2026, 3, 28, 21, tzinfo=UTC)
JOBS, STEPS = 60, 500
OUTCOMES = {
    JobEvent.CONFIRM_DELETED: {"whatsapp_state": "confirmed", "platform_state": "removed"},
    JobEvent.CONFIRM_GONE: {"whatsapp_state": "unknown", "platform_state": "removed"},
    JobEvent.CONFIRM_LOCAL: {"whatsapp_state": "present", "platform_state": "forced", "debt_state": "open"},
}
COUNTED = {"job.deleted": "deleted", "job.already_gone": "already_gone", "job.removed_locally": "removed_locally",
           "job.failed": "failed", "job.quarantined": "failed"}  # fmt: skip


def prepare(session):
    """Two policies with a run each, two numbers, and a queued job for each of many chats."""
    for number in (1, 2):
        session.execute(
            insert(policies).values(
                id=number, name=f"p{number}", action="delete", state="active", version=1, created_at=BEGIN
            )
        )
        session.execute(insert(devices).values(id=number, provider="wassenger", device=f"d{number}"))
        session.execute(insert(policy_runs).values(
            id=number, policy_id=number, version=1, trigger="schedule", scheduled_for=BEGIN, started_at=BEGIN, mode="enforce",
            state="done", requested_by="beat",
        ))  # fmt: skip
    for number in range(1, JOBS + 1):
        policy, device = 1 + number % 2, 1 + number // 2 % 2
        chat = {"device_id": device, "chat_ref": f"chat_{number}", "chat_hint": "+44 ··· 01"}
        session.execute(insert(chats).values(id=number, key_id="1", synced_at=BEGIN, **chat))
        session.execute(insert(jobs).values(
            id=number, chat_id=number, generation=1, run_id=policy, policy_id=policy, version=1, reason="r", state="queued",
            queued_at=BEGIN, matched_at=BEGIN, not_before=BEGIN, next_attempt_at=BEGIN, **chat,
        ))  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_the_daily_counts_are_what_counting_the_jobs_gives(sessions, seed):
    fate = random.Random(seed)
    now = BEGIN
    with sessions.begin() as session:
        prepare(session)
        states = dict.fromkeys(range(1, JOBS + 1), JobState.QUEUED)
        for _ in range(STEPS):
            now += timedelta(minutes=fate.randrange(30))
            job = fate.choice(list(states))
            ways = [event for state, event in MOVES if state is states[job]]
            if not ways:
                continue
            event = fate.choice(ways)
            moves.move(session, job, event, now=now, actor="x", values=OUTCOMES.get(event))
            states[job] = MOVES[states[job], event]
    with reading(sessions) as session:
        told = session.execute(
            text(
                "SELECT day, policy, device, deleted, already_gone, removed_locally, failed FROM report_v1_deletions_daily"
            )
        )
        daily = Counter({
            (str(row.day), row.policy, row.device, outcome): getattr(row, outcome)
            for row in told for outcome in ("deleted", "already_gone", "removed_locally", "failed")
        })  # fmt: skip
        ended = session.execute(
            text("SELECT finished_at, policy, device, outcome FROM report_v1_deletions")
        ).all()
        events = session.execute(select(audit_events).where(audit_events.c.kind.in_(COUNTED))).all()
    by_job = Counter((day(row.finished_at), row.policy, row.device, row.outcome) for row in ended)
    by_event = Counter((day(row.at), row.policy, row.device, COUNTED[row.kind]) for row in events)
    # A failure that an operator has tried again is a failure of its day still; a removal is never undone.
    assert Counter({key: count for key, count in daily.items() if key[-1] != "failed"}) == by_job
    assert +daily == by_event
    assert len({key[0] for key in by_event}) > 2, "too little happened to say anything"
    assert {key[-1] for key in by_event} == set(COUNTED.values())


def day(at):
    return at[:10] if isinstance(at, str) else at.astimezone(UTC).date().isoformat()
