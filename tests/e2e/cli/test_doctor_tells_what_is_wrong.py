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
