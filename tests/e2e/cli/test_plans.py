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


def test_what_a_person_looked_at_goes_and_nothing_else(planner, world):
    listed = going(planner)
    planner("preview", "--out", "plan.json")
    done = planner("run", "--plan", "plan.json", "--yes")
    assert f"{len(listed)} chats" in done.stderr
    assert "deleted" in done.stdout
    jobs = planner.json("jobs", "list")["jobs"]
    assert {job["chat_ref"] for job in jobs} <= listed
    assert len(deletes(world)) > 0
    again = planner.json("run", "--plan", "plan.json", "--yes")
    assert again["plan"]["chats"] == len(listed)
    assert again["outcomes"] == {}
    assert {each["chat_ref"] for each in again["policies"][0]["dropped"]} <= listed


def test_what_was_queued_before_is_told_and_what_was_not_evaluated_saw_no_chats(planner):
    planner.file("graced.yaml", POLICIES.replace("grace: none", "grace: 2d"))
    planner("policy", "apply", "graced.yaml", "--yes")
    planner("preview", "--out", "plan.json")
    planner("run", "--plan", "plan.json", "--yes")
    again = planner("run", "--plan", "plan.json", "--yes").stdout
    number = len(going(planner))
    assert f"{number} chats of the plan were queued before" in again
    assert f"{number} chats of the plan were queued before" in planner("runs", "show", "2").stdout
    planner("policy", "pause", "resolved-30d", "--reason", "a check")
    paused = planner("run", "resolved-30d", "--yes", code=5).stdout
    assert "resolved-30d: not evaluated: it is paused" in paused
    assert "seen" not in paused


def test_who_dropped_out_is_named_with_what_keeps_it(planner, world):
    planner("preview", "--out", "plan.json")
    for device in world.devices:
        for wid in world.chats(device):
            world.change_chat(device, wid, labels=["vip"])
    done = planner("run", "--plan", "plan.json", "--yes")
    assert "dropped out" in done.stderr
    assert "labelled vip or legal" in done.stderr
    assert not deletes(world)
    shown = planner.json("run", "--plan", "plan.json", "--yes")
    assert {each["clause"] for each in shown["policies"][0]["dropped"]} == {"unless.labels"}


def test_a_plan_names_its_policies_itself_and_is_confirmed(planner, world):
    planner("preview", "--out", "plan.json")
    assert "names its policies itself" in planner("run", "resolved-30d", "--plan", "plan.json", code=2).stderr
    assert "--yes" in planner("run", "--plan", "plan.json", code=2).stderr
    screen = planner.at_terminal("run", "--plan", "plan.json", answers="n\n", code=2)
    assert f"these {len(going(planner))} chats that still match, and no others?" in " ".join(screen.split())
    assert not deletes(world)


def test_a_plan_that_is_none_broken_or_altered_is_refused(planner, world):
    planner("preview", "--out", "plan.json")
    text = (planner.folder / "plan.json").read_text()
    planner.file("broken.json", text[:-5])
    planner.file("altered.json", text.replace('"generation": 1', '"generation": 2', 1))
    before = len(world.seen())
    for name, code in (("nowhere.json", 3), ("policies.yaml", 3), ("broken.json", 3), ("altered.json", 5)):
        done = planner("run", "--plan", name, "--yes", code=code)
        assert name in done.stderr
        assert "→" in done.stderr
    other = {"audit_key": "another-audit-key-of-this-test-0123456789"}
    assert "another AUDIT_KEY" in planner("run", "--plan", "plan.json", "--yes", code=5, **other).stderr
    assert len(world.seen()) == before


def test_a_plan_that_is_out_of_date_is_refused_with_5_and_says_what_to_do(planner, world):
    planner("preview", "--out", "plan.json", approval_expiry_seconds="0.001")
    done = planner("run", "--plan", "plan.json", "--yes", code=5)
    assert "out of date since" in done.stderr
    assert "preview --out" in done.stderr
    planner("preview", "--out", "new.json")
    planner.file("edited.yaml", POLICIES.replace("resolved_for: 30d", "resolved_for: 31d"))
    planner("policy", "apply", "edited.yaml", "--yes")
    document = planner.json("run", "--plan", "new.json", "--yes", code=5)
    assert (document["kind"], document["code"]) == ("error", 5)
    assert "version 2" in " ".join(document["messages"])
    assert not deletes(world)
