"""Jobs of a number that left the account: closed as ours alone, where the policy and everything that keeps a chat allow it."""

from datetime import timedelta

import pytest

from chat_hygiene.core.errors import BadAnswerError
from chat_hygiene.pipeline import departed
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.messages import json_answer
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.settings import JOB_DEADLINE
from chat_hygiene.store import breakers
from integration.pipeline.conftest import DEVICE
from integration.pipeline.syncing import listed

OTHER = "5f0c1d2e3a4b5c6d7e8f9a0c"
LONG = JOB_DEADLINE + timedelta(hours=1)


def left(rig, *, for_: timedelta = LONG, **policy):
    """A chat whose job waits, on a number that the account lost so long ago."""
    rig.chat(1)
    rig.apply(**policy)
    rig.overrides["read_only"] = True
    rig.run()
    del rig.overrides["read_only"]
    assert rig.states() == {"queued": 1}
    rig.world.add_device(device_record(OTHER, alias="Sales"))
    rig.gone = rig.world.devices.pop(DEVICE)
    listed(rig)
    rig.offset += for_
    listed(rig)


def close(rig):
    with rig.ledger() as ledger:
        return departed.run(ledger.context, now=rig.now())


def test_what_nobody_can_be_asked_for_is_removed_here_alone_and_owed(rig):
    left(rig)
    assert close(rig) == 1
    ((*found,),) = rig.sql("select state, whatsapp_state, platform_state, debt_state, debt_reason from jobs")
    assert found == ["removed_locally", "unknown", "unreachable", "open", "device_gone"]
    ((name, wid),) = rig.sql("select name, wid from chats")
    assert name is None
    assert wid is not None, "what is owed must stay reachable, should the number come back"
    assert rig.deleted() == []
    assert rig.sql("select outcome, platform_state from report_v1_deletions") == [
        ("removed_locally", "unreachable")
    ]
    assert close(rig) == 0


def test_a_call_that_was_out_when_the_number_left_ends_so_too(rig):
    left(rig)
    rig.sql("update jobs set intent = 'whatsapp', error_class = 'lost'")
    assert close(rig) == 1
    assert rig.sql("select whatsapp_state, intent from jobs") == [("unknown", None)]


@pytest.mark.parametrize(
    "keeps",
    [
        "insert into holds (scope, device_id, reason, held_by, placed_at) values ('device', 1, 'r', 'b', '2026-01-01T00:00:00.000000Z')",
        "update policies set state = 'paused'",
        "update switches set \"on\" = :yes where name = 'stop'",
        "update chats set pinned = :yes",
        "update chats set status_updated_at = null",
        "update chats set generation = 2",
        "update jobs set next_attempt_at = '2126-01-01T00:00:00.000000Z'",
        "update devices set status = 'operative' where id = 1",
    ],
)
def test_whatever_keeps_a_chat_at_the_gate_keeps_it_here(rig, keeps):
    left(rig)
    rig.sql(keeps, **({"yes": True} if ":yes" in keeps else {}))
    assert close(rig) == 0
    assert rig.states() == {"queued": 1}


def test_without_leave_to_force_it_waits(rig):
    left(rig, force="false")
    assert close(rig) == 0


def test_a_number_that_left_only_lately_is_waited_for(rig):
    left(rig, for_=JOB_DEADLINE - timedelta(hours=1))
    assert close(rig) == 0
    rig.offset += timedelta(hours=2)
    assert close(rig) == 0, "nobody asked again"
    listed(rig)
    assert close(rig) == 1


def odd_listing(rig, body):
    """The account's next listing is this, whatever is true."""
    rig.world.script(
        faults.Fault(on=faults.On(route="devices"), acts=False, answer=json_answer(200, body)),
    )


def test_one_odd_listing_after_a_long_outage_of_ours_closes_nothing(rig):
    left(rig, for_=timedelta(0))
    rig.world.devices[DEVICE] = rig.gone
    listed(rig)
    rig.offset += LONG
    odd_listing(rig, [rig.world.devices[OTHER]])
    listed(rig)
    assert rig.sql("select status from devices where id = 1") == [("removed",)]
    assert close(rig) == 0
    listed(rig)
    rig.offset += LONG
    assert close(rig) == 0
    assert rig.sql("select gone_since from devices") == [(None,), (None,)]


def test_an_account_that_lists_nothing_is_not_believed_while_a_number_is_in_use(rig):
    listed(rig)
    odd_listing(rig, [])
    with pytest.raises(BadAnswerError, match="lists no numbers"):
        listed(rig)
    assert rig.sql("select status, gone_since from devices") == [("operative", None)]
    rig.sql("update devices set blocked_reason = :why", why=breakers.GONE)
    odd_listing(rig, [])
    listed(rig)
    ((status, gone_since),) = rig.sql("select status, gone_since from devices")
    assert status == "removed", "its own route said 404 as well"
    assert gone_since is not None


def test_a_number_that_comes_back_shows_its_chats_again(rig):
    left(rig)
    close(rig)
    rig.world.devices[DEVICE] = rig.gone
    rig.run()
    assert rig.sql("select generation from chats") == [(2,)]
    assert rig.sql("select count(*) from audit_events where kind = 'chat.resurrected'") == [(1,)]
    assert rig.states() == {"removed_locally": 1, "deleted": 1}
    assert rig.sql("select debt_state from jobs order by id") == [("settled",), (None,)]
    assert len(rig.deleted()) == 1
