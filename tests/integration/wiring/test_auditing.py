"""The audit's oldest part goes when its time is over, and what is left proves itself; a head kept elsewhere shows a cut."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from chat_hygiene.core.errors import AuditBrokenError, InvalidInputError, UsageError
from chat_hygiene.pipeline import audit_head
from chat_hygiene.store import checkpoints, seals
from chat_hygiene.store.tables import audit_events, audit_seals, switches
from chat_hygiene.wiring import auditing, verify_audit
from support.chain import append_at
from support.world import NOW

DAY = timedelta(days=1)
OLD, YOUNG = NOW - 731 * DAY, NOW - 729 * DAY


@pytest.fixture
def aged(ledger):
    """Ten events past the audit's retention, then five that are not."""
    with ledger.writing() as session:
        for number in range(15):
            append_at(session, OLD if number < 10 else YOUNG, number)
    return ledger


def purge(ledger, before=None, progress=lambda _gone: None):
    return auditing.purge(ledger, auditing.oldest(ledger, before=before), progress)


def rows(ledger, table):
    with ledger.reading() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_what_is_past_its_time_goes_and_the_rest_still_verifies(aged):
    assert purge(aged) == 10
    verdict = verify_audit(aged)
    assert (verdict.ok, verdict.sealed, verdict.unsealed) == (True, 6, 0), verdict.problem
    assert (verdict.purged, verdict.purged_at) == (10, NOW)
    with aged.reading() as session:
        last = session.execute(select(audit_events).order_by(audit_events.c.seq.desc()).limit(1)).one()
    assert (last.kind, last.actor) == ("audit.purged", "ana")
    assert last.detail == '{"events":10,"through":10,"through_seq":10}'
    assert purge(aged) == 0, "a second purge found something"


def test_a_purged_audit_goes_on_and_is_purged_again(aged):
    purge(aged)
    with aged.writing() as session:
        for number in range(3):
            append_at(session, YOUNG, number)
    with aged.reading() as session:
        assert seals.position_of(session, 19) == 19
    everything = checkpoints.Oldest(NOW, 9, 10, 19, 19)
    assert auditing.purge(aged, everything, lambda _gone: None) == 9
    verdict = verify_audit(aged)
    assert (verdict.ok, verdict.sealed, verdict.purged) == (True, 1, 19), "what tells of it was not sealed"


def test_a_younger_event_keeps_what_was_stored_after_it(aged):
    with aged.writing() as session:
        append_at(session, OLD, 99)
    assert auditing.oldest(aged, before=None).events == 10


def test_what_is_not_sealed_stays(aged):
    with aged.context.sessions.begin() as session:
        session.execute(update(switches).where(switches.c.name == "stop").values(on=False))
        append_at(session, OLD, 99)
    found = auditing.oldest(aged, before=None)
    assert found.position == 10


def test_a_purge_that_is_killed_has_only_done_less(aged, monkeypatch):
    monkeypatch.setattr(checkpoints, "BATCH", 4)

    def die(gone):
        raise KeyboardInterrupt(gone)

    with pytest.raises(KeyboardInterrupt):
        purge(aged, progress=die)
    verdict = verify_audit(aged)
    assert (verdict.ok, verdict.purged) == (True, 4), verdict.problem
    assert purge(aged) == 6
    assert verify_audit(aged).purged == 10


def test_others_write_and_seal_while_the_audit_is_purged_twice_at_once(aged, monkeypatch):
    monkeypatch.setattr(checkpoints, "BATCH", 1)
    found = auditing.oldest(aged, before=None)

    def write(number):
        with aged.writing() as session:
            append_at(session, YOUNG, number)

    with ThreadPoolExecutor(4) as pool:
        purges = [pool.submit(auditing.purge, aged, found, lambda _gone: None) for _ in range(2)]
        writes = [pool.submit(write, number) for number in range(20)]
        gone = [each.result() for each in purges]
        assert [each.result() for each in writes] == [None] * 20
    assert sum(gone) == 10, "two purges removed the same, or not all"
    verdict = verify_audit(aged)
    assert (verdict.ok, verdict.purged, verdict.sealed, verdict.unsealed) == (True, 10, 5 + 20 + 10, 0)


def test_a_purge_that_dies_within_a_batch_has_done_nothing_of_it(aged, monkeypatch):
    def die(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "delete", die)
    with pytest.raises(KeyboardInterrupt):
        purge(aged)
    assert (rows(aged, audit_events), rows(aged, audit_seals)) == (15, 15)
    assert verify_audit(aged).purged == 0


def unguard(session):
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("DROP TRIGGER audit_events_no_update"))
    else:
        session.execute(text("ALTER TABLE audit_events DISABLE TRIGGER USER"))


