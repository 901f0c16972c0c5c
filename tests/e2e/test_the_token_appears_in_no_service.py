"""A worker, a beat and a web process know six secrets, meet everything that can fail, and show none of them to anybody."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import make_url, text

from chat_hygiene.clock import utc_now
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.believable import SALES, demo_world
from chat_hygiene.providers.fake.faults import Fault, On
from chat_hygiene.providers.fake.server import serve
from chat_hygiene.providers.fake.world import World
from support.brokers import OwnBroker, broker
from support.canary import CANARY, arguments_while, assert_nowhere, remains
from support.command import apply, environment
from support.inbox import POLICIES
from support.processes import CELERY, Deployment, Process, until

WEBHOOK_TOKEN = "Canary-webhook_token-0123456789-ABCDEF"
WEBHOOK_KEY = 'Canary+webhook/key==~%41".0123456789'
BROKER_PASSWORD = 'Canary+broker/pass==~%41".81'
DATABASE_PASSWORD = 'Canary+database/pass==~%41".93'
SECRETS = {
    "the API token": CANARY,
    "the webhook token": WEBHOOK_TOKEN,
    "the webhook's key": WEBHOOK_KEY,
    "the broker's password": BROKER_PASSWORD,
    "the database's password": DATABASE_PASSWORD,
    "the pseudonym key": 'Canary+pseudonym/key==~%41".0123456789',
    "the audit key": 'Canary+audit/key==~%41".0123456789',
}
ECHO = json.dumps({"status": 401, "message": f"bad key {CANARY}", "errorCode": CANARY}).encode()
# What each route does in turn, before it works.
FAILURES: tuple[Callable[[On], Fault], ...] = (
    lambda on: faults.status(401, ECHO, {"x-key": CANARY}, on=on),
    lambda on: faults.status(500, ECHO, on=on),
    lambda on: faults.reset(on=on),
    lambda on: faults.malformed(on=on),
    lambda on: faults.status(302, b"", {"location": f"/{quote(CANARY)}"}, on=on),
)
LISTINGS = ({"route": "devices"}, {"route": "chats"})
CHATS = ({"method": "GET", "route": "chat"}, {"method": "DELETE"})


def fail_in_turn(world: World, *routes: dict[str, str]) -> Callable[[], bool]:
    """Whether all of it has happened."""
    world.clear_script()
    world.script(*(each(On(**route, nth=turn)) for route in routes for turn, each in enumerate(FAILURES, 1)))
    return lambda: all(each.count > each.fault.on.nth for each in list(world._script))


@pytest.fixture
def own_broker() -> Iterator[OwnBroker]:
    """It asks for a password."""
    with broker() as server:
        with server.client() as client:
            client.config_set("requirepass", BROKER_PASSWORD)
        server.url = f"redis://:{quote(BROKER_PASSWORD, safe='')}@127.0.0.1:{server.port}/0"
        yield server


@pytest.fixture
def role(engine) -> Iterator[str]:
    """One with a password, which may do what we may."""
    name = f"canary_{secrets.token_hex(4)}"
    with engine.begin() as connection:
        connection.execute(
            text(f"CREATE ROLE {name} LOGIN PASSWORD '{DATABASE_PASSWORD}' IN ROLE CURRENT_USER")
        )
    yield name
    with engine.begin() as connection:
        connection.execute(text(f"DROP ROLE {name}"))


class Visitor:
    """Somebody who calls the web process in every way, and keeps all answers."""

    def __init__(self, client: httpx.Client, body: bytes) -> None:
        self._client, self._body = client, body
        self.answers: list[bytes] = []

    def calls(self) -> list[int]:
        """The statuses of the answers."""
        signature = hmac.digest(WEBHOOK_KEY.encode(), self._body, hashlib.sha256).hex()
        signed = {"X-Wassenger-Signature": f"sha256={signature}"}
        right, wrong = f"/webhooks/{WEBHOOK_TOKEN}", f"/webhooks/{WEBHOOK_TOKEN[:-1]}"
        answers = [
            *(self._client.get(path) for path in ("/healthz", "/readyz", "/metrics", right, f"{right}/")),
            *(self._client.post(path, content=self._body, headers=signed) for path in (right, wrong)),
            self._client.post(right, content=self._body),
        ]
        self.answers += [repr(answer.headers.raw).encode() + answer.content for answer in answers]
        return [answer.status_code for answer in answers]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_none_of_its_secrets_is_in_anything_that_a_service_leaves_or_shows(
    database_url, engine, own_broker, role, tmp_path
):
    world = demo_world(utc_now, seed=3, chats=60, token=CANARY)
    folder = tmp_path / "processes"
    folder.mkdir()
    url = make_url(database_url).set(username=role, password=DATABASE_PASSWORD)
    with serve(world) as server:
        env = environment(
            url.render_as_string(hide_password=False),
            server.url,
            CHAT_HYGIENE_API_TOKEN=CANARY,
            CHAT_HYGIENE_BROKER_URL=own_broker.url,
            CHAT_HYGIENE_WEBHOOK_TOKEN=WEBHOOK_TOKEN,
            CHAT_HYGIENE_WEBHOOK_HMAC_KEY=WEBHOOK_KEY,
            CHAT_HYGIENE_PSEUDONYM_KEY=SECRETS["the pseudonym key"],
            CHAT_HYGIENE_AUDIT_KEY=SECRETS["the audit key"],
            CHAT_HYGIENE_INTERNAL_TICK_SECONDS="1",
            CHAT_HYGIENE_SYNC_INTERVAL_SECONDS="1",
            CHAT_HYGIENE_RETRY_BASE_SECONDS="0.05",
        )
        deployment = Deployment(env, engine, own_broker, world, folder)
        try:
            apply(env, POLICIES)
            with arguments_while() as arguments:
                answers = everything_fails(deployment, world, own_broker, role)
        finally:
            deployment.close()
    shown = {
        "the arguments of a process": ("\n".join(arguments).encode(), b"celery"),
        "what the web process answers": (answers, b"chat_hygiene_jobs"),
        "a log": (b"\n".join(path.read_bytes() for path in folder.iterdir()), b"not done for now"),
        "a file or the database": (remains(tmp_path, engine), SALES.encode()),
        "the broker": (own_broker.written(), b"chat_hygiene.tick"),
    }
    for where, (what, known) in shown.items():
        assert known in what, f"{where} was not looked at"
        assert_nowhere(what, where=where, secrets=SECRETS)


def everything_fails(deployment: Deployment, world: World, redis: OwnBroker, role: str) -> bytes:
    """The service at work while one thing after the other fails; what its web process answered."""
    sql = deployment.sql
    worker, beat = deployment.start(*CELERY, "worker", "-c", "2"), deployment.beat()
    web, client = deployment.web()
    everyone: tuple[Process, ...] = (worker, beat, web)
    wid = next(iter(world.chats(SALES)))
    visitor = Visitor(client, json.dumps({"event": "chat:update", "device": {"id": SALES}, "data": {"chat": {"id": wid}}}).encode())  # fmt: skip

    happened = fail_in_turn(world, *LISTINGS)
    until(happened, "every listing has failed in every way", *everyone)
    unswept = "select count(*) from devices where last_full_sync_at is null"
    until(lambda: sql(unswept) == [(0,)], "every number was read", *everyone)
    assert visitor.calls()[2:] == [200, 405, 404, 204, 404, 401]

    happened = fail_in_turn(world, *CHATS)
    sql("update policies set next_run_at = now() - interval '5 minutes' where action = 'delete'")
    until(happened, "every call about a chat has failed in every way", *everyone)
    until(lambda: deployment.states().get("deleted", 0) > 1, "deleting goes on", *everyone)

    said = len(worker.said()), len(beat.said())
    with redis.client() as admin:
        admin.config_set("requirepass", "another")
        admin.client_kill_filter(_type="normal", skipme=True)
        until(lambda: len(beat.said()) > said[1], "beat finds that the broker refuses it", *everyone)
        until(lambda: "WRONGPASS" in worker.said()[said[0]:] or "invalid username" in worker.said()[said[0]:], "the worker finds that the broker refuses it", *everyone)  # fmt: skip
        admin.config_set("requirepass", BROKER_PASSWORD)

    lost = "cannot be reached"
    sql(f"alter role {role} nologin")
    try:
        sql(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'")
        until(lambda: visitor.calls()[5] == 503, "the web process finds the database gone", *everyone)
        until(lambda: lost in worker.said(), "the worker finds the database gone", *everyone)
    finally:
        sql(f"alter role {role} login")
    until(lambda: visitor.calls()[:3] == [200, 200, 200], "all is well again", *everyone)
    return b"\n".join(visitor.answers)
