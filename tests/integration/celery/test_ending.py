"""A worker that is told to end finishes the calls that are out, hands the rest back, and exits with 0."""

import signal
from collections import Counter

import pytest

from support import inbox
from support.command import verified
from support.processes import ON_POSTGRESQL, until


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("sent", "group"),
    [
        pytest.param(signal.SIGTERM, False, id="as docker stop does"),
        pytest.param(signal.SIGTERM, True, id="as systemd does"),
        pytest.param(signal.SIGINT, True, id="as Ctrl-C does"),
    ],
)
def test_no_call_is_lost_and_no_lease_is_left(deployment, sent, group):
    world = deployment.world
    inbox.fill(world, 1000, seed=43)
    doomed = inbox.doomed(world)
    world.slow_delete, told = 0.5, world.hold(after=8)
    deployment.make_due()
    worker = deployment.worker()
    beat = deployment.beat()
    until(lambda: sum(call.acted for call in world.deletes()) > 3, "deleting has begun", worker, beat)
    worker.tell(sent, group=group)
    told.set()
    assert worker.ended() == 0, worker.said()

    assert len(world.deletes()) < len(doomed), "it was over before it was told: the test proves nothing"
    assert all(call.answered_at for call in world.deletes()), "a call was cut"
    states = deployment.states()
    assert states == {"deleted": len(world.deletes()), "queued": len(doomed) - len(world.deletes())}
    assert not [event for event in worker.events() if event["level"] == "error"], "it ended in disorder"

    world.slow_delete = 0
    next_one = deployment.worker()
    until(lambda: deployment.states() == {"deleted": len(doomed)}, "another worker goes on", next_one, beat)
    assert Counter((call.device, call.wid) for call in world.deletes()) == dict.fromkeys(doomed, 1)
    assert verified(deployment.env)
    beat.tell(signal.SIGTERM)
    assert beat.ended() == 0, beat.said()


@ON_POSTGRESQL
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGQUIT])
def test_an_idle_worker_ends_at_once(deployment, sent):
    worker = deployment.worker()
    worker.tell(sent, group=True)
    assert worker.ended() == 0, worker.said()
