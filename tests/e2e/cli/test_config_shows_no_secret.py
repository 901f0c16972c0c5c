def test_every_setting_says_its_value_and_where_it_comes_from(command):
    command.file(".env", "CHAT_HYGIENE_PAGE_SIZE=50\n")
    key = command.file("token", "secret-of-a-file")
    shown = command.json(
        *("config", "show"),
        api_token="",
        api_token_file=key,
        lease_seconds="150",
        database_url="postgresql://someone:hunter2@db.internal:5433/hygiene?sslpassword=hunter3",
    )
    rows = {row["name"].removeprefix("CHAT_HYGIENE_"): row for row in shown["settings"]}
    assert (rows["PAGE_SIZE"]["value"], rows["PAGE_SIZE"]["source"]) == (50, ".env")
    assert (rows["LEASE_SECONDS"]["value"], rows["LEASE_SECONDS"]["source"]) == (150.0, "environment")
    assert (rows["API_TOKEN"]["value"], rows["API_TOKEN"]["source"]) == ("set", "file")
    assert (rows["WEB_PORT"]["value"], rows["WEB_PORT"]["source"]) == (8787, "default")
    assert rows["AUDIT_KEY"]["value"] is None
    assert rows["DATABASE_URL"]["value"] == "postgresql+psycopg://db.internal:5433/hygiene"
    assert "hunter" not in str(shown)
    assert "secret-of-a-file" not in str(shown)


def test_as_a_table_too(command):
    text = command("config", "show", pseudonym_key="k" * 40).stdout
    assert "CHAT_HYGIENE_API_TOKEN" in text
    assert "sqlite:///chat-hygiene.db" in text


def test_every_wrong_setting_is_named_at_once_and_its_value_is_not_shown(command):
    done = command("config", "show", code=3, api_url="ftp://x", audit_key="too-short-a-key", page_size="0")
    for name in ("API_URL", "AUDIT_KEY", "PAGE_SIZE"):
        assert f"CHAT_HYGIENE_{name}" in done.stderr
    assert "ftp://x" not in done.stderr
    assert command.json("config", "show", code=3, page_size="0")["code"] == 3
