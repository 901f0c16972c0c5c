"""Debt, from the removal that opens it to what closes it, with a clock that is stepped."""

import asyncio
from datetime import timedelta

import pytest

from chat_hygiene.core.debts import ABANDONED_AFTER
from chat_hygiene.pipeline import debts as stage
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.providers import registry
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.store import debts
from integration.pipeline.conftest import DEVICE

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def owed(rig):
    """A chat that WhatsApp refused to delete: removed on the platform by force, and owed."""
    rig.world.removed_chats = "listed"
    wid = rig.chat(1)
    rig.world.refuse(DEVICE, wid)
    rig.apply()
    assert rig.run().outcomes == {"removed_locally": 1}
    return wid


def look(rig, *, stop=lambda: False):
    """One run of the stage, as the worker makes it."""
    with rig.ledger() as ledger:
        context = ledger.context

        async def work():
            reader = registry.open_reader(context.settings, context.clock)
            try:
                now = context.clock()
                return await stage.run(
                    context, reader, pacer=Pacer(context), now=now, until=now + 60 * HOUR, stop=stop
                )
            finally:
                await reader.aclose()

        return asyncio.run(work())


def is_due(rig) -> bool:
    with rig.ledger() as ledger, ledger.reading() as session:
        return debts.due(session, now=rig.now())


def debt(rig):
    """(state, WhatsApp's state, looks) of the one debt."""
    ((*found,),) = rig.sql(
        "select debt_state, whatsapp_state, debt_probes from jobs where debt_state is not null"
    )
    return found


def events(rig):
    return [
        kind for (kind,) in rig.sql("select kind from audit_events where kind like 'debt.%' order by seq")
    ]


def reads(rig, wid):
    return len(rig.world.seen(method="GET", route="chat", wid=wid))


def comes_back(rig, wid):
    """The vendor lists the chat again, as it was when it was removed, and WhatsApp refuses nothing any more."""
    chat = rig.world.find(DEVICE, wid).record
    rig.world.add_chat(DEVICE, {**chat, "statusUpdatedAt": chat["lastMessageAt"]})


def settle_in_whatsapp(rig, wid):
    """Somebody deletes the chat in the app."""
    rig.world.change_chat(DEVICE, wid, waStatus="removed")


def test_an_owed_chat_is_looked_for_at_once_then_after_an_hour_six_and_daily(rig, owed):
    waits = []
    for _ in range(5):
        before = rig.now()
        assert is_due(rig)
        assert look(rig).looked == 1
        assert not is_due(rig)
        ((at,),) = rig.sql("select next_probe_at from report_v1_debt")
        assert at is not None
        step = next(each for each in (HOUR, 6 * HOUR, DAY) if _due_after(rig, each))
        waits.append(step)
        assert rig.now() - before < timedelta(minutes=1) + step
    assert waits == [HOUR, 6 * HOUR, DAY, DAY, DAY]
    assert debt(rig) == ["open", "present", 5]
    assert events(rig) == []


def _due_after(rig, step):
    """Steps the clock when the next look is due by then, and not a minute before."""
    rig.offset += step - timedelta(minutes=1)
    early = is_due(rig)
    rig.offset += timedelta(minutes=1, seconds=1)
    if not early and is_due(rig):
        return True
    rig.offset -= step + timedelta(seconds=1)
    return False


def test_a_read_that_shows_it_removed_in_whatsapp_settles_the_debt_and_erases_the_chats_id(rig, owed):
    settle_in_whatsapp(rig, owed)
    assert look(rig).settled == 1
    assert debt(rig) == ["settled", "confirmed", 1]
    assert events(rig) == ["debt.settled"]
    assert rig.sql("select wid, name from chats") == [(None, None)]
    assert rig.sql("select state from jobs") == [("removed_locally",)], "settling never changes the outcome"
    assert rig.sql("select outcome, whatsapp_state from report_v1_deletions") == [
        ("removed_locally", "confirmed")
    ]
    ((settled_at, next_look),) = rig.sql("select settled_at, next_probe_at from report_v1_debt")
    assert settled_at is not None
    assert next_look is None
    assert rig.verified()
    assert look(rig).looked == 0


def test_a_404_settles_nothing(rig, owed):
    rig.world.forget(DEVICE, owed)
    assert look(rig).looked == 1
    assert debt(rig) == ["open", "present", 1]
    assert rig.sql("select wid from chats") == [(owed,)]


