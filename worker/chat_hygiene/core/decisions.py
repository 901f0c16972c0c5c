"""What a read and an answer mean for a job: pure decisions, each a value with its reason inside.

A *sight* is what one read shows. An *answer* is what the DELETE call gave. `decide` joins the two with the job's past
into a `Decision`, which drain then stores. Nothing here calls, stores or reads the time.
"""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.core.states import JobEvent

BACKOFF_CAP = timedelta(hours=1)


class Intent(StrEnum):
    """The three calls that can remove a chat."""

    PLATFORM = "platform"
    WHATSAPP = "whatsapp"
    FORCE = "force"


class Answer(StrEnum):
    """What a DELETE call gave."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    GONE = "gone"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    """It may have acted: 5xx, a time-out, a reset, half an answer."""
    LOST = "lost"
    """The process that asked is gone."""

    @property
    def may_have_acted(self) -> bool:
        """Whether a later read that shows the chat removed is this call's doing."""
        return self in {Answer.ACCEPTED, Answer.UNKNOWN, Answer.LOST}


@dataclass(frozen=True, slots=True)
class Sight:
    """What one read shows: is the platform's copy gone, and what it says of WhatsApp (None: nothing)."""

    platform_removed: bool
    whatsapp_removed: bool | None


def sight(facts: ChatFacts | None) -> Sight:
    """The meaning of a read; None stands for a 404 of an existing device."""
    if facts is None:
        return Sight(platform_removed=True, whatsapp_removed=None)
    said = facts.whatsapp_status
    return Sight(
        platform_removed=facts.status == "removed",
        whatsapp_removed=None if said is None else said == "removed",
    )


@dataclass(frozen=True, slots=True)
class Past:
    """What a decision needs to know of the job."""

    attempts: int
    refused_at: datetime | None
    failing_since: datetime
    """When its first counted failure was, or later: since when the device is online. Waiting for one is not failing."""
    may_force: bool
    """The policy allows a forced local removal."""
    earlier: Intent | None
    """A call before this one that may have acted, and whose effect was not seen yet."""
    device_online: bool
    """A control read on the same device was good and WhatsApp is reachable through it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers of the protocol."""

    max_attempts: int
    deadline: timedelta
    retry_base: timedelta
    refusal_confirm: timedelta


@dataclass(frozen=True, slots=True)
class Decision:
    """How a job moves on. `error` is a class of the closed set below, or None with an outcome."""

    event: JobEvent
    whatsapp_state: str | None = None
    platform_state: str | None = None
    debt_reason: str | None = None
    error: str | None = None
    next_attempt_at: datetime | None = None
    force_next: bool = False
    refused_at: datetime | None = None


STILL_LISTED = "still_listed"
REFUSED = "refused"
CONFLICT = "conflict"
NO_ANSWER = "no_answer"
UNREADABLE = "unreadable"
LOST = "lost"
"""The process died with a call out."""
FORCED = "forced"
"""Owed, because the call that removed the chat was forced."""
ERRORS = {
    Answer.ACCEPTED: STILL_LISTED,
    Answer.REFUSED: REFUSED,
    Answer.GONE: STILL_LISTED,
    Answer.CONFLICT: CONFLICT,
}


def outcome(intent: Intent, answer: Answer, seen: Sight) -> Decision:
    """The outcome of a removal that a read shows (`seen.platform_removed`).

    A call without force removes the platform's copy only after WhatsApp did, so its removal without more is WhatsApp's
    as *reported*; unless the read says the chat is still there. A forced call proves nothing about WhatsApp.
    """
    confirmed = seen.whatsapp_removed is True
    if not answer.may_have_acted:
        state = "confirmed" if confirmed else "present" if seen.whatsapp_removed is False else "unknown"
        return Decision(JobEvent.CONFIRM_GONE, whatsapp_state=state, platform_state="removed")
    if intent is Intent.PLATFORM:
        return Decision(JobEvent.CONFIRM_DELETED, whatsapp_state="not_asked", platform_state="removed")
    if confirmed:
        return Decision(JobEvent.CONFIRM_DELETED, whatsapp_state="confirmed", platform_state="removed")
    if intent is Intent.WHATSAPP and seen.whatsapp_removed is None:
        return Decision(JobEvent.CONFIRM_DELETED, whatsapp_state="reported", platform_state="removed")
    return Decision(
        JobEvent.CONFIRM_LOCAL,
        whatsapp_state="present" if seen.whatsapp_removed is False else "unknown",
        platform_state="forced" if intent is Intent.FORCE else "removed",
        debt_reason=FORCED if intent is Intent.FORCE else "still_in_whatsapp",
    )


def removed(intent: Intent, answer: Answer, seen: Sight, *, earlier: Intent | None) -> Decision:
    """The outcome of a call after which a read shows the chat removed: its own doing, or that of an `earlier` one."""
    if earlier is not None and not answer.may_have_acted:
        return outcome(earlier, Answer.LOST, seen)
    return outcome(intent, answer, seen)


def backoff(attempts: int, base: timedelta, rng: random.Random) -> timedelta:
    """Exponential with full jitter, capped at an hour (AWS Architecture Blog, "Exponential Backoff And Jitter")."""
    longest: timedelta = base * 2 ** min(attempts, 16)
    return min(BACKOFF_CAP, longest) * rng.random()


def decide(
    intent: Intent,
    answer: Answer,
    seen: Sight | None,
    past: Past,
    *,
    rules: Rules,
    now: datetime,
    rng: random.Random,
) -> Decision:
    """What a call's answer and the read-back after it mean. `seen` None: the read-back failed, so nothing is known.

    `past.attempts` already counts this call. Force is chosen only here: after a refusal confirmed by a second one, or
    when attempts or the deadline are exhausted, and only with a good control read on an online device.
    """
    if seen is not None and seen.platform_removed:
        return removed(intent, answer, seen, earlier=past.earlier)
    retry = Decision(
        JobEvent.RETRY,
        error=ERRORS.get(answer, NO_ANSWER) if seen is not None else NO_ANSWER,
        next_attempt_at=now + backoff(past.attempts, rules.retry_base, rng),
        refused_at=past.refused_at,
    )
    if seen is None:
        return retry
    if answer is Answer.REFUSED and past.refused_at is None:
        return replace(retry, next_attempt_at=now + rules.refusal_confirm, refused_at=now)
    refused = (
        answer is Answer.REFUSED
        and past.refused_at is not None
        and now - past.refused_at >= rules.refusal_confirm
    )
    exhausted = past.attempts >= rules.max_attempts or now - past.failing_since > rules.deadline
    if not refused and not exhausted:
        return retry
    if intent is Intent.WHATSAPP and past.may_force:
        # Without a good control read the refusal may be the device's: wait, and let the next attempt tell.
        return replace(retry, force_next=True, next_attempt_at=now) if past.device_online else retry
    # A forced call has attempts of its own, as many again.
    if intent is Intent.FORCE and past.attempts < 2 * rules.max_attempts:
        return retry
    return Decision(JobEvent.GIVE_UP, error=retry.error, refused_at=past.refused_at)


def unreadable(past: Past, *, rules: Rules, now: datetime, rng: random.Random) -> Decision:
    """The service refuses to show this chat, or shows something else: a counted failure, and never a reason to force."""
    if past.attempts >= rules.max_attempts:
        return Decision(JobEvent.GIVE_UP, error=UNREADABLE, refused_at=past.refused_at)
    wait = backoff(past.attempts, rules.retry_base, rng)
    return Decision(JobEvent.RETRY, error=UNREADABLE, next_attempt_at=now + wait, refused_at=past.refused_at)
