"""When an incident begins, is told, and is over."""

from datetime import UTC, datetime, timedelta

import pytest

from chat_hygiene.core.incidents import MAX_WAIT, Incident, Kind, Step, next_try, step

NOW = datetime(2026, 5, 9, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def incident(kind=Kind.FAILURES, *, opened=0, told=None, closed=None, tries=0, next_in=None) -> Incident:
    """Minutes ago, each; `next_in` minutes from now."""

    def ago(minutes):
        return None if minutes is None else NOW - minutes * MINUTE

    at = None if next_in is None else NOW + next_in * MINUTE
    return Incident(f"{kind}:1", kind, NOW - opened * MINUTE, ago(told), ago(closed), tries, at, {})


@pytest.mark.parametrize(
    ("what", "wrong", "becomes"),
    [
        (incident(), True, Step.TELL),
        (incident(told=0), True, Step.STAY),
        (incident(), False, Step.FORGET),
        (incident(tries=1, next_in=1), True, Step.STAY),
        (incident(tries=1, next_in=0), True, Step.TELL),
        # somebody may be telling it just now
        (incident(tries=1, next_in=1), False, Step.CLOSE),
        (incident(told=9), False, Step.CLOSE),
        # what comes and goes is one incident
        (incident(told=9, closed=14), True, Step.REOPEN),
        (incident(told=9, closed=14), False, Step.STAY),
        (incident(told=9, closed=15), False, Step.TELL),
        (incident(told=9, closed=15, tries=1, next_in=1), False, Step.STAY),
        # its end is owed before it begins again
        (incident(told=9, closed=15), True, Step.TELL),
        (incident(closed=15, tries=1), False, Step.FORGET),
        # a run that was decided never comes back
        (incident(Kind.APPROVAL, told=9, closed=0), False, Step.TELL),
        # patience
        (incident(Kind.STOPPED, opened=24 * 60 - 1), True, Step.STAY),
        (incident(Kind.STOPPED, opened=24 * 60), True, Step.TELL),
        (incident(Kind.STOPPED, opened=24 * 60 - 1), False, Step.FORGET),
        # put off by a clock that ran ahead
        (incident(next_in=61), True, Step.TELL),
    ],
)
def test_what_becomes_of_an_incident_at_a_look(what, wrong, becomes):
    assert step(what, wrong=wrong, now=NOW) is becomes


def test_tries_are_spaced_ever_wider_up_to_an_hour():
    waits = [(next_try(tries, now=NOW) - NOW) // MINUTE for tries in range(8)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert next_try(10_000, now=NOW) - NOW == MAX_WAIT
