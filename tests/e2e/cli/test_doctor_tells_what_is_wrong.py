from datetime import timedelta

from sqlalchemy import select, update

from chat_hygiene.clock import utc_now
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.store import heartbeats
from chat_hygiene.store.engine import create_engine, sessions
from chat_hygiene.store.tables import devices, jobs, switches
from chat_hygiene.wiring.health import SILENCE


def checks(command, code=0, **settings):
    return {each["part"]: each for each in command.json("doctor", code=code, **settings)["checks"]}


def test_all_is_well(account):
    told = checks(account)
    assert told.pop("worker")["ok"] is None, "nothing was started yet"
    assert all(each["ok"] for each in told.values())
    assert list(told) == ["settings", "database", "keys", "audit", "API", "token", "Support ES", "Sales UK"]


def test_a_bad_token_is_told_from_an_unreachable_host(account, server):
    told = checks(account, 6, api_token="another-token")
    assert told["API"]["ok"]
    assert told["token"]["ok"] is False
    assert "CHAT_HYGIENE_API_TOKEN" in told["token"]["fix"]
    server.close()
    told = checks(account, 6)
    assert told["API"]["ok"] is False
    assert "token" not in told


def test_an_address_without_the_version_path_is_told_where_to_look(account, server):
    told = checks(account, 6, api_url=server.url.removesuffix("/v1"))
    assert "GET /devices answered 404: there is no such API at this address" in told["API"]["says"]
    assert "CHAT_HYGIENE_API_URL" in told["API"]["fix"]
    assert told["API"]["fix"].endswith("like /v1")


def test_no_token_at_all(account):
    told = checks(account, 3, api_token="")
    assert "there is no API token" in told["token"]["says"]


def test_a_number_without_the_plan_and_one_offline(account, world):
    sales, support = list(world.devices)[::-1]
    world.set_session(support, "offline")
    world.add_device(device_record(sales, alias="Sales UK", phone="+447700900001", product="starter"))
    told = checks(account, 6)
    assert "Platform plan" in told["Sales UK"]["fix"]
    assert "offline" in told["Support ES"]["says"]
    assert told["token"]["ok"]


def test_wrong_settings_and_a_database_that_is_not_there(account):
    told = checks(account, 3, page_size="0")
    assert "CHAT_HYGIENE_PAGE_SIZE" in told["settings"]["says"]
    told = checks(account, 6, database_url="postgresql://nobody:hunter2@127.0.0.1:9/none")
    assert told["database"]["ok"] is False
    assert "hunter2" not in str(told)


def test_each_line_stands_on_a_terminal_too(account):
    assert account.at_terminal("doctor").count("✔") == 8


OLD = """
version: 1
defaults: {schedule: "0 3 * * *"}
policies:
  - name: on-both
    when: {inactive_for: 9d}
    grace: none
  - name: only-sales
    devices: [Sales UK]
    when: {resolved_for: 2d}
    grace: 2d
  - name: keep-old
    action: keep
    when: {older_than: 90d}
"""


def kept_for(world, text):
    for record in world.devices.values():
        record["settings"]["retentionPolicy"] = text


def test_a_vendor_that_cleans_up_before_a_policy_is_a_warning_that_names_it(account, world):
    kept_for(world, "8d")
    assert checks(account)["Sales UK"]["ok"], "no policy is stored yet"
    account("policy", "apply", account.file("old.yaml", OLD), "--yes")
    told = checks(account)
    assert told["Support ES"]["ok"] is None
    assert "8d" in told["Support ES"]["says"]
    assert "on-both (9 d or more)" in told["Support ES"]["says"]
    assert "only-sales" not in told["Support ES"]["says"]
    # The age floor of 7 d is more than 2 d, and the grace comes on top.
    assert "on-both (9 d or more), only-sales (9 d or more)" in told["Sales UK"]["says"]
    assert "keep-old" not in str(told)
    assert "wait less" in told["Sales UK"]["fix"]
    for enough in ("9d", "never"):
        kept_for(world, enough)
        told = checks(account)
        assert all(told[name]["ok"] for name in ("Support ES", "Sales UK")), enough


def test_a_retention_in_an_unknown_spelling_is_said_so(account, world):
    kept_for(world, "1 month")
    told = checks(account)["Sales UK"]
    assert told["ok"] is None
    assert '"1 month"' in told["says"]


def stored(account, work):
    engine = create_engine(f"sqlite:///{account.folder / 'chat-hygiene.db'}")
    with sessions(engine).begin() as session:
        work(session)
    engine.dispose()


def signs_of_life(account, *parts, ago=0):
    at = utc_now() - timedelta(seconds=ago)
    stored(account, lambda session: [heartbeats.beat(session, part, now=at) for part in parts])


def test_a_worker_that_never_ran_works_or_went_silent(account):
    told = checks(account)["worker"]
    assert (told["ok"], "none has ever run" in told["says"]) == (None, True)
    assert "chat-hygiene up" in told["fix"]
    signs_of_life(account, *SILENCE, ago=3600)
    told = checks(account, 6)["worker"]
    assert told["ok"] is False
    assert "no sign of life for 60 min" in told["says"]
    assert "chat-hygiene up" in told["fix"]
    signs_of_life(account, *(part for part in SILENCE if part != "delete"))
    told = checks(account, 6)["worker"]
    assert "only in part: no sign of life lately from delete" in told["says"]
    signs_of_life(account, *SILENCE)
    assert checks(account)["worker"]["ok"]


def test_old_data_a_stop_and_abandoned_debt_are_told(account, policies):
    account("sync")
    told = checks(account)
    assert "read completely within the last" in told["sync"]["says"]
    assert "debt" not in told
    assert "deleting" not in told
    account("policy", "apply", policies, "--yes")
    account("run", "--yes")
    old = {"last_full_sync_at": utc_now() - timedelta(days=3)}
    ours = devices.c.alias == "Sales UK"
    owed = {"state": "removed_locally", "debt_state": "abandoned"}
    stop = {"on": True, "at": utc_now(), "actor": "ops", "reason": "check"}

    def spoil(session):
        session.execute(update(devices).where(ours).values(old))
        some = select(jobs.c.id).where(jobs.c.debt_state.is_not(None)).limit(1).scalar_subquery()
        session.execute(update(jobs).where(jobs.c.id == some).values(owed))
        session.execute(update(switches).where(switches.c.name == "stop").values(stop))

    stored(account, spoil)
    told = checks(account)
    assert (told["sync"]["ok"], "Sales UK (3 d ago)" in told["sync"]["says"]) == (None, True)
    assert told["debt"]["says"].startswith("1 chat was removed here but not in WhatsApp")
    assert "debt list" in told["debt"]["fix"]
    assert "stopped by ops" in told["deleting"]["says"]
