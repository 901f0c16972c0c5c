"""What anybody writes to the broker: a worker lives on, and nothing but a wake-up comes through."""

import base64
import json
from contextlib import suppress
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection, Consumer, Exchange, Queue
from structlog.testing import capture_logs

import chat_hygiene.celery_app  # noqa: F401 - the tasks that there are
from chat_hygiene import broker
from chat_hygiene.broker import understood
from support import inbox
from support.processes import ON_POSTGRESQL, until

TASKS = {"chat_hygiene.tick", "chat_hygiene.sync"}
NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def message(task="chat_hygiene.tick", args=(), kwargs=None, embedded=None, **headers) -> dict:
    body = json.dumps([list(args), kwargs or {}, embedded or NOTHING])
    return {
        "body": base64.b64encode(body.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": task, "id": str(uuid4()), "expires": None, "lang": "py", **headers},
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
            "delivery_info": {"exchange": "", "routing_key": "maintenance"},
        },
    }


def test_only_a_name_and_a_number_come_through():
    forged = message(
        "chat_hygiene.sync", [7], embedded={**NOTHING, "chain": [{"task": "chat_hygiene.drain"}]},
        eta="2999-01-01T00:00:00", timelimit=[0.001, 0.001], retries=3, reply_to="x", shadow="other", group="g",
    )  # fmt: skip
    forged["properties"] |= {
        "priority": 255,
        "reply_to": "x",
        "delivery_info": {"exchange": "e", "routing_key": "delete"},
    }
    clean = understood(forged, "sync", TASKS)
    args, kwargs, embedded = json.loads(base64.b64decode(clean["body"]))
    assert (args, kwargs, embedded) == ([7], {}, NOTHING)
    assert set(clean["headers"]) == {"lang", "task", "id", "root_id", "expires"}
    assert set(clean["properties"]) == {"body_encoding", "delivery_info", "delivery_tag"}
    assert clean["properties"]["delivery_info"] == {"exchange": "", "routing_key": "sync"}
    assert clean["properties"]["delivery_tag"] != forged["properties"]["delivery_tag"]


@pytest.mark.parametrize(
    "raw",
    [
        None, 5, "text", [], {}, {"body": 1}, message("celery.map"), message("os.system"), message("chat_hygiene.nothing"),
        message(["chat_hygiene.tick"]), message(id="1"), message(id=5), message(expires=5), message(args=["1"]),
        message(args=[True]), message(args=[1.5]), message(args=[0]), message(args=[-1]), message(args=[2**64]),
        message(args=[1, 2]), message(args=[[1]]), message(kwargs={"device_id": 1}), {**message(), "body": "%"},
        {**message(), "body": base64.b64encode(b"\x80\x04N.").decode()}, {**message(), "body": base64.b64encode(b"[" * 9999).decode()},
        {**message(), "headers": None},
    ],
)  # fmt: skip
def test_whatever_is_no_wake_up_is_refused(raw):
    with pytest.raises(ValueError, match=r"^(it|its) "):
        understood(raw, "maintenance", TASKS)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=20))  # fmt: skip
def test_no_json_at_all_gets_further_than_a_refusal(raw):
    for forged in (raw, {**message(), "headers": raw}, {**message(), "body": raw}, message(args=[raw])):
        with suppress(ValueError):
            understood(forged, "maintenance", TASKS)


GARBAGE = [
    b"", b"\xff\xfe", b"{", b"null", b"[]", b'"text"', b"[" * 100_000, b"\x80\x04\x95\x00.", b"1e999999",
    b'{"__type__": "datetime", "__value__": 5}', b'{"__type__": "uuid", "__value__": "x"}', b'{"__type__": "decimal", "__value__": "x"}',
    b"{}", b'{"headers": {}, "properties": {}, "body": ""}',
]  # fmt: skip


def test_an_error_of_who_gets_a_message_is_not_taken_for_a_line_that_is_no_json(redis):
    def fail(_body, _message):
        raise LookupError("a bug")

    broker.install()
    with Connection(redis.url) as connection, redis.client() as client, capture_logs() as logs:
        queue = Queue("maintenance", Exchange("maintenance"), "maintenance")
        with Consumer(connection, [queue], callbacks=[fail], accept=["json"]):
            client.lpush("maintenance", b"{")
            connection.drain_events(timeout=5)
            assert [line["event"] for line in logs] == ["a broker message was dropped: it is no JSON"]
            client.lpush("maintenance", json.dumps(message("chat_hygiene.heartbeat")))
            with pytest.raises(LookupError, match="a bug"):
                connection.drain_events(timeout=5)
    assert len(logs) == 1


@ON_POSTGRESQL
def test_a_worker_lives_through_a_flood_of_them_and_nothing_happens(deployment):
    inbox.fill(deployment.world, 20, seed=1)
    worker = deployment.worker()
    forged = [
        message("chat_hygiene.evaluate", [999]), message("chat_hygiene.sync", [999]), message("chat_hygiene.evaluate"),
        message("chat_hygiene.tick", [3]), message("chat_hygiene.drain", timelimit=[0.001, 0.001], eta="2999-01-01T00:00:00"),
        message("chat_hygiene.tick", expires="no instant"), message("chat_hygiene.tick", expires="2001-01-01T00:00:00"),
        message("celery.backend_cleanup"), message("chat_hygiene.tick", kwargs={"__import__": "os"}),
    ]  # fmt: skip
    lines = GARBAGE + [json.dumps(each).encode() for each in forged]
    with deployment.redis.client() as client:
        for queue in ("sync", "evaluate", "delete", "maintenance"):
            pipe = client.pipeline()
            for number in range(150):
                pipe.lpush(queue, lines[number % len(lines)])
            pipe.execute()
            # Commands to workers went this way, would one listen.
            client.publish("/0.celery.pidbox", json.dumps({"method": "shutdown", "destination": None}))
        client.hset("unacked", "tag", b"{")
        client.zadd("unacked_index", {"tag": 0})
        client.lpush("maintenance", json.dumps(message("chat_hygiene.heartbeat")))
    until(lambda: "maintenance" in deployment.beats(), "a true message is still heard", worker)
    with deployment.redis.client() as client:
        queues = ("sync", "evaluate", "delete", "maintenance")
        until(lambda: not any(client.llen(queue) for queue in queues), "all are read", worker)
    assert deployment.states() == {}
    assert deployment.sql("select count(*) from policy_runs") == [(0,)]
    assert not deployment.world.deletes()
    assert all(event["event"] for event in worker.events()), "a message broke a line of the log"
    with deployment.redis.client() as client:
        assert not client.exists("celery"), "a queue of another name was made"
