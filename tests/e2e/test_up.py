"""`chat-hygiene up`: one process without a server beside it does everything by itself, and may be ended at any moment."""

import re
import signal
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Engine

from support import inbox
from support.command import COMMAND, verified
from support.processes import ON_SQLITE, Deployment, Process, deployed, until


@pytest.fixture
def deployment(database_url: str, engine: Engine, tmp_path: Path):
    with deployed(database_url, engine, None, tmp_path, CHAT_HYGIENE_WEB_PORT="0") as deployment:
        yield deployment


def up(deployment: Deployment) -> Process:
    process = deployment.start(str(COMMAND), "up")
    until(lambda: "is up" in process.said(), "it starts", process)
    return process


def page(process: Process, path: str) -> int:
    (line,) = [line for line in process.said().splitlines() if "/healthz" in line]
    base = re.search(r"(http\S+)/healthz", line)[1]
    with urllib.request.urlopen(base + path, timeout=30) as answer:
        return answer.status


def test_a_policy_that_becomes_due_runs_without_any_command_also_when_stopped_in_the_middle(deployment):
    world = deployment.world
    world.slow_delete, told = 0.5, world.hold(after=8)
    inbox.fill(world, 600, seed=51)
    doomed = inbox.doomed(world)
    deployment.make_due()

    first = up(deployment)
    until(lambda: sum(call.acted for call in world.deletes()) > 3, "deleting has begun", first)
    assert first.said().startswith("✔ "), "something else is said first"
    assert page(first, "/healthz") == 200
    first.tell(signal.SIGINT)
    until(lambda: "ending" in first.said(), "it says that it ends", first)
    told.set()
    assert first.ended() == 0, first.said()
    assert len(world.deletes()) < len(doomed), "it was over before it was told: the test proves nothing"
    assert all(call.answered_at for call in world.deletes()), "a call was cut"
    assert deployment.states() == {
        "deleted": len(world.deletes()),
        "queued": len(doomed) - len(world.deletes()),
    }

    second = up(deployment)
    until(lambda: deployment.states() == {"deleted": len(doomed)}, "it finishes", second)
    parts = {"tick", "sync", "evaluate", "delete", "maintenance"}
    until(lambda: parts <= deployment.beats(), "every part gives a sign of life", second)
    assert page(second, "/readyz") == 200
    assert Counter((call.device, call.wid) for call in world.deletes()) == dict.fromkeys(doomed, 1)
    slots = deployment.sql("select count(*) from policy_runs where trigger = 'schedule' and queued > 0")
    assert slots == [(1,)], "a slot ran twice"
    second.tell(signal.SIGTERM)
    assert second.ended() == 0, second.said()
    assert verified(deployment.env)


@ON_SQLITE
def test_the_second_signal_ends_it_at_once(deployment):
    world = deployment.world
    world.slow_delete = 20
    inbox.fill(world, 60, seed=53)
    deployment.make_due()
    process = up(deployment)
    until(world.deletes, "a call is out", process)
    process.tell(signal.SIGINT)
    until(lambda: "ending" in process.said(), "it says that it ends", process)
    process.tell(signal.SIGINT)
    assert process.ended() == -signal.SIGINT
    assert not any(call.answered_at for call in world.deletes()), "it waited for the call"
