"""What the compose file promises, service by service, without an engine."""

import json
import re
import stat
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from chat_hygiene.settings import Settings, load_settings
from deploy.stack import BIN, COMPOSE, OURS, ROOT, SERVICES

COMPOSED = [BIN / "docker-compose", "--file", ROOT / "docker-compose.yml"]
ONE_SHOT = {"migrate", "demo-migrate", "app-role", "demo-app-role", "audit-purge", "report-role"}
WORKERS = ("worker", "syncer", "deleter")


def queues(name: str) -> list[str]:
    command = SERVICES[name]["command"]
    return command[command.index("-Q") + 1].split(",")


@pytest.mark.parametrize("profiles", [[], ["demo"], ["observability"], ["demo", "observability"]])
def test_the_compose_binary_accepts_it(profiles):
    flags = [word for profile in profiles for word in ("--profile", profile)]
    done = subprocess.run(
        [*COMPOSED, *flags, "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(params=SERVICES, scope="module")
def service(request):
    return SERVICES[request.param]


def test_a_service_runs_hardened(service):
    assert service["read_only"] is True, "its file system can be written"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert int(service["user"].split(":")[0]) > 0, "it runs as root"
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["init"] is True
    assert service["logging"]["options"]["max-size"], "its log grows for ever"


def test_a_service_restarts_unless_it_is_done(request, service):
    name = request.node.callspec.params["service"]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    if name not in ONE_SHOT | {"demo-api"}:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_an_image_is_pinned_by_its_version(service):
    assert re.search(r":v?\d+\.\d+", service["image"]), service["image"]


def test_a_port_is_published_on_loopback_only(service):
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_what_a_service_mounts_is_in_the_checkout_or_a_volume_and_read_only(service):
    for mount in service.get("volumes", []):
        source, _, mode = mount.split(":", 2) if mount.count(":") == 2 else (*mount.split(":"), "rw")
        if source.startswith("./"):
            assert (ROOT / source).is_file(), f"{source} is not there"
            assert mode == "ro"
        else:
            assert source in COMPOSE["volumes"]


def test_a_service_gets_the_secrets_that_it_reads_and_no_other(service):
    text = (
        repr(service.get("command", ""))
        + repr(service.get("environment", ""))
        + repr(service.get("healthcheck", ""))
    )
    for mount in service.get("volumes", []):
        if mount.startswith("./"):
            text += (ROOT / mount.split(":")[0]).read_text()
    assert set(re.findall(r"/run/secrets/(\w+)", text)) == set(service.get("secrets", []))


LEDGER = {"database_url", "pseudonym_key", "audit_key"}
READS = {
    "beat": {"broker_url"},
    "worker": {"broker_url", "api_token"} | LEDGER,
    "web": {"webhook_token", "web_users"} | LEDGER,
    "migrate": {"owner_url"},
    "audit-purge": {"owner_url", "pseudonym_key", "audit_key"},
}
"""What each kind of process of ours makes use of. That nothing is lacking shows where they are run."""


def test_a_process_of_ours_gets_the_secrets_that_it_makes_use_of_and_no_other():
    fake = {"demo": "web", "demo-beat": "beat", **{f"demo-{name}": "worker" for name in WORKERS}}
    reads = READS | dict.fromkeys(WORKERS, READS["worker"])
    reads |= {name: READS[kind] - {"api_token"} for name, kind in fake.items()}
    reads |= {"demo-api": set(), "demo-migrate": READS["audit-purge"]}
    assert {name: set(SERVICES[name].get("secrets", [])) for name in OURS} == reads


def test_only_what_executes_or_sends_gives_the_sign_of_life_that_its_check_looks_at():
    for name in OURS:
        checks = "/tmp/heartbeat" in SERVICES[name].get("healthcheck", {}).get("test", [])
        assert ("CHAT_HYGIENE_HEARTBEAT_FILE" in SERVICES[name].get("environment", {})) is checks, name


@pytest.mark.parametrize("profile", ["", "demo"])
def test_the_compose_binary_reads_each_environment_as_these_tests_do(profile):
    done = subprocess.run(
        [
            *COMPOSED,
            "--profile",
            profile,
            "config",
            "--format",
            "json",
            "--no-interpolate",
            "--no-env-resolution",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name, found in json.loads(done.stdout)["services"].items():
        assert found.get("environment", {}) == SERVICES[name].get("environment", {}), name


def test_only_what_calls_the_account_has_its_token():
    assert {name for name, service in SERVICES.items() if "api_token" in service.get("secrets", [])} == {
        "worker",
        "syncer",
        "deleter",
    }
    for name in OURS:
        if "CHAT_HYGIENE_API_TOKEN" not in SERVICES[name].get("environment", {}):
            assert SERVICES[name]["env_file"] == [], f"{name} takes the token that .env may hold"


def test_the_demo_cannot_reach_the_account_or_the_real_database():
    for name, service in SERVICES.items():
        if service.get("profiles") == ["demo"]:
            assert service.get("network_mode") == "service:demo-api" or set(service["networks"]) == {"demo"}
            assert service.get("env_file", []) == [], f"{name} reads the real settings"
            assert not any(":" in each and not each.startswith("./") for each in service.get("volumes", []))
            if set(service.get("secrets", [])) >= {"pseudonym_key", "audit_key"}:
                assert load_settings(
                    api_url=service["environment"]["CHAT_HYGIENE_API_URL"]
                ).api_url.startswith("http://127.0.0.1:")


def test_naming_the_demo_starts_all_of_it_and_nothing_else():
    done = subprocess.run(
        [*COMPOSED, "--profile", "demo", "config", "--format", "json", "demo"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["services"]) == {
        name for name, service in SERVICES.items() if service.get("profiles") == ["demo"]
    }


def test_databases_cannot_be_reached_from_outside():
    assert COMPOSE["networks"]["backend"]["internal"] is True
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["backend"]
        assert "ports" not in SERVICES[name]


def test_the_broker_loses_nothing_silently():
    command = SERVICES["redis"]["command"][-1]
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


@pytest.mark.parametrize("name", OURS)
def test_stopping_waits_longer_than_the_longest_call(name):
    settings = Settings()
    longest = 2 * settings.read_deadline_seconds + settings.delete_deadline_seconds
    assert timedelta(seconds=int(SERVICES[name]["stop_grace_period"].removesuffix("s"))) > longest


def test_workers_start_when_the_schema_is_there():
    for name in ("beat", *WORKERS, "web"):
        needs = SERVICES[name]["depends_on"]
        assert needs["app-role"]["condition"] == "service_completed_successfully"
        assert needs["postgres"]["condition"] == needs["redis"]["condition"] == "service_healthy"


def test_only_what_changes_the_schema_or_purges_the_audit_is_the_owner_of_the_tables():
    owners = {name for name in OURS if "owner_url" in SERVICES[name].get("secrets", [])}
    assert owners == {"migrate", "demo-migrate", "audit-purge"}
    for prefix in ("", "demo-"):
        needs = SERVICES[f"{prefix}app-role"]["depends_on"]
        assert needs == {f"{prefix}migrate": {"condition": "service_completed_successfully"}}


def test_every_queue_is_served_once():
    served = [queue for name in WORKERS for queue in queues(name)]
    assert sorted(served) == ["delete", "evaluate", "maintenance", "sync"]


def test_celery_prints_no_banner_among_the_lines_of_the_log():
    commands = [SERVICES[name]["command"] for name in OURS if "celery" in SERVICES[name]["command"]]
    assert commands
    assert [command for command in commands if "--quiet" not in command[: command.index("-A")]] == []


@pytest.mark.parametrize("prefix", ["", "demo-"])
def test_what_is_long_holds_no_process_that_anything_short_waits_for(prefix):
    served = [queues(f"{prefix}{name}") for name in WORKERS]
    assert ["sync"] in served, "ticks wait behind the slices of a long sync"
    assert ["delete"] in served, "ticks wait behind slices of deletions"


def test_every_setting_that_the_services_set_is_one():
    known = {f"CHAT_HYGIENE_{name.upper()}{end}" for name in Settings.model_fields for end in ("", "_FILE")}
    used = {name for each in OURS for name in SERVICES[each].get("environment", {})}
    assert used - known == set()


def test_the_example_of_settings_names_every_one():
    text = (ROOT / ".env.example").read_text()
    assert [name for name in Settings.model_fields if f"CHAT_HYGIENE_{name.upper()}=" not in text] == []


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deploy").mkdir()
    script = tmp_path / "deploy" / "make-secrets.sh"
    script.write_bytes((ROOT / "deploy" / "make-secrets.sh").read_bytes())
    return tmp_path


def make_secrets(folder: Path, token: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", folder / "deploy" / "make-secrets.sh"],
        input=token,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_line_makes_every_secret_and_none_is_like_another(folder):
    done = make_secrets(folder, "the-token\n")
    assert done.returncode == 0, done.stderr
    made = {file.name: file.read_text() for file in (folder / "secrets").iterdir()}
    assert {f"secrets/{name}" for name in made} == {each["file"] for each in COMPOSE["secrets"].values()}
    assert made["api_token"] == "the-token"
    assert len(set(made.values())) == len(made)
    assert not any(value in done.stdout + done.stderr for value in made.values() if value), (
        "a secret was shown"
    )
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700, "others on the machine can read them"
    assert {stat.S_IMODE(file.stat().st_mode) for file in (folder / "secrets").iterdir()} == {0o444}
    settings = load_settings(**{name: made[name] for name in made if name in Settings.model_fields})
    assert settings.pseudonym_key is not None


def test_a_folder_that_was_open_to_others_is_closed(folder):
    (folder / "secrets").mkdir(mode=0o755)
    assert make_secrets(folder, "the-token").returncode == 0
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700, "others on the machine can read them"


def test_secrets_that_are_there_stay_and_a_token_can_follow(folder):
    assert "still missing" in make_secrets(folder, "").stderr
    before = {file.name: file.read_text() for file in (folder / "secrets").iterdir()}
    assert "api_token" not in before
    assert make_secrets(folder, "late-token").returncode == 0
    assert make_secrets(folder, "another-token").returncode == 0
    after = {file.name: file.read_text() for file in (folder / "secrets").iterdir()}
    assert after == {**before, "api_token": "late-token"}
