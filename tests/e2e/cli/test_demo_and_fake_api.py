import json
import signal
import subprocess
from urllib.request import Request, urlopen

from .conftest import COMMAND


def test_the_demo_tells_the_whole_job_and_leaves_nothing(command, tmp_path):
    places = {"TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path / "home")}
    for place in places.values():
        command.folder.joinpath(place).mkdir()
    command.file(".env", "CHAT_HYGIENE_READ_ONLY=true\nCHAT_HYGIENE_PAGE_SIZE=nonsense\n")
    done = subprocess.run(
        [COMMAND, "demo"],
        cwd=command.folder,
        env=command.environment(database_url="sqlite:///mine.db", read_only="true") | places,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    command.check(("demo",), 0, done.returncode, done.stdout, done.stderr)
    for told in (
        "removed locally",
        "cancelled",
        "already gone",
        "proven",
        "chat-hygiene init",
        "leave later",
    ):
        assert told in done.stdout
    assert done.stderr == ""
    assert [each.name for each in command.folder.iterdir()] == [".env"]
    assert not list((tmp_path / "tmp").iterdir())
    assert not list((tmp_path / "home").iterdir())


def test_the_demo_as_a_document(command):
    told = command.json("demo")
    assert told["audit"]["ok"]
    assert told["run"]["outcomes"]["removed_locally"] == 1


def test_the_fake_api_serves_until_it_is_interrupted(command):
    with subprocess.Popen(
        [COMMAND, "fake-api", "--json", "--token", "mine", "--chats", "30"],
        cwd=command.folder,
        env=command.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        lines = iter(process.stdout.readline, "}\n")
        url = json.loads("".join([*lines, "}"]))["url"]
        with urlopen(Request(f"{url}/devices", headers={"Token": "mine"}), timeout=10) as answer:
            assert len(json.load(answer)) == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_a_port_that_is_taken_is_said_so(command, server):
    port = server.url.split(":")[2].split("/")[0]
    assert f"port {port}" in command("fake-api", "--port", port, code=3).stderr
