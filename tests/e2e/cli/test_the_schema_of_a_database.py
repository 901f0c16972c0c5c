def test_an_empty_server_database_is_upgraded_by_hand_and_says_so_until_then(account, postgres_databases):
    account.settings["database_url"] = postgres_databases.empty()
    told = account("policy", "list", code=6)
    assert "chat-hygiene db upgrade" in told.stderr
    assert account.json("db", "current")["current"] is None
    assert account.json("db", "check", code=6)["ok"] is False
    upgraded = account.json("db", "upgrade")
    assert upgraded["before"] is None
    assert "nothing to do" in account("db", "upgrade").stderr
    assert account.json("db", "current")["current"] == upgraded["after"]
    account("db", "check")
    account("policy", "list")


def test_a_file_is_upgraded_by_the_first_verb_that_opens_it(command):
    assert command.json("db", "current")["current"] is None
    command("policy", "list")
    shown = command.json("db", "current")
    assert shown["current"] == shown["needed"]
    command("db", "check")


def test_a_server_without_keys_is_refused_with_what_to_do(account, postgres_databases):
    account.settings["database_url"] = postgres_databases.empty()
    account("db", "upgrade")
    done = account("policy", "list", code=3, audit_key="", pseudonym_key="")
    assert "CHAT_HYGIENE_AUDIT_KEY" in done.stderr


def test_grants_are_sql_on_a_server_and_explained_where_there_are_no_roles(command):
    told = command(
        "db", "grants", "--role", "report", "--timeout", "5s", database_url="postgresql://nowhere/db"
    ).stdout
    assert told.startswith("--")
    assert told.endswith("COMMIT;\n")
    assert "statement_timeout = '5s'" in told
    assert "no roles" in command("db", "grants", "--role", "report", code=2).stderr
