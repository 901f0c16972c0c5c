"""The real command, where a brake or the canary stopped a run: what a person is told, and what each decision does."""

import json
from datetime import datetime

import pytest


def store(command, policies, **keys):
    """Stores the policies with other keys, as text to text."""
    path = command.folder / policies
    text = path.read_text()
    for before, after in keys.values():
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)
    command("policy", "apply", policies, "--yes")


def deletes(world):
    return [seen.call.wid for seen in world.seen(method="DELETE")]


@pytest.fixture
def braked(anywhere, policies):
    """An account whose only policy may delete one chat a day and matches more; its run awaits approval."""
    store(anywhere, policies, limits=("max_chats: 1000", "max_chats: 1"))
    return anywhere


def test_a_policy_that_would_delete_too_much_stops_and_tells_what_to_do(braked, world):
    done = braked("run", "--yes", code=5)
    assert "nothing queued: a brake tripped" in done.stdout
    assert "max_chats allows 1 chat a day on" in done.stderr
    assert "chat-hygiene runs show 1, then runs approve 1 or runs reject 1" in done.stderr
    assert deletes(world) == []

    shown = braked("runs", "show", "1")
    assert "awaiting approval: nothing queued: a brake tripped" in shown.stdout
    assert "✘" in shown.stdout
    assert "max_chats allows 1" in shown.stderr
    assert "runs approve 1 lets them go" in shown.stderr
    assert shown.stdout.count("awaits approval") == len(braked.json("runs", "show", "1")["chats"])

    listed = braked("runs", "list", "--awaiting").stdout
    assert "resolved-30d" in listed
    (run,) = braked.json("runs", "list", "--awaiting")["runs"]
    assert (run["id"], run["state"], run["reason"], run["queued"]) == (1, "awaiting_approval", "brake", 0)
    told = braked.json("runs", "show", "1")
    assert {chat["standing"] for chat in told["chats"]} == {"brake"}
    assert len(told["chats"]) == run["matched"]
    assert all(chat["chat_ref"].startswith("chat_") for chat in told["chats"])


def test_an_approval_lets_exactly_its_candidates_go(braked, world):
    braked("run", "--yes", code=5)
    listed = {chat["chat_ref"] for chat in braked.json("runs", "show", "1")["chats"]}
    braked("runs", "approve", "1", code=2)
    assert "--yes" in braked("runs", "approve", "1", code=2).stderr
    assert deletes(world) == []
    approved = braked.json("runs", "approve", "1", "--yes", "--reason", "the first clean-up")
    assert (approved["queued"], approved["dropped"]) == (len(listed), [])
    assert deletes(world) == [], "an approval sends nothing by itself"
    braked("run", "--yes")
    assert {job["chat_ref"] for job in braked.json("jobs", "list")["jobs"]} == listed
    assert deletes(world)
    told = braked.json("runs", "show", "1")
    assert told["run"]["approved_by"]
    assert "approved by" in braked("runs", "show", "1").stdout
    assert sum(told["outcomes"].values()) == len(listed)
    assert "the first clean-up" in braked("audit", "export").stdout
    assert "the first clean-up" not in json.dumps(told)
    braked("audit", "verify")


def test_an_approved_list_that_drifted_names_who_dropped_out_and_why(braked, world):
    braked("run", "--yes", code=5)
    (first, *others) = braked.json("runs", "show", "1")["chats"]
    last = datetime.fromisoformat(first["last_message_at"])
    (wid,) = [
        wid
        for wid, chat in world.chats(first["device"]).items()
        if datetime.fromisoformat(chat.record["lastMessageAt"]) == last
    ]
    world.message_arrives(first["device"], wid)
    braked("sync")
    screen = braked.at_terminal("runs", "approve", "1", answers="n\n", code=2)
    assert "1 chat dropped out" in screen
    assert "last message 7 d or more ago" in screen
    assert f"Delete for good {len(others)} of {len(others) + 1} chats of resolved-30d?" in screen
    approved = braked.json("runs", "approve", "1", "--yes")
    assert approved["queued"] == len(others)
    assert [(each["chat_ref"], each["clause"]) for each in approved["dropped"]] == [
        (first["chat_ref"], "scope.age_floor")
    ]


def test_a_backlog_leaves_over_days(braked, world):
    braked("run", "--yes", code=5)
    done = braked("runs", "approve", "1", "--yes", "--per-day", "2")
    assert "queued, 2 a day" in done.stderr
    leaves = sorted(job["not_before"][:10] for job in braked.json("jobs", "list")["jobs"])
    assert [leaves.count(day) for day in sorted(set(leaves))][:-1] == [2] * (len(set(leaves)) - 1)
    braked("run", "--yes")
    assert len(deletes(world)) <= 4, "more than the day's two, each at most by one retry more"


def test_a_rejected_run_and_one_that_is_no_more(braked, world):
    braked("run", "--yes", code=5)
    assert "phone number" in braked("runs", "reject", "1", "--reason", "see 447700900123", code=2).stderr
    braked("runs", "reject", "1", "--reason", "not this week")
    assert "awaits no approval: it is rejected" in braked("runs", "approve", "1", "--yes", code=2).stderr
    assert "no run awaits approval" in braked("runs", "list", "--awaiting").stderr
    assert "there is no run 9" in braked("runs", "show", "9", code=2).stderr
    braked("run", "--yes", code=5)
    braked("run", "--yes", code=5)
    assert "superseded" in braked("runs", "approve", "2", "--yes", code=5).stderr
    assert deletes(world) == []


def test_a_run_approved_too_late_deletes_nothing(braked, world):
    braked("run", "--yes", code=5, approval_expiry_seconds="0.001")
    done = braked("runs", "approve", "1", "--yes", code=5)
    assert "could be approved until" in done.stderr
    assert "chat-hygiene run resolved-30d looks anew" in done.stderr
    braked("run", "--yes", code=5)
    assert deletes(world) == []


def test_the_first_run_of_a_version_goes_with_its_oldest_few(anywhere, world, policies):
    store(anywhere, policies, canary=("canary: off", "canary: 2"))
    done = anywhere("run", "--yes", code=5)
    assert "2 chats queued" in done.stdout
    assert "the others wait until these have ended well" in done.stdout
    assert len({*deletes(world)}) <= 2
    told = anywhere.json("runs", "show", "1")
    assert told["run"]["canary"] is True
    assert [chat["standing"] for chat in told["chats"]].count("brake") == told["run"]["deferred"] > 0
    shown = anywhere("runs", "show", "1").stdout
    assert shown.count("waits for the canary") == told["run"]["deferred"]
    assert "awaits approval" not in shown, "there is nothing to approve"


def test_a_store_without_an_enforcing_policy_says_that_nothing_is_due(anywhere, policies):
    store(anywhere, policies, mode=("mode: enforce", "mode: observe"))
    assert "nothing due" in anywhere("run", "--yes").stdout
