"""What stops a run by itself: the brakes of a day, the canary of a version. What is not queued stays put down."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from chat_hygiene.store.tables import chats, run_candidates
from integration.pipeline.deciding import (
    ENDED_BADLY,
    Listed,
    approve,
    end_jobs,
    foreseen,
    message,
    queued,
    run,
    stop,
    withheld,
)
from support.timetable import DAY, HOUR


def test_a_policy_that_would_delete_too_much_deletes_nothing_and_says_what_it_saw(table):
    table.policy(limits="{max_chats: 4, max_share: 100%, canary: off}")
    table.number("d1", alias="Support")
    for number in range(5):
        table.chat(number)
    report = run(table)
    assert (report.state, report.reason, report.queued) == ("awaiting_approval", "brake", 0)
    assert report.expires_at == table.now + timedelta(days=7), "nobody could say how long it waits"
    assert queued(table) == []
    assert withheld(table) == {f"chat_{number}": ("brake", table.now) for number in range(5)}
    ((notes,),) = table.sql("select notes from policy_runs")
    assert "max_chats allows 4 chats a day on Support, and this run wants 5" in str(notes)
    ((_, detail),) = table.events("run.awaiting_approval")
    assert json.loads(detail)["reason"] == "brake"


@pytest.mark.parametrize(("limits", "words"), [
    ("{max_chats: 0, max_share: 100%, canary: off}", "max_chats allows no chats"),
    ("{max_chats: 10, max_share: 0%, canary: off}", "max_share allows 0"),
])  # fmt: skip
def test_a_limit_of_zero_lets_none_go(table, limits, words):
    table.policy(limits=limits)
    table.number()
    table.chat(1)
    report = run(table)
    assert report.state == "awaiting_approval"
    assert words in report.trips[0].words


def test_a_share_is_one_of_the_chats_in_scope_however_young_rounded_up(table):
    table.policy(limits="{max_chats: 10, max_share: 10%, canary: off}")
    first, second = table.number("d1"), table.number("d2")
    table.chat(1, first)
    for number in range(2, 6):
        table.chat(number, first, quiet=DAY)
    assert run(table).queued == 1, "one of five is more than a tenth, and still only one"
    for number in range(10, 12):
        table.chat(number, second)
    for number in range(12, 20):
        table.chat(number, second, quiet=DAY)
    for number in range(20, 40):
        table.chat(number, second, kind="group")
    (trip,) = run(table).trips
    assert (trip.allowed, trip.wanted, trip.population) == (1, 2, 10), (
        "groups are none of its chats, young ones are"
    )


def test_brakes_are_judged_for_each_number_and_each_day(table):
    table.policy(limits="{max_chats: 2, max_share: 100%, canary: off}")
    first, second = table.number("d1"), table.number("d2")
    for number in range(2):
        table.chat(number, first)
        table.chat(10 + number, second)
    assert run(table).queued == 4, "two a number are allowed"
    assert foreseen(table) == "all"
    table.chat(2, first)
    assert foreseen(table) == "brake", "nobody could see it coming"
    report = run(table)
    (trip,) = report.trips
    assert trip.device == "d1"
    assert trip.words.endswith("earlier runs of this day queued 2, and this one wants 1 more")
    assert approve(table, report.run_id).queued == 1
    table.now += DAY
    table.synced()
    for number in range(3, 5):
        table.chat(number, first)
    assert run(table).queued == 2
    table.chat(6, second)
    table.chat(7, second)
    assert run(table).queued == 2, "the day's two on the other number are not this number's"


def test_brakes_are_judged_for_each_policy(table):
    for name in ("old", "other"):
        table.policy(name, limits="{max_chats: 2, max_share: 100%, canary: off}")
    table.number()
    for number, name in enumerate(("old", "other")):
        for chat in range(2):
            table.chat(10 * number + chat)
        assert run(table, name).queued == 2, "the day's two of the other policy are not this one's"


def test_an_approval_leaves_the_day_its_own_limit(table):
    table.policy(limits="{max_chats: 2, max_share: 100%, canary: off}")
    table.number()
    for number in range(3):
        table.chat(number)
    approve(table, run(table).run_id)
    table.chat(3)
    table.chat(4)
    assert run(table).queued == 2


def test_an_observing_run_says_what_a_brake_would_do_and_withholds_nothing(table):
    table.policy(mode="observe", limits="{max_chats: 1, max_share: 100%}")
    table.number()
    table.chat(1)
    table.chat(2)
    report = run(table)
    assert (report.state, report.reason) == ("done", "observe")
    assert "would await an approval: max_chats allows 1" in report.notes[0]
    assert withheld(table) == {}


def test_the_first_run_of_a_version_queues_the_oldest_few_and_the_next_the_rest(table):
    table.policy(limits="{max_chats: 1000, max_share: 100%, canary: 3}")
    table.number()
    for number in range(8):
        table.chat(number, quiet=(40 + number) * DAY)
    assert foreseen(table) == "first"
    report = run(table)
    assert (report.queued, report.deferred, report.canary, report.reason) == (3, 5, True, "queued")
    assert foreseen(table) == "wait"
    assert report.safety_stop, "somebody who runs it by hand must see that it is not all"
    assert queued(table) == ["chat_5", "chat_6", "chat_7"], "those silent for longest go first"
    assert {by for by, _ in withheld(table).values()} == {"brake"}
    waiting = run(table)
    assert (waiting.state, waiting.reason, waiting.queued, waiting.deferred) == ("done", "canary", 0, 5)
    assert len(queued(table)) == 3
    end_jobs(table, "deleted", most=1)
    assert run(table).reason == "canary", "two of the first three have not ended"
    end_jobs(table, "already_gone", "cancelled")
    rest = run(table)
    assert (rest.queued, rest.deferred, rest.canary) == (6, 0, False), "five, and the one that was cancelled"
    assert withheld(table) == {}


@pytest.mark.parametrize("outcome", ENDED_BADLY)
def test_a_canary_that_ended_badly_asks_a_person_about_all_others(table, outcome):
    table.policy(limits="{max_chats: 1000, max_share: 100%, canary: 2}")
    table.number()
    for number in range(6):
        table.chat(number, quiet=(40 + number) * DAY)
    first = run(table)
    end_jobs(table, "deleted", outcome)
    assert foreseen(table) == "canary"
    report = run(table)
    assert (report.state, report.reason, report.queued) == ("awaiting_approval", "canary", 0)
    assert f"runs show {first.run_id}" in report.notes[0]
    assert len(withheld(table)) == 4, "what had its job is not asked about again"
    assert approve(table, report.run_id).queued == 4
    table.chat(9)
    assert run(table).queued == 1, "whoever approved a version's run has lifted its canary"


def test_a_new_version_has_a_canary_of_its_own(table):
    table.policy(limits="{max_chats: 1000, max_share: 100%, canary: 1}")
    table.number()
    table.chat(1)
    assert run(table).canary
    end_jobs(table, "deleted")
    for number in (2, 3):
        table.chat(number)
    table.policy(limits="{max_chats: 999, max_share: 100%, canary: 1}")
    report = run(table)
    assert (report.queued, report.deferred, report.canary) == (1, 1, True)


def test_a_plan_of_some_chats_does_not_speak_for_the_others(table):
    table.policy(limits="{max_chats: 1000, max_share: 100%, canary: 1}")
    table.number()
    for number in (1, 2, 3):
        table.chat(number)
    assert run(table, only=[Listed("chat_1")]).queued == 1
    table.now += HOUR
    assert run(table).canary, "its canary is still ahead"


def test_the_installations_setting_is_the_canary_of_a_policy_that_writes_none(table):
    table.overrides = {"canary_chats": 2}
    table.policy(limits="{max_chats: 1000, max_share: 100%}")
    table.number()
    for number in range(3):
        table.chat(number)
    assert run(table).queued == 2
    table.overrides = {"canary_chats": "off"}
    assert run(table).queued == 1


def test_more_than_a_day_allows_awaits_an_approval_whatever_the_canary(table):
    table.policy(limits="{max_chats: 2, max_share: 100%, canary: 1}")
    table.number()
    for number in range(3):
        table.chat(number)
    report = run(table)
    assert (report.state, report.reason) == ("awaiting_approval", "brake")
    assert queued(table) == []


def test_what_is_withheld_is_withheld_since_it_matched_whatever_withholds_it(table):
    table.policy(grace="7d", limits="{max_chats: 1, max_share: 100%, canary: off}")
    table.number()
    table.chat(1)
    table.chat(2)
    run(table)
    since = table.now
    table.now += DAY
    assert run(table).reason == "stale data"
    assert withheld(table) == {"chat_1": ("stale", since), "chat_2": ("stale", since)}
    stop(table)
    assert run(table).reason == "stopped"
    assert withheld(table) == {"chat_1": ("stopped", since), "chat_2": ("stopped", since)}
    ends = table.sql(select(run_candidates.c.not_before).distinct())
    assert ends == [(since + 7 * DAY,)], "its grace is over when it would have been"
    stop(table, on=False)
    table.synced()
    message(table, 1)
    assert run(table).queued == 1
    assert withheld(table) == {}


def test_a_chat_that_stopped_matching_in_between_is_withheld_since_it_matches_again(table):
    table.policy(limits="{max_chats: 0, max_share: 100%, canary: off}")
    table.number()
    table.chat(1)
    run(table)
    message(table, 1)
    table.now += HOUR
    assert run(table).reason == "nothing matched"
    assert withheld(table) == {}
    table.sql(update(chats).values(last_message_at=table.now - 60 * DAY))
    table.now += HOUR
    run(table)
    assert withheld(table) == {"chat_1": ("brake", table.now)}


def test_only_the_newest_run_of_a_policy_awaits_approval(table):
    table.policy(limits="{max_chats: 0, max_share: 100%, canary: off}")
    table.number()
    table.chat(1)
    run(table)
    table.now += HOUR
    run(table)
    message(table, 1)
    table.now += HOUR
    run(table)
    assert [state for _, state, _ in table.runs()] == ["superseded", "superseded", "done"]


def test_deleting_nothing_is_never_said_nothing_about(table):
    """Each way in which a run deletes nothing has its reason, in its row and in the audit."""
    table.policy()
    table.number()
    assert run(table).reason == "nothing matched"
    table.chat(1)
    table.now += DAY
    stale = run(table)
    assert (stale.reason, stale.deferred) == ("stale data", 1)
    table.synced()
    assert run(table).reason == "queued"
    assert run(table).reason == "already queued"
    table.policy("blind", when="{inactive_for: 30d, agent: [Ana]}")
    blind = run(table, "blind")
    assert blind.reason == "nothing matched"
    assert ["is not known of any chat" in note for note in blind.notes] == [True]
    assert table.sql("select count(*) from policy_runs where reason is null") == [(0,)]
    told = [json.loads(detail)["reason"] for _, detail in table.events("run.finished")]
    assert told == ["nothing matched", "stale data", "queued", "already queued", "nothing matched"]
