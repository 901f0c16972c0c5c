"""What can go wrong with the fake's calls, by script: which calls (`On`), and what happens to them (`Fault`).

Several faults may meet in one call: all their happenings take place, pauses add up, and the first scripted answer wins.
Trouble that belongs to the world itself (a number offline, a chat that WhatsApp refuses) is a method of `World`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from chat_hygiene.providers.fake.messages import Answer, Call, json_answer


@dataclass(frozen=True, slots=True)
class On:
    """Which calls: of those that fit, the `nth` (from 1) and the ones after it, `times` in all (None: for ever)."""

    method: str | None = None
    route: str | None = None
    device: str | None = None
    wid: str | None = None
    nth: int = 1
    times: int | None = 1

    def fits(self, call: Call) -> bool:
        """Whether the call is one of those that are counted."""
        wanted = (
            (self.method, call.method),
            (self.route, call.route),
            (self.device, call.device),
            (self.wid, call.wid),
        )
        return all(want is None or want == got for want, got in wanted)

    def strikes(self, count: int) -> bool:
        """Whether the `count`-th call that fits is struck."""
        return self.nth <= count and (self.times is None or count < self.nth + self.times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a call that is struck."""

    on: On
    happens: Callable[[], object] | None = None
    """Done to the world first, before the call is even authorized."""
    acts: bool = True
    """Whether the call is carried out."""
    answer: Answer | None = None
    """Given instead of the true answer."""
    pause: float = 0
    """Seconds between acting and answering."""
    drip: float = 0
    """Seconds between two bytes of the body."""
    cut: bool = False
    """The connection ends in the middle of the body."""
    reset: bool = False
    """The connection is reset instead of an answer."""
    skew: timedelta = timedelta(0)
    """How far the answer's `Date` is ahead."""


ALWAYS = On(times=None)


def status(
    code: int, body: bytes = b"", headers: Mapping[str, str] | None = None, *, on: On = ALWAYS
) -> Fault:
    """Answers with this status and does nothing."""
    return Fault(on=on, acts=False, answer=Answer(code, body, headers or {}))


def rate_limited(retry_after: str | None = None, *, on: On = ALWAYS) -> Fault:
    """429, with `Retry-After` as it is given here, or without."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    answer = json_answer(429, {"status": 429, "message": "Too many requests"}, headers)
    return Fault(on=on, acts=False, answer=answer)


def delay(seconds: float, *, on: On = ALWAYS) -> Fault:
    """Acts at once, answers late."""
    return Fault(on=on, pause=seconds)


def slow_drip(seconds: float, *, on: On = ALWAYS) -> Fault:
    """One byte of the body at a time."""
    return Fault(on=on, drip=seconds)


def cut(*, on: On = ALWAYS) -> Fault:
    """Acts, then breaks off in the middle of the body."""
    return Fault(on=on, cut=True)


def reset(*, on: On = ALWAYS) -> Fault:
    """Does nothing and resets the connection before any answer."""
    return Fault(on=on, acts=False, reset=True)


def acts_and_hangs_up(*, on: On = ALWAYS) -> Fault:
    """Acts, then resets the connection before any answer."""
    return Fault(on=on, reset=True)


def malformed(*, on: On = ALWAYS) -> Fault:
    """200 with half a JSON document."""
    return status(200, b'[{"id": "', {"content-type": "application/json"}, on=on)


def huge(size: int, *, on: On = ALWAYS) -> Fault:
    """200 with valid JSON of `size` bytes."""
    return status(200, b"[]".ljust(size), {"content-type": "application/json"}, on=on)


def ignored(*, on: On = ALWAYS) -> Fault:
    """200, and nothing is done: a deleted chat is still listed."""
    return Fault(on=on, acts=False, answer=json_answer(200, {}))


def before(happening: Callable[[], object], *, on: On) -> Fault:
    """Something happens to the world right before the call is looked at.

    A message that arrives before the fresh read, a list that shifts between two pages, a token revoked after n calls.
    """
    return Fault(on=on, happens=happening)


def skewed(by: timedelta, *, on: On = ALWAYS) -> Fault:
    """The answer's `Date` is ahead by this much."""
    return Fault(on=on, skew=by)
