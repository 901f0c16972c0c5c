"""Whom a change would reach is shown before it is stored, and what was shown is what is stored."""

import pytest

from chat_hygiene.core.errors import SafetyStopError
from integration.pipeline.changing import KEEP, apply, documents, effects, old, states, three_queued
from support.timetable import DAY


@pytest.fixture
def queued(table):
    return three_queued(table)


def test_the_extra_chats_of_a_looser_version_are_counted_and_named(queued):
    queued.chat(4, quiet=20 * DAY)
    _, told = effects(queued, documents(old("15d")))
    effect = told["old"]
    assert (effect.reach.matches, effect.reach.extra) == (4, 1)
    assert [row["chat_ref"] for row in effect.reach.first] == ["chat_4"]
    assert (effect.asks, effect.severe) == (True, False)
    assert any("15 d or more" in words for words in effect.looser)
    assert states(queued) == ["queued"] * 3, "a look changes nothing"


def test_a_stricter_version_asks_nothing(queued):
    _, told = effects(queued, documents(old("80d")))
    assert (told["old"].reach.matches, told["old"].reach.extra) == (1, 0)
    assert not told["old"].asks


def test_beginning_to_delete_what_is_there_is_severe_and_what_reaches_nobody_is_only_asked(table):
    table.number()
    table.chat(1)
    table.policy(mode="observe")
    _, told = effects(table, documents(old()))
    assert (told["old"].severe, told["old"].reach.extra) == (True, 1)
    _, told = effects(table, documents(old("300d")))
    assert (told["old"].asks, told["old"].severe) == (True, False)
    _, told = effects(table, documents(old(mode="observe")))
    assert not told["old"].asks


def test_more_than_the_brakes_let_through_is_severe(queued):
    for number in (4, 5):
        queued.chat(number, quiet=20 * DAY)
    _, told = effects(queued, documents(old("15d").replace("1000", "1")))
    assert (told["old"].reach.extra, told["old"].severe) == (2, True)


def test_what_a_keep_policy_no_longer_keeps_is_an_effect_on_policies_that_the_file_does_not_name(queued):
    apply(queued, documents(KEEP))
    queued.chat(4, labels=["vip"])
    _, told = effects(queued, documents(old()), prune=True)
    assert told["keep-vip"].change.what == "retired"
    assert "keeps nothing any more" in told["keep-vip"].looser[0]
    assert told["old"].reach.extra == 1
    _, told = effects(queued, documents(KEEP.replace("vip]", "gold]")))
    assert (told["old"].change.what, told["old"].reach.extra, told["old"].asks) == ("unchanged", 1, True)


def test_what_was_asked_about_is_what_is_stored_or_nothing(queued):
    wanted = documents(old("80d"))
    seen, _ = effects(queued, wanted)
    queued.policy(when="{inactive_for: 31d}")
    with pytest.raises(SafetyStopError, match="changed meanwhile"):
        apply(queued, wanted, seen=seen)
    assert queued.sql("select version from policies") == [(2,)]
    seen, _ = effects(queued, wanted)
    apply(queued, wanted, seen=seen)
    assert queued.sql("select version from policies") == [(3,)]
