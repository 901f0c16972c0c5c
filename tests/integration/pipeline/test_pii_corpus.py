"""People who stand in every field of an account go through everything that happens to chats, and show nowhere.

A new surface (a page, a view, a file, a message that goes out) is one function in `SURFACES`. What shows names to an operator
at a terminal, with their numbers masked, is in `NAMING`.
"""

import io
import json
import logging
import os
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from datetime import timedelta
from unittest.mock import patch

import click
import pytest
from celery import current_app
from kombu.transport.memory import Channel
from sqlalchemy import select

from chat_hygiene import celery_app, logs, tasks
from chat_hygiene.cli import failures
from chat_hygiene.cli.app import app
from chat_hygiene.clock import utc_now
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.providers.fake.server import serve
from chat_hygiene.providers.fake.world import World
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.tables import metadata
from chat_hygiene.store.views import VIEWS
from chat_hygiene.web import pages
from chat_hygiene.web.page import Page, Sheet
from chat_hygiene.web.users import Role, new_user
from integration.pipeline.conftest import Rig
from support import people
from support.letterbox import letterbox
from support.people import DEVICE, ERASED, HELD, REFUSED, VANISHED
from support.site import served

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
    limits: {max_chats: 15, max_share: 100%, canary: off}
  - name: watched
    mode: observe
    when: {all: [{inactive_for: 30d}, {not: {labels: ["ask +44/7700\u2011955_003"]}}]}
    unless: {chat: [447700912320@c.us]}
  - name: keep-some
    action: keep
    when: {labels: ["keep +44 7700 955003"]}
"""
NUMBER = "+44 7700 9123{:02d}"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Told:
    """The world after everything happened to it, and what each call of the command said."""

    def __init__(self, rig: Rig, folder, box) -> None:
        self.rig, self.folder, self.box = rig, folder, box
        self.said: dict[str, str] = {}
        self.lines, self.screen = io.StringIO(), Terminal()

    def command(self, *words: str, typed: str = "") -> str:
        """What `chat-hygiene` says on both streams, errors as `main` shows them."""
        with ExitStack() as stack:
            heard = stack.enter_context(redirect_stdout(io.StringIO()))
            stack.enter_context(redirect_stderr(heard))
            stack.enter_context(patch.dict(os.environ, self.environment()))
            stack.enter_context(patch("sys.stdin", io.StringIO(typed)))
            try:
                app(list(words), standalone_mode=False)
            except click.exceptions.Exit:
                pass
            except Exception as error:  # noqa: BLE001 - as `main` does
                failures.show(error, as_json="--json" in words)
        self.listen()
        return heard.getvalue()

    def tell(self, *words: str, **more: str) -> None:
        self.said[" ".join(words)] = self.command(*words, **more)

    def environment(self) -> dict[str, str]:
        plain = {
            "database_url",
            "api_url",
            "api_token",
            "audit_key",
            "pseudonym_key",
            "actor",
            "requests_per_minute",
        }
        plain |= {"refusal_confirm_seconds", "retry_base_seconds"}
        settings = self.rig.settings()
        values = {name: getattr(settings, name) for name in plain}
        shown = {
            name: v.get_secret_value() if hasattr(v, "get_secret_value") else v for name, v in values.items()
        }
        text_of = {name: v.total_seconds() if isinstance(v, timedelta) else v for name, v in shown.items()}
        return {f"CHAT_HYGIENE_{name.upper()}": str(value) for name, value in text_of.items()} | {
            "CHAT_HYGIENE_NOTIFY_URLS": self.box.address,
            "CHAT_HYGIENE_BROKER_URL": "memory://",
        }

    def listen(self) -> None:
        """Everything that is logged, also by libraries and for who debugs, in both forms."""
        handlers = []
        for stream in (self.lines, self.screen):
            logs.configure(secrets=[], mask=mask_numbers, level=logging.DEBUG, stream=stream)
            handlers += logging.getLogger().handlers
        logging.getLogger().handlers[:] = handlers


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


NAMING = ("preview --out", "preview --all", "policy apply", "runs show", "erase", "explain")
"""What shows names to whoever sits at the terminal, with their numbers masked; `explain` a chat's labels, too."""

WRITTEN = ("policy list --json", "policy history watched --json")
"""What shows a policy's document as its author wrote it, for that to be applied again."""


def report_views(told: Told) -> str:
    names = [view.name for view in VIEWS]
    return "\n".join(f"{name}: {told.rig.sql(f'select * from {name}')!r}" for name in names)


def tables(told: Told) -> str:
    """Every column but those that hold the chats themselves, and what somebody wrote into a policy or a hold."""
    kept = {"chats": None, "holds": {"label"}, "policy_versions": {"document"}}
    shown = []
    with told.rig.ledger() as ledger, ledger.reading() as session:
        for table in metadata.sorted_tables:
            hidden = kept.get(table.name, set())
            columns = (
                [] if hidden is None else [column for column in table.columns if column.name not in hidden]
            )
            if columns:
                shown.append(f"{table.name}: {session.execute(select(*columns)).all()!r}")
    return "\n".join(shown)


