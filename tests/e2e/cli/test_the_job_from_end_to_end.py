import json


def deletes(world):
    return [seen for seen in world.seen() if seen.call.method == "DELETE"]


def test_applied_previewed_run_and_proven(anywhere, world, policies):
    anywhere("policy", "apply", policies, "--yes")
    anywhere("sync")
    plan = anywhere.json("preview")["policies"][0]
    assert plan["policy"] == "resolved-30d"
    assert len(plan["chats"]) == plan["funnel"]["matched"] >= 5
    assert not deletes(world)

    anywhere("run", code=2)
    assert not deletes(world)

    done = anywhere.json("run", "--yes")
    expected = len(plan["chats"])
    assert done["outcomes"] == {
        "deleted": expected - 3,
        "removed_locally": 1,
        "already_gone": 1,
        "cancelled": 1,
    }
    assert done["policies"][0]["queued"] == expected

    jobs = anywhere.json("jobs", "list")["jobs"]
    assert {job["chat_ref"] for job in jobs} == {chat["chat_ref"] for chat in plan["chats"]}
    (debt,) = anywhere.json("debt", "list")["debts"]
    assert debt["state"] == "removed_locally"
    assert anywhere.json("audit", "verify")["ok"]

    sent = len(deletes(world))
    again = anywhere.json("run", "--yes")
    assert again["outcomes"] == {}
    assert len(deletes(world)) == sent


def test_the_story_of_one_chat_by_its_number(anywhere, world, policies):
    anywhere("policy", "apply", policies, "--yes")
    anywhere("run", "--yes")
    sent = next(seen.call for seen in deletes(world))
    number = "+" + sent.wid.partition("@")[0]

    (told,) = anywhere.json("explain", number)["chats"]
    assert told["removed_at"] is not None
    (job,) = told["jobs"]
    events = anywhere.json("audit", "list", "--chat", number)["events"]
    assert [event["kind"] for event in reversed(events)] == [event["kind"] for event in told["events"]]
    assert {event["chat_ref"] for event in events} == {told["chat_ref"]}

    shown = anywhere.json("jobs", "show", str(job["id"]))
    assert shown["job"]["chat_ref"] == told["chat_ref"]
    text = anywhere("explain", told["chat_ref"]).stdout
    assert "✘ not removed" in text
    assert told["chat_ref"] in text


def test_every_clause_of_a_chat_that_stays_is_told_with_what_was_seen(account, world, policies):
    account("policy", "apply", policies, "--yes")
    account("sync")
    wid = next(
        wid
        for device in world.devices
        for wid, chat in world.chats(device).items()
        if chat.record.get("status") == "active" and wid.endswith("@c.us")
    )
    (told,) = account.json("explain", wid)["chats"]
    clauses = {clause["name"]: clause for clause in told["policies"][0]["clauses"]}
    assert clauses["when.resolved_for"]["lets_go"] is False
    assert clauses["when.resolved_for"]["seen"]["status"] == "active"
    assert "✘ resolved for 30 d or more (status active" in account("explain", wid).stdout
    assert not deletes(world)


def test_a_chat_that_nobody_knows_is_said_so(account):
    assert "no such chat" in account("explain", "+447700900999", code=2).stderr
    assert json.loads(account("explain", "x", "--json", code=2).stdout)["kind"] == "error"
