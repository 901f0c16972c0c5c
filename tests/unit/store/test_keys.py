"""The keys come from the settings, or are made once and kept beside the SQLite file."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chat_hygiene.core.errors import Exit, InvalidInputError
from chat_hygiene.settings import load_settings
from chat_hygiene.store.keys import load_keys

WID = ("wassenger", "d1", "447362053576@c.us")
ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def embedded(folder, **more):
    return load_settings(database_url=f"sqlite:///{folder}/ledger.db", **more)


def server(**more):
    return load_settings(database_url="postgresql://someone@db.example/ledger", **more)


def test_embedded_keys_are_made_once_and_only_their_owner_may_read_them(folder):
    keys = load_keys(embedded(folder))
    again = load_keys(embedded(folder))
    assert keys.audit_key == again.audit_key
    assert keys.pseudonyms.ref(*WID) == again.pseudonyms.ref(*WID)
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["ledger.db.audit.key", "ledger.db.pseudonym.key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len({file.read_text() for file in files}) == 2


def test_processes_that_start_at_once_agree_on_the_keys(folder, monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda _: False)  # all of them look before any has made one
    barrier = threading.Barrier(8)

    def load(_):
        barrier.wait()
        return load_keys(embedded(folder)).audit_key

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(load, range(8)))) == 1
    assert len(list(folder.iterdir())) == 2, "no draft is left behind"


def test_a_key_file_and_a_setting_with_its_text_are_the_same_key(folder):
    made = load_keys(embedded(folder))
    texts = {name: (folder / f"ledger.db.{name}.key").read_text().strip() for name in ("audit", "pseudonym")}
    given = load_keys(server(audit_key=texts["audit"], pseudonym_key=texts["pseudonym"]))
    assert given.audit_key == made.audit_key
    assert given.pseudonyms.ref(*WID) == made.pseudonyms.ref(*WID)


def test_settings_win_over_files_and_make_none(folder):
    keys = load_keys(embedded(folder, audit_key=ONE, pseudonym_key=f"new:{TWO},old:{ONE}"))
    assert keys.audit_key == ONE.encode()
    assert keys.pseudonyms.ref(*WID)[1] == "new"
    assert len(keys.pseudonyms.refs(*WID)) == 2
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "CHAT_HYGIENE_PSEUDONYM_KEY and CHAT_HYGIENE_AUDIT_KEY: needed with PostgreSQL"),
        ({"audit_key": ONE}, "CHAT_HYGIENE_PSEUDONYM_KEY: needed with PostgreSQL"),
        ({"pseudonym_key": ONE}, "CHAT_HYGIENE_AUDIT_KEY: needed with PostgreSQL"),
    ],
)
def test_with_a_server_missing_keys_are_named_with_the_way_to_make_one(given, named):
    with pytest.raises(InvalidInputError) as caught:
        load_keys(server(**given))
    assert str(caught.value) == named
    assert "openssl rand -hex 32" in caught.value.fix
    assert caught.value.exit_code is Exit.INVALID


def test_a_broken_key_file_is_named_and_left_alone(folder):
    file = folder / "ledger.db.audit.key"
    file.write_text("short\n")
    with pytest.raises(InvalidInputError, match=r"ledger\.db\.audit\.key holds no key of 32 characters"):
        load_keys(embedded(folder))
    assert file.read_text() == "short\n"


def test_a_folder_that_is_missing_is_named(folder):
    with pytest.raises(InvalidInputError, match=r"nowhere/ledger\.db\.pseudonym\.key cannot be made"):
        load_keys(embedded(folder / "nowhere"))


def test_keys_are_never_shown(folder):
    assert ONE not in repr(load_keys(embedded(folder, audit_key=ONE, pseudonym_key=ONE)))
