"""The deletion protocol, case by case, against a server that misbehaves in each of the ways the API can."""

from datetime import timedelta

import pytest

from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from integration.pipeline.conftest import DEVICE


def outcome(rig):
    ((*found,),) = rig.sql("select state, whatsapp_state, platform_state, debt_state from jobs")
    return found


def test_a_plain_delete_is_reported_and_the_person_is_erased(rig):
    wid = rig.chat(1)
    rig.apply()
    assert rig.run().outcomes == {"deleted": 1}
    assert rig.deleted() == [wid]
    assert rig.world.seen(method="DELETE")[0].sent == {"whatsapp": True}
    assert outcome(rig) == ["deleted", "reported", "removed", None]
    assert rig.sql("select name, wid, removed_how from chats") == [(None, None, "deleted")]
    assert rig.sql("select deleted, failed from daily_counts") == [(1, 0)]
    assert rig.verified()


def test_a_removed_chat_that_is_still_shown_confirms_the_delete(rig):
    rig.world.removed_chats = "listed"
    rig.chat(1)
    rig.apply()
    rig.run()
    assert outcome(rig) == ["deleted", "confirmed", "removed", None]
    rig.run()
    assert len(rig.deleted()) == 1, "what is listed as removed must not come back to life"
    assert rig.sql("select name, wid, generation from chats") == [(None, None, 1)]


def test_platform_only_sends_no_body_and_asks_nothing_of_whatsapp(rig):
    rig.chat(1)
    rig.apply(whatsapp="false", force="false")
    rig.run()
    assert rig.world.seen(method="DELETE")[0].call.body == b""
    assert outcome(rig) == ["deleted", "not_asked", "removed", None]


def test_a_refusal_is_confirmed_before_the_chat_is_removed_locally_and_owed(rig):
    wid = rig.chat(1)
    rig.world.refuse(DEVICE, wid)
    rig.apply()
    assert rig.run().outcomes == {"removed_locally": 1}
    bodies = [seen.sent for seen in rig.world.seen(method="DELETE")]
    assert bodies == [{"whatsapp": True}, {"whatsapp": True}, {"whatsapp": True, "force": True}]
    assert outcome(rig) == ["removed_locally", "unknown", "forced", "open"]
    assert rig.sql("select name, wid from chats") == [(None, wid)], "what is owed must stay reachable"
    assert rig.sql("select removed_locally, deleted from daily_counts") == [(1, 0)]
    rig.run()
    assert len(bodies) == len(rig.deleted())


def test_a_refusal_without_leave_to_force_fails_and_says_so(rig):
    wid = rig.chat(1)
    rig.world.refuse(DEVICE, wid)
    rig.apply(force="false")
    assert rig.run().outcomes == {"failed": 1}
    assert all(seen.sent == {"whatsapp": True} for seen in rig.world.seen(method="DELETE"))
    assert rig.sql("select error_class, final from report_v1_failures") in (
        [("refused", 1)],
        [("refused", True)],
    )
    assert rig.run().outcomes == {}, "a failure is not repeated by the same version within a week"
    rig.offset = timedelta(days=8)
    assert rig.run().outcomes == {"failed": 1}


def test_a_message_between_sync_and_the_fresh_read_cancels_and_names_the_clause(rig):
    wid = rig.chat(1)
    rig.apply()
    rig.world.script(
        faults.before(
            lambda: rig.world.message_arrives(DEVICE, wid), on=On(method="GET", route="chat", wid=wid)
        )
    )
    assert rig.run().outcomes == {"cancelled": 1}
    assert rig.deleted() == []
    ((detail,),) = rig.sql("select detail from audit_events where kind = 'job.cancelled'")
    assert "scope.age_floor" in detail


def test_a_chat_that_is_gone_before_us_is_not_our_deletion(rig):
    wid = rig.chat(1)
    rig.apply()
    rig.world.script(
        faults.before(lambda: rig.world.forget(DEVICE, wid), on=On(method="GET", route="chat", wid=wid))
    )
    assert rig.run().outcomes == {"already_gone": 1}
    assert rig.deleted() == []
    assert outcome(rig) == ["already_gone", "unknown", "removed", None]


@pytest.mark.parametrize("fault", ["acts_and_hangs_up", "cut"])
def test_an_answer_that_got_lost_is_read_and_never_asked_again(rig, fault):
    rig.chat(1)
    rig.apply()
    rig.world.script(getattr(faults, fault)(on=On(method="DELETE")))
    assert rig.run().outcomes == {"deleted": 1}
    assert len(rig.deleted()) == 1
    assert outcome(rig) == ["deleted", "reported", "removed", None]


