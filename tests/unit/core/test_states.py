"""The job's life as a machine: whatever events come in whatever order, the laws about states hold."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chat_hygiene.core.states import (
    EFFECTIVE_STATES,
    HOLDING_STATES,
    MOVES,
    OPEN_STATES,
    IllegalMoveError,
    JobEvent,
    JobState,
    transition,
)

OUTCOMES = {JobEvent.CONFIRM_DELETED, JobEvent.CONFIRM_GONE, JobEvent.CONFIRM_LOCAL}


class Life(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.state = JobState.QUEUED
        self.path = []

    @rule(event=st.sampled_from(JobEvent))
    def happens(self, event):
        before = self.state
        try:
            self.state = transition(before, event)
        except IllegalMoveError:
            assert (before, event) not in MOVES
            return
        self.path.append((before, event, self.state))

    @invariant()
    def only_an_operator_takes_a_job_out_of_a_final_state(self):
        assert all(before in OPEN_STATES or event is JobEvent.REQUEUE for before, event, _ in self.path)

    @invariant()
    def an_effect_needs_a_lease(self):
        for before, event, after in self.path:
            if after in EFFECTIVE_STATES:
                assert event in OUTCOMES
                assert before in (JobState.LEASED, JobState.SENT)

    @invariant()
    def sent_is_entered_only_by_an_intent_from_a_lease(self):
        for before, event, after in self.path:
            if after is JobState.SENT:
                assert (before, event) == (JobState.LEASED, JobEvent.INTEND)

    @invariant()
    def a_sent_job_is_never_cancelled(self):
        assert all(
            event is not JobEvent.CANCEL or before is not JobState.SENT for before, event, _ in self.path
        )


TestLife = Life.TestCase


@pytest.mark.parametrize("state", [state for state in JobState if state not in OPEN_STATES])
def test_a_final_state_takes_no_event_but_an_operators_retry_of_what_failed(state):
    retried = {JobEvent.REQUEUE} if state in (JobState.FAILED, JobState.QUARANTINED) else set()
    for event in set(JobEvent) - retried:
        with pytest.raises(IllegalMoveError):
            transition(state, event)


def test_every_state_can_be_reached_and_every_event_moves_something():
    assert set(MOVES.values()) == set(JobState)
    assert {event for _, event in MOVES} == set(JobEvent)


def test_a_cancelled_or_failed_job_frees_its_chat_life_for_another():
    assert set(JobState) - set(HOLDING_STATES) == {JobState.CANCELLED, JobState.FAILED}
