"""Any change of what is sealed is found, also with all triggers and foreign keys gone."""

import itertools
import random
from collections import Counter

import pytest
import sqlalchemy
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from chat_hygiene.store import checkpoints, verifying
from chat_hygiene.store.chain import Link
from chat_hygiene.store.tables import audit_events, audit_seals, switches
from integration.store import tampering
from support.chain import KEY, NOW, append, seal

TAMPERINGS = 500
"""On each engine."""
EVENTS, PURGED = 40, 8
GAP = 70
SKIP = text("SELECT setval('audit_events_seq_seq', 99)")
UNTOUCHED = verifying.Verdict(ok=True, sealed=EVENTS, unsealed=0, purged=PURGED, purged_at=NOW, head="proven")


@pytest.fixture
def world(sessions, engine, database_url):
    """A sealed audit, its oldest part purged, whose triggers and foreign keys are gone; its earlier heads."""
    sqlite, heads = engine.dialect.name == "sqlite", []
    for part in range(4):
        with sessions.begin() as session:
            for number in range(12 * part, min(12 * part + 12, EVENTS + PURGED - 2)):
                append(session, number)
            if part == 2:  # leaves a gap, in which an event could be put
                stopped = {"at": NOW, "kind": "stopped", "actor": "ana"}
                session.execute(insert(audit_events).values(seq=100, **stopped) if sqlite else SKIP)
                if not sqlite:
                    append(session, 99)
        seal(sessions)
        with sessions.begin() as session:
            heads.append(session.scalar(select(switches.c.detail).where(switches.c.name == "audit_head")))
    with sessions.begin() as session:
        assert checkpoints.remove(session, KEY, through=PURGED, now=NOW, actor="ana") == PURGED
    seal(sessions)
    with engine.begin() as connection:
        for statement in unguard(connection, sqlite=sqlite):
            connection.execute(text(statement))
    unguarded = sqlalchemy.create_engine(database_url)  # SQLite checks no foreign key unless asked
    yield unguarded, heads
    unguarded.dispose()


def unguard(connection, *, sqlite):
    if sqlite:
        triggers = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all()
        return [f"DROP TRIGGER {name}" for (name,) in triggers]
    key = "ALTER TABLE audit_seals DROP CONSTRAINT fk_audit_seals_event_id_audit_events"
    return [key, *(f"ALTER TABLE {each} DISABLE TRIGGER USER" for each in ("audit_events", "audit_seals"))]


def ways(rng, chain, heads, *, sqlite):
    """One round of tamperings of each kind."""
    for kind, each in (
        ("edit", tampering.edits(rng, chain, sqlite=sqlite)),
        ("removal", tampering.removals(rng, chain)),
        ("insertion", tampering.insertions(rng, chain, GAP)),
        ("re-order", tampering.moves(rng, chain)),
        ("mark", tampering.marks(rng, chain, PURGED)),
        ("truncation", tampering.truncations(rng, chain, heads)),
    ):
        for name, steps in each:
            yield kind, name, steps


def tamper(session, steps):
    """Whether anything was changed."""
    changed = [step(session) if callable(step) else session.execute(step).rowcount for step in steps]
    return any(each != 0 for each in changed)


def test_every_tampering_is_found(world):
    unguarded, heads = world
    rng, done, missed = random.Random(20260509), Counter(), []
    with Session(unguarded) as session:
        chain = session.execute(select(audit_seals).order_by(audit_seals.c.position)).all()
        exported = Link(*chain[-1])
        rounds = (
            ways(rng, chain, heads, sqlite=unguarded.dialect.name == "sqlite") for _ in itertools.count()
        )
        for kind, name, steps in itertools.chain.from_iterable(rounds):
            if tamper(session, steps):
                done[kind] += 1
                verdict = verifying.verify(session, KEY, exported=exported if kind == "truncation" else None)
                if verdict.ok or not verdict.problem:
                    missed.append((kind, name))
            session.rollback()
            if done.total() % 10 == 0:
                assert verifying.verify(session, KEY, exported=exported) == UNTOUCHED, (
                    f"the control after {name}"
                )
                session.rollback()
            if done.total() == TAMPERINGS:
                break
    assert missed == []
    assert (
        min(done[kind] for kind in ("edit", "removal", "insertion", "re-order", "mark", "truncation")) >= 20
    )
