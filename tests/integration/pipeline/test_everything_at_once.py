"""Evaluations, plans, approvals, edits, holds and gates of one policy at the same instant, in threads and in processes.

Nobody waits for another for ever, a slot has one run, a chat one job, and what a gate lets pass was neither held nor
judged by an older version when it passed.
"""

import json
import multiprocessing
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import count
from random import Random

from sqlalchemy import select

from chat_hygiene import wiring
from chat_hygiene.core.errors import SafetyStopError, UsageError
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import approval, evaluate, gate, recheck
from chat_hygiene.store import jobs, moves
from chat_hygiene.store.tables import audit_events, policy_runs
from chat_hygiene.store.tables import jobs as job_rows
from chat_hygiene.wiring import Ledger, holding
from chat_policies import load
from integration.pipeline.deciding import Listed
from support.gates import judged
from support.timetable import DAY, HOUR, Timetable

CHATS = 30
ROUNDS = 6
POLICY = """
version: 1
policies:
  - name: old
    schedule: "0 3 * * *"
    mode: enforce
    when: {{inactive_for: {days}d}}
    grace: none
    delete: {{from_whatsapp: true}}
    limits: {{max_chats: {most}, max_share: 100%, canary: off}}
"""


class Crowd:
    """What several people and workers do to one policy; each method does one thing once."""

    def __init__(self, context):
        self._ticks, self._lock, self._start = count(1), threading.Lock(), context.clock()
        self.context = replace(context, clock=self.now)
        self.ledger = Ledger(self.context)

    def now(self):
        """An instant that nobody else is given."""
        with self._lock:
            return self._start + timedelta(seconds=next(self._ticks))

    def evaluate(self, rng, **plan):
        now = self.now()
        trigger = "plan" if plan else "manual"
        evaluate.run(self.context, "old", trigger=trigger, slot=now, now=now, **plan)

    def plan(self, rng):
        numbers = rng.sample(range(CHATS), 5)
        self.evaluate(rng, only=[Listed(f"chat_{number}") for number in numbers])

    def approve(self, rng):
        with self.ledger.reading() as session:
            waiting = session.scalars(
                select(policy_runs.c.id).where(policy_runs.c.state == "awaiting_approval")
            ).all()
        for run_id in waiting:
            approval.approve(
                self.context, run_id, per_day=rng.choice((None, 5)), because=None, now=self.now()
            )

    def edit(self, rng):
        document = POLICY.format(days=rng.choice((30, 31, 32)), most=rng.choice((1, 4, 1000)))
        wiring.apply(self.ledger, load(document.encode(), "policies.yaml"), now=self.now())

    def hold(self, rng):
        aim = holding.aim(self.ledger, chat=f"chat_{rng.randrange(CHATS)}", on=None)
        placed = holding.place(self.ledger, aim, reason="case 7", until=None, progress=lambda *_: None)
        if rng.random() < 0.7:
            holding.release(self.ledger, [row["id"] for row in placed.holds], reason="case closed")

    def read(self, rng):
        recheck.run(self.context, 1, read_since=None, now=self.now())

    def work(self, rng):
        """Due jobs are claimed and brought to the gate; what passes is deleted, or fails."""
        with self.context.sessions.begin() as session:
            lease = {"lease": HOUR, "owner": "w", "actor": "w"}
            claimed = jobs.claim(session, 1, 4, mine=jobs.of_policies(None), now=self.now(), **lease)
        for job in claimed:
            now = self.now()
            facts = ChatFacts(job.wid, kind="chat", status="resolved", last_message_at=now - 60 * DAY)
            if isinstance(judged(self.context, job, facts, read_at=now, now=now), gate.Pass):
                with self.context.sessions.begin() as session:
                    ends = {"whatsapp_state": "confirmed", "platform_state": "removed", "intent": None}
                    event = rng.choice((JobEvent.CONFIRM_DELETED, JobEvent.CONFIRM_DELETED, JobEvent.GIVE_UP))
                    moves.move(session, job.id, event, now=now, actor="w", fence=job.fence, values=ends)


