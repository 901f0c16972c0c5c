"""The Dockerfile, read and its steps tried without an engine: what it copies, installs and runs as."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from deploy.stack import COMPOSE, OURS, ROOT, SERVICES

STEPS = [
    (line.split(None, 1)[0], line.split(None, 1)[1])
    for line in (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]
RUNTIME = STEPS[max(index for index, (word, _) in enumerate(STEPS) if word == "FROM") :]
COPIES = [shlex.split(rest) for word, rest in STEPS if word == "COPY" and "--from" not in rest]
INSTALLS = [shlex.split(rest) for word, rest in STEPS if word == "RUN" and rest.startswith("pip install")]
SENT = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]


def test_the_builder_gets_what_is_copied_and_no_more():
    copied = {source for *sources, _ in COPIES for source in sources}
    assert copied == set(SENT), "the list of .dockerignore is not what the Dockerfile copies"
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines(), "everything else is not kept out"


def test_it_installs_what_the_makefile_installs():
    makefile = (ROOT / "Makefile").read_text()
    locked, own = (line.split() for line in re.findall(r"@\$\(PIP\) (install .*)", makefile)[:2])
    assert [word for word in INSTALLS[0][1:] if word not in {"--only-binary", ":all:"}] == locked
    assert [word for word in INSTALLS[1][1:] if word != "."] == [
        word for word in own if word not in {"-e", "."}
    ]


def test_the_image_can_send_the_messages_that_it_can_be_set_to_send():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][
        "notify"
    ]
    locked = set(re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements.lock").read_text()))
    assert {re.split(r"[><=]", each)[0] for each in wanted} <= locked


def test_nothing_in_it_names_an_index():
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"https?://|index|find-links|trusted", text, re.IGNORECASE)


def test_both_stages_stand_on_one_pinned_python_that_the_project_supports():
    [(_, argument)] = [step for step in STEPS if step[0] == "ARG"]
    found = re.fullmatch(r"PYTHON=python:(3\.\d+)\.\d+-slim-\w+", argument)
    assert found, argument
    assert {rest.split()[0] for word, rest in STEPS if word == "FROM"} == {"${PYTHON}"}
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    assert f"Programming Language :: Python :: {found[1]}" in classifiers


def test_it_runs_as_a_number_that_is_not_root_and_compose_says_the_same():
    [user] = [rest for word, rest in RUNTIME if word == "USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert {SERVICES[name]["user"] for name in OURS} == {user}


def test_the_image_holds_every_file_that_a_health_check_runs():
    there = {rest.split()[-1] for word, rest in RUNTIME if word == "COPY"}
    used = {
        word
        for name in OURS
        for word in SERVICES[name].get("healthcheck", {}).get("test", [])
        if word.startswith("/opt/")
    }
    assert used
    assert used <= there


def test_the_image_is_named_after_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert COMPOSE["x-app"]["image"] == f"chat-hygiene:{version}"


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Path:
    """What the builder stage has after its COPY steps."""
    folder = tmp_path_factory.mktemp("context")
    for *sources, target in COPIES:
        for source in sources:
            if target.startswith("/"):
                continue
            ignored = shutil.ignore_patterns("__pycache__")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder / target, ignore=ignored)
            else:
                shutil.copy(ROOT / source, folder)
    return folder


def test_what_is_copied_builds_a_whole_wheel(context):
    options = "--disable-pip-version-check --quiet --no-deps --no-build-isolation --wheel-dir wheels"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options.split(), "."],
        cwd=context,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [wheel] = (context / "wheels").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("worker/chat_hygiene", "policies/chat_policies"):
        for file in (ROOT / folder).rglob("*.py"):
            assert str(file.relative_to(ROOT / folder.split("/")[0])) in names
    assert any(name.startswith("chat_hygiene/migrations/versions/") for name in names)
    assert any(name.startswith("chat_hygiene/examples/") for name in names)


def test_what_only_builds_is_taken_out_again():
    [removed] = [shlex.split(rest)[3:] for word, rest in STEPS if rest.startswith("pip uninstall")]
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["build"]
    locked = set(re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements.lock").read_text())) | {"pip"}
    assert {re.split(r"[><=]", each)[0] for each in build} <= set(removed)
    assert set(removed) <= locked, "something is taken out that is not there"
