"""What a hold keeps, from the moment it is placed until well after it ended."""

import json
from datetime import timedelta

import pytest

from chat_hygiene.core.errors import UsageError
from chat_hygiene.providers.fake.records import device_record
from chat_hygiene.store import holds
from chat_hygiene.store.holds import Target
from chat_hygiene.wiring import holding
from integration.pipeline.conftest import DEVICE, drained
from support.timetable import instant

OTHER = "5f0c1d2e3a4b5c6d7e8f9a0c"
NUMBER = "+44 7700 900001"
DAY = timedelta(days=1)


def place(rig, chat=None, *, label=None, device=None, on=None, until=None, reason="case 7"):
    with rig.ledger() as ledger:
        aim = holding.aim(ledger, chat=chat, label=label, device=device, on=on)
        return holding.place(ledger, aim, reason=reason, until=until, progress=lambda _done, _of: None)


def release(rig, *hold_ids, reason="settled"):
    with rig.ledger() as ledger:
        return holding.release(ledger, hold_ids, reason=reason)


def queue_all(rig, **policy) -> None:
    """Every match waits in the queue."""
    rig.apply(**policy)
    rig.overrides["read_only"] = True
    rig.run()
    del rig.overrides["read_only"]


def events(rig, kind):
    rows = rig.sql("select actor, detail from audit_events where kind = :kind order by seq", kind=kind)
    return [(actor, json.loads(detail or "{}")) for actor, detail in rows]


def leaves(rig):
    """How long from now until the queued job may leave."""
    ((at,),) = rig.sql("select not_before from jobs where state = 'queued'")
    return instant(at) - rig.now()


@pytest.mark.parametrize("name", ["+44 7700 900001", "447700900001@c.us", "pseudonym"])
def test_a_hold_on_a_chat_takes_its_job_off_the_list_and_no_run_queues_it_again(rig, name):
    wid, going = rig.chat(1), rig.chat(2)
    queue_all(rig)
    if name == "pseudonym":
        ((name,),) = rig.sql("select chat_ref from chats where wid = :wid", wid=wid)
    placed = place(rig, name)
    assert (placed.stored, placed.cancelled, placed.at_the_gate, placed.too_late) == (True, 1, 0, ())
    assert rig.states() == {"cancelled": 1, "queued": 1}
    assert events(rig, "job.cancelled") == [("tester", {"clause": "hold"})]
    assert events(rig, "hold.placed") == [
        ("tester", {"hold": placed.new[0], "scope": "chat", "because": "case 7"})
    ]
    report = rig.run()
    assert report.outcomes["deleted"] == 1
    assert report.evaluated[0].funnel.held == 1
    assert rig.deleted() == [going]
    assert rig.verified()


def test_a_hold_by_label_or_number_reaches_what_has_it_and_nothing_else(rig):
    rig.world.add_device(device_record(OTHER, alias="Sales"))
    for number, device in enumerate([DEVICE, DEVICE, OTHER, OTHER]):
        rig.chat(number, device=device, labels=[["café", "x"], []][number % 2])
    queue_all(rig)
    assert place(rig, label="Café").cancelled == 0, "labels are compared exactly"
    assert place(rig, label="cafe\u0301", on="Sales").cancelled == 1, "a label means its NFC"
    assert rig.sql("select device_id from jobs where state = 'cancelled'") == [(2,)]
    assert place(rig, label="x").cancelled == 1
    assert place(rig, device=DEVICE).cancelled == 1
    assert rig.states() == {"cancelled": 3, "queued": 1}


def test_a_number_is_held_before_its_chat_is_there_and_on_every_number_of_the_account(rig):
    rig.world.add_device(device_record(OTHER, alias="Sales"))
    rig.chat(2)
    rig.sync()
    placed = place(rig, NUMBER)
    assert not placed.stored
    assert sorted(row["device"] for row in placed.holds) == [DEVICE, OTHER]
    rig.chat(1)
    rig.chat(1, device=OTHER)
    rig.apply()
    report = rig.run()
    assert report.evaluated[0].funnel.held == 2
    assert report.outcomes == {"deleted": 1}


