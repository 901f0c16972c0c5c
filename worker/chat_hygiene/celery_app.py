"""The Celery application: `celery -A chat_hygiene.celery_app worker -Q delete`, and `… beat`.

A message only wakes somebody up; what is to do stands in SQL. So a message that is lost or comes twice is preferred to
one that blocks, waits or acts by itself, and whatever else a message could tell a worker to do is turned off.
"""

import os
import ssl
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from kombu import Exchange, Queue

from chat_hygiene import broker, lifecycle, tasks
from chat_hygiene.settings import Settings, SettingsError, load_settings
from chat_hygiene.wiring.health import QUEUES
from chat_hygiene.wiring.serving import Service

TICK = timedelta(seconds=float(os.environ.get("CHAT_HYGIENE_INTERNAL_TICK_SECONDS", "10")))
"""Between two looks at everything: two of them repair what a lost broker forgot. Another value is for tests: documents say 10."""


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings for ours, each with its reason."""
    url = settings.broker_url.get_secret_value()
    return {
        # With a host, or the library would warn that it takes the default one, in the first line of all.
        "broker_url": "memory://localhost" if urlsplit(url).scheme == "memory" else url,
        # Certificates are checked, unless the URL says otherwise: the library's default is not to.
        "broker_use_ssl": {"ssl_cert_reqs": ssl.CERT_REQUIRED} if urlsplit(url).scheme == "rediss" else False,
        # memory:// is asked so often, or every task would start up to a second late.
        "broker_transport_options": {"polling_interval": 0.05}
        if urlsplit(url).scheme == "memory"
        else {
            # What a worker that died had fetched comes back this long after it was fetched. Longer than any task may take, or
            # a long one would be started twice; and as long as a message lives (`tasks.EXPIRES`, from when it was sent), so
            # that what comes back is dropped as expired: the ticks since then have said the same.
            "visibility_timeout": 300,
            # A broker that vanished without closing its connections is noticed, by a publish and by a consumer.
            "socket_timeout": 10,
            "socket_connect_timeout": 4,
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
        # For ever, from the start on: a broker that comes back needs nobody to start the workers again.
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A server that answers with an error (loading, read-only, a key of the wrong type) is one to try again, too.
        "broker_channel_error_retry": True,
        # Late, so that a message whose pool process died is delivered again at once. Safe, because it is a wake-up; crashes
        # are counted in SQL. What a worker held that died as a whole is lost (see above), and the next tick repairs it.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # One message a process: what is fetched ahead of a long task would wait for it while others are idle.
        "worker_prefetch_multiplier": 1,
        # A task that runs on while the broker is away does its work; ending it would cut calls that are out.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # The queues there are. A name that is none of them is an error, not a new queue that nobody reads. Each has an
        # exchange of its own: one without would be bound to the default one, and get what is sent to any of them.
        "task_queues": [Queue(name, Exchange(name), name) for name in QUEUES],
        "task_routes": {f"chat_hygiene.{name}": {"queue": queue} for name, queue in tasks.ROUTES.items()},
        "task_default_queue": "maintenance",
        "task_create_missing_queues": False,
        # Plain data only, and nothing kept of what a task returns: SQL has it.
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        # One more try at once, for a connection that went stale (beat keeps one); then the next tick repairs it.
        "task_publish_retry": True,
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0},
        # Beyond every slice and every call's deadline: only a process that hangs is met. It is ended as by SIGKILL, which
        # any moment of a task has to stand anyway. A soft limit would raise in the middle of a COMMIT.
        "task_time_limit": 280,
        # Whoever can write to the broker must not command workers, and nobody needs to hear from them.
        "worker_enable_remote_control": False,
        "worker_consumer": "chat_hygiene.lifecycle:Consumer",
        "beat_enable_remote_control": False,
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        # A child that starts on a machine under load is not given up after four seconds.
        "worker_proc_alive_timeout": 30,
        "worker_redirect_stdouts": False,
        "enable_utc": True,
        "timezone": "UTC",
        # In memory: the entries are fixed and run at once at start, so there is nothing to remember.
        "beat_scheduler": "chat_hygiene.lifecycle:Scheduler",
        "beat_schedule": entries(TICK),
    }


def entries(tick: timedelta) -> dict[str, dict[str, Any]]:
    """Beat's entries: plain intervals, the same everywhere. Two beats are harmless; the tick claims by compare-and-set."""

    def every(interval: timedelta, task: str, **options: str) -> dict[str, Any]:
        return {
            "task": f"chat_hygiene.{task}",
            "schedule": interval,
            "last_run_at": lifecycle.NEVER,
            "options": {"expires": tasks.EXPIRES.total_seconds(), **options},
        }

    return {
        "tick": every(tick, "tick"),
        "reconcile": every(2 * tick, "reconcile"),
        "seal": every(2 * tick, "seal"),
        "notify": every(6 * tick, "notify"),
        **{f"heartbeat-{queue}": every(2 * tick, "heartbeat", queue=queue) for queue in QUEUES},
    }


def create() -> Celery:
    """The application for the settings of this process. Ends the process when they are invalid."""
    try:
        settings = load_settings()
    except SettingsError as error:
        lifecycle.refuse(*error.problems)
    broker.install()
    app = Celery("chat_hygiene")
    app.config_from_object(configuration(settings))
    app.service = Service(settings, stop=lifecycle.ending)
    # Also for threads that Celery did not start.
    app.set_default()
    return app


app = create()
