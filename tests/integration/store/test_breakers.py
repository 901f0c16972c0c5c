"""What stands in a device's row when calls to it fail, and what takes it away."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from chat_hygiene.store import breakers
from chat_hygiene.store.tables import audit_events, devices

NOW = datetime(2026, 5, 9, 3, 0, tzinfo=UTC)
LASTS = timedelta(seconds=30)


@pytest.fixture
def device(sessions):
    with sessions.begin() as session:
        return session.scalar(
            insert(devices).values(provider="wassenger", device="d1").returning(devices.c.id)
        )


@pytest.fixture
def call(sessions, device):
    """Calls one function of `breakers` on the device, in a transaction of its own."""

    def call(function, *args, **more):
        with sessions.begin() as session:
            return function(session, device, *args, **more)

    return call


@pytest.fixture
def row(sessions):
    """One column of the device."""

    def row(column):
        with sessions.begin() as session:
            return session.execute(select(devices.c[column])).scalar_one()

    return row


def opened(call, at=NOW):
    for _ in range(breakers.LIMIT):
        call(breakers.bad_call, now=at)


def test_the_fifth_failure_in_a_row_opens_the_breaker(call, row):
    for _ in range(4):
        call(breakers.bad_call, now=NOW)
    call(breakers.good_call, now=NOW, actor="t")
    for _ in range(4):
        call(breakers.bad_call, now=NOW)
    assert row("breaker_until") is None
    call(breakers.bad_call, now=NOW)
    assert row("breaker_until") == NOW + timedelta(seconds=30)


def test_failures_of_calls_that_were_out_when_it_opened_do_not_make_it_longer(call, row):
    opened(call)
    for seconds in range(90):
        call(breakers.bad_call, now=NOW + timedelta(seconds=seconds))
    assert row("breaker_until") == NOW + timedelta(seconds=30)


def test_nobody_probes_before_the_wait_is_over_and_then_only_one_does(call):
    assert not call(breakers.probe, now=NOW, lasts=LASTS), "a closed breaker needs no probe"
    opened(call)
    over = NOW + timedelta(seconds=30)
    assert not call(breakers.probe, now=over - timedelta(seconds=1), lasts=LASTS)
    assert [call(breakers.probe, now=over, lasts=LASTS) for _ in range(3)] == [True, False, False]
    assert call(breakers.probe, now=over + LASTS, lasts=LASTS), "the one that probed is gone"


def test_each_bad_probe_doubles_the_wait_up_to_half_an_hour(call, row):
    opened(call)
    waits, now = [], NOW
    for _ in range(8):
        now = row("breaker_until")
        assert call(breakers.probe, now=now, lasts=LASTS)
        call(breakers.bad_call, now=now, probe=True)
        waits.append(int((row("breaker_until") - now).total_seconds()))
    assert waits == [60, 120, 240, 480, 960, 1800, 1800, 1800]
    call(breakers.good_call, now=now, actor="t")
    assert (row("breaker_until"), row("breaker_failures")) == (None, 0)


@pytest.mark.parametrize(
    ("reason", "of_chats", "left"),
    [
        ("key", True, None),
        ("plan", True, None),
        ("gone", True, None),
        ("key", False, "key"),
        ("plan", False, "plan"),
        ("gone", False, None),
    ],
)
def test_only_an_answer_that_disproves_a_block_lifts_it(call, row, sessions, reason, of_chats, left):
    call(breakers.block, reason, now=NOW, actor="t")
    for _ in range(2):
        call(breakers.good_call, now=NOW, actor="t", of_chats=of_chats)
    assert row("blocked_reason") == left
    with sessions.begin() as session:
        kinds = session.execute(select(audit_events.c.kind).order_by(audit_events.c.seq)).scalars().all()
    assert kinds == ["device.blocked"] + ["device.unblocked"] * (left is None)


def test_a_later_pause_wins_and_an_earlier_one_changes_nothing(call, row):
    call(breakers.pause, NOW + timedelta(seconds=60))
    call(breakers.pause, NOW + timedelta(seconds=10))
    assert row("paused_until") == NOW + timedelta(seconds=60)
