"""A token made to be found goes through everything that can fail, and is in nothing that remains."""

import base64
import json
import socket
from datetime import timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import text

from chat_hygiene.clock import utc_now
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.believable import demo_world
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.server import serve
from support.canary import CANARY, arguments_while, assert_nowhere, remains
from support.command import apply, environment
from support.forking import forking
from support.inbox import POLICIES

ECHO = json.dumps({"status": 401, "message": f"bad key {CANARY}", "errorCode": CANARY}).encode()
READ, WRITE = On(method="GET", times=None), On(method="DELETE", times=None)


def revoked(world):
    world.revoke_token()


def offline(world):
    for device in world.devices:
        world.set_session(device, "offline")


def refusing(world):
    for device in world.devices:
        for wid in world.chats(device):
            world.refuse(device, wid)


def without_plan(world):
    for device in world.devices.values():
        device["billing"]["subscription"]["product"] = "basic"


def scripted(*them):
    return lambda world: world.script(*them)


# What fails at the API, the command that meets it, and its exit code.
AT_THE_API = {
    "the key is revoked": (revoked, "run", 6),
    "the key is revoked, doctor": (revoked, "doctor", 6),
    "401 that quotes the key": (scripted(faults.status(401, ECHO, {"x-key": CANARY})), "run", 6),
    "401 that quotes the key, sync": (scripted(faults.status(401, ECHO)), "sync", 6),
    "401 that quotes the key, doctor": (scripted(faults.status(401, ECHO)), "doctor", 6),
    "402 that quotes the key": (scripted(faults.status(402, ECHO, on=On(route="chats", times=None))), "run", 6),
    "403 that quotes the key": (scripted(faults.status(403, ECHO, on=On(route="chats", times=None))), "run", 6),
    "403 for each delete": (scripted(faults.status(403, ECHO, on=WRITE)), "run", 6),
    "400 for each delete": (scripted(faults.status(400, ECHO, on=WRITE)), "run", 7),
    "404 for each delete": (scripted(faults.status(404, ECHO, on=WRITE)), "run", 7),
    "409 for each delete": (scripted(faults.status(409, ECHO, on=WRITE)), "run", 7),
    "500 that quotes the key": (scripted(faults.status(500, ECHO, on=WRITE)), "run", 7),
    "503 that quotes the key, sync": (scripted(faults.status(503, ECHO, on=On(route="chats", times=None))), "sync", 6),
    "a redirect with the key": (scripted(faults.status(302, b"", {"location": f"/{quote(CANARY)}"})), "run", 6),
    "429 for a day": (scripted(faults.rate_limited("86400")), "run", 6),
    "429 for each delete": (scripted(faults.rate_limited("1", on=On(method="DELETE"))), "run", 0),
    "no answer to a delete": (scripted(faults.delay(3, on=On(method="DELETE"))), "run", 0),
    "a reset read": (scripted(faults.reset(on=READ)), "run", 6),
    "a reset delete": (scripted(faults.reset(on=On(method="DELETE", times=2))), "run", 0),
    "acts and hangs up": (scripted(faults.acts_and_hangs_up(on=On(method="DELETE", times=2))), "run", 0),
    "half an answer": (scripted(faults.cut(on=READ)), "run", 6),
    "half a JSON document": (scripted(faults.malformed(on=READ)), "sync", 6),
    "JSON of another shape": (scripted(faults.status(200, ECHO, {"content-type": "application/json"})), "sync", 6),
    "HTML": (scripted(faults.status(200, f"<html>{CANARY}</html>".encode())), "doctor", 6),
    "an answer that is too large": (scripted(faults.huge(17_000_000)), "sync", 6),
    "a deleted chat stays": (scripted(faults.ignored(on=WRITE)), "run", 7),
    "a clock that is far off": (scripted(faults.skewed(timedelta(hours=1))), "run", 5),
    "offline numbers": (offline, "run", 5),
    "a plan without chats": (without_plan, "doctor", 6),
    "WhatsApp refuses": (refusing, "run", 0),
}  # fmt: skip


def drop_a_table(engine):
    with engine.begin() as connection:
        connection.execute(text("DROP VIEW IF EXISTS report_v1_holds"))
        connection.execute(text("DROP VIEW IF EXISTS report_v1_upcoming"))
        connection.execute(text("DROP TABLE holds"))


