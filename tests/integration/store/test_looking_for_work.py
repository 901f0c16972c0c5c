"""Looking for work and claiming it read an index, however many jobs there are."""

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from chat_hygiene.store import jobs
from support.world import NOW

DEVICES, OLD, QUEUED = 20, 100_000, 2_000
SERIES = {
    "sqlite": "(with recursive s(n) as (select 1 union all select n + 1 from s where n < {n}) select n from s) s",
    "postgresql": "generate_series(1, {n}) as s(n)",
}
JOBS = """
insert into jobs (id, chat_id, generation, device_id, chat_ref, chat_hint, run_id, policy_id, version, reason, state,
                  queued_at, matched_at, not_before, next_attempt_at, lease_owner, lease_until)
select {first} + n, 1, {first} + n, 1 + n % {devices}, 'chat_1', '+44', 1, 1, 1, 'r', '{state}', :then, :then, :then, :then,
       {owner}, {until}
from {series}
"""
# What a plan may not say: every job is read, or every queued one.
FULL = {"sqlite": ("SCAN jobs",), "postgresql": ("Seq Scan on jobs", "Group Key")}
# These may read an index, or a plan, from end to end that holds only the rows in question.
WHOLE = {
    "whether calls are unanswered": ("ix_jobs_unanswered",),
    "when the first lease ends": ("ix_jobs_leases",),
    "which leases are over": ("ix_jobs_leases",),
    "how many are due": ("ix_jobs_due",),
    "what waits": ("ix_jobs_due", "ix_jobs_leases"),
    "when each device has work of a plan": ("run_candidates",),
}


def fill(engine, *, state, number, first, owner="null", until="null"):
    series = SERIES[engine.dialect.name].format(n=number)
    then = NOW - timedelta(days=1)
    at = then if engine.dialect.name == "postgresql" else then.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    statement = JOBS.format(
        first=first, devices=DEVICES, state=state, series=series, owner=owner, until=until
    )
    with engine.begin() as connection:
        connection.execute(text(statement), {"then": at})


@pytest.fixture
def ledger(world, engine):
    """Many jobs that ended, some that are queued all for one instant, a few in other hands; the planner knows."""
    with engine.begin() as connection:
        for number in range(3, DEVICES + 1):
            connection.execute(
                text("insert into devices (id, provider, device) values (:id, 'wassenger', :name)"),
                {"id": number, "name": f"d{number}"},
            )
    fill(engine, state="cancelled", number=OLD, first=100)
    fill(engine, state="queued", number=QUEUED, first=10**6)
    fill(engine, state="leased", number=20, first=2 * 10**6, owner="'other'", until=":then")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("analyze")
    return world


LOOKS = {
    "when each device has work": lambda s: jobs.due_by_device(s, mine=jobs.of_policies(None)),
    "when each device has work of some policies": lambda s: jobs.due_by_device(s, mine=jobs.of_policies([1])),
    "when each device has work of a plan": lambda s: jobs.due_by_device(s, mine=jobs.of_plans([1])),
    "whether calls are unanswered": lambda s: jobs.unanswered(s, mine=jobs.of_policies(None)),
    "when the first lease ends": lambda s: jobs.first_lease_end(s, others_than="me"),
    "which leases are over": lambda s: jobs.expired(s, now=NOW, everyone=False),
    "how many are due": lambda s: jobs.count_due(s, mine=jobs.of_policies(None), before=NOW),
    "what waits": lambda s: jobs.count_waiting(s, mine=jobs.of_policies(None), now=NOW),
    "a claim": lambda s: jobs.claim(
        s,
        1,
        8,
        mine=jobs.of_policies(None),
        now=NOW,
        lease=timedelta(minutes=2),
        owner="me",
        actor="t",
    ),
}


def test_no_look_for_work_reads_all_jobs(ledger, engine):
    ran = []
    event.listen(engine, "before_cursor_execute", lambda *args: ran.append((args[2], args[3])))
    for words, look in LOOKS.items():
        ran.clear()
        with ledger.begin() as session:
            look(session)
        statements = [(sql, values) for sql, values in ran if "jobs" in sql and not sql.startswith("UPDATE")]
        assert statements
        for sql, values in statements:
            for line in plan(engine, sql, values):
                reads_all = any(full in line for full in FULL[engine.dialect.name])
                small = any(index in line for index in WHOLE.get(words, ()))
                assert not reads_all or small, f"{words}: {line} in {sql}"


def plan(engine, sql, values):
    explain = "explain query plan " if engine.dialect.name == "sqlite" else "explain "
    with engine.connect() as connection:
        return [str(row[-1]) for row in connection.exec_driver_sql(explain + sql, values)]


def test_jobs_that_are_due_at_one_instant_are_claimed_without_sorting_them(ledger, engine):
    ran = []
    event.listen(engine, "before_cursor_execute", lambda *args: ran.append((args[2], args[3])))
    with ledger.begin() as session:
        LOOKS["a claim"](session)
    (claim,) = (each for each in ran if "LIMIT" in each[0])
    assert not any("sort" in line.lower() or "temp b-tree" in line.lower() for line in plan(engine, *claim))
