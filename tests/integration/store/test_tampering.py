"""Any change of what is sealed is found, also with all triggers and foreign keys gone."""

import itertools
import random
from datetime import timedelta

import pytest
import sqlalchemy
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from chat_hygiene.store import verifying
from chat_hygiene.store.tables import audit_events, audit_seals, switches
from support.chain import KEY, NOW, append, seal

EVENTS = 40
SKIP_50 = text("SELECT nextval('audit_events_seq_seq') FROM generate_series(1, 50)")
HEAD = switches.c.name == "audit_head"


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
                verdict = verifying.verify(session, KEY)
                session.rollback()
                if any(changed):
                    done += 1
                    missed += [name] if verdict.ok or not verdict.problem else []
                control = verifying.verify(session, KEY)
                session.rollback()
                assert control == verifying.Verdict(ok=True, sealed=EVENTS, unsealed=0), (
                    f"the control after {name}"
                )
    assert not missed
    assert done >= 400
