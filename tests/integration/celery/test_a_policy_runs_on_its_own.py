"""Beat, Redis and prefork workers do the whole job without any command, and say in their log what they did."""

from collections import Counter

from support import inbox
from support.command import verified
from support.processes import until


def test_a_due_policy_is_synced_evaluated_and_carried_out_without_any_command(deployment, tmp_path):
    inbox.fill(deployment.world, 120, seed=41)
    doomed = inbox.doomed(deployment.world)
    deployment.make_due()
    deleter = deployment.worker("-Q", "delete", CHAT_HYGIENE_HEARTBEAT_FILE=str(tmp_path / "deleter"))
    others = deployment.worker("-Q", "sync,evaluate,maintenance")
    beat = deployment.beat(CHAT_HYGIENE_HEARTBEAT_FILE=str(tmp_path / "beat"))
    until(
        lambda: deployment.states() == {"deleted": len(doomed)},
        "all that has to go is gone",
        deleter,
        others,
        beat,
    )
    assert Counter((call.device, call.wid) for call in deployment.world.deletes()) == dict.fromkeys(doomed, 1)
    assert deployment.sql(
        "select trigger, state, queued from policy_runs where state = 'done' and reason = 'queued'"
    ) == [("schedule", "done", len(doomed))]
    unsealed = "select count(*) from report_v1_audit where not sealed"
    until(lambda: deployment.sql(unsealed) == [(0,)], "the audit is sealed", others)
    assert verified(deployment.env)
    parts = {"tick", "sync", "evaluate", "delete", "maintenance"}
    until(lambda: parts <= deployment.beats(), "every part gives a sign of life", deleter, others, beat)

    assert (tmp_path / "deleter").exists(), "an executed task leaves no sign for the health check"
    assert (tmp_path / "beat").exists(), "a message that went out leaves no sign for the health check"

    # `-Q delete` alone: one process is enough.
    assert '"at_once": 1' in deleter.said()
    assert '"at_once": 4' in others.said()
    events = deleter.events() + others.events()
    deleted = [event for event in events if event["event"] == "job deleted"]
    assert len(deleted) == len(doomed)
    for event in deleted:
        missing = {"job_id", "run_id", "device", "policy_id", "task", "task_id"} - set(event)
        assert not missing, f"a line does not say {missing}"
    by_task = {
        event.get("task"): event
        for event in events
        if "worked" in event or "seen" in event or "queued" in event
    }
    assert {"sync", "evaluate", "drain"} <= set(by_task)
    assert {"run_id", "policy"} <= set(by_task["evaluate"])
    assert not [
        event
        for event in events
        if event["level"] not in {"info", "debug"} and "superuser" not in event["event"]
    ]
