import json
import signal
import subprocess
from contextlib import contextmanager

from .conftest import COMMAND, Command

FOLDER = "chat-hygiene-demo"


@contextmanager
def started(command, *words, **environment):
    """The served demo as a child that does not outlive the test."""
    process = subprocess.Popen(
        [COMMAND, "demo", "--serve", *words],
        cwd=command.folder,
        env=command.environment(read_only="true") | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(process, words):
    """The lines that it prints, up to the one that begins with these words."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(words):
            return lines
    raise AssertionError("".join(lines))


@contextmanager
def serving(command, *words):
    """The served demo while its account answers: its document, and the command in its folder with nothing set."""
    with started(command, "--json", *words) as process:
        yield json.loads("".join(until(process, "}"))), Command(command.folder / FOLDER, command.forked)
        process.send_signal(signal.SIGINT)
        assert "The ledger stays" in process.communicate(timeout=20)[1]
        assert process.returncode == 0


def test_a_second_terminal_works_on_the_account_and_the_ledger_outlives_it(command):
    with serving(command) as (told, inside):
        assert told["served"]["folder"] == str(inside.folder)
        assert told["audit"]["ok"]
        assert inside.json("doctor")["exit_code"] == 0
        (owed,) = inside.json("debt", "list")["debts"]
        assert "✔" in inside("explain", owed["chat_ref"]).stdout
        inside("run", "--yes")
    assert len(inside.json("debt", "list")["debts"]) == 1
    assert len(inside.json("jobs", "list")["jobs"]) > 20
    inside("audit", "verify")
    inside("sync", code=6)


def test_it_tells_what_to_type_and_that_the_environment_would_win(command, tmp_path):
    with started(command, PATH=str(tmp_path)) as process:
        text = "".join(until(process, "chat-hygiene demo --reset"))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    command.check(("demo",), 0, 0, text)
    for told in (f"cd {FOLDER}", "preview", "explain chat_", "jobs list", "debt list", "audit verify"):
        assert told in text
    assert "unset CHAT_HYGIENE_API_TOKEN CHAT_HYGIENE_API_URL" in text
    typed = text.split("PATH: type ")[1].splitlines()[0].removesuffix(".")
    assert (command.folder / FOLDER / typed).samefile(COMMAND)
    assert "nothing of it is left" not in text


def test_what_an_earlier_one_left_stays_until_reset_and_never_through_a_link(command, tmp_path):
    with serving(command) as (first, inside):
        inside.file("notes.txt", "mine")
    assert "--reset" in command("demo", "--serve", code=2).stderr
    assert inside.folder.joinpath("notes.txt").exists()
    with serving(command, "--reset") as (second, inside):
        assert not inside.folder.joinpath("notes.txt").exists()
        assert inside.json("doctor")["exit_code"] == 0
    assert first["served"]["api_url"] != second["served"]["api_url"]
    elsewhere = inside.folder.rename(tmp_path / "elsewhere")
    inside.folder.symlink_to(elsewhere)
    command("demo", "--reset", code=2)
    inside.folder.unlink()
    elsewhere.rename(inside.folder)
    assert command.json("demo", "--reset")["removed"]
    assert not list(command.folder.iterdir())
    assert not command.json("demo", "--reset")["removed"]


def test_only_a_folder_of_its_own_is_removed(command):
    folder = command.folder / FOLDER
    folder.mkdir()
    command.file(f"{FOLDER}/mine.txt", "mine")
    for words in (["--reset"], ["--serve", "--reset"], ["--serve"]):
        said = command("demo", *words, code=2)
        assert FOLDER in said.stderr
        assert "add --reset" not in said.stderr
    assert [each.name for each in folder.iterdir()] == ["mine.txt"]


def test_half_a_demo_leaves_nothing(command):
    with started(command) as process:
        until(process, "3  Preview")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode != 0
    assert not list(command.folder.iterdir())
