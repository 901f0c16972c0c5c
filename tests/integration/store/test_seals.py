"""The chain over the audit: what is sealed can be proven, and any change of it is found, also with all triggers gone."""

import itertools
import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from chat_hygiene.core.errors import AuditBrokenError, Exit
from chat_hygiene.core.events import Event
from chat_hygiene.store import audit, seals
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import audit_events, audit_seals, switches

NOW = datetime(2026, 5, 9, 3, 0, 0, 123456, tzinfo=UTC)
KEY = b"k" * 32
EVENTS = 40
SKIP_50 = text("SELECT nextval('audit_events_seq_seq') FROM generate_series(1, 50)")
HEAD = switches.c.name == "audit_head"


def append(session, number):
    audit.append(
        session,
        Event.JOB_DELETED if number % 2 else Event.STOPPED,
        at=NOW + timedelta(seconds=number),
        actor="ana",
        policy="resolved-30d" if number % 3 else None,
        policy_version=number,
        job_id=number,
        chat_ref=f"chat_{number}",
        detail={"digest": "añb", "count": number},
    )


def seal(sessions, key=KEY):
    with sessions.begin() as session:
        return seals.seal(session, key, NOW)


def verify(sessions, key=KEY):
    with reading(sessions) as session:
        return seals.verify(session, key)


