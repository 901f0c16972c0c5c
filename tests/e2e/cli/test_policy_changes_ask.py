"""What can reach more chats is shown and asked about before it is stored; the rest is stored without a word."""

import pytest

from support.inbox import POLICIES

STRICT = POLICIES.replace("resolved_for: 30d", "resolved_for: 3650d")
KEEPS_ONLY = (
    "version: 1\npolicies:\n  - name: keep-contracts\n    action: keep\n    when: {labels: [contract]}\n"
)


@pytest.fixture
def stored(account):
    """The account synced, and a policy stored that matches nothing yet."""
    account("sync")
    account("policy", "apply", account.file("strict.yaml", STRICT), "--yes")
    return account


def versions(command):
    return {each["name"]: each["version"] for each in command.json("policy", "list")["policies"]}


def test_without_a_terminal_a_looser_file_needs_yes_and_a_stricter_one_does_not(stored, policies):
    told = stored("policy", "apply", policies, code=2)
    assert "--yes" in told.stderr
    assert "looser" in told.stdout
    assert "not deleted by what is stored now" in told.stdout
    assert versions(stored)["resolved-30d"] == 1, "nothing is stored that nobody agreed to"
    stored("policy", "apply", policies, "--yes")
    stored("policy", "apply", "strict.yaml")
    assert versions(stored)["resolved-30d"] == 3


def test_what_would_be_reached_in_addition_is_counted_and_named_for_programs_too(stored, policies):
    told = stored.json("policy", "apply", policies, "--yes")
    (change,) = [each for each in told["changes"] if each["policy"] == "resolved-30d"]
    assert change["extra"] == change["matches"] > len(change["first_extra"]) > 0
    assert all(set(chat) == {"chat_ref", "device"} for chat in change["first_extra"])
    assert any(words.startswith("when.resolved_for") for words in change["looser"])


def test_beginning_to_delete_what_is_there_wants_the_name_typed(account, policies):
    account("sync")
    refused = account.at_terminal("policy", "apply", policies, answers="y\n", code=2)
    assert "Type resolved-30d to go on" in refused
    assert versions(account) == {}
    account.at_terminal("policy", "apply", policies, answers="resolved-30d\n")
    assert versions(account) == {"resolved-30d": 1, "keep-contracts": 1}


def test_an_observing_policy_is_stored_without_a_question(account):
    observing = account.file("observing.yaml", POLICIES.replace("mode: enforce", "mode: observe"))
    account("sync")
    account("policy", "apply", observing)
    assert versions(account)["resolved-30d"] == 1


def test_pruning_shows_what_goes_with_it_and_asks_when_a_keep_policy_goes(stored):
    file = stored.file("keeps.yaml", KEEPS_ONLY)
    told = stored("policy", "apply", file, "--prune", "--reason", "the rule is over")
    assert "- resolved-30d: retired" in told.stdout
    assert "1 policy retired" in told.stderr
    assert "no change" in stored("policy", "apply", file, "--prune").stderr
    other = stored.file(
        "other.yaml", KEEPS_ONLY.replace("contracts", "others").replace("[contract]", "[other]")
    )
    told = stored("policy", "apply", other, "--prune", code=2)
    assert "keeps nothing any more" in told.stdout
    stored("policy", "apply", other, "--prune", "--yes")
    assert versions(stored) == {"keep-others": 1}
    assert "retired by" in stored("policy", "history", "resolved-30d").stdout


def test_the_history_shows_who_changed_what_and_why_newest_first(stored, policies):
    stored("policy", "apply", policies, "--yes", "--reason", "the works council agreed", actor="ana")
    told = stored("policy", "history", "resolved-30d").stdout
    assert told.index("version 2, changed by ana: the works council agreed") < told.index(
        "version 1, created"
    )
    assert "when.resolved_for: 3650d → 30d" in told
    newest, oldest = stored.json("policy", "history", "resolved-30d")["history"]
    assert (newest["version"], newest["reason"]) == (2, "the works council agreed")
    assert newest["differences"] == [{"key": "when.resolved_for", "before": "3650d", "after": "30d"}]
    assert oldest["what"] == "created"
    assert "no policy was ever named nobody" in stored("policy", "history", "nobody", code=2).stderr
    number = stored("policy", "apply", "strict.yaml", "--reason", "ask +34 600 111 222", code=2)
    assert "phone number" in number.stderr


def test_a_policy_is_paused_at_once_and_resumed_with_a_question(anywhere, policies):
    anywhere("policy", "apply", policies, "--yes")
    assert "is paused" in anywhere("policy", "pause", "resolved-30d", "--reason", "looking into it").stderr
    (listed,) = [
        each for each in anywhere.json("policy", "list")["policies"] if each["name"] == "resolved-30d"
    ]
    assert (listed["state"], listed["next_run_at"]) == ("paused", None)
    assert "paused, else it deletes" in anywhere("policy", "list").stdout
    done = anywhere("run", "resolved-30d", "--yes", code=5)
    assert "it is paused" in done.stdout
    assert "resolved-30d is paused: resolved for" in done.stderr, "it neither deletes nor observes"
    assert "--yes" in anywhere("policy", "resume", "resolved-30d", "--reason", "all is well", code=2).stderr
    told = anywhere("policy", "resume", "resolved-30d", "--reason", "all is well", "--yes")
    assert "nothing is queued" in told.stdout
    assert "goes on" in told.stderr
    history = anywhere.json("policy", "history", "resolved-30d")["history"]
    assert [each["what"] for each in history] == ["resumed", "paused", "created"]
    assert [each["reason"] for each in history] == ["all is well", "looking into it", None]
    assert "keep none" in anywhere("policy", "pause", "keep-contracts", "--reason", "x", code=2).stderr
    assert anywhere.json("audit", "verify")["unsealed"] == 0
