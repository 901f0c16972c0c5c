"""What a clock that ran ahead has left is no knowledge of the future: syncs and schedules go on when it is right again."""

from datetime import timedelta

from chat_hygiene.pipeline import rules
from chat_hygiene.store import policies
from integration.pipeline.syncing import due, listed, one_slice, queue, whole
from support.timetable import DAY


def fresh(rig) -> set[int]:
    with rig.ledger() as ledger, ledger.reading() as session:
        (stored,) = policies.load(session)
        return rules.fresh_ids(session, ledger.context.settings, stored.policy, now=rig.now())


def test_a_sync_of_the_future_is_none(rig):
    rig.chat(1)
    rig.apply()
    rig.offset = timedelta(days=10)
    whole(rig)
    assert fresh(rig) == {1}
    rig.offset = timedelta(0)
    assert fresh(rig) == set()
    assert due(rig) == [1]
    queue(rig)
    assert rig.states() == {}
    listed(rig)
    assert one_slice(rig).report.full
    assert due(rig) == []
    assert fresh(rig) == {1}


def test_a_number_that_was_online_in_the_future_only_is_not_fresh(rig):
    rig.chat(1)
    rig.apply()
    whole(rig)
    rig.sql("update devices set last_online_at = '2126-01-01T00:00:00.000000Z'")
    assert fresh(rig) == set()


def test_a_sweep_that_began_in_the_future_is_begun_again(rig):
    rig.overrides = {"page_size": 2}
    for number in range(5):
        rig.chat(number)
    listed(rig)
    rig.offset = timedelta(days=10)
    assert one_slice(rig, seconds=0).more
    rig.offset = timedelta(0)
    assert one_slice(rig).report.full
    assert due(rig) == []


def test_schedules_that_were_moved_into_the_future_come_back(table):
    table.number()
    table.policy()
    right = table.now
    table.tick()
    ((planned,),) = table.sql("select next_run_at from policies")
    table.tick(after=30 * DAY)
    assert table.sql("select next_run_at from policies") != [(planned,)]
    table.now = right
    assert table.tick(after=timedelta(minutes=1)).account
    assert table.sql("select next_run_at from policies") == [(planned,)]