def test_a_chat_that_is_read_as_still_in_whatsapp_stays_owed(rig, owed):
    rig.sql("update jobs set whatsapp_state = 'unknown'")
    look(rig)
    assert debt(rig) == ["open", "present", 1]


def test_a_newer_message_makes_a_new_conversation_and_supersedes_the_debt(rig, owed):
    rig.world.message_arrives(DEVICE, owed)
    assert look(rig).superseded == 1
    assert debt(rig) == ["superseded", "present", 1]
    assert events(rig) == ["debt.superseded"]
    assert rig.sql("select generation, removed_at, wid from chats") == [(2, None, owed)]
    assert rig.sql("select count(*) from audit_events where kind = 'chat.returned'") == [(1,)]


def test_a_chat_that_is_listed_again_as_it_was_stays_owed_until_a_message_comes(rig, owed):
    comes_back(rig, owed)
    assert look(rig).looked == 1
    assert debt(rig) == ["open", "present", 1]
    assert rig.sql("select generation, wid from chats") == [(2, owed)]
    rig.offset += 2 * HOUR
    rig.world.message_arrives(DEVICE, owed)
    assert look(rig).superseded == 1
    assert rig.sql("select generation, wid from chats") == [(2, owed)]


def test_a_debt_on_a_number_that_is_offline_waits_without_a_look(rig, owed):
    rig.world.set_session(DEVICE, "offline")
    before = reads(rig, owed)
    look(rig)
    assert reads(rig, owed) == before, "nothing is read of the chat while its number is offline"
    assert not is_due(rig)
    rig.offset += 3 * DAY
    assert debt(rig) == ["open", "present", 0]
    rig.world.set_session(DEVICE, "online")
    rig.sync()
    assert is_due(rig), "it is looked for when the number comes online"
    assert look(rig).looked == 1


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
def test_a_fault_of_the_number_or_the_line_costs_no_look(rig, owed, code):
    rig.world.script(faults.status(code, on=On(method="GET", route="chat")))
    look(rig)
    assert debt(rig)[2] == 0
    assert not is_due(rig), (
        "neither behind a fault that stands in the number's row, nor at once after its own"
    )
    rig.world.clear_script()
    rig.offset += HOUR + timedelta(minutes=1)
    rig.sync()
    assert is_due(rig)


def test_after_thirty_days_a_debt_is_abandoned_and_the_chats_id_goes(rig, owed):
    rig.world.set_session(DEVICE, "offline")
    rig.sync()
    rig.offset = ABANDONED_AFTER - HOUR
    look(rig)
    assert debt(rig)[0] == "open"
    rig.offset += 2 * HOUR
    assert is_due(rig)
    assert look(rig).abandoned == 1
    assert debt(rig) == ["abandoned", "present", 0]
    assert events(rig) == ["debt.abandoned"]
    assert rig.sql("select wid from chats") == [(None,)]
    assert rig.sql("select state, settled_at from report_v1_debt") == [("abandoned", None)]


def test_a_later_deletion_that_reached_whatsapp_settles_what_was_owed_before(rig, owed):
    comes_back(rig, owed)
    assert rig.run().outcomes == {"deleted": 1}
    assert debt(rig)[:2] == ["settled", "confirmed"]
    assert rig.sql("select wid from chats") == [(None,)]
    assert rig.sql("select state from jobs order by id") == [("removed_locally",), ("deleted",)]


def test_a_later_removal_that_proves_nothing_leaves_the_debt_and_the_chats_id(rig, owed):
    comes_back(rig, owed)
    rig.apply(whatsapp="false", force="false")
    assert rig.run().outcomes == {"deleted": 1}
    assert debt(rig)[0] == "open"
    assert rig.sql("select wid from chats") == [(owed,)]


def test_time_that_runs_out_leaves_the_rest_for_the_next_look(rig, owed):
    assert look(rig, stop=lambda: True).more
    assert debt(rig)[2] == 0


def test_what_is_owed_is_never_counted_as_deleted(rig, owed):
    settle_in_whatsapp(rig, owed)
    look(rig)
    assert rig.sql("select deleted, removed_locally from report_v1_deletions_daily") == [(0, 1)]
    assert rig.sql("select deleted, removed_locally from report_v1_runs") == [(0, 1)]
    assert rig.sql("select outcome from report_v1_deletions") == [("removed_locally",)]
