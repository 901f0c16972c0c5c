"""A stored policy that only a newer program can read: each command that looks at all policies shows the others, and names it."""

import sqlite3
from contextlib import closing

import pytest

POLICIES = """
version: 1
defaults: {schedule: "0 3 * * *"}
policies:
  - {name: resolved-30d, mode: enforce, when: {resolved_for: 30d}, delete: {from_whatsapp: true}}
  - {name: odd, when: {inactive_for: 90d}}
"""


@pytest.fixture
def spoilt(account):
    """Both policies are stored, and of one a version that nobody here knows."""
    account("policy", "apply", account.file("policies.yaml", POLICIES), "--yes")
    account("sync")
    with closing(sqlite3.connect(account.folder / "chat-hygiene.db")) as store, store:
        store.execute(
            "insert into policy_versions (policy_id, version, document, rule, created_by, created_at)"
            " select policy_id, 2, json_insert(document, '$.nonsense', 1), rule, 'newer', created_at"
            " from policy_versions where rule like '%90 d%'"
        )
        store.execute("update policies set version = 2 where name = 'odd'")
    return account


def test_every_command_shows_the_others_and_names_it(spoilt):
    chat = spoilt.json("preview", "resolved-30d")["policies"][0]["chats"][0]["chat_ref"]
    looks = [("schedule",), ("policy", "list"), ("preview",), ("explain", chat)]
    for words in looks:
        done = spoilt(*words)
        assert "resolved-30d" in done.stdout, words
        assert "odd, version 2, was stored by a newer program" in done.stderr, words
        assert spoilt.json(*words)["unreadable"] == ["odd"], words
    assert "odd, version 2" in spoilt("doctor", code=3).stdout
    assert "this program cannot read its document" in spoilt("policy", "history", "odd").stdout
    for words in (("policy", "show", "odd"), ("preview", "odd"), ("schedule", "odd")):
        assert (
            "→ use that program, or apply a file that says this policy anew" in spoilt(*words, code=3).stderr
        )
    assert "odd, version 2" in spoilt("run", "--yes", code=5).stderr, "a brake trips"
