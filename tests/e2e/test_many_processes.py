"""Two workers of each kind, two beats and a web process on PostgreSQL and Redis: together they do each thing once."""

import os
import signal
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support import inbox
from support.brokers import Broker
from support.command import apply, verified
from support.processes import CELERY, ON_POSTGRESQL, Deployment, deployed, until

DEVICES, STAYING = 20, 50
GOING = 100 if os.environ.get("CHAOS") == "full" else 15
"""Chats of each device. 2,000 in all take minutes of both cores of a small machine."""
POLICIES = inbox.POLICIES.replace("max_chats: 1000", "max_chats: 1000000").replace("0 3 * * *", "0 3 29 2 *")
"""No slot comes due but those that the test makes, whatever the time of day."""


@pytest.fixture
def deployment(database_url, engine, redis: Broker, tmp_path):
    with deployed(database_url, engine, redis, tmp_path) as deployment:
        yield deployment


class Slots:
    """The slots that a test makes come due, oldest first."""

    def __init__(self, deployment: Deployment) -> None:
        self._sql, self._minutes = deployment.sql, 60
        self.made: list[tuple] = []

    def come_due(self) -> None:
        self._minutes -= 5
        self.made += self._sql(
            f"update policies set next_run_at = now() - interval '{self._minutes} minutes'"
            " where action = 'delete' returning next_run_at"
        )

    def claimed(self) -> bool:
        return not self._sql("select 1 from policies where next_run_at <= now()")


def measured(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """What `/metrics` says: by name and by label values, in the order of the labels' names."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


@ON_POSTGRESQL
def test_many_processes_do_each_thing_once(deployment):
    world, sql = deployment.world, deployment.sql
    inbox.fill_evenly(world, devices=DEVICES, going=GOING, staying=STAYING, seed=61)
    doomed = inbox.doomed(world)
    assert len(doomed) == DEVICES * GOING
    apply(deployment.env, POLICIES)
    both = world.hold(after=0)
    slots = Slots(deployment)
    slots.come_due()
    deleters = [deployment.start(*CELERY, "worker", "-Q", "delete") for _ in range(2)]
    others = [
        deployment.start(*CELERY, "worker", "-Q", "sync,evaluate,maintenance", "-c", "2") for _ in range(2)
    ]
    processes = [*deleters, *others, deployment.beat(), deployment.beat()]
    web, client = deployment.web()

    def deleted() -> int:
        return deployment.states().get("deleted", 0)

    # One claims most of the jobs at once, and would have the rest as well before a slower one comes.
    owners = "select count(distinct lease_owner) from jobs"
    until(lambda: sql(owners) == [(2,)], "both deleters have claimed", *processes)
    both.set()
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        until(lambda share=share: deleted() >= share * len(doomed), "deleting goes on", *processes)
        until(slots.claimed, "the slot is claimed", *processes)
        slots.come_due()
    until(slots.claimed, "the slot is claimed", *processes)
    until(lambda: deleted() == len(doomed), "all that has to go is gone", *processes)
    open_runs = "select count(*) from policy_runs where state in ('syncing', 'evaluating')"
    until(lambda: sql(open_runs) == [(0,)], "every run has ended", *processes)
    parts = {"tick", "sync", "evaluate", "delete", "maintenance"}
    until(lambda: parts <= deployment.beats(), "every part gives a sign of life", *processes)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["ok"]) == (200, True), ready.text

    for process in processes:
        process.tell(signal.SIGTERM)
    for process in processes:
        assert process.ended() == 0, process.said()

    # What went out: one DELETE for each chat that had to go, and none for another.
    assert Counter((call.device, call.wid) for call in world.deletes()) == dict.fromkeys(doomed, 1)

    # What is written: one job for each of them, with one outcome.
    assert deployment.states() == {"deleted": len(doomed)}
    assert sql("select count(distinct chat_ref) from jobs") == [(len(doomed),)]
    outcomes = sql("select kind, job_id from audit_events where kind in ('job.deleted', 'job.already_gone', 'job.removed_locally', 'job.failed')")  # fmt: skip
    assert Counter(outcomes) == {("job.deleted", job): 1 for (job,) in sql("select id from jobs")}

    # Each slot has one run, and the one that queued a chat is the only one that did.
    runs = sql("select scheduled_for from policy_runs order by scheduled_for")
    assert runs == slots.made, "a slot has no run, two, or one that nobody made come due"
    assert sql("select sum(queued) from policy_runs") == [(len(doomed),)]
    told = sql("select kind, run_id from audit_events where kind in ('run.started', 'run.finished', 'run.superseded')")  # fmt: skip
    assert set(Counter(told).values()) == {1}, "a run began or ended twice"

    assert sql("select count(*) from jobs where lease_owner is not null or intent is not null") == [(0,)]
    assert sql("select count(*) from devices where sync_owner is not null") == [(0,)]
    assert verified(deployment.env)

    # The work was shared, and no process met what it had to call an error.
    shares = [len([event for event in each.events() if event["event"] == "job deleted"]) for each in deleters]  # fmt: skip
    assert sum(shares) == len(doomed)
    assert all(shares), f"one process did it all: {shares}"
    errors = [event for process in processes for event in process.events() if event["level"] == "error"]  # fmt: skip
    assert not errors

    # What the web process says is what SQL says.
    found = measured(client.get("/metrics").text)
    states = {(state,): count for state, count in deployment.states().items()}
    assert {label: count for label, count in found["chat_hygiene_jobs"].items() if count} == states
    total = {label: count for label, count in found["chat_hygiene_deletions_total"].items() if count}
    assert total == {("deleted", "resolved-30d"): len(doomed)}
    ended = dict(sql("select state, count(*) from policy_runs group by state"))
    counted = found["chat_hygiene_runs_total"] | found["chat_hygiene_runs_open"]
    assert {state: count for (_, state), count in counted.items() if count} == ended
    assert not any(found["chat_hygiene_debt_chats"].values())
    assert not any(found["chat_hygiene_overdue_chats"].values())
    assert len(found["chat_hygiene_sync_age_seconds"]) == DEVICES
    web.tell(signal.SIGTERM)
    assert web.ended() == 0, web.said()
