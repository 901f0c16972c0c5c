"""What an operator may do to single jobs and debts, and what is refused with which words."""

import json
from datetime import timedelta

import pytest

from chat_hygiene import wiring
from chat_hygiene.core.errors import UsageError
from integration.pipeline.conftest import DEVICE


@pytest.fixture
def failed(rig):
    """A job that WhatsApp refused for good, under a policy that may not force."""
    wid = rig.chat(1)
    rig.world.refuse(DEVICE, wid)
    rig.apply(force="false")
    assert rig.run().outcomes == {"failed": 1}
    return wid


def queued(rig, **policy):
    """A job that waits."""
    wid = rig.chat(1)
    rig.apply(**policy)
    rig.overrides["read_only"] = True
    rig.run()
    del rig.overrides["read_only"]
    assert rig.states() == {"queued": 1}
    return wid


def retry(rig, *jobs, because=None):
    with rig.ledger() as ledger:
        wiring.retry_jobs(ledger, jobs, force_because=because)


def cancel(rig, *jobs, reason="a mistake"):
    with rig.ledger() as ledger:
        wiring.cancel_jobs(ledger, jobs, reason=reason)


def details(rig, kind):
    return [
        json.loads(text or "{}")
        for (text,) in rig.sql("select detail from audit_events where kind = :k", k=kind)
    ]


def forces(rig):
    return [seen.sent.get("force", False) for seen in rig.world.seen(method="DELETE")]


def test_a_failed_job_is_tried_again_from_the_start(rig, failed):
    rig.world.refuse(DEVICE, failed, refused=False)
    retry(rig, 1)
    assert rig.sql("select state, attempts, crashes, finished_at from jobs") == [("queued", 0, 0, None)]
    assert rig.run().outcomes == {"deleted": 1}
    assert rig.sql("select count(*) from audit_events where kind = 'job.requeued' and actor = 'tester'") == [
        (1,)
    ]


def test_an_operator_forces_what_the_policy_may_not_and_the_audit_says_why(rig, failed):
    before = len(forces(rig))
    retry(rig, 1, because="the customer asked twice")
    assert rig.run().outcomes == {"removed_locally": 1}
    assert forces(rig)[before:] == [True]
    assert rig.sql("select forced_by, debt_state, debt_reason from jobs") == [("tester", "open", "operator")]
    assert details(rig, "job.requeued") == [{"forced": True, "because": "the customer asked twice"}]


def test_force_passes_the_gate_like_every_call(rig, failed):
    before = len(forces(rig))
    retry(rig, 1, because="now")
    rig.world.message_arrives(DEVICE, failed)
    assert rig.run().outcomes == {"cancelled": 1}
    assert len(forces(rig)) == before


def test_force_means_nothing_where_whatsapp_is_not_asked(rig):
    queued(rig, whatsapp="false", force="false")
    with pytest.raises(UsageError, match="nothing to force"):
        retry(rig, 1, because="now")


def test_a_retry_does_not_shorten_the_grace(rig):
    queued(rig, grace="7d")
    retry(rig, 1)
    assert rig.run().outcomes == {}
    rig.offset += timedelta(days=7, minutes=1)
    assert rig.run().outcomes == {"deleted": 1}


@pytest.mark.parametrize(
    ("state", "more", "words"),
    [
        ("leased", "", "being worked"),
        ("sent", "", "call out"),
        ("deleted", ", whatsapp_state = 'reported', platform_state = 'removed'", "nothing is left"),
        ("removed_locally", ", debt_state = 'open'", "debt retry"),
        ("cancelled", "", "queues the chat again"),
    ],
)
def test_what_cannot_be_tried_again_says_so_and_nothing_changes(rig, state, more, words):
    queued(rig)
    rig.sql(f"update jobs set state = '{state}'{more}")
    with pytest.raises(UsageError, match=words):
        retry(rig, 1)
    assert rig.states() == {state: 1}


def test_a_chat_that_another_job_has_by_now_is_not_tried_twice(rig, failed):
    rig.offset = timedelta(days=8)
    rig.overrides["read_only"] = True
    rig.run()
    assert rig.states() == {"failed": 1, "queued": 1}
    with pytest.raises(UsageError, match="job 2 has its chat by now"):
        retry(rig, 1)


def test_a_chat_that_came_back_since_is_the_next_runs_to_decide(rig, failed):
    rig.sql("update chats set generation = 2")
    with pytest.raises(UsageError, match="left since"):
        retry(rig, 1)


def test_all_or_nothing_and_each_refusal_is_named(rig, failed):
    with pytest.raises(UsageError, match="job 7: there is none"):
        retry(rig, 1, 7)
    assert rig.states() == {"failed": 1}


def test_only_a_queued_job_without_a_call_out_is_cancelled(rig):
    wid = queued(rig)
    rig.sql("update jobs set intent = 'whatsapp'")
    with pytest.raises(UsageError, match="read first"):
        cancel(rig, 1)
    rig.sql("update jobs set intent = null")
    cancel(rig, 1, reason="still needed")
    assert rig.states() == {"cancelled": 1}
    assert details(rig, "job.cancelled") == [{"clause": "operator", "because": "still needed"}]
    with pytest.raises(UsageError, match="only a queued one"):
        cancel(rig, 1)
    assert wid not in rig.deleted()


@pytest.mark.parametrize("reason", ["call +44 7700 900123 first", " ", "half\udce9 a letter", "two\nlines"])
def test_a_reason_with_a_number_without_a_word_or_that_is_no_text_is_refused(rig, reason):
    queued(rig)
    with pytest.raises(UsageError, match="reason"):
        cancel(rig, 1, reason=reason)
    with pytest.raises(UsageError, match="reason"):
        retry(rig, 1, because=reason)


@pytest.fixture
def owed(rig):
    wid = rig.chat(1)
    rig.world.refuse(DEVICE, wid)
    rig.world.removed_chats = "listed"
    rig.apply()
    assert rig.run().outcomes == {"removed_locally": 1}
    return wid


def test_a_debt_is_looked_at_when_somebody_asks(rig, owed):
    with rig.ledger() as ledger:
        wiring.look_at_debts(ledger)
        assert wiring.look_at_debts(ledger).looked == 0
        assert wiring.retry_debts(ledger, None) == 1
        rig.world.change_chat(DEVICE, owed, waStatus="removed")
        assert wiring.look_at_debts(ledger).settled == 1
        with pytest.raises(UsageError, match="is settled"):
            wiring.retry_debts(ledger, [1])


@pytest.mark.parametrize("state", ["open", "abandoned"])
def test_a_debt_that_is_not_closed_can_be_written_off(rig, owed, state):
    rig.sql("update jobs set debt_state = :state", state=state)
    with rig.ledger() as ledger:
        wiring.write_off(ledger, 1, reason="the number is sold")
        with pytest.raises(UsageError, match="written off"):
            wiring.write_off(ledger, 1, reason="again")
    assert rig.sql("select debt_state, debt_next_probe_at from jobs") == [("written_off", None)]
    assert details(rig, "debt.written_off") == [{"because": "the number is sold"}]
    assert rig.sql("select wid from chats") == [(None,)]
    assert rig.states() == {"removed_locally": 1}


def test_a_job_that_owes_nothing_has_no_debt_to_write_off(rig):
    queued(rig)
    with rig.ledger() as ledger, pytest.raises(UsageError, match="owes nothing"):
        wiring.write_off(ledger, 1, reason="why not")
