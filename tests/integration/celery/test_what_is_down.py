"""A database or a service that cannot be reached: a task says so in one line and ends; the next one tries again."""

import json
import socket

import pytest
from celery.utils.log import get_multiprocessing_logger

from chat_hygiene import celery_app, lifecycle, tasks
from chat_hygiene.settings import load_settings
from chat_hygiene.wiring.serving import Service
from chat_hygiene.wiring.telling import configure_logs
from support.command import QUICK

KEYS = {name.removeprefix("CHAT_HYGIENE_").lower(): value for name, value in QUICK.items() if "KEY" in name}


@pytest.fixture
def nowhere():
    """An address where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def serve(monkeypatch):
    services = []

    def serve(**settings) -> None:
        found = load_settings(api_token="token-of-the-tests", **KEYS, **settings)
        configure_logs(found, level=20)
        services.append(Service(found, stop=lambda: False))
        monkeypatch.setattr(celery_app.app, "service", services[-1])

    yield serve
    for service in services:
        service.close()


@pytest.mark.parametrize(
    "task", ["tick", "sync", "evaluate", "drain", "reconcile", "look_at_debts", "purge", "seal"]
)
def test_no_database(task, serve, nowhere, capsys):
    serve(database_url=f"postgresql://nobody@{nowhere}/none")
    getattr(tasks, task)(*([1] if task == "evaluate" else []))
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["level"] == "warning"
    assert told["event"].startswith("not done for now: the database none at 127.0.0.1")


def test_no_api(database_url, serve, nowhere, capsys):
    serve(database_url=database_url, api_url=f"http://{nowhere}/v1")
    tasks.sync()
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["level"] == "warning"
    assert told["event"].startswith("not done for now: ")


def test_a_child_that_was_killed_is_told_in_one_line_unless_all_end(serve, capsys, monkeypatch):
    serve()
    lifecycle._log_our_way()
    told = "Process %r pid:%r exited with %r"
    get_multiprocessing_logger().error(told, "ForkPoolWorker-1", 7, "signal 9 (SIGKILL)")
    monkeypatch.setattr(lifecycle, "ending", lambda: True)
    get_multiprocessing_logger().error(told, "ForkPoolWorker-2", 8, "signal 15 (SIGTERM)")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "Process 'ForkPoolWorker-1' pid:7 exited with 'signal 9 (SIGKILL)'"
