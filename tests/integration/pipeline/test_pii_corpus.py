"""People who stand in every field of an account go through everything that happens to chats, and show nowhere."""

import json
import logging

import pytest

from chat_hygiene.clock import utc_now
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.server import serve
from chat_hygiene.providers.fake.world import World
from integration.pipeline.conftest import Rig
from support import people
from support.letterbox import letterbox
from support.people import DEVICE, ERASED, HELD, NUMBER, REFUSED, VANISHED
from support.surfaces import SURFACES, WITH_NAMES, Told

POLICIES = """
version: 1
defaults: {schedule: "0 3 * * *"}
policies:
  - name: resolved-30d
    description: Solved conversations leave
    mode: enforce
    when: {resolved_for: 30d}
    grace: none
    delete: {from_whatsapp: true, force_local: true}
    limits: {max_chats: 5, max_share: 100%, canary: off}
  - name: watched
    mode: observe
    when: {all: [{inactive_for: 30d}, {not: {labels: ["ask +44/7700\u2011955_003"]}}]}
    unless: {chat: [447700912320@c.us]}
  - name: keep-some
    action: keep
    when: {labels: ["keep +44 7700 955003"]}
"""


def everything_happens(told: Told) -> None:
    """Syncs, refusals, holds, erasure, debts, errors that quote people, webhooks, wake-ups, messages to people."""
    rig = told.rig
    file = told.folder / "policies.yaml"
    file.write_text(POLICIES, encoding="utf-8")
    told.tell("sync")
    told.tell("policy", "apply", str(file), "--yes")
    told.tell("hold", "add", HELD, "--reason", "case 7")
    told.tell("hold", "add", "--label", "ask +44 7700 955003", "--reason", "case 8")
    told.tell("preview", "--out", str(told.folder / "plan.json"))
    told.tell("run", "--yes")  # the brake trips
    told.tell("runs", "show", "1")
    rig.world.refuse(DEVICE, REFUSED)
    echo = people.ECHO.encode()
    rig.world.script(
        faults.status(500, echo, on=On(method="DELETE")),
        faults.status(409, echo, on=On(method="DELETE", nth=3)),
    )
    told.tell("runs", "approve", "1", "--yes", "--reason", "seen")
    told.tell("run", "--yes")
    told.tell(
        "erase",
        people.squeezed(ERASED.partition("@")[0]),
        "--reason",
        "asked by mail",
        "--ticket",
        "DPO-1",
        "--yes",
    )
    told.tell("debt", "retry", "--all", "--now")
    rig.world.forget(DEVICE, VANISHED)
    told.tell("sync", "--full")
    told.tell("sync", "--full")
    rig.world.script(
        faults.status(400, echo, on=On(route="chats")), faults.malformed(on=On(route="devices", nth=2))
    )
    told.tell("sync")
    told.tell("sync")


def much_is_refused(told: Told) -> None:
    """What a person types by mistake."""
    for words in (
        ("hold", "add", NUMBER.format(7), "--reason", f"ask {NUMBER.format(7)}"),
        ("stop", "--reason", f"of {NUMBER.format(7)}"),
        ("policy", "pause", "watched", "--reason", NUMBER.format(7)),
        ("erase", NUMBER.format(7), "--reason", "asked", "--ticket", NUMBER.format(7), "--yes"),
        ("explain", "Zwetlana 07700 912301"),
        ("explain", NUMBER.format(99)),
        ("hold", "add", "Quirinus", "--reason", "case 9"),
        ("jobs", "cancel", "1", "--reason", NUMBER.format(7)),
        ("runs", "reject", "1", "--reason", NUMBER.format(7)),
        ("debt", "write-off", "1", "--reason", NUMBER.format(7), "--yes"),
    ):
        told.tell(*words)


