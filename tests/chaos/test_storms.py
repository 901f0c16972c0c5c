"""SIGKILL at random moments of a call, again and again, with something else going on each time."""

import pytest

from chaos.arena import Arena
from chaos.conftest import picked
from chaos.killer import BETWEEN_CLAIM_AND_COMMIT
from chaos.zygote import Worker


def a_message(ground: Arena, victim: Worker) -> None:
    for chat in ground.leased()[:3] + ground.doomed()[:1]:
        if ground.world.chats[chat[0]][chat[1]]["status"] != "removed":
            ground.message(chat)


def a_hold(ground: Arena, victim: Worker) -> None:
    for chat in ground.leased(victim.pid)[:2] + ground.doomed()[:1]:
        ground.hold(chat)


def an_edited_policy(ground: Arena, victim: Worker) -> None:
    ground.edit(45 if len(ground.edits) % 2 else 30)


ALSO = {
    "alone": {},
    "a second worker": {"workers": 2},
    "a new message": {"also": a_message},
    "a hold": {"also": a_hold},
    "an edited policy": {"also": an_edited_policy},
}


@pytest.mark.parametrize("other", picked(ALSO, ("a second worker",)))
def test_kills_at_random_moments_lose_double_and_wrong_nothing(other, ground, size, judged):
    ground.storm(size(4, 170), **ALSO[other])
    ground.edit(30)
    judged(f"SIGKILL at a random moment of a call: {other}", ground, ground.settle())


@pytest.mark.parametrize("other", picked(ALSO, ("an edited policy",)))
def test_kills_at_each_named_point_lose_double_and_wrong_nothing(other, ground, rng, size, judged):
    points = list(BETWEEN_CLAIM_AND_COMMIT) * size(1, 3)
    also = ALSO[other].get("also")
    for point in points if size(False, True) else rng.sample(points, 3):
        ground.stock(80)
        companions = [ground.start() for _ in range(1, ALSO[other].get("workers", 1))]
        victim = ground.start(fuse=(point, rng.randint(1, 8)))
        ground.killed(victim, at=point)
        if also is not None:
            also(ground, victim)
        for worker in companions:
            assert worker.wait() == 0, worker.said()
    ground.edit(30)
    judged(f"SIGKILL at a named point: {other}", ground, ground.settle())


def test_a_frozen_worker_finds_its_job_taken_and_changes_nothing(ground, size, judged):
    """It sleeps beyond its lease; another worker reads the chat; then it wakes up with an old fence."""
    for _ in range(size(1, 10)):
        ground.oversleep()
    judged("SIGSTOP beyond the lease, then SIGCONT", ground, ground.settle())
