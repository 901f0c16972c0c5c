"""The web process as an operator starts and ends it, and the verbs that have the provider call it."""

import json
import signal
import socket
import subprocess
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from .conftest import COMMAND

HOOK_TOKEN = "hook-7Hq2mZx9-bV4nK8rT1wY6cD3fG5jL0pS"
BASE = "https://hygiene.example.org/behind"


@pytest.fixture
def hooked(anywhere):
    """The command with a fake account, a database of each engine, and a webhook token."""
    anywhere.settings |= {"webhook_token": HOOK_TOKEN, "web_port": "0"}
    return anywhere


@contextmanager
def web(command, **settings):
    """The running process and its URL; it is killed if it still runs at the end."""
    process = subprocess.Popen(
        [COMMAND, "web", "--json"], cwd=command.folder, env=command.environment(**settings),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        text = ""
        while line := process.stdout.readline():
            text += line
            if line == "}\n":
                break
        yield process, json.loads(text or "{}").get("url")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_asked_to_end_and_its_log_holds_no_token(hooked, number):
    hooked("db", "upgrade")
    with web(hooked) as (process, url), httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        right, wrong = f"/webhooks/{HOOK_TOKEN}", f"/webhooks/{HOOK_TOKEN[:-1]}"
        assert client.post(right, content=b"{}").status_code == 204
        assert client.post(right, content=b"[").status_code == 400
        assert client.get(right).status_code == 405
        assert client.post(wrong, content=b"{}").status_code == 404
        process.send_signal(number)
        shown = "".join(process.communicate(timeout=60))
        assert process.returncode == 0, shown
    assert HOOK_TOKEN[:-1] not in shown
    assert "Traceback" not in shown


def test_a_request_in_flight_is_finished_when_it_is_asked_to_end(hooked):
    hooked("db", "upgrade")
    with web(hooked) as (process, url):
        with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as connection:
            head = f"POST /webhooks/{HOOK_TOKEN} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100"), "its body is awaited"
            process.send_signal(signal.SIGTERM)
            connection.sendall(b"{}")
            assert connection.recv(100).startswith(b"HTTP/1.1 204")
        shown = process.communicate(timeout=60)
        assert process.returncode == 0, shown


def test_an_address_that_is_taken_is_6_and_one_that_others_reach_without_users_3(account):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = account("web", code=6, web_port=str(other.getsockname()[1]))
    assert "cannot listen on 127.0.0.1" in taken.stderr
    assert "WEB_USERS_FILE" in account("web", code=3, web_host="0.0.0.0", web_port="0").stderr


def test_ours_is_registered_once_listed_without_its_token_and_told_in_the_audit(hooked, world):
    hooked("db", "upgrade")
    assert "None is ours" in hooked("webhooks", "list").stderr
    world.webhooks.append(
        {"id": "w0", "name": "Zapier", "url": "https://hooks.example.net/their/secret", "status": "disabled"}
    )
    first = hooked("webhooks", "register", "--url", f"{BASE}/")
    again = hooked("webhooks", "register", "--url", BASE)
    assert (first.stderr[2:], again.stderr[2:]) == ("registered\n", "was registered already\n")
    assert [each["url"] for each in world.webhooks][1:] == [f"{BASE}/webhooks/{HOOK_TOKEN}"]
    theirs, ours = hooked.json("webhooks", "list")["webhooks"]
    assert (theirs["ours"], theirs["active"], theirs["url"]) == (False, False, "https://hooks.example.net/…")
    assert (ours["ours"], ours["active"], ours["url"]) == (True, True, f"{BASE}/webhooks/***")
    assert "chat:update" in ours["events"]
    events = [each for each in hooked.json("audit", "list")["events"] if each["kind"] == "webhook.registered"]
    assert len(events) == 1, "the second time nothing was done"
    assert BASE in json.dumps(events)
    shown = hooked("webhooks", "list")
    told = shown.stdout + shown.stderr + json.dumps(events) + first.stdout + first.stderr + again.stderr
    assert HOOK_TOKEN not in told
    assert "their/secret" not in told


def test_without_a_webhook_token_it_says_how_to_make_one(account):
    assert "openssl rand -hex 32" in account("webhooks", "register", "--url", BASE, code=3).stderr


def test_http_is_for_loopback(account, world):
    refused = account(
        "webhooks", "register", "--url", "http://hygiene.example.org", code=2, webhook_token=HOOK_TOKEN
    )
    assert "https://" in refused.stderr
    assert world.webhooks == []
    account("webhooks", "register", "--url", "http://127.0.0.1:8787", webhook_token=HOOK_TOKEN)
    assert world.webhooks[0]["url"] == f"http://127.0.0.1:8787/webhooks/{HOOK_TOKEN}"
