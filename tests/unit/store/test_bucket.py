"""The arithmetic of the request budget: whatever is asked and whenever, the grants stay within the permitted rate."""

from hypothesis import given
from hypothesis import strategies as st

from chat_hygiene.store.budgets import burst, grant, refilled

rates = st.integers(1, 6000)
asks = st.lists(st.tuples(st.floats(0, 120), st.integers(0, 50)), min_size=1, max_size=60)


@given(rates, asks)
def test_grants_over_any_span_stay_within_burst_and_rate(per_minute, asked):
    tokens, seconds, clock, grants = 0.0, None, 0.0, []
    for pause, wanted in asked:
        clock += pause
        granted, left = grant(tokens, seconds if seconds is None else pause, wanted, per_minute)
        assert 0 <= granted <= wanted
        tokens, seconds = left, 0.0
        grants.append((clock, granted))
    for first, (start, _) in enumerate(grants):
        total = 0
        for end, granted in grants[first:]:
            total += granted
            assert total <= burst(per_minute) + per_minute / 60 * (end - start) + 1e-6


@given(rates)
def test_a_device_that_was_never_asked_starts_full_with_one_job_at_least(per_minute):
    granted, left = grant(0.0, None, 10**6, per_minute)
    assert granted >= 3
    assert 0 <= left < 1


@given(rates, st.floats(-1e6, 0))
def test_a_clock_that_goes_back_fills_nothing(per_minute, seconds):
    assert refilled(1.0, seconds, per_minute) == 1.0
