"""Many debts: none is looked at twice because rounds meet, and none waits behind one whose read fails."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chat_hygiene.core.debts import DebtState, Finding
from chat_hygiene.providers.fake import faults
from chat_hygiene.providers.fake.faults import On
from chat_hygiene.store import debts
from integration.pipeline.conftest import DEVICE
from integration.pipeline.syncing import queue, whole
from integration.pipeline.test_debts import HOUR, look

MANY = 6


@pytest.fixture
def wids(rig):
    """Chats that WhatsApp refused to delete: removed on the platform by force, and owed."""
    rig.world.removed_chats = "listed"
    found = [rig.chat(number) for number in range(MANY)]
    for wid in found:
        rig.world.refuse(DEVICE, wid)
    rig.apply()
    assert rig.run().outcomes == {"removed_locally": MANY}
    return found


def read(rig, since):
    return Counter(seen.call.wid for seen in rig.world.seen()[since:] if seen.call.route == "chat")


def test_rounds_at_once_look_at_each_debt_once(rig, wids):
    before = len(rig.world.seen())
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: look(rig), range(3)))
    assert sum(report.looked for report in reports) == MANY
    assert read(rig, before) == dict.fromkeys(wids, 1)
    assert rig.sql("select debt_probes, count(*) from jobs group by debt_probes") == [(1, MANY)]


def test_debts_whose_reads_always_fail_keep_no_other_waiting(rig, wids):
    bad, worse, *good = wids
    rig.world.script(*(faults.status(500, on=On(route="chat", wid=wid, times=None)) for wid in (bad, worse)))
    assert sum(look(rig).looked for _ in range(4)) == len(good)
    probes = dict(rig.sql("select chats.wid, debt_probes from jobs join chats on chats.id = chat_id"))
    assert probes == {wid: int(wid in good) for wid in wids}
    before = len(rig.world.seen())
    rig.offset += HOUR
    for _ in range(4):
        look(rig)
    assert read(rig, before)[bad] == read(rig, before)[worse] == 1, "an hour later it is their turn again"


def test_looks_leave_half_of_the_budget_to_jobs_that_are_due(rig, wids):
    rig.chat(MANY)
    whole(rig)
    queue(rig)
    assert rig.states()["queued"] == 1
    rig.overrides = {"requests_per_minute": 240}
    before = rig.now()
    assert look(rig).looked == MANY
    # Half of four requests a second, the read of the number included.
    assert rig.now() - before >= (MANY + 1) * timedelta(seconds=0.5)


def test_a_look_that_ends_late_changes_nothing_of_a_debt_that_was_settled_meanwhile(rig, wids):
    with rig.ledger() as ledger:
        sessions, now = ledger.context.sessions, rig.now()
        with sessions.begin() as session:
            debt = debts.claim(session, 1, now=now, until=now + HOUR)
        for finding in (Finding(DebtState.SETTLED, "confirmed"), Finding(DebtState.OPEN, "present")):
            with sessions.begin() as session:
                debts.looked(session, debt, finding, now=now, actor="tester")
    assert rig.sql(
        "select debt_state, whatsapp_state, debt_probes, debt_next_probe_at from jobs where id = :id",
        id=debt.job_id,
    ) == [("settled", "confirmed", 1, None)]
