"""Beat while somebody sets the machine's clock."""

from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from celery.beat import EmbeddedService

from chat_hygiene import celery_app
from chat_hygiene.settings import load_settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clockwork(Celery):
    """An application whose clock a test sets."""

    at = NOON

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def app():
    app = Clockwork("clockwork", set_as_current=False)
    app.config_from_object(celery_app.configuration(load_settings(broker_url="memory://", _env_file=None)))
    yield app
    app.close()


@pytest.fixture
def scheduler(app):
    """Beat's, as `up` makes it; what it sends is kept for the test."""
    scheduler = EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler).service.scheduler
    yield scheduler
    scheduler.close()


def sent(app, scheduler) -> set[str]:
    """What goes out until there is nothing more to send now."""
    before = {name: entry.total_run_count for name, entry in scheduler.schedule.items()}
    while scheduler.tick() == 0:
        pass
    return {name for name, entry in scheduler.schedule.items() if entry.total_run_count > before[name]}


@pytest.mark.parametrize("back", [timedelta(minutes=1), timedelta(hours=1), timedelta(days=400)])
def test_it_goes_on_sending(app, scheduler, back):
    everything = set(app.conf.beat_schedule)
    assert sent(app, scheduler) == everything
    assert sent(app, scheduler) == set(), "nothing is due yet"
    app.at = NOON - back
    assert sent(app, scheduler) == everything, "it waits until the clock is where it was"
    assert sent(app, scheduler) == set()
    app.at += timedelta(seconds=16)
    assert sent(app, scheduler) == {"tick"}
    app.at += timedelta(seconds=16)
    assert sent(app, scheduler) == everything - {"notify"}
    app.at += timedelta(seconds=30)
    assert sent(app, scheduler) == everything


def test_a_clock_that_was_set_forward_sends_each_once(app, scheduler):
    everything = set(app.conf.beat_schedule)
    sent(app, scheduler)
    app.at += timedelta(hours=1)
    assert sent(app, scheduler) == everything
    assert sent(app, scheduler) == set()
