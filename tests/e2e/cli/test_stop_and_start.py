"""`stop` and `start`, as commands."""

import pytest


@pytest.fixture
def due(anywhere, policies):
    """The command, with jobs that are due."""
    anywhere("policy", "apply", policies, "--yes")
    anywhere("run", "--yes", code=5, read_only="true")
    return anywhere


def test_nothing_is_deleted_between_stop_and_start(due, world):
    assert due.json("stop", "--reason", "a check")["new"] is True
    again = due("stop", "--reason", "another").stderr
    assert "stopped already" in again
    assert "a check" in again
    told = due("run", "--yes", code=5)
    assert "a check" in told.stderr
    assert world.seen(method="DELETE") == []
    waiting = len(due.json("jobs", "list", "--state", "queued")["jobs"])
    assert waiting > 0
    refused = due("start", code=2).stderr
    assert "stopped by" in refused
    started = due.json("start", "--yes", "--reason", "checked")
    assert (started["new"], started["due"]) == (True, waiting)
    due("run", "--yes")
    assert world.seen(method="DELETE")
    due("audit", "verify")


def test_start_asks_and_says_how_many_are_due(account):
    account("sync")
    account("stop", "--reason", "a check")
    shown = account.at_terminal("start", answers="n\n", code=2)
    assert "0 deletions are due at once" in shown
    assert account.json("start", "--yes")["new"] is True
    assert "was not stopped" in account("start").stderr


def test_a_reason_with_a_number_is_refused(account):
    assert "phone number" in account("stop", "--reason", "+34 600 111 222 called", code=2).stderr
    account("stop", code=2)
