"""What the Celery application is set up to do, and to refuse."""

import os
import subprocess
from datetime import timedelta

import pytest
from kombu import Connection

from chat_hygiene import broker, celery_app, tasks
from chat_hygiene.settings import load_settings
from support.command import QUICK
from support.processes import CELERY

REDIS = "redis://127.0.0.1:6379/0"


def configured(url: str = REDIS) -> dict:
    return celery_app.configuration(load_settings(broker_url=url))


def test_a_message_is_only_a_wake_up():
    found = configured()
    assert found["task_acks_late"] is True
    assert found["task_reject_on_worker_lost"] is True
    assert found["worker_prefetch_multiplier"] == 1
    assert found["broker_transport_options"]["visibility_timeout"] == 300
    assert found["task_time_limit"] < 300
    expires = timedelta(seconds=found["broker_transport_options"]["visibility_timeout"])
    assert expires >= tasks.EXPIRES, (
        "what a dead worker held comes back while the ticks have long repaired it"
    )
    assert "task_soft_time_limit" not in found
    assert (found["accept_content"], found["task_serializer"]) == (["json"], "json")
    assert found["result_backend"] is None
    assert found["worker_enable_remote_control"] is False
    assert found["beat_enable_remote_control"] is False
    assert found["task_create_missing_queues"] is False


def test_a_queue_gets_what_is_sent_to_it_alone():
    names = ["sync", "evaluate", "delete", "maintenance"]
    queues = celery_app.app.amqp.queues
    assert [(queue.name, queue.exchange.name, queue.routing_key) for queue in queues.values()] == [
        (name, name, name) for name in names
    ]


def test_a_broker_that_is_gone_is_noticed_and_waited_for():
    found = configured()
    options = found["broker_transport_options"]
    assert 0 < options["socket_timeout"] <= 30
    assert 0 < options["socket_connect_timeout"] <= 10
    assert options["socket_keepalive"] is True
    assert found["broker_connection_retry_on_startup"] is True
    assert found["broker_connection_max_retries"] is None
    assert found["broker_channel_error_retry"] is True


def test_certificates_of_a_rediss_broker_are_checked():
    found = configured("rediss://broker.example:6380/0")
    broker.install()
    connection = Connection(found["broker_url"], ssl=found["broker_use_ssl"])
    assert connection.ssl["ssl_cert_reqs"].name == "CERT_REQUIRED"
    assert connection.get_transport_cls() is broker.Transport


def test_a_broker_in_the_process_is_nothing_to_warn_of(caplog):
    Connection(configured("memory://")["broker_url"]).info()
    assert caplog.text == ""


def test_every_entry_of_beat_names_a_task_and_a_queue_and_expires():
    found = configured()
    entries = found["beat_schedule"]
    for name, entry in entries.items():
        assert entry["task"] in celery_app.app.tasks, name
        route = entry["options"].get("queue") or found["task_routes"][entry["task"]]["queue"]
        assert route in tasks.QUEUES, name
        assert isinstance(entry["schedule"], timedelta), f"{name} is no plain interval"
        assert entry["options"]["expires"] == 300, name
    assert entries["tick"]["schedule"] == timedelta(seconds=10)
    for name in ("reconcile", "seal", *(f"heartbeat-{queue}" for queue in tasks.QUEUES)):
        assert entries[name]["schedule"] == timedelta(seconds=20)
    assert entries["notify"]["schedule"] == timedelta(minutes=1)
    assert set(entries) == {
        "tick",
        "reconcile",
        "seal",
        "notify",
        *(f"heartbeat-{queue}" for queue in tasks.QUEUES),
    }


def test_every_task_has_a_queue():
    ours = {name for name in celery_app.app.tasks if name.startswith("chat_hygiene.")}
    assert ours == {f"chat_hygiene.{name}" for name in (*tasks.ROUTES, "heartbeat")}


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        (["worker"], {"BROKER_URL": "memory://"}, "run `chat-hygiene up`"),
        (["beat"], {"BROKER_URL": "memory://"}, "run `chat-hygiene up`"),
        (["worker"], {"BROKER_URL": "amqp://localhost"}, "CHAT_HYGIENE_BROKER_URL: must be"),
        (["beat"], {"PAGE_SIZE": "0", "LEASE_SECONDS": "x"}, "CHAT_HYGIENE_PAGE_SIZE"),
        (["worker"], {}, "there is no API token"),
    ],
)
def test_what_cannot_work_is_said_and_not_started(words, settings, said, tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_HYGIENE_")}
    given = {"BROKER_URL": "redis://127.0.0.1:1/0"} | settings
    env = kept | QUICK | {f"CHAT_HYGIENE_{name}": value for name, value in given.items()}
    done = subprocess.run(
        [*CELERY, *words], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