def break_the_audit(engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE switches SET detail = '{\"length\": 7}' WHERE name = 'audit_head'"))


# What fails on our side: settings, what is done to the database, the command and its exit code.
AT_HOME = {
    "nobody listens at the URL": ({"API_URL": "http://127.0.0.1:9/v1"}, None, "run", 6),
    "TLS where there is none": ({"API_URL": "https://127.0.0.1:{port}/v1"}, None, "doctor", 6),
    "a token in the URL": ({"API_URL": "https://user:{token}@127.0.0.1/v1"}, None, "run", 3),
    "a token with a line break": ({"API_TOKEN": CANARY + "\n"}, None, "run", 3),
    "a token with a space": ({"API_TOKEN": CANARY + " x"}, None, "doctor", 3),
    "a key that is too short": ({"AUDIT_KEY": CANARY}, None, "run", 3),
    "a token as pseudonym key": ({"PSEUDONYM_KEY": f"1:{CANARY}"}, None, "run", 3),
    "a database that is none": ({"DATABASE_URL": "sqlite:////proc/nothing/{token}.db"}, None, "doctor", 6),
    "a database of another kind": ({"DATABASE_URL": "mysql://root:{token}@127.0.0.1/x"}, None, "run", 3),
    "a server that refuses the password": (
        {"DATABASE_URL": "postgresql://x:{quoted}@127.0.0.1:9/x"},
        None,
        "run",
        6,
    ),
    "a broker of another kind": ({"BROKER_URL": "amqp://x:{token}@127.0.0.1"}, None, "run", 3),
    "a webhook token that is none": ({"WEBHOOK_TOKEN": CANARY}, None, "run", 3),
    "a bug": ({}, drop_a_table, "run", 1),
    "an audit that does not verify": ({}, break_the_audit, "doctor", 8),
}
QUICKER = {
    "CHAT_HYGIENE_READ_DEADLINE_SECONDS": "3",
    "CHAT_HYGIENE_DELETE_DEADLINE_SECONDS": "0.6",
    "CHAT_HYGIENE_LEASE_SECONDS": "7",
    "CHAT_HYGIENE_RETRY_BASE_SECONDS": "0.003",
    "CHAT_HYGIENE_REFUSAL_CONFIRM_SECONDS": "0.05",
}
WORDS = {"run": ["run", "--yes"], "sync": ["sync"], "doctor": ["doctor"]}


@pytest.fixture(scope="module")
def run():
    with forking() as run:
        yield run


def in_turn(scenarios):
    """Each scenario once, the engines taking turns: what an error says does not depend on them."""
    pairs = [(("sqlite", "postgresql")[number % 2], name) for number, name in enumerate(scenarios)]
    return pytest.mark.parametrize(("database_url", "name"), pairs, indirect=["database_url"])


def test_the_search_would_find_it():
    for dressed in (
        CANARY,
        quote(CANARY, safe=""),
        json.dumps({"a": CANARY}),
        base64.b64encode(f"user:{CANARY}".encode()).decode(),
        base64.b64encode(f"Token {CANARY}!".encode()).decode(),
    ):
        with pytest.raises(AssertionError, match="the API token shows"):
            assert_nowhere(dressed.encode(), where="a dress")


@in_turn(AT_THE_API)
def test_when_the_api_fails(name, run, database_url, engine, tmp_path):
    happens, verb, expected = AT_THE_API[name]
    world = demo_world(utc_now, seed=3, chats=20, token=CANARY)
    with serve(world) as server:
        env = environment(database_url, server.url, CHAT_HYGIENE_API_TOKEN=CANARY)
        apply(env, POLICIES.replace("limits:", "catch_up: 24h\n    limits:"))
        happens(world)
        fails(run, verb, expected, env, engine, tmp_path)


@in_turn(AT_HOME)
def test_when_something_of_ours_fails(name, run, database_url, engine, tmp_path):
    settings, happens, verb, expected = AT_HOME[name]
    world = demo_world(utc_now, seed=3, chats=20, token=CANARY)
    with serve(world) as server, socket.create_server(("127.0.0.1", 0)) as silent:
        env = environment(database_url, server.url, CHAT_HYGIENE_API_TOKEN=CANARY)
        apply(env, POLICIES)
        if happens is not None:
            happens(engine)
        known = {"token": CANARY, "quoted": quote(CANARY, safe=""), "port": silent.getsockname()[1]}
        given = {
            f"CHAT_HYGIENE_{key}": value.format(**known) if "{" in value else value
            for key, value in settings.items()
        }
        fails(run, verb, expected, {**env, **given}, engine, tmp_path)


def fails(run, verb, expected, env, engine, folder):
    output = folder / "output.txt"
    codes = []
    with arguments_while() as arguments:
        codes.append(run(WORDS[verb], {**env, **QUICKER}, folder, output))
    said = output.read_text()
    assert codes == [expected], said
    assert_nowhere("\n".join(arguments).encode(), where="the arguments of a process")
    assert_nowhere(output.read_bytes(), where=f"what the command says: {said}")
    assert_nowhere(remains(folder, engine), where="a file or the database")