def test_a_chat_whose_row_was_made_with_a_key_that_is_gone_is_held_by_its_number(rig):
    rig.chat(1)
    queue_all(rig)
    rig.overrides["pseudonym_key"] = f"2:{'q' * 32}"
    assert place(rig, NUMBER).cancelled == 1
    assert rig.run().outcomes == {}


def test_a_hold_on_a_chat_that_came_later_survives_a_new_key(rig):
    rig.sync()
    rig.overrides["pseudonym_key"] = f"old:{'p' * 32}"
    assert not place(rig, NUMBER).stored
    rig.overrides["pseudonym_key"] = f"new:{'q' * 32},old:{'p' * 32}"
    rig.chat(1)
    rig.chat(2)
    rig.apply()
    assert rig.run().outcomes == {"deleted": 1}
    assert rig.sql("select key_id from chats order by chat_hint") == [("old",), ("new",)]


def test_on_one_number_only_that_chat_is_held(rig):
    rig.world.add_device(device_record(OTHER, alias="Sales"))
    rig.chat(1)
    rig.chat(1, device=OTHER)
    queue_all(rig)
    assert len(place(rig, NUMBER, on="Sales").holds) == 1
    assert rig.run().outcomes == {"deleted": 1}
    assert [seen.call.device for seen in rig.world.seen(method="DELETE")] == [DEVICE]


@pytest.mark.parametrize(
    "values",
    ["state = 'sent', intent = 'whatsapp'", "intent = 'whatsapp'", "state = 'leased', intent = 'force'"],
)
def test_what_is_in_flight_is_told_too_late_and_left_to_its_outcome(rig, values):
    rig.chat(1)
    queue_all(rig)
    rig.sql(f"update jobs set {values}, lease_owner = 'w', lease_until = '2100-01-01T00:00:00.000000Z'")
    before = rig.states()
    placed = place(rig, NUMBER)
    assert [job["id"] for job in placed.too_late] == [1]
    assert placed.too_late[0]["chat_hint"] == "+44 ··· 01"
    assert (placed.cancelled, placed.at_the_gate) == (0, 0)
    assert rig.states() == before


def test_a_call_whose_outcome_was_not_known_is_read_and_not_repeated_under_a_hold(rig):
    rig.chat(1)
    queue_all(rig)
    rig.sql("update jobs set intent = 'whatsapp', intent_at = queued_at, error_class = 'lost'")
    rig.offset += timedelta(minutes=5)
    assert len(place(rig, NUMBER).too_late) == 1
    assert rig.run().outcomes == {"cancelled": 1}, "it is still there, so the call did not act, and stays"
    assert rig.deleted() == []


def test_placing_the_same_hold_twice_says_so_and_a_longer_one_is_placed(rig):
    rig.sync()
    month = rig.now() + 30 * DAY
    first = place(rig, label="legal", until=month)
    again = place(rig, label="legal", until=month - DAY)
    assert (again.new, [row["id"] for row in again.holds]) == ((), list(first.new))
    longer = place(rig, label="legal")
    assert len(longer.new) == 1
    assert place(rig, label="legal", until=month).new == ()
    assert len(events(rig, "hold.placed")) == 2


def test_a_released_hold_lets_nothing_leave_at_once(rig):
    wid = rig.chat(1)
    queue_all(rig)
    placed = place(rig, NUMBER)
    release(rig, *placed.new)
    assert events(rig, "hold.released") == [
        ("tester", {"hold": placed.new[0], "scope": "chat", "because": "settled"})
    ]
    assert rig.run().outcomes == {}
    assert DAY - timedelta(minutes=5) < leaves(rig) <= DAY, "although the policy grants no grace"
    rig.offset += DAY
    assert rig.run().outcomes == {"deleted": 1}
    assert rig.deleted() == [wid]


def test_a_longer_grace_of_the_policy_is_granted_in_full_after_a_hold(rig):
    rig.chat(1)
    queue_all(rig, grace="7d")
    release(rig, *place(rig, NUMBER).new)
    rig.run()
    assert 7 * DAY - timedelta(minutes=5) < leaves(rig) <= 7 * DAY