def looks(told: Told) -> None:
    """What a person and a program look at afterwards, as far as it may be passed on."""
    for words in (
        *(("explain", number, "--json") for number in (HELD, REFUSED, NUMBER.format(9), "447700912390@c.us")),
        ("preview", "--json"),
        ("preview", "--all"),
        ("explain", HELD),
        ("jobs", "list"),
        ("hold", "list"),
        *(
            (noun, "list", "--json")
            for noun in ("policy", "runs", "jobs", "debt", "hold", "audit", "webhooks")
        ),
        ("jobs", "show", "1", "--json"),
        ("runs", "list"),
        ("policy", "history", "watched", "--json"),
        ("audit", "list", "--chat", "-", "--json"),
        ("audit", "export"),
        ("audit", "export", "--format", "jsonl", "--chat", HELD),
        ("audit", "verify"),
        ("audit", "certificate", "--run", "1"),
        ("erase", "--list", "--json"),
        ("doctor",),
        ("schedule", "--json"),
        ("notify", "test"),
    ):
        told.tell(*words, typed=HELD)


SHOWING = (
    ("preview", "--all"),
    ("runs", "show", "1"),
    ("debt", "list", "--json"),
    ("jobs", "show", "{job}"),
    ("explain", REFUSED, "--json"),
)


def numbers_show_where_they_are_asked_for(told):
    """And nowhere without the audit saying so."""
    ((job, ref),) = told.rig.sql("select id, chat_ref from jobs where state = 'removed_locally'")
    for words in SHOWING:
        said = told.command(*(word.format(job=job) for word in words), "--show-numbers")
        assert people.found(said, names=False) & {"700912304", "700912306"}, f"{words} shows none: {said}"
    rows = told.rig.sql("select chat_ref, detail from audit_events where kind = 'numbers.shown' order by seq")
    assert [json.loads(detail)["where"] for _, detail in rows] == [
        "preview",
        "runs show",
        "debt list",
        "jobs show",
        "explain",
    ]
    assert [(who, json.loads(detail)["count"]) for who, detail in rows][2:] == [(ref, 1)] * 3


@pytest.fixture
def told(database_url, tmp_path):
    world = World(now=utc_now, token="token-of-the-tests")
    world.removed_chats = "listed"
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with serve(world) as server, letterbox() as box:
        rig = Rig(world, server.url.removesuffix("/v1"), database_url)
        rig.overrides = {"read_deadline_seconds": 2, "delete_deadline_seconds": 0.5, "lease_seconds": 5}
        people.fill(world, now=rig.now())
        told = Told(rig, tmp_path, box)
        told.listen()
        everything_happens(told)
        yield told
    root.handlers[:], root.level = before


def test_the_search_would_find_them():
    for hidden in (
        '{"a": "\\u0664\\u0664\\u0667\\u0667\\u0660\\u0660\\u0669\\u0661\\u0662\\u0663\\u0660\\u0661"}',
        "Call (0)7700 / 912.301!",
        "https://x.example/447700912301%40c.us",
    ):
        assert people.found(hidden) == {"700912301"}
    assert people.found("ZWETLANA") == {"Zwetlana"}
    assert people.found("44 ··· 01, 2026-11-23T21:00:00Z, chat_leedjcfkkonjnlbanldijakajppmhoei") == set()


def test_people_show_nowhere_but_where_their_numbers_are_asked_for(told):
    if told.rig.database_url.startswith("sqlite"):  # what the command says does not depend on the engine
        much_is_refused(told)
        looks(told)
    states = set(told.rig.states())
    assert {"deleted", "removed_locally"} <= states, f"too little happened: {states}"
    assert told.rig.sql("select count(*) from chats where name is not null") != [(0,)], (
        "nobody is left to be found"
    )
    for name, surface in (SURFACES | WITH_NAMES).items():
        everything = surface(told)
        who = people.found(everything, names=name in SURFACES)
        where = [line[:300] for line in everything.splitlines() if people.found(line) & who]
        assert not who, f"{name} shows {sorted(who)}: {where[:5]}"
    numbers_show_where_they_are_asked_for(told)
