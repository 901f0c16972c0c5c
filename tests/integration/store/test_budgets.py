"""The request budget is one bucket for all that share the database."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

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
        return budgets.waits(session, [device], wanted, per_minute=SLOW)[device]


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


def test_many_at_once_never_get_more_than_the_rate_allows(sessions, device):
    stop = threading.Event()

    def work(_):
        granted = 0
        while not stop.is_set():
            granted += take(sessions, device, 7, QUICK)
        return granted

    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(work, number) for number in range(4)]
        stop.wait(1.5)
        stop.set()
        granted = sum(each.result() for each in running)
    span = time.monotonic() - began
    assert 100 <= granted <= 100 + QUICK / 60 * span + 1
