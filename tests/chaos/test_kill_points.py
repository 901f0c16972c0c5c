"""SIGKILL of the real command at every named point, then `run` again: the job is finished, once.

The points between claim and commit are met by `test_storms` too, in many worlds.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text

from chaos.conftest import picked
from chaos.killer import BETWEEN_CLAIM_AND_COMMIT, POINTS
from support import inbox
from support.command import apply, environment, run, verified
from support.outside import Outside, serving

KILLER = Path(__file__).with_name("killer.py")


@pytest.mark.parametrize(
    "point", picked(POINTS, [each for each in POINTS if each not in BETWEEN_CLAIM_AND_COMMIT])
)
def test_a_run_killed_there_is_finished_by_the_next(point, database_url, engine, tmp_path):
    world = Outside()
    inbox.fill(world, 60, seed=31)
    doomed = inbox.doomed(world)
    assert len(doomed) >= 3
    with serving(world):
        env = environment(database_url, world.url)
        apply(env, inbox.POLICIES)
        # These come once: what is due on all numbers is claimed in one transaction.
        once = ("evaluat", "seal", "queued", "claimed")
        nth = "1" if any(each in point for each in once) else "2"
        killed = subprocess.run(
            [sys.executable, str(KILLER), point, nth, "run", "--yes"],
            env={
                **env,
                "PYTHONPATH": os.pathsep.join([str(KILLER.parent.parent), env.get("PYTHONPATH", "")]),
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, (
            f"the point was not reached: {killed.stdout}{killed.stderr}"
        )

        last = run(["run", "--yes"], env, tmp_path)
        assert last.returncode == 0, last.stdout + last.stderr
        sent = Counter((call.device, call.wid) for call in world.deletes())
        assert sent == dict.fromkeys(doomed, 1)
        with engine.connect() as connection:
            states = connection.execute(text("select state, count(*) from jobs group by 1")).all()
        assert [tuple(row) for row in states] == [("deleted", len(doomed))]
        assert verified(env)