def test_what_was_tampered_with_is_not_purged(aged):
    with aged.context.sessions.begin() as session:
        unguard(session)
        session.execute(update(audit_events).where(audit_events.c.seq == 7).values(actor="eve"))
    with pytest.raises(AuditBrokenError, match="event 7 or its seal was changed"):
        purge(aged)
    assert rows(aged, audit_events) == 15


def test_what_was_inserted_before_the_end_of_a_purge_stops_it(aged):
    with aged.context.sessions.begin() as session:
        session.execute(insert(audit_events).values(seq=-3, at=OLD, kind="stopped", actor="eve"))
    with pytest.raises(AuditBrokenError, match="inserted before position 10"):
        purge(aged)
    assert rows(aged, audit_events) == 16


@pytest.mark.parametrize("table", [audit_events, audit_seals], ids=lambda table: table.name)
def test_nothing_else_is_removed_after_a_purge(aged, table):
    purge(aged)
    with (
        pytest.raises(DBAPIError, match=r"never changed|foreign key"),
        aged.context.sessions.begin() as session,
    ):
        session.execute(delete(table))
    assert verify_audit(aged).sealed == 6


def test_only_what_is_past_the_retention_may_go(aged):
    with pytest.raises(UsageError, match="kept for 730 days"):
        auditing.oldest(aged, before=NOW)
    assert auditing.oldest(aged, before=OLD).events == 0
    assert auditing.oldest(aged, before=OLD + DAY).events == 10


def test_what_will_go_can_be_exported_and_that_is_told(aged):
    found = auditing.oldest(aged, before=None)
    assert [row["seq"] for row in auditing.export_oldest(aged, found)] == [*range(1, 11)]
    with aged.reading() as session:
        last = session.execute(select(audit_events).order_by(audit_events.c.seq.desc()).limit(1)).one()
    assert (last.kind, last.detail) == ("audit.exported", '{"of":"purge"}')


def verdict_on(ledger, head):
    return verify_audit(ledger, exported=head)


def test_a_head_of_any_day_is_on_the_chain_until_its_event_is_purged(aged):
    heads = [auditing.head(aged)]
    with aged.writing() as session:
        append_at(session, YOUNG, 99)
    heads.append(auditing.head(aged))
    assert [verdict_on(aged, head).head for head in heads] == ["proven", "proven"]
    purge(aged)
    assert [verdict_on(aged, head).head for head in heads] == ["proven", "proven"]
    early = heads[0].model_copy(update={"position": 9, "seq": 9})
    verdict = verdict_on(aged, early)
    assert (verdict.ok, verdict.head) == (True, "purged"), "a purge passed for a tampering, or for a proof"


def test_a_head_at_the_checkpoint_is_proven_by_it(aged):
    with aged.reading() as session:
        (tenth,) = seals.rows(session, 9, 1)
    head = auditing.head(aged).model_copy(update={"position": 10, "seq": 10, "hash": tenth[1]})
    purge(aged)
    assert verdict_on(aged, head).head == "proven"
    assert not verdict_on(aged, head.model_copy(update={"hash": "ab" * 32})).ok


def test_a_head_is_found_when_everything_stored_since_is_gone(aged):
    before = auditing.head(aged)
    with aged.context.sessions.begin() as session:
        older = session.scalar(select(switches.c.detail).where(switches.c.name == "audit_head"))
    with aged.writing() as session:
        append_at(session, YOUNG, 99)
    after = auditing.head(aged)
    with aged.context.sessions.begin() as session:
        for statement in cut(session, 15):
            session.execute(text(statement))
        session.execute(update(switches).where(switches.c.name == "audit_head").values(detail=older))
    assert verify_audit(aged).ok, "without a head nothing can show it"
    assert verdict_on(aged, before).ok
    verdict = verdict_on(aged, after)
    assert (verdict.ok, verdict.position) == (False, 16)
    assert "older copy" in verdict.problem


def cut(session, seq):
    sqlite = session.get_bind().dialect.name == "sqlite"
    for table, key in (("audit_seals", "position"), ("audit_events", "seq")):
        yield f"DROP TRIGGER {table}_no_delete" if sqlite else f"ALTER TABLE {table} DISABLE TRIGGER USER"
        yield f"DELETE FROM {table} WHERE {key} > {seq}"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_head_of_which_any_byte_was_changed_is_refused(aged, tmp_path):
    file = tmp_path / "head.json"
    auditing.save_head(aged, auditing.head(aged), file)
    assert auditing.load_head(aged, file).position == 15
    data = file.read_bytes()
    key = aged.context.keys.audit_key
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises((AuditBrokenError, InvalidInputError)):
            audit_head.read(changed, key, source="head.json")
    with pytest.raises(AuditBrokenError, match="another AUDIT_KEY"):
        audit_head.read(data, b"x" * 32, source="head.json")
    with pytest.raises(UsageError, match="there already"):
        auditing.save_head(aged, auditing.head(aged), file)