def the_command(told: Told) -> str:
    return "\n".join(said for words, said in told.said.items() if not words.startswith((*NAMING, *WRITTEN)))


def the_command_where_it_names(told: Told) -> str:
    return "\n".join(said for words, said in told.said.items() if words.startswith(NAMING))


def logs_as_json(told: Told) -> str:
    return told.lines.getvalue()


def logs_on_a_terminal(told: Told) -> str:
    return told.screen.getvalue()


def files(told: Told) -> str:
    return "\n".join(
        file.read_text(encoding="utf-8") for file in told.folder.iterdir() if file.name.startswith("plan")
    )


def messages_to_people(told: Told) -> str:
    with patch.dict(os.environ, told.environment()):
        from chat_hygiene.settings import load_settings
        from chat_hygiene.wiring import notifying, open_ledger

        with open_ledger(load_settings()) as ledger:
            for days in (0, 2, 9):
                notifying.run(ledger.context, now=told.rig.now() + timedelta(days=days))
    assert told.box.letters, "nobody was told anything, so nothing was tested"
    return json.dumps(told.box.letters)


def broker_messages(told: Told) -> str:
    before = current_app._get_current_object()
    Channel.queues.clear()
    try:
        with patch.dict(os.environ, told.environment()):
            mine = celery_app.create()
        with mine.connection_for_write() as connection:
            for queue in mine.amqp.queues.values():
                queue(connection.default_channel).declare()
        tasks.tick()
        tasks.sync(1)
        tasks.sync()
        mine.service.close()
        sent = [message for queue in Channel.queues.values() for message in list(queue.queue)]
    finally:
        before.set_default()
        Channel.queues.clear()
    assert sent, "nobody was woken up, so nothing was tested"
    return repr(sent) + "".join(json.dumps(each) for each in sent)


def the_web(told: Told) -> str:
    """Webhooks that tell of people, then health, metrics, and every page as a reader sees it."""
    line, token = new_user("ben", Role.READER)
    users = told.folder / "users"
    users.write_text(line)
    settings = told.rig.settings()
    keys = {"pseudonym_key": settings.pseudonym_key, "audit_key": settings.audit_key}
    shown = []
    with served(told.rig.database_url, now=told.rig.now(), web_users_file=users, **keys) as site:
        for wid in (HELD, "447700912399@c.us"):
            body = {
                "id": "evt",
                "event": "message:in:new",
                "device": {"id": DEVICE, "alias": "Zwetlana", "phone": people.PHONE},
                "data": {
                    "chat": {"id": wid, "name": "Zwetlana"},
                    "body": NUMBER.format(3),
                    "fromNumber": wid,
                },
            }
            shown.append(site.post(json.dumps(body)).text)
        shown.append(site.post(people.ECHO + "}").text)
        origin = str(site.client.base_url).rstrip("/")
        answer = site.client.post(
            "/sign-in", data={"name": "ben", "secret": token}, headers={"Origin": origin}
        )
        assert answer.status_code < 400, answer.text
        for path in ("/healthz", "/readyz", "/metrics", *_paths(told)):
            answer = site.get(path)
            assert path == "/readyz" or answer.status_code == 200, f"{path}: {answer.status_code}"
            shown.append(f"{path}: {answer.text}")
    assert sum("resolved-30d" in each for each in shown) > 1, "no page was seen from inside"
    return "\n".join(shown)


def _paths(told: Told) -> list[str]:
    """Each page and each table to take away, with the ids of what there is."""
    ((ref,),) = told.rig.sql("select chat_ref from jobs where id = 1")
    ids = {
        "run": "1",
        "job": "1",
        "hold": "1",
        "policy": "resolved-30d",
        "name": "resolved-30d",
        "chat": ref,
        "ref": ref,
    }
    parts = [part for part in pages.PARTS if isinstance(part, Page | Sheet)]
    return [part.path.format(**ids) for part in parts]


SURFACES = {
    "the report views": report_views,
    "the tables": tables,
    "what the command says": the_command,
    "the log as JSON lines": logs_as_json,
    "the log on a terminal": logs_on_a_terminal,
    "a file": files,
    "a message to people": messages_to_people,
    "a message of the broker": broker_messages,
    "the web process": the_web,
}
WITH_NAMES = {"what the command says where it names": the_command_where_it_names}


@pytest.fixture
def told(database_url, tmp_path):
    world = World(now=utc_now, token="token-of-the-tests")
    world.removed_chats = "listed"
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with serve(world) as server, letterbox() as box:
        rig = Rig(world, server.url.removesuffix("/v1"), database_url)
        people.fill(world, now=rig.now())
        told = Told(rig, tmp_path, box)
        told.listen()
        everything_happens(told)
        looks(told)
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


def test_people_show_nowhere(told):
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
