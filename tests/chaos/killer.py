"""Runs the real command with one fuse in it: `python killer.py POINT NTH ARGS…` dies by SIGKILL at a named point.

The fuse is laid around a function of the product, so the product itself knows nothing of it.
"""

import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable

from chat_hygiene.core.states import JobEvent
from chat_hygiene.pipeline import calls, evaluate, gate, removal, seal, sweep
from chat_hygiene.providers.wassenger import WassengerDeleter
from chat_hygiene.store import moves, pages, runs, seals

OUTCOMES = {JobEvent.CONFIRM_DELETED, JobEvent.CONFIRM_GONE, JobEvent.CONFIRM_LOCAL}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fuse(
    owner: object, name: str, *, before: bool = False, only: Callable[..., bool] = lambda *_, **__: True
):
    """Dies at the NTH call of `owner.name` that `only` picks: before it, or after it returned or raised."""

    def lay(nth: int) -> None:
        inner, count = getattr(owner, name), [0]

        def due(args: tuple, kwargs: dict) -> bool:
            count[0] += only(*args, **kwargs)
            return bool(only(*args, **kwargs)) and count[0] == nth

        @functools.wraps(inner)
        def call(*args, **kwargs):
            last = due(args, kwargs)
            if last and before:
                die()
            try:
                return inner(*args, **kwargs)
            finally:
                if last:
                    die()

        @functools.wraps(inner)
        async def call_async(*args, **kwargs):
            last = due(args, kwargs)
            if last and before:
                die()
            try:
                return await inner(*args, **kwargs)
            finally:
                if last:
                    die()

        setattr(owner, name, call_async if inspect.iscoroutinefunction(inner) else call)

    return lay


def moving(*events: JobEvent) -> Callable[..., bool]:
    return lambda _session, wanted, **_: any(each.event in events for each in wanted)


POINTS = {
    "a page is stored but not committed": fuse(pages, "store_page"),
    "a sweep is over but not closed": fuse(sweep.Walk, "_close", before=True),
    "jobs are queued but not committed": fuse(runs, "finish"),
    "a policy is evaluated": fuse(evaluate, "run"),
    "a job is claimed but not committed": fuse(moves, "move_all", only=moving(JobEvent.CLAIM)),
    "a job is leased": fuse(removal, "run", before=True),
    "the chat is read fresh": fuse(calls.Calls, "read"),
    "the intent is stored but not committed": fuse(moves, "move_all", only=moving(JobEvent.INTEND)),
    "the intent is committed, the call not made": fuse(gate, "run"),
    "the call is answered, nothing read back": fuse(WassengerDeleter, "delete"),
    "the outcome is known, not stored": fuse(removal, "_settle", before=True),
    "the outcome is stored but not committed": fuse(moves, "move_all", only=moving(*OUTCOMES)),
    "the outcome is committed": fuse(removal, "_settle"),
    "the drain is over, nothing sealed": fuse(seal, "run", before=True),
    "a batch is sealed but not committed": fuse(seals, "seal"),
}

BETWEEN_CLAIM_AND_COMMIT = tuple(POINTS)[
    tuple(POINTS).index("a job is leased") : tuple(POINTS).index("the outcome is committed") + 1
]

if __name__ == "__main__":
    point, nth, *args = sys.argv[1:]
    POINTS[point](int(nth))
    sys.argv = ["chat-hygiene", *args]
    from chat_hygiene.cli import main

    main()
