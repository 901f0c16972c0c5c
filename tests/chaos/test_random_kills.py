"""SIGKILL at random moments of `run`, then `run` again: nothing lost, nothing twice, nothing wrong."""

import random
import time
from collections import Counter

from sqlalchemy import text

from support import inbox
from support.command import apply, environment, run, start, verified
from support.outside import Outside, serving

KILLS = 12


def test_a_call_that_is_still_at_work_when_its_process_dies_is_not_made_again(database_url, engine, tmp_path):
    world = Outside(slow_delete=1.5)
    inbox.fill(world, 60, seed=31)
    doomed = inbox.doomed(world)
    with serving(world):
        env = environment(database_url, world.url)
        apply(env, inbox.POLICIES)
        process = start(["run", "--yes"], env, tmp_path)
        while not world.deletes() and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.communicate()
        assert world.deletes(), "the test proves nothing"
        last = run(["run", "--yes"], env, tmp_path)
        assert last.returncode == 0, last.stdout + last.stderr
        sent = Counter((call.device, call.wid) for call in world.deletes())
        assert sent == dict.fromkeys(doomed, 1)


def test_a_run_killed_a_dozen_times_still_deletes_exactly_once(database_url, engine, tmp_path):
    world = Outside(delay=0.05)
    inbox.fill(world, 240, seed=23)
    doomed = inbox.doomed(world)
    rng = random.Random(5)
    with serving(world):
        env = environment(database_url, world.url)
        apply(env, inbox.POLICIES)
        hits = 0
        for _ in range(KILLS):
            before = len(world.calls)
            process = start(["run", "--yes"], env, tmp_path)
            # Killed by work done, not by the clock: somewhere between the first request and some hundred.
            goal = before + rng.randint(4, 60)
            while len(world.calls) < goal and process.poll() is None:
                time.sleep(0.002)
            process.kill()
            process.communicate()
            with engine.connect() as connection:
                hits += connection.execute(
                    text("select count(*) from jobs where state in ('leased', 'sent')")
                ).scalar_one()
        last = run(["run", "--yes"], env, tmp_path)
        assert last.returncode == 0, last.stdout + last.stderr

        sent = Counter((call.device, call.wid) for call in world.deletes())
        assert set(sent) == doomed
        assert set(sent.values()) == {1}, "a chat was deleted twice"
        assert hits, "no kill met a live lease: the test proves nothing"
        with engine.connect() as connection:
            states = connection.execute(text("select state, count(*) from jobs group by 1")).all()
        assert [tuple(row) for row in states] == [("deleted", len(doomed))]
        assert verified(env)
