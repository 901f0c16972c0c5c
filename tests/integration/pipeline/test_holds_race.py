"""A hold, a stop and a gate at the same instant: who commits first wins, and the other is told."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.pipeline import gate
from chat_hygiene.store import switches
from chat_hygiene.wiring import Ledger, holding, stopping
from support.gates import claim_all, judged

CHATS = 24


@pytest.fixture
def claimed(rig):
    """Leased jobs whose chats still match, with the context of their worker."""
    for number in range(CHATS):
        rig.chat(number)
    rig.apply()
    rig.overrides["read_only"] = True
    rig.run()
    del rig.overrides["read_only"]
    with rig.ledger() as ledger:
        context = ledger.context
        found = claim_all(context)
        assert len(found) == CHATS
        yield context, found


def pass_gate(context, job):
    now = context.clock()
    ago = now - timedelta(days=60)
    facts = ChatFacts(
        job.wid,
        kind="chat",
        status="resolved",
        status_updated_at=ago,
        last_message_at=ago,
        last_inbound_at=ago,
    )
    return judged(context, job, facts, read_at=now, now=now)


def place(context, job):
    ledger = Ledger(context)
    aim = holding.aim(ledger, chat=job.chat_ref, on=None)
    return holding.place(ledger, aim, reason="case 7", until=None, progress=lambda _done, _of: None)


def side_by_side(*works):
    barrier = threading.Barrier(len(works))

    def at_once(work):
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(at_once, work) for work in works]]


def test_a_hold_that_is_placed_at_the_same_instant_wins_or_is_told_too_late(claimed):
    context, found = claimed
    for job in found:
        verdict, placed = side_by_side(
            lambda job=job: pass_gate(context, job), lambda job=job: place(context, job)
        )
        if isinstance(verdict, gate.Pass):
            assert [late["id"] for late in placed.too_late] == [job.id], "it went out, and nobody was told"
        else:
            assert verdict == gate.Refusal("hold")
            assert placed.too_late == ()
            assert placed.at_the_gate == 1


def test_a_stop_at_the_same_instant_lets_one_call_out_or_none_and_no_later_one(claimed):
    context, found = claimed
    for job in found:
        verdict, (_, new) = side_by_side(
            lambda job=job: pass_gate(context, job), lambda: stopping.stop(Ledger(context), reason="check")
        )
        assert new
        assert isinstance(verdict, gate.Pass) or verdict == gate.Refusal("stopped", waits=True)
        with context.sessions.begin() as session:
            session.execute(
                text("update jobs set state = 'leased', intent = null where id = :id"), {"id": job.id}
            )
        assert pass_gate(context, job) == gate.Refusal("stopped", waits=True)
        stopping.start(Ledger(context), reason=None)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("what", ["a hold", "a stop"])
def test_neither_is_stored_while_a_gate_decides(claimed, what):
    """SQLite has one writer at a time anyway."""
    context, (job, *_) = claimed
    with context.sessions.begin() as deciding:
        switches.enter_gate(deciding)
        with context.sessions.begin() as other:
            other.execute(text("set local lock_timeout = '200ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                if what == "a stop":
                    switches.stop(other, reason="x", now=context.clock(), actor="ops")
                else:
                    switches.shut_gate(other)
            other.rollback()
    assert place(context, job).at_the_gate == 1


def test_two_people_who_place_the_same_hold_place_it_once(claimed):
    context, (job, *_) = claimed
    both = side_by_side(lambda: place(context, job), lambda: place(context, job))
    assert sorted(len(placed.new) for placed in both) == [0, 1]
    with context.sessions.begin() as session:
        assert session.execute(text("select count(*) from holds")).scalar_one() == 1
