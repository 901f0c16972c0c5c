"""The verbs of an operator, as commands: what they do, what they ask first, and what they refuse."""

import pytest


@pytest.fixture
def owing(anywhere, policies):
    """An account where one chat was refused by WhatsApp: it is removed here, and owed."""
    anywhere("policy", "apply", policies, "--yes")
    anywhere("run", "--yes")
    ((debt,),) = [anywhere.json("debt", "list")["debts"]]
    return anywhere, str(debt["id"])


def test_a_debt_is_looked_at_and_written_off(owing):
    command, job = owing
    assert command.json("debt", "retry", "--all")["planned"] == 1
    assert command.json("debt", "retry", job, "--now")["looked"] == 1
    command("debt", "write-off", job, "--reason", "the number is sold", code=2)
    refused = command("debt", "write-off", job, "--reason", "call 447700900123", "--yes", code=2)
    assert "phone number" in refused.stderr
    command("debt", "write-off", job, "--reason", "the number is sold", "--yes")
    (debt,) = command.json("debt", "list")["debts"]
    assert debt["debt_state"] == "written_off"
    assert "is written off" in command("debt", "retry", job, code=2).stderr
    command("audit", "verify")


def test_what_cannot_be_done_to_a_job_is_2_and_says_why(owing):
    command, job = owing
    assert "debt retry" in command("jobs", "retry", job, code=2).stderr
    assert "there is none" in command("jobs", "cancel", "99999", "--reason", "x", code=2).stderr
    assert "go together" in command("jobs", "retry", job, "--force", code=2).stderr
    command("jobs", "retry", job, "--force", "--reason", "asked", code=2)
    command("debt", "retry", code=2)


def test_a_queued_job_is_cancelled_and_a_waiting_one_hurried(anywhere, policies):
    anywhere("policy", "apply", policies, "--yes")
    anywhere("run", "--yes", code=5, read_only="true")
    first, second, *_ = [str(job["id"]) for job in anywhere.json("jobs", "list", "--state", "queued")["jobs"]]
    assert anywhere.json("jobs", "cancel", first, "--reason", "a mistake")["jobs"] == [int(first)]
    assert anywhere.json("jobs", "retry", second)["forced"] is False
    assert anywhere.json("jobs", "show", first)["job"]["state"] == "cancelled"
    assert anywhere.json("jobs", "show", second)["job"]["state"] == "queued"