def test_success_that_changed_nothing_is_read_again_then_repeated(rig):
    wid = rig.chat(1)
    rig.apply()
    rig.world.script(faults.ignored(on=On(method="DELETE")))
    assert rig.run().outcomes == {"deleted": 1}
    calls = [seen.call.method for seen in rig.world.seen(wid=wid)]
    first, second = (index for index, method in enumerate(calls) if method == "DELETE")
    assert "GET" in calls[first + 1 : second], (
        "a repeated delete must follow a read that still shows the chat"
    )


def test_a_server_that_keeps_failing_exhausts_the_attempts_then_forces(rig):
    rig.chat(1)
    rig.apply()
    rig.world.script(faults.ignored(on=On(method="DELETE", times=5)))
    assert rig.run().outcomes == {"removed_locally": 1}
    assert [seen.sent.get("force", False) for seen in rig.world.seen(method="DELETE")] == [False] * 5 + [True]


def test_an_offline_device_costs_no_attempt_and_is_never_forced_over(rig):
    rig.chat(1)
    rig.apply()
    rig.world.script(
        faults.before(lambda: rig.world.set_session(DEVICE, "offline"), on=On(method="DELETE", nth=1)),
    )
    report = rig.run()
    assert report.outcomes == {}
    assert rig.sql("select state, attempts, force from jobs") in ([("queued", 0, 0)], [("queued", 0, False)])
    rig.world.set_session(DEVICE, "online")
    assert rig.run().outcomes == {"deleted": 1}


@pytest.mark.parametrize("code", [401, 402, 403])
def test_a_bad_key_stops_the_device_without_an_attempt_and_a_good_read_frees_it(rig, code):
    rig.chat(1)
    rig.apply()
    rig.world.script(faults.status(code, on=On(method="DELETE")))
    assert rig.run().outcomes == {}
    assert len(rig.deleted()) == 1
    assert rig.sql("select state, attempts from jobs") == [("queued", 0)]
    ((reason,),) = rig.sql("select blocked_reason from devices")
    assert reason == ("plan" if code == 402 else "key")
    assert rig.run().outcomes == {"deleted": 1}
    assert rig.sql("select blocked_reason from devices") == [(None,)]


def test_a_rate_limit_pauses_the_device_as_long_as_the_server_says(rig):
    rig.chat(1)
    rig.apply()
    rig.world.script(faults.rate_limited("1", on=On(method="DELETE")))
    assert rig.run().outcomes == {"deleted": 1}
    first, second = (seen.at for seen in rig.world.seen(method="DELETE"))
    assert second - first >= timedelta(seconds=0.9)
    assert rig.sql("select attempts from jobs") == [(1,)]


def test_a_long_rate_limit_is_listed_and_not_waited_for(rig):
    rig.chat(1)
    rig.apply()
    rig.world.script(faults.rate_limited("3000", on=On(method="DELETE")))
    report = rig.run()
    assert report.outcomes == {}
    assert rig.states() == {"queued": 1}


def test_a_clock_far_from_the_services_stops_deleting(rig):
    rig.chat(1)
    rig.apply()
    rig.world.script(faults.skewed(timedelta(minutes=7)))
    report = rig.run()
    assert "clock" in report.drained.stopped
    assert rig.deleted() == []


def test_a_chat_that_comes_back_with_a_new_message_is_a_new_life(rig):
    wid = rig.chat(1)
    rig.apply()
    rig.run()
    rig.world.message_arrives(DEVICE, wid)
    rig.run()
    assert rig.sql("select generation, name, removed_at from chats") == [(2, "Person 1", None)]
    assert len(rig.deleted()) == 1
    assert rig.sql("select count(*) from audit_events where kind = 'chat.returned'") == [(1,)]


def test_a_resurrection_is_deleted_again_once_in_a_week(rig):
    record = rig.world.find(DEVICE, rig.chat(1)).record.copy()
    rig.apply()
    for _ in range(3):
        rig.world.add_chat(DEVICE, record.copy())
        rig.run()
    assert len(rig.deleted()) == 2
    assert rig.sql("select count(*) from audit_events where kind = 'chat.resurrected'") == [(2,)]
    rig.offset = timedelta(days=8)
    rig.run()
    assert len(rig.deleted()) == 3
