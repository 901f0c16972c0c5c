"""What answers and reads mean: each case of the protocol, and the laws over all of them."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_hygiene.core.decisions import (
    Answer,
    Intent,
    Past,
    Rules,
    Sight,
    backoff,
    decide,
    outcome,
    sight,
    unreadable,
)
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.core.states import JobEvent

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RULES = Rules(5, timedelta(hours=48), timedelta(seconds=30), timedelta(seconds=600))
GONE, LISTED = Sight(True, None), Sight(False, False)

sights = st.builds(Sight, st.booleans(), st.sampled_from([None, True, False]))
pasts = st.builds(
    Past,
    attempts=st.integers(1, 12),
    refused_at=st.sampled_from([None, NOW - timedelta(hours=1), NOW - timedelta(seconds=5)]),
    failing_since=st.sampled_from([NOW - timedelta(minutes=1), NOW - timedelta(days=3)]),
    may_force=st.booleans(),
    earlier=st.none() | st.sampled_from(Intent),
    device_online=st.booleans(),
)
intents, answers = st.sampled_from(Intent), st.sampled_from(Answer)


def past(**more):
    given = {
        "attempts": 1,
        "refused_at": None,
        "failing_since": NOW,
        "may_force": True,
        "device_online": True,
        "earlier": None,
    }
    return Past(**{**given, **more})


def decided(intent, answer, seen, before):
    return decide(intent, answer, seen, before, rules=RULES, now=NOW, rng=random.Random(1))


@pytest.mark.parametrize(
    ("intent", "answer", "seen", "event", "whatsapp", "platform"),
    [
        (Intent.WHATSAPP, Answer.ACCEPTED, GONE, JobEvent.CONFIRM_DELETED, "reported", "removed"),
        (
            Intent.WHATSAPP,
            Answer.ACCEPTED,
            Sight(True, True),
            JobEvent.CONFIRM_DELETED,
            "confirmed",
            "removed",
        ),
        (Intent.WHATSAPP, Answer.ACCEPTED, Sight(True, False), JobEvent.CONFIRM_LOCAL, "present", "removed"),
        (Intent.WHATSAPP, Answer.LOST, GONE, JobEvent.CONFIRM_DELETED, "reported", "removed"),
        (Intent.WHATSAPP, Answer.GONE, GONE, JobEvent.CONFIRM_GONE, "unknown", "removed"),
        (Intent.WHATSAPP, Answer.REFUSED, GONE, JobEvent.CONFIRM_GONE, "unknown", "removed"),
        (Intent.PLATFORM, Answer.ACCEPTED, GONE, JobEvent.CONFIRM_DELETED, "not_asked", "removed"),
        (Intent.FORCE, Answer.ACCEPTED, GONE, JobEvent.CONFIRM_LOCAL, "unknown", "forced"),
        (Intent.FORCE, Answer.LOST, GONE, JobEvent.CONFIRM_LOCAL, "unknown", "forced"),
        (Intent.FORCE, Answer.ACCEPTED, Sight(True, False), JobEvent.CONFIRM_LOCAL, "present", "forced"),
        (Intent.FORCE, Answer.ACCEPTED, Sight(True, True), JobEvent.CONFIRM_DELETED, "confirmed", "removed"),
    ],
)
def test_a_removal_that_a_read_shows(intent, answer, seen, event, whatsapp, platform):
    found = outcome(intent, answer, seen)
    assert (found.event, found.whatsapp_state, found.platform_state) == (event, whatsapp, platform)


def test_a_first_refusal_waits_to_be_confirmed():
    found = decided(Intent.WHATSAPP, Answer.REFUSED, LISTED, past())
    assert found.event is JobEvent.RETRY
    assert found.next_attempt_at == NOW + RULES.refusal_confirm
    assert found.refused_at == NOW
    assert not found.force_next


def test_a_confirmed_refusal_on_an_online_device_is_forced_next():
    before = past(attempts=2, refused_at=NOW - RULES.refusal_confirm)
    assert decided(Intent.WHATSAPP, Answer.REFUSED, LISTED, before).force_next


def test_a_confirmed_refusal_without_leave_to_force_fails():
    before = past(attempts=2, refused_at=NOW - RULES.refusal_confirm, may_force=False)
    assert decided(Intent.WHATSAPP, Answer.REFUSED, LISTED, before).event is JobEvent.GIVE_UP


@given(intents, answers, st.none() | sights, pasts)
def test_force_is_never_chosen_without_leave_a_control_read_and_a_reason(intent, answer, seen, before):
    if decided(intent, answer, seen, before).force_next:
        assert before.may_force
        assert before.device_online
        assert intent is Intent.WHATSAPP
        assert seen is not None
        assert not seen.platform_removed, "an outcome that was not read back must not be forced over"
        old_refusal = before.refused_at is not None and NOW - before.refused_at >= RULES.refusal_confirm
        exhausted = before.attempts >= RULES.max_attempts or NOW - before.failing_since > RULES.deadline
        assert (answer is Answer.REFUSED and old_refusal) or exhausted


@given(intents, answers, st.none() | sights, pasts)
def test_deleted_needs_the_whatsapp_side_and_local_removal_is_debt(intent, answer, seen, before):
    found = decided(intent, answer, seen, before)
    if found.event is JobEvent.CONFIRM_DELETED:
        assert found.whatsapp_state in {"not_asked", "confirmed", "reported"}
        doer = before.earlier if before.earlier and not answer.may_have_acted else intent
        assert (found.whatsapp_state == "not_asked") == (doer is Intent.PLATFORM)
        assert found.debt_reason is None
    if found.event is JobEvent.CONFIRM_LOCAL:
        assert found.debt_reason is not None
    if seen is None:
        assert found.event is JobEvent.RETRY, "nothing was read: nothing may be concluded"


@given(intents, st.sampled_from([Answer.GONE, Answer.REFUSED, Answer.CONFLICT]), sights, pasts)
def test_a_call_that_did_not_act_is_never_credited_with_a_removal(intent, answer, seen, before):
    found = decided(intent, answer, seen, replace(before, earlier=None))
    assert found.event not in {JobEvent.CONFIRM_DELETED, JobEvent.CONFIRM_LOCAL}


@pytest.mark.parametrize(
    ("earlier", "event"),
    [(Intent.WHATSAPP, JobEvent.CONFIRM_DELETED), (Intent.FORCE, JobEvent.CONFIRM_LOCAL)],
)
def test_a_removal_after_an_earlier_call_that_may_have_acted_is_that_calls_doing(earlier, event):
    assert decided(earlier, Answer.GONE, GONE, past(earlier=earlier)).event is event


def test_a_chat_that_cannot_be_read_fails_in_the_end_and_is_never_forced():
    rng = random.Random(1)
    for attempts, event in ((1, JobEvent.RETRY), (5, JobEvent.GIVE_UP)):
        found = unreadable(past(attempts=attempts), rules=RULES, now=NOW, rng=rng)
        assert (found.event, found.force_next) == (event, False)


@given(st.integers(1, 40), st.randoms(use_true_random=False))
def test_backoff_stays_between_nothing_and_an_hour(attempts, rng):
    assert timedelta(0) <= backoff(attempts, timedelta(seconds=30), rng) <= timedelta(hours=1)


def test_only_the_status_says_that_the_platform_removed_it():
    assert sight(ChatFacts("w", status="removed")).platform_removed
    assert not sight(ChatFacts("w", status="active", whatsapp_status="removed")).platform_removed
    assert sight(ChatFacts("w", whatsapp_status="removed")).whatsapp_removed is True
    assert sight(ChatFacts("w")).whatsapp_removed is None
