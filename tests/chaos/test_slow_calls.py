"""A process dies with a call out, and the server is still at work on that call."""

import time
from collections import Counter

from chaos.conftest import ONE_ENGINE
from support import inbox
from support.command import apply, environment, run, start
from support.outside import Outside, serving


@ONE_ENGINE
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
