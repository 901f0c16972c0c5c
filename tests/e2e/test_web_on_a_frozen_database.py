"""PostgreSQL takes connections and says nothing any more: the web process says so in time, and ends when it is told to."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import environment
from support.databases import address, migrate
from support.processes import Deployment
from support.proxies import Spoil, proxy
from support.servers import postgres

HEALTH_CHECK = Path(__file__).parents[2] / "deploy" / "healthcheck.py"


@pytest.fixture
def line():
    """The way to a database of its own, which can be spoiled."""
    with postgres(tcp=True) as server, proxy(("127.0.0.1", server.port)) as line:
        line.url = address(server.url.set(port=line.port))
        migrate(line.url)
        yield line


def test_its_health_check_passes_and_it_ends_as_told(line, tmp_path):
    deployment = Deployment(environment(line.url, "http://127.0.0.1:1/v1"), None, None, None, tmp_path)
    try:
        web, client = deployment.web()
        assert client.get("/healthz").json()["parts"][0]["name"] == "database"
        line.spoil(Spoil(stall=True))
        checked = subprocess.run(
            [sys.executable, "-I", "-S", HEALTH_CHECK, str(client.base_url.join("/healthz"))],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (checked.returncode, checked.stderr) == (0, ""), (
            "its process works; a restart would mend nothing"
        )
        assert client.get("/readyz").status_code == 503
        web.tell(signal.SIGTERM)
        assert web.ended() == 0, web.said()
        assert "given up" in web.said()
        assert "Traceback" not in web.said()
    finally:
        deployment.close()