def fill(sessions, count=EVENTS):
    """Events with gaps between their numbers, sealed in three goes."""
    for part in range(3):
        with sessions.begin() as session:
            for number in range(part * count // 3, (part + 1) * count // 3):
                append(session, number + 1)
        seal(sessions)


def test_an_empty_audit_verifies(sessions):
    assert seal(sessions) == 0
    assert verify(sessions) == seals.Verdict(ok=True, sealed=0, unsealed=0)


def test_what_is_sealed_is_proven_and_the_rest_is_said_to_be_unproven(sessions):
    fill(sessions)
    assert verify(sessions) == seals.Verdict(ok=True, sealed=EVENTS, unsealed=0)
    with sessions.begin() as session:
        append(session, 99)
    assert verify(sessions) == seals.Verdict(ok=True, sealed=EVENTS, unsealed=1)
    assert [seal(sessions), seal(sessions)] == [1, 0]
    assert verify(sessions) == seals.Verdict(ok=True, sealed=EVENTS + 1, unsealed=0)


def test_a_long_audit_is_sealed_and_verified_in_batches(sessions, monkeypatch):
    monkeypatch.setattr(seals, "BATCH", 7)
    with sessions.begin() as session:
        for number in range(20):
            append(session, number)
    assert [seal(sessions) for _ in range(4)] == [7, 7, 6, 0]
    seen = []
    with reading(sessions) as session:
        assert seals.verify(session, KEY, seen.append).sealed == 20
    assert seen == [7, 14]


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
    assert verify(sessions) == seals.Verdict(ok=True, sealed=200, unsealed=0)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_sealing_passes_no_event_whose_transaction_is_still_open(sessions, monkeypatch):
    monkeypatch.setattr(seals, "_PATIENCE", text("SET LOCAL lock_timeout = '50ms'"))
    with sessions.begin() as slow:
        append(slow, 1)  # draws its number first, commits last
        with sessions.begin() as quick:
            append(quick, 2)
        assert seal(sessions) == 0
    assert seal(sessions) == 2
    assert verify(sessions) == seals.Verdict(ok=True, sealed=2, unsealed=0)


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


@pytest.fixture
def opened(sessions, engine, database_url):
    """A sealed audit whose triggers and foreign keys are gone, as someone with full rights would have it."""
    sqlite = engine.dialect.name == "sqlite"
    with sessions.begin() as session:
        for number in range(1, EVENTS):
            append(session, number)
            if number == 20:  # leaves a gap, in which an event could be put
                skip = {"at": NOW, "kind": "stopped", "actor": "ana"}
                session.execute(insert(audit_events).values(seq=100, **skip) if sqlite else SKIP_50)
        if not sqlite:
            append(session, EVENTS)
    seal(sessions)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            for (name,) in connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(
                text("ALTER TABLE audit_seals DROP CONSTRAINT fk_audit_seals_event_id_audit_events")
            )
            for table in ("audit_events", "audit_seals"):
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    unguarded = sqlalchemy.create_engine(database_url)  # SQLite checks no foreign key unless asked
    yield unguarded
    unguarded.dispose()


def event(seq):
    return audit_events.c.seq == seq


def edits(rng, seqs, sqlite):
    """Edits of one column of one event."""
    seq = rng.choice(seqs)
    texts = ["kind", "actor", "policy", "device", "chat_ref", "outcome", "detail"]
    for name in texts:
        column = audit_events.c[name]
        yield f"{name} = ''", update(audit_events).where(event(seq)).values({name: ""})
        yield (
            f"{name} with a space",
            update(audit_events).where(event(seq)).values({name: func.coalesce(column, "") + " "}),
        )
        yield f"{name} of another", update(audit_events).where(event(seq)).values({name: "eve"})
    for name in ("policy", "policy_version", "job_id", "chat_ref", "detail"):
        yield (
            f"{name} = null",
            update(audit_events).where(event(seq), audit_events.c[name].is_not(None)).values({name: None}),
        )
    for name in ("policy_version", "job_id"):
        change = rng.choice([1, -1, 1000])
        yield (
            f"{name} + {change}",
            update(audit_events).where(event(seq)).values({name: audit_events.c[name] + change}),
        )
    yield "run_id", update(audit_events).where(event(seq)).values(run_id=rng.randrange(100))
    at = NOW + timedelta(seconds=1000, microseconds=rng.randrange(10**6))
    yield "at", update(audit_events).where(event(seq)).values(at=at)
    other = rng.choice([number for number in seqs if number != seq])
    yield "seq moved away", update(audit_events).where(event(seq)).values(seq=5000)
    yield "seq negative", update(audit_events).where(event(seq)).values(seq=-1)
    yield (
        "seqs swapped",
        [
            update(audit_events).where(event(seq)).values(seq=-9),
            update(audit_events).where(event(other)).values(seq=seq),
            update(audit_events).where(event(-9)).values(seq=other),
        ],
    )
    if sqlite:
        raw = text
        yield (
            "at spelled otherwise",
            raw(f"UPDATE audit_events SET at = replace(at, 'Z', '+00:00') WHERE seq = {seq}"),
        )
        yield "at unreadable", raw(f"UPDATE audit_events SET at = 'yesterday' WHERE seq = {seq}")
        yield "actor as bytes", raw(f"UPDATE audit_events SET actor = x'616e61' WHERE seq = {seq}")
        yield "actor no UTF-8", raw(f"UPDATE audit_events SET actor = CAST(x'ff' AS TEXT) WHERE seq = {seq}")
        yield "job_id as text", raw(f"UPDATE audit_events SET job_id = 'seven' WHERE seq = {seq}")
    else:
        yield "at = infinity", text(f"UPDATE audit_events SET at = 'infinity' WHERE seq = {seq}")
        yield (
            "at = BC",
            text(f"UPDATE audit_events SET at = (at::text || ' BC')::timestamptz WHERE seq = {seq}"),
        )
        yield (
            "at + 1 µs",
            text(f"UPDATE audit_events SET at = at + interval '1 microsecond' WHERE seq = {seq}"),
        )


def others(rng, seqs):
    """Removals, insertions, re-orders, changed seals, cut tails, changed heads."""
    position = rng.randrange(1, EVENTS + 1)
    seq = seqs[position - 1]
    two, three = rng.sample(range(1, EVENTS + 1), 2)
    seal_of = audit_seals.c.position
    tail = rng.randrange(1, EVENTS)
    new = {"at": NOW, "kind": "stopped", "actor": "eve"}
    hashes = select(audit_seals.c.hash)
    without_event = delete(audit_events).where(event(seq))
    without_seal = delete(audit_seals).where(seal_of == position)
    yield "event removed", without_event
    yield "seal removed", without_seal
    yield "event and seal removed", [without_event, without_seal]
    yield "event and seal removed, the rest moved up", [
        without_event, without_seal,
        update(audit_seals).where(seal_of > position).values(position=-seal_of),
        update(audit_seals).where(seal_of < 0).values(position=-seal_of - 1),
    ]  # fmt: skip
    yield "all events removed", delete(audit_events)
    yield "all seals removed", delete(audit_seals)
    yield "event inserted before all", insert(audit_events).values(seq=0, **new)
    gap = next(number for number in range(seqs[0], seqs[-1]) if number not in seqs)
    yield "event inserted in a gap", insert(audit_events).values(seq=gap, **new)
    yield (
        "event inserted with a seal",
        [
            insert(audit_events).values(seq=7000, **new),
            insert(audit_seals).values(position=EVENTS + 1, event_id=7000, hash="ab" * 32),
        ],
    )
    yield "event replaced", [without_event, insert(audit_events).values(seq=seq, **new)]
    yield "seal's hash", update(audit_seals).where(seal_of == position).values(hash="ab" * 32)
    yield (
        "seal's case",
        update(audit_seals).where(seal_of == position).values(hash=func.upper(audit_seals.c.hash)),
    )
    yield "seal's position", update(audit_seals).where(seal_of == position).values(position=7000)
    yield "seal's event", update(audit_seals).where(seal_of == position).values(event_id=7000)
    yield (
        "seals swapped",
        [
            update(audit_seals).where(seal_of == two).values(position=-1),
            update(audit_seals).where(seal_of == three).values(position=two),
            update(audit_seals).where(seal_of == -1).values(position=three),
        ],
    )
    yield (
        "seals' events swapped",
        [
            update(audit_seals).where(seal_of == two).values(event_id=-1),
            update(audit_seals).where(seal_of == three).values(event_id=seqs[two - 1]),
            update(audit_seals).where(seal_of == two).values(event_id=seqs[three - 1]),
        ],
    )
    yield (
        "seal copied",
        update(audit_seals)
        .where(seal_of == two)
        .values(hash=hashes.where(seal_of == three).scalar_subquery()),
    )
    yield "tail of seals cut", delete(audit_seals).where(seal_of > tail)
    yield (
        "tail cut",
        [
            delete(audit_events).where(audit_events.c.seq > seqs[tail - 1]),
            delete(audit_seals).where(seal_of > tail),
        ],
    )
    yield "head removed", delete(switches).where(HEAD)
    yield "head emptied", update(switches).where(HEAD).values(detail=sqlalchemy.null())
    yield (
        "head is no head",
        update(switches).where(HEAD).values(detail=rng.choice([[], 5, "x", {"position": 1}])),
    )
    for name, value in (
        ("position", position - 1),
        ("seq", -seq),
        ("hash", "ab" * 32),
        ("mac", "ab" * 32),
    ):
        yield f"head's {name}", (name, value)
    yield (
        "tail cut and the head with it",
        [
            delete(audit_events).where(audit_events.c.seq > seqs[tail - 1]),
            delete(audit_seals).where(seal_of > tail),
            ("position", tail),
        ],
    )


def tamper(session, change):
    if isinstance(change, tuple):
        detail = session.scalar(select(switches.c.detail).where(HEAD))
        change = update(switches).where(HEAD).values(detail={**detail, change[0]: change[1]})
    return session.execute(change).rowcount


def test_every_tampering_is_found(opened):
    rng = random.Random(20260509)
    missed, done = [], 0
    with Session(opened) as session:
        seqs = session.scalars(select(audit_events.c.seq).order_by(audit_events.c.seq)).all()
        for _ in range(10):
            for name, changes in itertools.chain(
                edits(rng, seqs, opened.dialect.name == "sqlite"), others(rng, seqs)
            ):
                steps = changes if isinstance(changes, list) else [changes]
                changed = [tamper(session, change) for change in steps]
                verdict = seals.verify(session, KEY)
                session.rollback()
                if any(changed):
                    done += 1
                    missed += [name] if verdict.ok or not verdict.problem else []
                control = seals.verify(session, KEY)
                session.rollback()
                assert control == seals.Verdict(ok=True, sealed=EVENTS, unsealed=0), (
                    f"the control after {name}"
                )
    assert not missed
    assert done >= 400
