"""Every reason that a run can have is one that the command has words for."""

import pytest

from chat_hygiene.core.reasons import Reason, result


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