@pytest.mark.parametrize(("later", "grace"), [(timedelta(hours=23), DAY), (2 * DAY, timedelta(0))])
def test_a_hold_that_ran_out_grants_its_day_too_and_one_of_long_ago_does_not(rig, later, grace):
    rig.chat(1)
    rig.sync()
    place(rig, NUMBER, until=rig.now() + 30 * DAY)
    rig.offset += 30 * DAY + later
    queue_all(rig)
    assert grace - timedelta(minutes=5) < leaves(rig) <= grace


@pytest.mark.parametrize("ends", ["released", "ran out"])
def test_a_job_that_was_queued_before_a_hold_ended_is_void(rig, ends):
    """Whoever placed it was killed before the queue was cleaned up, and nobody asked until it had ended."""
    rig.chat(1)
    queue_all(rig)
    ((ref,),) = rig.sql("select chat_ref from chats")
    with rig.ledger() as ledger, ledger.context.sessions.begin() as session:
        target = Target("chat", 1, chat_ref=ref)
        until = None if ends == "released" else ledger.now() + timedelta(hours=1)
        hold = holds.place(session, target, reason="case 7", until=until, now=ledger.now(), actor="dpo")
    rig.offset += timedelta(hours=2)
    if ends == "released":
        release(rig, hold)
    drained(rig)
    assert rig.states() == {"cancelled": 1}
    assert rig.deleted() == []
    rig.run()
    assert DAY - timedelta(minutes=5) < leaves(rig) <= DAY


def test_releasing_several_is_all_or_nothing(rig):
    rig.sync()
    (one,) = place(rig, label="a").new
    (two,) = place(rig, label="b").new
    release(rig, two)
    with pytest.raises(UsageError, match=f"hold {two}: it was released\nhold 99: there is none"):
        release(rig, one, two, 99)
    with rig.ledger() as ledger:
        assert [row["id"] for row in holding.listed(ledger, ended=False)] == [one]
        states = [(row["id"], row["state"], row["released_by"]) for row in holding.listed(ledger, ended=True)]
    assert states == [(two, "released", "tester"), (one, "active", None)]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"chat": "0044 7700 900001"}, "country code"),
        ({"chat": "Ada"}, "country code"),
        ({"chat": "447700900001@s.whatsapp.net"}, "country code"),
        ({"chat": "chat_abc"}, "no chat has the pseudonym"),
        ({"chat": NUMBER, "on": "Ops"}, "no number has that id or alias"),
        ({"device": "Ops"}, "known are: Support"),
        ({"label": " "}, "label is empty"),
        ({"label": "x", "reason": "+44 7700 900001 sued"}, "phone number"),
        ({"label": "x", "reason": " "}, "reason is empty"),
    ],
)
def test_what_holds_nothing_is_refused_and_nothing_is_stored(rig, wanted, words):
    rig.sync()
    with pytest.raises(UsageError) as refused:
        place(rig, **wanted)
    assert words in f"{refused.value} {refused.value.fix}"
    assert rig.sql("select count(*) from holds") == [(0,)]


def test_the_next_run_finds_what_a_hold_made_void_and_grants_its_day(rig):
    """The number was offline all the while, so no gate ever saw the job."""
    rig.chat(1)
    queue_all(rig)
    ((ref,),) = rig.sql("select chat_ref from chats")
    with rig.ledger() as ledger, ledger.context.sessions.begin() as session:
        until = ledger.now() + timedelta(hours=1)
        target = Target("chat", 1, chat_ref=ref)
        holds.place(session, target, reason="case 7", until=until, now=ledger.now(), actor="dpo")
    rig.offset += timedelta(hours=2)
    rig.overrides["read_only"] = True
    report = rig.run()
    assert rig.states() == {"cancelled": 1, "queued": 1}
    assert DAY - timedelta(minutes=5) < leaves(rig) <= DAY
    assert report.outcomes == {"cancelled": 1}
