from chat_hygiene.providers.fake.records import device_record


def checks(command, code=0, **settings):
    return {each["part"]: each for each in command.json("doctor", code=code, **settings)["checks"]}


def test_all_is_well(account):
    told = checks(account)
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
        assert all(each["ok"] for each in checks(account).values()), enough


def test_a_retention_in_an_unknown_spelling_is_said_so(account, world):
    kept_for(world, "1 month")
    told = checks(account)["Sales UK"]
    assert told["ok"] is None
    assert '"1 month"' in told["says"]