def all_at_once(*works):
    """Runs each in its own thread, begun at one moment; raises what any raises."""
    barrier = threading.Barrier(len(works))

    def begin(work):
        barrier.wait(60)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [each.result(120) for each in [pool.submit(begin, work) for work in works]]


def filled(table):
    table.number()
    for number in range(CHATS):
        table.chat(number)
    table.policy("old", limits="{max_chats: 4, max_share: 100%, canary: off}")


def test_evaluations_plans_approvals_edits_holds_and_gates_of_one_policy_at_once(table):
    filled(table)
    with table.context() as context:
        crowd, refused = Crowd(context), Counter()

        def often(name, seed):
            def work():
                rng = Random(seed)
                for _ in range(ROUNDS):
                    try:
                        getattr(crowd, name)(rng)
                    except (SafetyStopError, UsageError):
                        refused[name] += 1

            return work

        names = ("evaluate", "evaluate", "plan", "approve", "edit", "hold", "read", "work", "work")
        all_at_once(*(often(name, seed) for seed, name in enumerate(names)))
        crowd.edit(Random(0))
        for name in ("evaluate", "approve", "work"):
            often(name, 99)()

    assert set(refused) <= {"plan", "approve", "edit", "hold"}, refused
    events = table.sql(
        select(
            audit_events.c.kind, audit_events.c.chat_ref, audit_events.c.policy_version, audit_events.c.detail
        ).order_by(audit_events.c.seq)
    )
    assert not told_wrong(events)
    kinds = Counter(kind for kind, *_ in events)
    # Which approvals come in time is chance: another test holds that they can.
    assert all(kinds[kind] for kind in ("policy.changed", "hold.placed", "job.intent", "job.deleted")), kinds
    slots = table.sql(select(policy_runs.c.policy_id, policy_runs.c.scheduled_for))
    assert len(slots) == len(set(slots)) == ROUNDS * 4 - refused["plan"]
    held_twice = Counter(
        table.sql(
            select(job_rows.c.chat_id).where(job_rows.c.state.in_(("queued", "leased", "sent", "deleted")))
        )
    )
    assert max(held_twice.values()) == 1


def told_wrong(events):
    """Intents of chats that were held when they passed, or that an older version judged. No two gates and holds overlap."""
    held, version, wrong = Counter(), 1, []
    for kind, ref, of_version, detail in events:
        if kind in {"hold.placed", "hold.released"}:
            held[ref] += 1 if kind == "hold.placed" else -1
        elif kind == "policy.changed":
            version = of_version
        elif kind == "job.intent" and (held[ref] or of_version != version):
            wrong.append((ref, of_version, version, json.loads(detail)))
    return wrong


def test_evaluators_in_several_processes_give_each_slot_one_run_and_each_chat_one_job(table):
    names = [f"p{number}" for number in range(6)]
    for name in names:
        table.policy(name)
    table.now += 3 * HOUR
    table.number()
    for number in range(CHATS):
        table.chat(number)
    table.tick()
    run_ids = [run_id for (run_id,) in table.sql(select(policy_runs.c.id).order_by(policy_runs.c.id))]
    assert len(run_ids) == len(names)
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    with ProcessPoolExecutor(2, mp_context=spawn, initializer=barrier_is, initargs=(barrier,)) as pool:
        orders = [pool.submit(evaluate_all, table.database_url, table.now, ids) for ids in (run_ids, run_ids)]
        reports = [each.result(120) for each in orders]
    assert sorted(run_id for report in reports for run_id in report) == run_ids
    assert table.runs() == [("04 03:00", "done", reason) for _, _, reason in table.runs()]
    chats = table.sql(select(job_rows.c.chat_id).where(job_rows.c.state == "queued"))
    assert len(chats) == len(set(chats)) == CHATS


def barrier_is(barrier):
    """Told to each process when it begins."""
    evaluate_all.barrier = barrier


def evaluate_all(database_url, now, run_ids):
    """The runs that this process evaluated."""
    table, found = Timetable(database_url, now), []
    with table.context() as context:
        evaluate_all.barrier.wait(60)
        for _ in range(3):
            found += [
                run_id for run_id in run_ids if evaluate.scheduled(context, run_id, now=now) is not None
            ]
    return found
