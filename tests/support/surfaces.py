"""Everywhere that something may show: what the product leaves, says, sends and serves, each surface one function to a text.

A new one (a page, a view, a file, a message that goes out) is one more function in `SURFACES`.
"""

import io
import json
import logging
import os
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from datetime import timedelta
from unittest.mock import patch

import click
from celery import current_app
from kombu.transport.memory import Channel
from sqlalchemy import select

from chat_hygiene import celery_app, logs, tasks
from chat_hygiene.cli import failures
from chat_hygiene.cli.app import app
from chat_hygiene.settings import load_settings
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.tables import metadata
from chat_hygiene.store.views import VIEWS
from chat_hygiene.web import pages
from chat_hygiene.web.page import Page, Sheet
from chat_hygiene.web.users import Role, new_user
from chat_hygiene.wiring import notifying, open_ledger, telling
from support import people
from support.people import DEVICE, HELD, NUMBER
from support.site import served


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Told:
    """The world after everything happened to it, and what each call of the command said."""

    def __init__(self, rig, folder, box) -> None:
        self.rig, self.folder, self.box = rig, folder, box
        self.said: list[tuple[str, str]] = []
        self.lines, self.screen = io.StringIO(), Terminal()

    def command(self, *words: str, typed: str = "") -> str:
        """What `chat-hygiene` says on both streams, errors as `main` shows them."""
        with ExitStack() as stack:
            heard = stack.enter_context(redirect_stdout(io.StringIO()))
            stack.enter_context(redirect_stderr(heard))
            stack.enter_context(patch.dict(os.environ, self.environment()))
            stack.enter_context(patch("sys.stdin", io.StringIO(typed)))
            # The command would listen to warnings alone, on its own stderr.
            stack.enter_context(patch.object(telling, "configure_logs", lambda *_, **__: None))
            try:
                app(list(words), standalone_mode=False)
            except click.exceptions.Exit:
                pass
            except Exception as error:  # noqa: BLE001 - as `main` does
                failures.show(error, as_json="--json" in words)
        return heard.getvalue()

    def tell(self, *words: str, **more: str) -> None:
        self.said.append((" ".join(words), self.command(*words, **more)))

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
        plain |= {
            f"{name}_seconds"
            for name in ("refusal_confirm", "retry_base", "read_deadline", "delete_deadline", "lease")
        }
        settings = self.rig.settings()
        values = {name: getattr(settings, name) for name in plain}
        shown = {
            name: v.get_secret_value() if hasattr(v, "get_secret_value") else v for name, v in values.items()
        }
        text_of = {name: v.total_seconds() if isinstance(v, timedelta) else v for name, v in shown.items()}
        return {f"CHAT_HYGIENE_{name.upper()}": str(value) for name, value in text_of.items()} | {
            "CHAT_HYGIENE_NOTIFY_URLS": self.box.address,
            "CHAT_HYGIENE_ALLOW_PRIVATE_TARGETS": "true",
            "CHAT_HYGIENE_BROKER_URL": "memory://",
        }

    def listen(self) -> None:
        """Everything that is logged, also by libraries and for who debugs, in both forms."""
        handlers = []
        for stream in (self.lines, self.screen):
            logs.configure(secrets=[], mask=mask_numbers, level=logging.DEBUG, stream=stream)
            handlers += logging.getLogger().handlers
        logging.getLogger().handlers[:] = handlers


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
    return "\n".join(said for words, said in told.said if not words.startswith((*NAMING, *WRITTEN)))


def the_command_where_it_names(told: Told) -> str:
    return "\n".join(said for words, said in told.said if words.startswith(NAMING))


def logs_as_json(told: Told) -> str:
    assert '"event": "job deleted"' in told.lines.getvalue(), "nothing of what happened was listened to"
    return told.lines.getvalue()


def logs_on_a_terminal(told: Told) -> str:
    return told.screen.getvalue()


def files(told: Told) -> str:
    return "\n".join(
        file.read_text(encoding="utf-8") for file in told.folder.iterdir() if file.name.startswith("plan")
    )


def messages_to_people(told: Told) -> str:
    with patch.dict(os.environ, told.environment()), open_ledger(load_settings()) as ledger:
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
        before.set_current()
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
