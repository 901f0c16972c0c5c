"""Chats that are gone without us: said with their likely cause, never as our deletion; and chats that come back."""

import pytest

from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from integration.pipeline.conftest import DEVICE
from integration.pipeline.syncing import queue, whole


def vanished(rig) -> list[tuple[str, str]]:
    return rig.sql(
        "select c.chat_hint, e.detail from audit_events e join chats c on c.chat_ref = e.chat_ref"
        " where e.kind = 'chat.vanished' order by c.last_message_at"
    )


@pytest.mark.parametrize(
    ("spelling", "likely"),
    [
        ("5d", ["vendor_retention", "removed_elsewhere"]),
        ("plan_defaults", ["removed_elsewhere", "removed_elsewhere"]),
        ("a fortnight", ["removed_elsewhere", "removed_elsewhere"]),
    ],
)
def test_a_vanished_chat_is_recorded_with_its_likely_cause(rig, spelling, likely):
    rig.world.devices[DEVICE]["settings"]["retentionPolicy"] = spelling
    old, young = rig.chat(1, quiet_days=6), rig.chat(2, quiet_days=1)
    rig.chat(3)
    whole(rig)
    for wid in (old, young):
        rig.world.forget(DEVICE, wid)
    whole(rig)
    assert vanished(rig) == []
    whole(rig)
    assert [detail for _, detail in vanished(rig)] == [f'{{"likely":"{cause}"}}' for cause in likely]
    whole(rig)
    assert len(vanished(rig)) == 2, "once each"
    assert rig.sql("select count(*) from chats where removed_at is not null") == [(0,)]
    assert rig.sql("select count(*) from jobs") == [(0,)]


def test_a_chat_that_a_call_of_ours_may_have_removed_is_not_said_to_have_vanished(rig):
    wid = rig.chat(1)
    rig.chat(2, status="active")
    rig.apply()
    whole(rig)
    queue(rig)
    rig.sql("update jobs set intent = 'whatsapp', state = 'sent', lease_owner = 'x'")
    rig.world.forget(DEVICE, wid)
    for _ in range(3):
        whole(rig)
    assert rig.sql("select count(*) from chats where missing_since is not null") == [(0,)]
    rig.sql("update jobs set intent = null, state = 'queued', lease_owner = null")
    whole(rig)
    assert rig.sql("select count(*) from chats where missing_since is not null") == [(1,)]


def test_a_queued_job_of_a_vanished_chat_deletes_nothing(rig):
    wid = rig.chat(1)
    rig.apply()
    whole(rig)
    queue(rig)
    rig.world.forget(DEVICE, wid)
    whole(rig)
    assert rig.states() == {"queued": 1}, "one sweep that does not show it says nothing"
    whole(rig)
    assert rig.states() == {"cancelled": 1}
    rig.run()
    assert rig.deleted() == []


def test_a_job_whose_chat_vanishes_under_it_finds_it_gone_and_calls_nothing(rig):
    wid = rig.chat(1)
    rig.apply()
    rig.world.script(faults.before(lambda: rig.world.forget(DEVICE, wid), on=On(route="chat", wid=wid)))
    rig.run()
    assert rig.deleted() == []
    assert rig.states() == {"already_gone": 1}


def test_a_chat_that_comes_back_with_a_message_closes_what_was_owed_of_its_earlier_life(rig):
    wid = rig.chat(1)
    rig.world.refuse(DEVICE, wid)
    rig.apply()
    rig.run()
    assert rig.sql("select state, debt_state from jobs") == [("removed_locally", "open")]
    rig.world.message_arrives(DEVICE, wid)
    whole(rig)
    assert rig.sql("select debt_state from jobs") == [("superseded",)]
    assert rig.sql("select generation, removed_at, wid from chats") == [(2, None, wid)]
