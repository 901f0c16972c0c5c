"""`preview --out` and `run --plan`: what a person looked at is what goes, or less."""

import json
import stat

import pytest

from support.inbox import POLICIES


@pytest.fixture
def planner(account, policies):
    """An account that was synced, with its policies applied."""
    account("policy", "apply", policies, "--yes")
    account("sync")
    return account


def going(command):
    (policy,) = command.json("preview", "resolved-30d")["policies"]
    return {chat["chat_ref"] for chat in policy["chats"]}


def deletes(world):
    return [seen for seen in world.seen() if seen.call.method == "DELETE"]


def test_a_plan_holds_exactly_what_the_preview_shows_and_no_number_or_name(planner, world):
    done = planner("preview", "--out", "plan.json")
    assert "chat-hygiene run --plan plan.json" in done.stderr
    file = planner.folder / "plan.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    plan = json.loads(file.read_text())
    (policy,) = plan["policies"]
    assert {each["chat_ref"] for each in policy["candidates"]} == going(planner)
    assert policy["digest"] in done.stderr
    names = {chat.record["name"] for device in world.devices for chat in world.chats(device).values()}
    wids = {wid.partition("@")[0] for device in world.devices for wid in world.chats(device)}
    assert not any(word in file.read_text() for word in names | wids)


def test_a_plan_is_never_written_over_anything(planner):
    planner.file("plan.json", "mine")
    assert "is there already" in planner("preview", "--out", "plan.json", code=2).stderr
    assert (planner.folder / "plan.json").read_text() == "mine"
    assert "cannot be written" in planner("preview", "--out", "nowhere/plan.json", code=2).stderr
    assert sorted(path.name for path in planner.folder.glob("*plan*")) == ["plan.json"]


def test_a_plan_is_of_now_and_of_stored_policies_that_enforce(planner, policies):
    assert "--at" in planner("preview", "--out", "plan.json", "--at", "30d", code=2).stderr
    assert "a plan is of stored ones" in planner("preview", policies, "--out", "plan.json", code=2).stderr
    assert (
        "a plan is of stored ones"
        in planner("preview", "keep-contracts", "--out", "plan.json", code=2).stderr
    )
    planner.file("observing.yaml", POLICIES.replace("mode: enforce", "mode: observe"))
    planner("policy", "apply", "observing.yaml", "--yes")
    assert "observes" in planner("preview", "resolved-30d", "--out", "plan.json", code=2).stderr
    assert "no policy enforces" in planner("preview", "--out", "plan.json", code=2).stderr
    assert not (planner.folder / "plan.json").exists()


def test_nothing_is_planned_before_a_sync(account, policies):
    account("policy", "apply", policies, "--yes")
    assert "chat-hygiene sync" in account("preview", "--out", "plan.json", code=2).stderr


def test_a_preview_of_a_day_to_come_lists_what_will_have_ripened_by_then(planner):
    now, later = going(planner), planner.json("preview", "resolved-30d", "--at", "+400d")
    ahead = {chat["chat_ref"] for chat in later["policies"][0]["chats"]}
    assert now < ahead
    assert later["ahead"]
    done = planner("preview", "resolved-30d", "--at", "+400d")
    assert "if nothing changes" in done.stderr
    assert "would go at" in done.stdout


def test_what_is_queued_and_will_have_left_by_then_is_marked(planner):
    planner.file("graced.yaml", POLICIES.replace("grace: none", "grace: 2d"))
    planner("policy", "apply", "graced.yaml", "--yes")
    queued = {chat["chat_ref"] for chat in planner.json("preview")["policies"][0]["chats"]}
    planner("run", "--yes")
    (tomorrow,) = planner.json("preview", "--at", "1d")["policies"]
    (later,) = planner.json("preview", "--at", "3d")["policies"]
    assert not any(chat["gone_by_then"] for chat in tomorrow["chats"])
    assert {chat["chat_ref"] for chat in later["chats"] if chat["gone_by_then"]} <= queued
    assert any(chat["gone_by_then"] for chat in later["chats"])
    assert "gone by then" in planner("preview", "--at", "3d").stdout


@pytest.mark.parametrize("when", ["2020-01-01", "yesterday", "0d"])
def test_a_day_that_is_past_or_none_is_a_usage_error(planner, when):
    assert "→" in planner("preview", "--at", when, code=2).stderr
