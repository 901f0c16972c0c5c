import json

from support.inbox import POLICIES


def test_on_an_empty_store_it_points_to_sync(command, policies):
    command("policy", "apply", policies, "--yes")
    assert "chat-hygiene sync" in command("preview").stderr
    assert "chat-hygiene sync" in command("preview", policies).stderr
    assert command.json("preview")["live_chats"] == 0


def test_a_document_is_previewed_as_if_it_were_stored_and_is_not(account, policies):
    account("sync")
    from_file = account.json("preview", policies)["policies"]
    assert account.json("policy", "list")["policies"] == []
    account("policy", "apply", policies, "--yes")
    (stored,) = account.json("preview", "resolved-30d")["policies"]
    (unstored,) = from_file
    assert unstored["funnel"]["kept"] == stored["funnel"]["kept"] > 0
    assert [chat["chat_ref"] for chat in unstored["chats"]] == [chat["chat_ref"] for chat in stored["chats"]]
    assert "nobody" in account("preview", "nobody", code=2).stderr


def test_it_lists_every_chat_with_its_reason_and_sends_nothing(account, world, policies):
    account("sync")
    before = len(world.seen())
    document = account.json("preview", policies)
    text = account("preview", policies).stdout
    (policy,) = document["policies"]
    assert f"resolved-30d: {len(policy['chats'])} chats would go" in text
    assert {chat["reason"] for chat in policy["chats"]} == {policy["rule"]}
    assert text.count("···") == len(policy["chats"])
    names = {chat.record["name"] for device in world.devices for chat in world.chats(device).values()}
    assert not any(name in json.dumps(document, ensure_ascii=False) for name in names)
    assert len(world.seen()) == before


def test_it_says_when_a_run_would_queue_fewer_than_it_lists(account):
    few = account.file("few.yaml", POLICIES.replace("canary: off", "canary: 2"))
    account("sync")
    assert "a run now would queue 2 chats, those silent for longest" in account("preview", few).stderr
    account("policy", "apply", few, "--yes")
    account("stop", "--reason", "a check")
    assert "a run now would queue none of them: stopped by" in account("preview", "resolved-30d").stderr


def test_a_name_can_neither_hold_a_number_nor_steer_the_terminal(account, world, policies):
    device = next(iter(world.devices))
    account("sync")
    ref = account.json("preview", policies)["policies"][0]["chats"]
    for wid, chat in world.chats(device).items():
        if chat.record.get("status") == "resolved":
            world.change_chat(device, wid, name="\x1b[2J[bold]+44 7700 900 123\nx")
    account("sync", "--full")
    text = account("preview", policies).stdout
    assert ref
    assert "\x1b" not in text
    assert "[bold]··· 23\\nx" in text


def test_at_a_terminal_of_80_columns_the_table_stays_one_line_a_chat(account, policies):
    account("sync")
    screen = account.at_terminal("preview", policies, "--all")
    chats = [line for line in screen.splitlines() if "···" in line]
    assert len(chats) == len(account.json("preview", policies)["policies"][0]["chats"])
    assert all(len(line.rstrip()) <= 80 for line in chats)
