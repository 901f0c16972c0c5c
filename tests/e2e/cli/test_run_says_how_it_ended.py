from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On


def change(command, policies, before, after):
    path = command.folder / policies
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    command("policy", "apply", policies, "--yes")


def deletes(world):
    return [seen for seen in world.seen() if seen.call.method == "DELETE"]


def test_a_brake_stops_it_with_5(account, world, policies):
    change(account, policies, "max_chats: 1000", "max_chats: 1")
    done = account("run", "--yes", code=5)
    assert "a brake tripped" in done.stdout
    assert "max_chats allows 1" in done.stderr
    assert not deletes(world)
    assert account.json("run", "--yes", code=5)["policies"][0]["state"] == "awaiting_approval"


def test_an_observing_policy_deletes_nothing_with_0(account, world, policies):
    change(account, policies, "mode: enforce", "mode: observe")
    assert "no policy enforces" in account("run", "--yes").stderr
    assert "only observes" in account("run", "--yes", "resolved-30d").stdout
    assert not deletes(world)


def test_what_leaves_later_is_listed_and_not_waited_for(account, world, policies):
    change(account, policies, "grace: none", "grace: 2d")
    done = account("run", "--yes")
    assert "leave later, the first at" in done.stdout
    assert account.json("run", "--yes")["waiting"]["later"] > 0
    assert not deletes(world)


def test_an_unreachable_api_is_6_and_an_unknown_policy_2(account, server, policies):
    account("policy", "apply", policies, "--yes")
    assert "resolved-30d" in account("run", "--yes", "nobody", code=2).stderr
    server.close()
    done = account("run", "--yes", code=6)
    assert "✘" in done.stderr
    assert "Traceback" not in done.stderr


def test_deletions_that_failed_are_7(account, world, policies):
    change(account, policies, "force_local: true", "force_local: false")
    done = account.json("run", "--yes", code=7)
    assert done["outcomes"]["failed"] == 1
    assert done["exit_code"] == 7


def test_an_offline_number_keeps_its_chats_waiting_with_5_or_6(account, world, policies):
    account("policy", "apply", policies, "--yes")
    account("sync")
    for device in world.devices:
        world.set_session(device, "offline")
    done = account.json("run", "--yes", code=6)
    assert done["waiting"]["stuck"] > 0
    assert not deletes(world)


def test_read_only_sends_nothing_and_is_5(account, world, policies):
    account("policy", "apply", policies, "--yes")
    assert "READ_ONLY" in account("run", "--yes", code=5, read_only="true").stderr
    assert not deletes(world)


def test_a_number_whose_chats_cannot_be_read_is_named(account, world, policies):
    account("policy", "apply", policies, "--yes")
    device = next(iter(world.devices))
    world.script(faults.status(500, on=On(method="GET", route="chats", device=device, times=None)))
    done = account.json("sync", code=6)
    assert [each["problem"] is None for each in done["devices"]] == [False, True]


def test_at_a_terminal_it_asks_and_no_means_no(account, world, policies):
    account("policy", "apply", policies, "--yes")
    screen = account.at_terminal("run", answers="n\n", code=2)
    assert "Delete for good what matches?" in screen
    assert not world.seen()
    screen = account.at_terminal("run", answers="y\n")
    assert "deleted" in screen
    assert deletes(world)
