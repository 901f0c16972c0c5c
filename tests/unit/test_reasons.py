"""Every reason that a run can have is one that the command has words for."""

import pytest

from chat_hygiene.core.reasons import Reason, result, says


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_words(reason):
    words = result(reason, queued=3, deferred=2, canary=False)
    assert len(words) > 10
    assert "None" not in words


def test_a_run_that_an_error_ended_names_its_kind():
    words = result("error: KeyError", queued=0, deferred=0, canary=False)
    assert "KeyError" in words
    assert "log" in words


def test_the_rest_of_a_canary_and_what_is_stale_are_told_apart():
    assert "ended well" in result(Reason.QUEUED, queued=10, deferred=90, canary=True)
    assert "too old" in result(Reason.QUEUED, queued=10, deferred=90, canary=False)


def test_a_plan_says_how_many_of_its_chats_were_queued_before():
    run = {"state": "done", "reason": "queued", "queued": 2, "deferred": 0, "canary": False, "duplicates": 3}
    assert says(run | {"trigger": "plan"}) == "2 chats queued; 3 chats of the plan were queued before"
    assert says(run | {"trigger": "manual"}) == "2 chats queued", "these may have been deleted long ago"


def test_a_run_that_waits_or_gave_way_is_told_by_that():
    run = {
        "reason": None,
        "queued": 0,
        "deferred": 0,
        "canary": False,
        "duplicates": 0,
        "trigger": "schedule",
    }
    assert says(run | {"state": "syncing"}).startswith("not evaluated yet")
    assert "replaced by a newer run" in says(run | {"state": "superseded", "reason": "brake"})
