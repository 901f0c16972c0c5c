"""The chain over the audit: what is sealed can be proven, what is not yet sealed is said to be unproven."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, select, text, update

from chat_hygiene.core.errors import AuditBrokenError, Exit
from chat_hygiene.store import audit, seals, verifying
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import audit_seals, switches
from support.chain import KEY, NOW, append, seal

EVENTS = 40


def verify(sessions, key=KEY):
    with reading(sessions) as session:
        return verifying.verify(session, key)


def fill(sessions, count=EVENTS):
    """Events sealed in three goes."""
    for part in range(3):
        with sessions.begin() as session:
            for number in range(part * count // 3, (part + 1) * count // 3):
                append(session, number + 1)
        seal(sessions)


def test_an_empty_audit_verifies(sessions):
    assert seal(sessions) == 0
    assert verify(sessions) == verifying.Verdict(ok=True, sealed=0, unsealed=0)


def test_what_is_sealed_is_proven_and_the_rest_is_said_to_be_unproven(sessions):
    fill(sessions)
    assert verify(sessions) == verifying.Verdict(ok=True, sealed=EVENTS, unsealed=0)
    with sessions.begin() as session:
        append(session, 99)
    assert verify(sessions) == verifying.Verdict(ok=True, sealed=EVENTS, unsealed=1)
    assert [seal(sessions), seal(sessions)] == [1, 0]
    assert verify(sessions) == verifying.Verdict(ok=True, sealed=EVENTS + 1, unsealed=0)


def test_an_older_head_put_back_does_not_end_a_chain_that_goes_on(sessions):
    mark = switches.c.name == "audit_head"
    fill(sessions)
    with sessions.begin() as session:
        older = session.scalar(select(switches.c.detail).where(mark))
        append(session, 99)
    assert seal(sessions) == 1
    with sessions.begin() as session:
        session.execute(update(switches).where(mark).values(detail=older))
    verdict = verify(sessions)
    assert (verdict.ok, verdict.position) == (False, EVENTS + 1)
    assert verdict.problem == f"the chain goes on beyond its head at {EVENTS}"


def test_a_long_audit_is_sealed_and_verified_in_batches(sessions, monkeypatch):
    monkeypatch.setattr(seals, "BATCH", 7)
    monkeypatch.setattr(verifying, "BATCH", 7)
    with sessions.begin() as session:
        for number in range(20):
            append(session, number)
    assert [seal(sessions) for _ in range(4)] == [7, 7, 6, 0]
    seen = []
    with reading(sessions) as session:
        assert verifying.verify(session, KEY, lambda *done: seen.append(done)).sealed == 20
    assert seen == [(7, 20), (14, 20)]


def test_both_engines_make_the_same_chain(sessions):
    fill(sessions)
    with reading(sessions) as session:
        last = session.scalar(select(audit_seals.c.hash).order_by(audit_seals.c.position.desc()).limit(1))
    assert last == "7e250c54b457265b5682f194ffb3252d067ded63ef44b5bf10d92bbc3d2074b0"


def test_a_wrong_key_neither_verifies_nor_seals(sessions):
    fill(sessions)
    verdict = verify(sessions, b"x" * 32)
    assert not verdict.ok
    assert "CHAT_HYGIENE_AUDIT_KEY" in verdict.problem
    with sessions.begin() as session:
        append(session, 99)
    with pytest.raises(AuditBrokenError) as caught:
        seal(sessions, b"x" * 32)
    assert caught.value.exit_code is Exit.AUDIT_BROKEN
    assert verify(sessions).ok


def test_two_sealers_at_once_make_one_chain(sessions):
    with sessions.begin() as session:
        for number in range(200):
            append(session, number)
    barrier = threading.Barrier(4)

    def work():
        barrier.wait()
        seal(sessions)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(sessions) == verifying.Verdict(ok=True, sealed=200, unsealed=0)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_first_seals_may_be_made_between_any_two_statements_of_another_sealer(sessions):
    with sessions.begin() as session:
        append(session, 1)
    with sessions.begin() as slow:
        connection, sealed = slow.connection(), []

        @event.listens_for(connection, "after_cursor_execute")
        def overtake(*_):
            if not sealed:
                sealed.append(seal(sessions))

        assert seals.seal(slow, KEY, NOW) == 0
    assert sealed == [1]
    assert verify(sessions) == verifying.Verdict(ok=True, sealed=1, unsealed=0)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_sealing_passes_no_event_whose_transaction_is_still_open(sessions, monkeypatch):
    monkeypatch.setattr(seals, "_PATIENCE", text("SET LOCAL lock_timeout = '50ms'"))
    with sessions.begin() as slow:
        append(slow, 1)  # draws its number first, commits last
        with sessions.begin() as quick:
            append(quick, 2)
        assert seal(sessions) == 0
    assert seal(sessions) == 2
    assert verify(sessions) == verifying.Verdict(ok=True, sealed=2, unsealed=0)


def test_find_gives_the_events_of_a_chat(sessions):
    fill(sessions)
    with reading(sessions) as session:
        found = audit.find(session, chat_refs=["chat_7", "chat_3"])
        assert [(row["chat_ref"], row["at"]) for row in found] == [
            ("chat_3", NOW + timedelta(seconds=3)),
            ("chat_7", NOW + timedelta(seconds=7)),
        ]
        assert [row["job_id"] for row in audit.find(session, newest_first=True, limit=2)] == [40, 39]
        assert [row["job_id"] for row in audit.find(session, after=found[0]["seq"], limit=2)] == [4, 5]
        assert found[0]["detail"] == '{"count":3,"digest":"añb"}'
