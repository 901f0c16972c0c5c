"""The health check's script, as a container runs it."""

import os
import runpy
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chat_hygiene.web import desk
from deploy.stack import ROOT


def check(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "deploy" / "healthcheck.py", *map(str, args)],
        env={**os.environ, "http_proxy": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
    )


def touched(file, *, ago: float) -> None:
    file.touch()
    os.utime(file, (time.time() - ago, time.time() - ago))


def test_a_file_that_was_just_touched_is_well(tmp_path):
    touched(tmp_path / "beat", ago=10)
    assert check(tmp_path / "beat", 60).returncode == 0


@pytest.mark.parametrize("ago", [3600, -3600])
def test_a_file_of_another_time_is_not(tmp_path, ago):
    touched(tmp_path / "beat", ago=ago)
    done = check(tmp_path / "beat", 60)
    assert done.returncode == 1
    assert "nothing was executed for 3" in done.stderr


def test_a_file_that_is_not_there_is_not(tmp_path):
    done = check(tmp_path / "beat", 60)
    assert done.returncode == 1
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path[1:]))
            self.end_headers()

        def log_message(self, *args) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_that_answers_200_is_well_and_no_proxy_is_asked(server):
    assert check(f"{server}/200").returncode == 0


@pytest.mark.parametrize("status", [204, 404, 503])
def test_a_page_that_answers_anything_else_is_not(server, status):
    done = check(f"{server}/{status}")
    assert (done.returncode, done.stderr.strip()) == (1, f"{server}/{status}: answered {status}")


def test_a_page_that_does_not_answer_is_not():
    done = check("http://127.0.0.1:1/healthz")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_it_waits_longer_than_the_page_waits_for_the_database():
    assert runpy.run_path(str(ROOT / "deploy" / "healthcheck.py"))["WAIT"] > desk.PATIENCE + 1
