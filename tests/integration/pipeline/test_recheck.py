"""Between two runs of its policy: a chat that may not go any more leaves the list as soon as anybody reads it."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from chat_hygiene.pipeline import recheck
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.store import policies
from integration.pipeline.conftest import DEVICE
from integration.pipeline.syncing import hinted, one_slice, queue, whole

OTHER = "5f0c1d2e3a4b5c6d7e8f9a0c"
DAY = timedelta(days=1)


def queued(rig, *chats, **policy) -> None:
    """A job for each of these, which leave in a week."""
    for number in chats:
        rig.chat(number)
    rig.apply(**{"grace": "7d", **policy})
    whole(rig)
    queue(rig)
    assert rig.states() == {"queued": len(chats)}


def clauses(rig) -> list[str]:
    rows = rig.sql("select detail from audit_events where kind = 'job.cancelled' order by seq")
    return [json.loads(detail)["clause"] for (detail,) in rows]


def wid(number) -> str:
    return f"44770090{number:04d}@c.us"


def test_a_new_message_takes_a_chat_off_the_list_at_the_next_slice(rig):
    queued(rig, 1, 2)
    rig.world.message_arrives(DEVICE, wid(1))
    rig.offset += timedelta(minutes=20)
    one_slice(rig)
    assert rig.states() == {"queued": 1, "cancelled": 1}
    assert clauses(rig) == ["scope.age_floor"]


def test_a_single_read_after_a_webhook_takes_it_off_too(rig):
    queued(rig, 1)
    rig.world.change_chat(DEVICE, wid(1), labels=["vip"])
    rig.apply(grace="7d", unless="unless: {labels: [vip]}")
    hinted(rig, DEVICE, wid(1))
    one_slice(rig)
    assert rig.states() == {"cancelled": 1}
    assert clauses(rig) == ["unless.labels"]


def test_what_matches_again_later_begins_a_fresh_grace(rig):
    queued(rig, 1)
    rig.world.change_chat(DEVICE, wid(1), status="active")
    rig.offset += timedelta(days=3)
    whole(rig)
    rig.world.change_chat(DEVICE, wid(1), status="resolved")
    whole(rig)
    queue(rig)
    rows = rig.sql("select state, not_before from jobs order by id")
    assert [state for state, _ in rows] == ["cancelled", "queued"]
    assert rig.run().outcomes == {}
    rig.offset += timedelta(days=4, minutes=5)
    assert rig.run().outcomes == {}, "a week after it matched first"
    rig.offset += timedelta(days=3)
    assert rig.run().outcomes == {"deleted": 1}


def test_what_still_matches_keeps_its_place(rig):
    queued(rig, 1)
    before = rig.sql("select id, state, not_before from jobs")
    rig.world.change_chat(DEVICE, wid(1), name="Renamed")
    rig.offset += timedelta(minutes=20)
    one_slice(rig)
    assert rig.sql("select id, state, not_before from jobs") == before


def test_only_the_number_that_was_read_is_asked_again(rig):
    rig.world.add_device(device_record(OTHER, alias="Sales"))
    rig.chat(2, device=OTHER)
    rig.chat(1)
    rig.apply(grace="7d")
    whole(rig)
    queue(rig)
    rig.sql("update chats set status = 'active'")
    with rig.ledger() as ledger:
        assert recheck.run(ledger.context, 2, read_since=None, now=rig.now()) == 1
    assert rig.sql("select device_id from jobs where state = 'cancelled'") == [(2,)]


def test_what_was_not_read_just_now_is_not_asked_again_unless_all_was(rig):
    queued(rig, 1, 2)
    rig.sql("update chats set status = 'active'")
    rig.world.change_chat(DEVICE, wid(1), status="active")
    hinted(rig, DEVICE, wid(1))
    one_slice(rig)
    assert rig.states() == {"cancelled": 1, "queued": 1}
    with rig.ledger() as ledger:
        assert recheck.run(ledger.context, 1, read_since=None, now=rig.now()) == 1


def test_a_call_that_is_out_is_left_to_its_outcome(rig):
    queued(rig, 1)
    rig.sql("update jobs set intent = 'whatsapp'")
    rig.sql("update chats set status = 'active'")
    with rig.ledger() as ledger:
        assert recheck.run(ledger.context, 1, read_since=None, now=rig.now()) == 0
    assert rig.states() == {"queued": 1}


@pytest.mark.parametrize(
    ("action", "change"),
    [
        ("delete", {"nonsense": 1}),
        ("keep", {"nonsense": 1}),
        ("delete", {"devices": ["gone"]}),
        ("paused", {}),
    ],
)
def test_a_policy_that_nobody_can_ask_is_left_to_its_next_run(rig, action, change):
    """It, or a keep-policy, cannot be read; it names a number that is not there; it is paused."""
    queued(rig, 1, more="  - {name: keep-vip, action: keep, when: {labels: [vip]}}")
    rig.sql("update chats set status = 'active'")
    if action == "paused":
        rig.sql("update policies set state = 'paused' where action = 'delete'")
    else:
        newer(rig, action, change)
    with rig.ledger() as ledger:
        assert recheck.run(ledger.context, 1, read_since=None, now=rig.now()) == 0
    assert rig.states() == {"queued": 1}


def newer(rig, action, change) -> None:
    """The next version of the one policy that does this, with a document that is changed."""
    ((policy_id, document),) = rig.sql(
        "select p.id, v.document from policies p join policy_versions v on v.policy_id = p.id where p.action = :action",
        action=action,
    )
    document = document if isinstance(document, dict) else json.loads(document)
    rig.sql(
        "insert into policy_versions (policy_id, version, document, rule, created_by, created_at)"
        " select policy_id, 2, :document, rule, created_by, created_at from policy_versions where policy_id = :id",
        document=json.dumps(document | change),
        id=policy_id,
    )
    rig.sql("update policies set version = 2 where id = :id", id=policy_id)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_policy_that_is_being_evaluated_or_changed_keeps_no_sync_waiting(rig):
    """SQLite has one writer at a time anyway."""
    queued(rig, 1)
    rig.sql("update chats set status = 'active'")
    with rig.ledger() as ledger:
        context = ledger.context
        with context.sessions.begin() as other:
            policies.lock(other, 1)
            other.execute(text("select 1"))
            assert recheck.run(context, 1, read_since=None, now=rig.now()) == 0
        assert recheck.run(context, 1, read_since=None, now=rig.now()) == 1


def test_a_large_number_is_asked_in_batches_and_all_leave(rig, monkeypatch):
    monkeypatch.setattr(recheck, "BATCH", 2)
    queued(rig, *range(5))
    rig.sql("update chats set status = 'active'")
    with rig.ledger() as ledger:
        assert recheck.run(ledger.context, 1, read_since=None, now=rig.now()) == 5
    assert rig.states() == {"cancelled": 5}
