import subprocess
import sys

import pytest

from chat_hygiene.cli import failures
from chat_hygiene.core.errors import Exit

VERBS = [
    *(
        "demo",
        "init",
        "doctor",
        "sync",
        "preview",
        "run",
        "schedule",
        "explain",
        "erase",
        "fake-api",
        "config show",
    ),
    *(
        "policy validate",
        "policy schema",
        "policy apply",
        "policy list",
        "policy show",
        "policy history",
        "policy pause",
        "policy resume",
        "jobs list",
        "jobs show",
        "jobs retry",
        "jobs cancel",
        "debt retry",
        "debt write-off",
    ),
    *("hold add", "hold list", "hold release", "stop", "start"),
    *("runs list", "runs show", "runs approve", "runs reject"),
    *(
        "debt list",
        "audit list",
        "audit export",
        "audit verify",
        "audit head",
        "audit purge",
        "audit certificate",
        "db upgrade",
        "db current",
        "db check",
    ),
    *("up", "worker", "beat", "web", "webhooks register", "webhooks list"),
]
WITHOUT_JSON = {"policy schema", "worker", "beat"}
"""It is JSON itself; they only log, and their log is JSON when nobody looks on."""


def test_the_help_lists_every_verb_and_the_exit_codes(command):
    text = command("--help").stdout
    assert all(verb.split()[0] in text for verb in VERBS)
    assert "8 the audit does not" in text


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_a_help_and_takes_json(verb):
    from typer.testing import CliRunner

    from chat_hygiene.cli.app import app

    shown = CliRunner().invoke(app, [*verb.split(), "--help"], env={"TERM": "dumb", "COLUMNS": "200"})
    assert shown.exit_code == 0
    assert ("--json" in shown.stdout) is (verb not in WITHOUT_JSON)
    assert len(shown.stdout.split("Options")[0]) > 100


def test_the_help_loads_no_database_and_no_http_client():
    code = (
        "import sys, chat_hygiene.cli; print({'sqlalchemy', 'httpx', 'pydantic_settings'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_an_unknown_queue_is_told_with_the_queues_there_are(command):
    said = command("worker", "--queues", "sync, bogus", code=2).stderr
    assert "'bogus'" in said
    assert "sync, evaluate, delete, maintenance" in said


def test_an_unknown_verb_or_option_is_2(command):
    command("forget-everything", code=2)
    command("run", "--force", code=2)


def _bug():
    raise RuntimeError("tok-1234567890 +447700900123")


def test_a_bug_shows_where_it_is_and_not_what_it_saw(capsys):
    with pytest.raises(RuntimeError) as caught:
        _bug()
    code = failures.show(caught.value, as_json=False)
    shown = capsys.readouterr().err
    assert code is Exit.UNEXPECTED
    assert "RuntimeError" in shown
    assert __file__ in shown
    assert "tok-" not in shown
    assert "9001" not in shown


def test_without_colour_there_is_no_escape(command, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in command.at_terminal("config", "show")
