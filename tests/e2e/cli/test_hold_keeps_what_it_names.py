"""`hold`, as a command: what it keeps and says, and what it refuses."""

import pytest

REASON = ("--reason", "case 7")


@pytest.fixture
def queued(anywhere, policies):
    """The command, and the pseudonyms of what waits in the queue."""
    anywhere("policy", "apply", policies, "--yes")
    anywhere("run", "--yes", code=5, read_only="true")
    jobs = anywhere.json("jobs", "list", "--state", "queued")["jobs"]
    return anywhere, [job["chat_ref"] for job in jobs]


def test_a_held_chat_stays_until_it_is_released_and_a_day_longer(queued):
    command, (chat, *others) = queued
    placed = command.json("hold", "add", chat, "--for", "30d", *REASON)
    assert (placed["stored"], placed["cancelled"], placed["too_late"]) == (True, 1, [])
    (hold,) = placed["holds"]
    assert placed["new"] == [hold["id"]]
    assert (hold["scope"], hold["chat_ref"], hold["state"]) == ("chat", chat, "active")
    again = command("hold", "add", chat, "--for", "12h", *REASON)
    assert f"hold {hold['id']} was there already" in again.stderr
    command("run", "--yes")
    ended = {job["chat_ref"]: job["state"] for job in command.json("jobs", "list")["jobs"]}
    assert ended[chat] == "cancelled"
    assert "deleted" in {ended[each] for each in others}
    (listed,) = command.json("hold", "list")["holds"]
    assert listed == hold
    assert "case 7" in command("hold", "list").stdout
    release = ("hold", "release", str(hold["id"]), "--reason", "settled")
    asked = command(*release, code=2).stderr
    assert f"hold {hold['id']} keeps the chat" in asked, "nobody is told what is about to be let go"
    assert "case 7" in asked
    said = command(*release, "--yes").stderr
    assert "a day at the earliest" in said
    assert command("hold", "list").stderr.strip() == "nothing is held"
    assert [row["state"] for row in command.json("hold", "list", "--all")["holds"]] == ["released"]
    later = command.json("run", "--yes")
    assert (later["outcomes"], later["waiting"]["later"]) == ({}, 1)
    command("audit", "verify")


def test_what_is_in_flight_is_said_loudly_and_is_no_failure(queued):
    command, (chat, *_) = queued
    mark = command.settings["database_url"]
    _in_flight(mark, chat)
    said = command("hold", "add", chat, *REASON).stderr
    assert "TOO LATE for 1 chat" in said
    assert "jobs show" in said
    (late,) = command.json("hold", "add", chat, *REASON)["too_late"]
    assert late["chat_ref"] == chat


def _in_flight(database_url, chat):
    from sqlalchemy import text

    from chat_hygiene.store.engine import create_engine

    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(
            text("update jobs set state = 'sent', intent = 'whatsapp' where chat_ref = :c"), {"c": chat}
        )
    engine.dispose()


def test_a_label_and_a_number_are_held(queued):
    command, _ = queued
    said = command("hold", "add", "--label", "nobody has it", *REASON).stderr
    assert "every chat labelled nobody has it, until it is released" in said
    device = command.json("jobs", "list")["jobs"][0]["device"]
    there = sum(job["device"] == device for job in command.json("jobs", "list", "--state", "queued")["jobs"])
    placed = command.json("hold", "add", "--device", device, "--for", "3650d", *REASON)
    assert placed["cancelled"] == there


def test_a_number_that_has_no_chat_yet_is_held_and_said_so(account):
    account("sync")
    said = account("hold", "add", "+34 600 111 222", *REASON).stderr
    assert "should it come, it is held" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name one of"),
        (("+34600111222", "--label", "x"), "name one of"),
        (("--device", "x", "--on", "y"), "--on goes with"),
        (("--label", "x", "--for", "30d", "--until", "2100-01-01"), "both say when"),
        (("--label", "x", "--until", "2020-01-01"), "past"),
        (("--label", "x", "--for", "a month"), "no instant"),
        (("0600111222",), "country code"),
    ],
)
def test_what_cannot_be_meant_is_2(account, words, says):
    assert says in account("hold", "add", *words, *REASON, code=2).stderr
    assert account.json("hold", "list", "--all")["holds"] == []


def test_a_hold_that_is_not_in_force_cannot_be_released(account):
    assert "hold 7: there is none" in account("hold", "release", "7", *REASON, code=2).stderr
