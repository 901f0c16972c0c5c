"""Settings come from the environment, from `.env`, and from the files that either names."""

import pytest

from chat_hygiene.settings import SettingsError, load_settings

KEY = "an-audit-key-that-is-long-enough-0123456789"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("AUDIT_KEY", "AUDIT_KEY_FILE"):
        monkeypatch.delenv(f"CHAT_HYGIENE_{name}", raising=False)
    (tmp_path / "key").write_text(KEY + "\n")
    return tmp_path


def key():
    found = load_settings().audit_key
    return None if found is None else found.get_secret_value()


def test_a_secret_file_may_be_named_in_the_env_file(folder):
    (folder / ".env").write_text("CHAT_HYGIENE_AUDIT_KEY_FILE=key\n")
    assert key() == KEY


def test_the_environment_is_stronger_than_the_env_file(folder, monkeypatch):
    (folder / ".env").write_text("CHAT_HYGIENE_AUDIT_KEY_FILE=key\n")
    monkeypatch.setenv("CHAT_HYGIENE_AUDIT_KEY", other := KEY[::-1])
    assert key() == other
    monkeypatch.delenv("CHAT_HYGIENE_AUDIT_KEY")
    monkeypatch.setenv("CHAT_HYGIENE_AUDIT_KEY_FILE", "")
    assert key() is None, "an empty name in the environment takes the file away"


def test_a_secret_file_that_cannot_be_read_is_named_by_its_variable(folder):
    (folder / ".env").write_text("CHAT_HYGIENE_AUDIT_KEY_FILE=nowhere\n")
    with pytest.raises(SettingsError, match="CHAT_HYGIENE_AUDIT_KEY_FILE: cannot be read"):
        load_settings()


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.org/v1",
        "ftp://api.example.org/v1",
        "https://user:secret@api.example.org/v1",
        "https://user:pass/word@api.example.org/v1",
        "https://api.example.org:port/v1",
        "https://api.example.org/v1?token=x",
        "https://",
    ],
)
def test_an_api_url_that_would_give_the_token_away_is_refused(url):
    with pytest.raises(SettingsError, match="CHAT_HYGIENE_API_URL"):
        load_settings(api_url=url)


@pytest.mark.parametrize(
    "url", ["https://api.example.org/v1/", "http://127.0.0.1:8900/v1", "http://[::1]:8900/v1"]
)
def test_https_anywhere_and_http_on_loopback_are_taken(url):
    assert load_settings(api_url=url).api_url == url.rstrip("/")
