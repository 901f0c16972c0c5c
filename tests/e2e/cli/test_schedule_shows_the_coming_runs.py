import re
from datetime import datetime

POLICIES = """
version: 1
defaults: {timezone: Europe/Madrid, schedule: "30 2 * * *"}
policies:
  - {name: nightly, when: {resolved_for: 30d}, mode: enforce, delete: {from_whatsapp: true}}
  - {name: busy, when: {inactive_for: 90d}, schedule: "*/15 * * * *"}
  - {name: leap, when: {inactive_for: 900d}, schedule: "0 0 29 2 *"}
  - {name: contracts, action: keep, when: {labels: [contract]}}
"""


def test_a_week_is_shown_in_words_and_on_the_clock_of_the_zone(account):
    account("policy", "apply", account.file("some.yaml", POLICIES), "--yes")
    said = account("schedule")
    lines = said.stdout.splitlines()
    assert "nightly: deletes every day at 02:30 Europe/Madrid" in lines
    assert "busy: observes every 15 minutes Europe/Madrid" in lines
    assert "658 more runs within 7 days" in said.stdout, "often means: the first 14, and how many more"
    assert "no run within 7 days; the next is " in said.stdout
    assert "contracts" not in said.stdout
    assert "nothing runs by itself now: chat-hygiene up" in said.stderr
    begin = lines.index("nightly: deletes every day at 02:30 Europe/Madrid") + 2
    for line in lines[begin : begin + 7]:
        weekday, day, time, *utc = line.split()
        local = datetime.fromisoformat(f"{day}T{time}")
        assert (weekday, time) == (f"{local:%a}", "02:30")
        assert utc[1] in {"00:30", "01:30"}


def test_in_a_year_both_changes_of_the_clock_are_marked_however_many_runs_there_are(account):
    account("policy", "apply", account.file("some.yaml", POLICIES), "--yes")
    text = account("schedule", "nightly", "--days", "366").stdout
    assert text.count("02:30 does not exist that day: runs at 03:00") == 1
    assert text.count("02:30 occurs twice: runs once, the first time") == 1
    further = re.search(r"and ([0-9]+) more runs within 366 days", text)
    document = account.json("schedule", "nightly", "--days", "366")
    (policy,) = document["policies"]
    assert int(further[1]) + text.count(" 02:30  20") + 1 == 366
    assert (document["kind"], len(policy["runs"]), policy["mode"]) == ("schedule", 366, "enforce")
    (skipped,) = [run for run in policy["runs"] if run["skipped"]]
    assert skipped["skipped"].endswith("T02:30")
    assert skipped["local"].endswith("T03:00:00+02:00")
    assert skipped["at"].endswith("T01:00:00Z")
    (twice,) = [run for run in policy["runs"] if run["occurs_twice"]]
    assert (twice["local"][11:], twice["at"][11:]) == ("02:30:00+02:00", "00:30:00Z")


def test_a_terminal_of_80_columns_wraps_no_run(account):
    account("policy", "apply", account.file("some.yaml", POLICIES), "--yes")
    screen = account.at_terminal("schedule", "nightly", "busy")
    runs = [
        line.rstrip()
        for line in screen.splitlines()
        if line[:3] in {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
    ]
    assert len(runs) == 7 + 14
    assert all(len(line) <= 80 for line in runs)


def test_what_is_not_stored_or_too_far_ahead_is_2(account):
    assert "no delete policy is stored" in account("schedule").stderr
    assert "no delete policy is named nope" in account("schedule", "nope", code=2).stderr
    account("schedule", "--days", "0", code=2)
    account("schedule", "--days", "367", code=2)


def test_a_paused_policy_and_a_stop_are_told(account):
    account("policy", "apply", account.file("some.yaml", POLICIES), "--yes")
    account("policy", "pause", "busy", "--reason", "a review")
    account("stop", "--reason", "holidays")
    said = account("schedule", "busy", "nightly")
    assert (
        "busy: paused, else every 15 minutes Europe/Madrid; no run until chat-hygiene policy resume busy"
        in said.stdout
    )
    assert "holidays: runs queue nothing until chat-hygiene start" in said.stderr
    paused, active = account.json("schedule", "busy", "nightly")["policies"]
    assert (paused["state"], paused["runs"], len(active["runs"])) == ("paused", [], 7)
