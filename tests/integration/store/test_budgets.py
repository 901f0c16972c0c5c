"""The request budget is one bucket for all that share the database."""

import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update

from chat_hygiene.store import budgets
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import devices

SLOW = 1  # a minute: three at once, then a minute of nothing
QUICK = 600  # a minute: a hundred at once, then ten a second


@pytest.fixture
def device(sessions):
    with sessions.begin() as session:
        return session.scalar(
            insert(devices).values(provider="wassenger", device="d1").returning(devices.c.id)
        )


def take(sessions, device, wanted, per_minute=SLOW):
    with sessions.begin() as session:
        return budgets.take(session, device, wanted, per_minute=per_minute)


def wait_for(sessions, device, wanted):
    with reading(sessions) as session:
        tokens = budgets.available(session, [device], per_minute=SLOW)[device]
    return budgets.wait(tokens, wanted, per_minute=SLOW)


def test_a_full_bucket_gives_what_is_asked_and_no_more_than_it_holds(sessions, device):
    assert wait_for(sessions, device, 3) == 0.0
    assert [take(sessions, device, wanted) for wanted in (2, 1000, 1)] == [2, 1, 0]
    assert 0 < wait_for(sessions, device, 1) <= 60
    assert wait_for(sessions, device, 10**6) <= 180, "never longer than a full bucket needs"


def test_the_bucket_fills_with_the_databases_time(sessions, device, engine):
    past = (
        "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-61 seconds')"
        if engine.dialect.name == "sqlite"
        else "clock_timestamp() - interval '61 seconds'"
    )
    with sessions.begin() as session:
        session.execute(update(devices).values(tokens=0, tokens_at=text(past)))
    assert take(sessions, device, 1000) == 1


def test_an_empty_bucket_is_left_alone(sessions, device):
    take(sessions, device, 1000)
    with reading(sessions) as session:
        before = session.execute(select(devices.c.tokens, devices.c.tokens_at)).one()
    assert take(sessions, device, 1) == 0
    with reading(sessions) as session:
        assert session.execute(select(devices.c.tokens, devices.c.tokens_at)).one() == before


def test_whole_lots_are_given_and_what_is_given_back_can_be_taken_again(sessions, device):
    with sessions.begin() as session:
        assert budgets.take(session, device, 24, per_minute=60, lot=3) == 9, "ten tokens hold three jobs"
        budgets.give_back(session, device, 6)
    assert take(sessions, device, 100) == 3, "no more than the bucket holds at this rate"


def test_a_clock_that_was_set_back_does_not_leave_the_bucket_empty(sessions, device):
    with sessions.begin() as session:
        later = datetime.now(UTC) + timedelta(hours=1)
        session.execute(update(devices).values(tokens=0, tokens_at=later))
    assert take(sessions, device, 3, QUICK) == 0
    assert wait_for(sessions, device, 1) <= 60, "it fills from now on, not from the old time on"


def test_an_evaluation_that_inserts_jobs_of_a_device_stands_in_no_takers_way(sessions, device, engine):
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with sessions.begin() as evaluation:
        # What PostgreSQL does for a row that refers to the device.
        evaluation.execute(select(devices.c.id).with_for_update(read=True, key_share=True))
        with sessions.begin() as session:
            session.execute(text("set local lock_timeout = '2s'"))
            assert budgets.take(session, device, 3, per_minute=SLOW) == 3


TAKER = """
import sys, time
from chat_hygiene.store import budgets
from chat_hygiene.store.engine import create_engine, sessions
from chat_hygiene.store.tables import devices
from sqlalchemy import select

url, device, per_minute, ends = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), time.time() + float(sys.argv[4])
engine = create_engine(url)
make, wanted = sessions(engine), 0
while time.time() < ends:
    wanted = wanted % 30 + 1
    with make.begin() as session:
        granted = budgets.take(session, device, wanted, per_minute=per_minute)
        # The row is locked until the commit: the database's time in it is this grant's.
        at = session.execute(select(devices.c.tokens_at)).scalar_one()
    print(at.timestamp(), granted, time.time())
engine.dispose()
"""


def test_over_any_span_many_processes_get_at_most_the_burst_and_the_rate(database_url, device):
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", TAKER, database_url, str(device), str(QUICK), "3"],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(4)
        ]
        lines = [line.split() for process in processes for line in process.communicate()[0].splitlines()]
    assert [process.returncode for process in processes] == [0] * 4
    grants = sorted((float(at), int(granted), float(seen)) for at, granted, seen in lines if granted != "0")
    assert len(grants) > 4, "they took by turns"
    assert all(-0.01 < seen - at < 5 for at, _, seen in grants), "a grant's time is the time it was made"
    for first, (start, _, _) in enumerate(grants):
        total = 0
        for at, granted, _ in grants[first:]:
            total += granted
            # A float of seconds since 1970 is no finer than a microsecond.
            assert total <= budgets.burst(QUICK) + QUICK / 60 * (at - start) + 1e-4, (
                f"{total} in {at - start:.3f} s"
            )
    span = grants[-1][0] - grants[0][0]
    assert sum(granted for _, granted, _ in grants) >= 0.9 * QUICK / 60 * span, "the rate is used, too"
