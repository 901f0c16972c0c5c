"""Requests beside each other and beside a run of a policy: each chat has one job, and nobody waits for ever."""

from chat_hygiene.core.errors import SafetyStopError
from chat_hygiene.pipeline import erase, evaluate
from integration.pipeline.deciding import at_once, queued
from support.timetable import DAY


def test_requests_and_a_run_at_once_give_each_chat_one_job(table):
    table.policy()
    table.number()
    for number in range(4):
        table.chat(number, quiet=(40 + number) * DAY)

    def asked(*numbers):
        with table.context() as context:
            refs = [f"chat_{number}" for number in numbers]
            return erase.run(context, refs, because="asked by mail", ticket="DPO-1", now=table.now)

    def again():
        with table.context() as context:
            return evaluate.run(context, "old", trigger="manual", slot=table.now, now=table.now)

    *requests, ran = at_once(lambda: asked(0, 1), lambda: asked(1, 0), lambda: asked(2), again)
    assert not isinstance(ran, Exception), ran
    # Only what a run queued in that very instant is left to whoever asks again.
    assert all(not isinstance(each, Exception) or isinstance(each, SafetyStopError) for each in requests), (
        requests
    )
    stored = [each for each in requests if not isinstance(each, Exception) and each.run_id is not None]
    assert len({each.run_id for each in stored}) == len(stored)
    assert queued(table) == ["chat_0", "chat_1", "chat_2", "chat_3"]
    by_request = table.sql(
        "select j.chat_ref from jobs j join policies p on p.id = j.policy_id"
        " where p.name = 'on request' and j.state = 'queued'"
    )
    asked_for = {row.chat["chat_ref"] for each in stored for row in each.chats}
    assert {ref for (ref,) in by_request} == asked_for
    assert len(table.events("erasure.requested")) == len(by_request)
