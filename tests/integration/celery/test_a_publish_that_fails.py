"""A wake-up that cannot be sent holds nobody up, and the next tick sends it."""

import json
import socket
import subprocess
import sys

import pytest

from support import inbox
from support.processes import ON_POSTGRESQL, until


@pytest.fixture
def nobody():
    """The URL of a broker that never answers: connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{taken.getsockname()[1]}/0"


SEND = """
import logging
from chat_hygiene import celery_app, lifecycle, tasks
lifecycle._log_our_way()
tasks.wake(tasks.drain.s(), tasks.sync.s(1), tasks.tick.s())
print("went on")
"""


@ON_POSTGRESQL
def test_a_task_is_not_held_up_by_a_broker_that_is_gone(deployment, nobody, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SEND],
        env=deployment.env | {"CHAT_HYGIENE_BROKER_URL": nobody},
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout == "went on\n", done.stderr
    (told,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert told["event"] == "nobody could be woken up; the next tick does it"
    assert told["level"] == "warning"


@ON_POSTGRESQL
def test_everything_that_was_sent_and_lost_is_sent_again(deployment):
    inbox.fill(deployment.world, 60, seed=47)
    doomed = len(inbox.doomed(deployment.world))
    deployment.make_due()
    worker, beat = deployment.worker(), deployment.beat()
    for seen in range(5):
        with deployment.redis.client() as client:
            until(client.dbsize, f"something is sent, time {seen}", worker, beat)
            client.flushdb()
    until(
        lambda: deployment.states() == {"deleted": doomed},
        "only SQL remembered, and the work is done",
        worker,
        beat,
    )
