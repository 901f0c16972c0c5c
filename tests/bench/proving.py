"""The audit: whether sealing keeps up with what a drain writes, and how fast a chain is verified."""

import hmac
import json
import time
from collections.abc import Iterator
from functools import partial

from sqlalchemy import func, select, text

from bench.draining import WRITTEN
from bench.ground import ENGINES, Ground
from bench.measuring import Row, expect, medians, ms, seconds
from chat_hygiene.store import seals, verifying
from chat_hygiene.store.chain import columns
from chat_hygiene.store.engine import create_engine, reading
from chat_hygiene.store.engine import sessions as make_sessions
from chat_hygiene.store.tables import audit_events, audit_seals

KEY = b"k" * 32
EVENTS, LARGE = 100_000, 1_000_000
WANTED = 100_000
"""Events a second."""

# As three moves of a job write them, down to the length of a real pseudonym.
_EVENTS = """
insert into audit_events (at, kind, actor, policy, policy_version, run_id, job_id, device, chat_ref, outcome, detail)
select {at}, case n % 3 when 0 then 'job.claimed' when 1 then 'job.intent' else 'job.deleted' end, 'worker', 'resolved-30d', 3, 17,
       n / 3, '5f0c1d2e3a4b5c6d00000001', 'chat_abcdefghijklmnopqrstuvwx' || cast(10000000 + n / 3 as text),
       case n % 3 when 2 then 'deleted' end,
       case n % 3 when 1 then '{{"intent":"whatsapp"}}' when 2 then '{{"platform":"removed","whatsapp":"reported"}}' end
from {series}
"""
_SPOKEN = {
    "sqlite": {
        "series": "(with recursive s(n) as (select 0 union all select n + 1 from s where n < {last}) select n from s) s",
        "at": "strftime('%Y-%m-%dT%H:%M:%f123Z', '2026-05-09 03:00:00', '+' || (n / 100.0) || ' seconds')",
    },
    "postgresql": {
        "series": "generate_series(0, {last}) as s(n)",
        "at": "timestamptz '2026-05-09 03:00:00.000123+00' + n * interval '10 milliseconds'",
    },
}


def audit(on: Ground) -> Iterator[Row]:
    """Events of jobs, made in bulk, sealed and verified."""
    for engine in ENGINES:
        yield from _audit(on, engine, LARGE if on.large else EVENTS)


def _audit(on: Ground, engine: str, events: int) -> Iterator[Row]:
    database = create_engine(on.database(engine))
    sessions = make_sessions(database)
    words = {name: each.format(last=events - 1) for name, each in _SPOKEN[engine].items()}
    with sessions.begin() as session:
        session.execute(text(_EVENTS.format(**words).replace(":", "\\:")))

    def verify() -> float:
        with reading(sessions) as session:
            begun = time.perf_counter()
            verdict = verifying.verify(session, KEY)
            taken = time.perf_counter() - begun
        expect((verdict.ok, verdict.sealed, verdict.unsealed), (True, events, 0), "what verifying found")
        return taken

    sealing = seconds(partial(_seal_all, sessions, events))
    with reading(sessions) as session:
        rows = [tuple(row) for row in session.execute(select(*columns(session)).order_by(audit_events.c.seq))]
        stored = list(session.execute(select(audit_seals.c.hash).order_by(audit_seals.c.position)).scalars())
    expect(_hash_all(rows), stored, "the hashes of a bare loop")
    verifying_, hashing = medians(verify, lambda: seconds(lambda: _hash_all(rows)))
    rate = events / verifying_
    yield Row(
        name=f"verify an audit of {events:,} events, {engine}",
        target=f"≥ {WANTED:,} events/s",
        ratio=rate / WANTED,
        limit=1.0,
        at_least=True,
        product=f"{rate:,.0f} events/s ({ms(verifying_)})",
        reference=f"{events / hashing:,.0f} events/s ({ms(hashing)}): a bare loop that only hashes the same bytes, in memory",
        counted=f"{events:,} events proven, and hashed alike by both",
    )
    database.dispose()
    yield _sealing(on, engine, events, events / sealing)


def _seal_all(sessions: object, events: int) -> None:
    from chat_hygiene.clock import utc_now

    sealed = 0
    while True:
        with sessions.begin() as session:
            batch = seals.seal(session, KEY, utc_now())
        sealed += batch
        if not batch:
            break
    expect(sealed, events, "events sealed")
    with reading(sessions) as session:
        expect(session.execute(select(func.count()).select_from(audit_seals)).scalar_one(), events, "seals")


def _hash_all(rows: list[tuple[object, ...]]) -> list[str]:
    """The chain as its format says it: an HMAC over the JSON of the format's name, the hash before, the position, the columns."""
    found, before = [], ""
    for position, row in enumerate(rows, 1):
        words = json.dumps(["chat-hygiene-audit-1", before, position, *row], separators=(",", ":"))
        before = hmac.digest(KEY, words.encode(), "sha256").hex()
        found.append(before)
    return found


def _sealing(on: Ground, engine: str, events: int, rate: float) -> Row:
    written = on.shared.get((WRITTEN, engine))
    if written is None:
        raise AssertionError("what a drain writes was not measured before: name `unpaced`, too")
    return Row(
        name=f"seal {events:,} events, {engine}",
        target="≥ what a drain without pace writes",
        ratio=rate / written,
        limit=1.0,
        at_least=True,
        product=f"{rate:,.0f} events/s",
        reference=f"{written:,.0f} events/s written by the quickest drain of this run",
        counted=f"{events:,} events sealed",
    )
