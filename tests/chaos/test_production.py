"""Celery's own processes on real servers: killed, cut off from Redis, with too many beats and with none for a day."""

import signal
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from chaos.ambush import MOMENTS
from chaos.conftest import FULL, picked
from chaos.forgery import forgery
from chaos.plant import BEAT, DELETE, OTHERS, Plant, plant
from support.proxies import Proxy, Spoil, proxy

pytestmark = pytest.mark.parametrize(
    "database_url", picked(("sqlite", "postgresql"), ("postgresql",)), indirect=True
)


@pytest.fixture
def works(request, database_url, tmp_path, rng):
    """Production at work on a due policy, its first deletions done; its parameter is the seconds between two ticks."""
    tick = {"CHAT_HYGIENE_INTERNAL_TICK_SECONDS": getattr(request, "param", "1")}
    with plant(database_url, tmp_path, rng, lambda _: tick) as made:
        made.stock(40)
        made.make_due()
        made.open()
        made.deleted(5)
        yield made


def one_run_a_slot(ground: Plant) -> None:
    slots = Counter(ground.sql("select policy_id, scheduled_for from policy_runs where trigger = 'schedule'"))
    assert set(slots.values()) == {1}, f"slots that ran more than once: {slots}"


def more_work(ground: Plant, least: int = 40) -> None:
    ground.stock(least)
    ground.make_due()


def test_pool_children_and_whole_workers_are_killed(works, rng, size, judged):
    for number in range(size(3, 60)):
        if len(works.doomed()) < 25:
            more_work(works, 60)
        ambush = works.ambush(calls=rng.randint(1, 10), moment=rng.choice(MOMENTS))
        works.until(
            lambda ambush=ambush: ambush.struck.is_set() or works.next_slot(), "a worker makes a call"
        )
        works.kills += 1
        works.live += bool(works.leased(ambush.pid))
        if number % 3 == 2:
            (worker,) = works.of(*DELETE)
            worker.tell(signal.SIGKILL, group=True)
            worker.ended()
            works.worker(*DELETE)
    judged("SIGKILL of pool children and whole workers (Celery)", works, works.settle())
    one_run_a_slot(works)


LOSSES = {
    "FLUSHALL": ("1", lambda redis: redis.flushall()),
    "FLUSHALL, with the ticks of production": ("10", lambda redis: redis.flushall()),
    "killed and started again": ("1", lambda redis: redis.restart()),
    "frozen for a while": ("1", lambda redis: redis.freeze()),
}


@pytest.mark.alone
@pytest.mark.parametrize(
    ("loss", "works"),
    [(each, LOSSES[each][0]) for each in picked(LOSSES, ("FLUSHALL",))],
    indirect=["works"],
)
def test_what_redis_loses_is_found_in_sql(loss, works, judged):
    _, lose = LOSSES[loss]
    lose(works.redis)
    works.deleted(3)
    more_work(works)
    lose(works.redis)
    works.redis.thaw()
    recovery = works.settle()
    judged(f"Redis: {loss}", works, recovery)
    one_run_a_slot(works)
    assert recovery <= 30 or not FULL, f"recovery took {recovery:.0f} s"


SPOILS = {
    "latency": Spoil(latency=0.3),
    "stall": Spoil(stall=True),
    "half-open": Spoil(deaf=True),
    "resets": Spoil(reset_after=3000),
    "small pieces": Spoil(piece=7),
}


@pytest.mark.full
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoiled_line_to_redis_loses_nothing(spoil, database_url, tmp_path, rng, size, judged):
    with ExitStack() as opened:
        lines: list[Proxy] = []

        def settings(redis):
            lines.append(opened.enter_context(proxy(("127.0.0.1", redis.port))))
            return {"CHAT_HYGIENE_BROKER_URL": f"redis://127.0.0.1:{lines[0].port}/0"}

        ground = opened.enter_context(plant(database_url, tmp_path, rng, settings))
        more_work(ground)
        ground.open()
        ground.deleted(3)
        lines[0].spoil(SPOILS[spoil])
        more_work(ground, 60)
        time.sleep(size(3, 12))  # several ticks are lost on the way
        lines[0].heal()
        judged(f"line to Redis: {spoil}", ground, ground.settle())
        one_run_a_slot(ground)


@pytest.mark.full
def test_two_beats_one_of_them_frozen_make_one_run_a_slot(works, judged):
    works.beat()
    more_work(works)
    works.deleted(3)
    works.of(*BEAT)[0].tell(signal.SIGSTOP)
    more_work(works)
    works.deleted(3)
    works.of(*BEAT)[0].tell(signal.SIGCONT)
    judged("two beats, one of them frozen for a while", works, works.settle())
    one_run_a_slot(works)


def test_after_26_hours_without_ticks_one_run_catches_up(database_url, tmp_path, rng, judged):
    with plant(database_url, tmp_path, rng) as ground:
        ground.stock(40)
        ground.make_due("26 hours")
        ground.sql(f"insert into switches (name, at) values ('heartbeat:tick', {ground.past('26 hours')})")
        ground.open()
        ground.deleted(1)
        # Counted before the end of the scenario, which makes further slots due while anything is left.
        ran = ground.sql("select count(*) from policy_runs where state = 'done'")
        judged("no tick for 26 hours", ground, ground.settle())
        one_run_a_slot(ground)
        assert ran == [(1,)], f"the missed slots made {ran[0][0]} runs"
        kinds = Counter(kind for (kind,) in ground.sql("select kind from audit_events"))
        assert kinds["tick.late"] == 1, f"the gap is not in the audit: {kinds}"


def test_ten_thousand_messages_that_nobody_of_ours_sent_change_nothing(works, rng, size, judged):
    more_work(works, 60)
    with works.redis.client() as client:
        for _ in range(size(10, 100)):
            # What stands there just now, our own among it, twice: only the ends, or the lists would double each time.
            ours = [each for queue in ("delete", "maintenance") for each in client.lrange(queue, -10, -1)]
            forged = [forgery(rng) for _ in range(100)] + ours * 2
            rng.shuffle(forged)
            for raw in forged:
                client.lpush(rng.choice(["delete", "sync", "evaluate", "maintenance"]), raw)
    judged("forged, doubled and malformed messages", works, works.settle())
    assert all(works.of(*words) for words in (DELETE, OTHERS)), "a message ended a worker"
    one_run_a_slot(works)
