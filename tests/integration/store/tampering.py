"""Every way to tamper with a sealed audit that we could think of, as someone with full rights over the tables would do it.

Each generator gives (name, steps): a step is a statement, or a function of the session.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any

from sqlalchemy import Update, delete, func, insert, null, select, text, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import Executable

from chat_hygiene.store import seals
from chat_hygiene.store.chain import Chain, Link
from chat_hygiene.store.tables import audit_events, audit_seals, switches
from support.chain import KEY, NOW, append

Step = Executable | Callable[[Session], Any]
Ways = Iterator[tuple[str, list[Step]]]
NEW = {"at": NOW, "kind": "stopped", "actor": "eve"}
POSITION, SEQ = audit_seals.c.position, audit_events.c.seq
OTHER_HASH = "ab" * 32


def event(seq: int) -> Update:
    return update(audit_events).where(seq == SEQ)


def seal(position: int) -> Update:
    return update(audit_seals).where(position == POSITION)


def without(position: int, seq: int) -> list[Step]:
    return [delete(audit_seals).where(position == POSITION), delete(audit_events).where(seq == SEQ)]


def beyond(position: int, seq: int) -> list[Step]:
    return [delete(audit_seals).where(position < POSITION), delete(audit_events).where(seq < SEQ)]


def mark(name: str, **changes: object) -> Step:
    """Changes what a mark of the chain says, and leaves its signature as it is."""

    def change(session: Session) -> None:
        of = switches.c.name == name
        detail = session.scalar(select(switches.c.detail).where(of))
        session.execute(update(switches).where(of).values(detail={**detail, **changes}))

    return change


def emptied(name: str) -> Update:
    return update(switches).where(switches.c.name == name).values(detail=null())


def edits(rng: Random, chain: Sequence[Any], *, sqlite: bool) -> Ways:
    """One column of one event is another."""
    seq = rng.choice(chain).event_id
    for name in ("kind", "actor", "policy", "device", "chat_ref", "outcome", "detail"):
        column = audit_events.c[name]
        yield f"{name} empty", [event(seq).values({name: ""})]
        yield f"{name} with a space", [event(seq).values({name: func.coalesce(column, "") + " "})]
        yield f"{name} of another", [event(seq).values({name: "eve"})]
    for name in ("policy", "policy_version", "job_id", "chat_ref", "detail"):
        there = audit_events.c[name].is_not(None)
        yield f"{name} unknown", [event(seq).where(there).values({name: null()})]
    for name in ("policy_version", "job_id"):
        yield f"{name} moved", [event(seq).values({name: audit_events.c[name] + rng.choice([1, -1, 1000])})]
    yield "run_id", [event(seq).values(run_id=rng.randrange(100))]
    at = NOW + timedelta(seconds=1000, microseconds=rng.randrange(10**6))
    yield "at", [event(seq).values(at=at)]
    yield "seq far away", [event(seq).values(seq=5000)]
    yield "seq negative", [event(seq).values(seq=-1)]
    raw = "UPDATE audit_events SET {} WHERE seq = " + str(seq)
    for change in _sqlite_only() if sqlite else _postgresql_only():
        yield change, [text(raw.format(change))]


def _sqlite_only() -> list[str]:
    return [
        "at = replace(at, 'Z', '+00:00')",
        "at = 'yesterday'",
        "actor = x'616e61'",
        "actor = CAST(x'ff' AS TEXT)",
        "job_id = 'seven'",
    ]


def _postgresql_only() -> list[str]:
    return ["at = 'infinity'", "at = (at::text || ' BC')::timestamptz", "at = at + interval '1 microsecond'"]


def removals(rng: Random, chain: Sequence[Any]) -> Ways:
    """Something that was sealed is not there."""
    row = rng.choice(chain)
    gone = without(row.position, row.event_id)
    up = [
        update(audit_seals).where(row.position < POSITION).values(position=-POSITION),
        update(audit_seals).where(POSITION < 0).values(position=-POSITION - 1),
    ]
    yield "event", gone[1:]
    yield "seal", gone[:1]
    yield "event and seal", gone
    yield "event and seal, the rest moved up", [*gone, *up]
    yield "all events", [delete(audit_events)]
    yield "all seals", [delete(audit_seals)]
    yield "the end of the seals", beyond(rng.choice(chain[:-1]).position, 0)[:1]
    kept = rng.choice(chain[:-1])
    yield "the end of both", beyond(kept.position, kept.event_id)
    yield (
        "the end of both, said by the head",
        [
            *beyond(kept.position, kept.event_id),
            mark("audit_head", position=kept.position, seq=kept.event_id, hash=kept.hash),
        ],
    )


def insertions(rng: Random, chain: Sequence[Any], gap: int) -> Ways:
    """Something is there that was never sealed."""
    row, last = rng.choice(chain), chain[-1]
    yield "event before all", [insert(audit_events).values(seq=0, **NEW)]
    yield "event before zero", [insert(audit_events).values(seq=-rng.randrange(1, 99), **NEW)]
    yield "event in a gap", [insert(audit_events).values(seq=gap, **NEW)]
    yield (
        "event with a seal",
        [
            insert(audit_events).values(seq=7000, **NEW),
            insert(audit_seals).values(position=last.position + 1, event_id=7000, hash=OTHER_HASH),
        ],
    )
    stopped = (row.event_id, "2026-05-09T03:00:00.123456Z", "stopped", "eve", *[None] * 8)
    there = Chain(KEY).follow(Link(row.position - 1, 1, OTHER_HASH), stopped)
    yield (
        "event and seal of another ledger with the same key",
        [
            delete(audit_events).where(row.event_id == SEQ),
            insert(audit_events).values(seq=row.event_id, **NEW),
            seal(row.position).values(hash=there.hash),
        ],
    )
    yield (
        "event in the place of another",
        [
            delete(audit_events).where(row.event_id == SEQ),
            insert(audit_events).values(seq=row.event_id, **NEW),
        ],
    )


def moves(rng: Random, chain: Sequence[Any]) -> Ways:
    """What was sealed stands in another place."""
    one, two = rng.sample(chain, 2)
    yield (
        "events swapped",
        [
            event(one.event_id).values(seq=-9),
            event(two.event_id).values(seq=one.event_id),
            event(-9).values(seq=two.event_id),
        ],
    )
    yield (
        "seals swapped",
        [
            seal(one.position).values(position=-1),
            seal(two.position).values(position=one.position),
            seal(-1).values(position=two.position),
        ],
    )
    yield (
        "seals' events swapped",
        [
            seal(one.position).values(event_id=-1),
            seal(two.position).values(event_id=one.event_id),
            seal(one.position).values(event_id=two.event_id),
        ],
    )
    yield "seal at another position", [seal(one.position).values(position=7000)]
    yield "seal of another event", [seal(one.position).values(event_id=7000)]
    yield "hash of another", [seal(one.position).values(hash=two.hash)]
    yield "hash made up", [seal(one.position).values(hash=OTHER_HASH)]
    yield "hash in capitals", [seal(one.position).values(hash=one.hash.upper())]


def marks(rng: Random, chain: Sequence[Any], purged: int) -> Ways:
    """The head or the checkpoint says something else."""
    row = rng.choice(chain[1:-1])
    for name in ("audit_head", "audit_checkpoint"):
        of = switches.c.name == name
        yield f"{name} removed", [delete(switches).where(of)]
        yield f"{name} emptied", [emptied(name)]
        nonsense = rng.choice([[], 5, "x", {"position": 1}])
        yield f"{name} is none", [update(switches).where(of).values(detail=nonsense)]
        for field, value in (
            ("position", row.position),
            ("seq", row.event_id),
            ("hash", row.hash),
            ("mac", OTHER_HASH),
        ):
            yield f"{name}'s {field}", [mark(name, **{field: value})]
    at = NOW + timedelta(days=rng.randrange(1, 99))
    yield (
        "when the checkpoint was",
        [update(switches).where(switches.c.name == "audit_checkpoint").values(at=at)],
    )
    forged = mark("audit_checkpoint", position=row.position, seq=row.event_id, hash=row.hash)
    before = (
        delete(audit_seals).where(row.position >= POSITION),
        delete(audit_events).where(row.event_id >= SEQ),
    )
    yield "more removed than the checkpoint says", list(before)
    yield "more removed, said by the checkpoint", [*before, forged]
    yield (
        "the checkpoint's own event put back",
        [
            insert(audit_events).values(seq=purged, **NEW),
            insert(audit_seals).values(position=purged, event_id=purged, hash=OTHER_HASH),
        ],
    )
    yield (
        "a seal put back before the checkpoint",
        [insert(audit_seals).values(position=purged, event_id=purged, hash=OTHER_HASH)],
    )
    yield "an event put back before the checkpoint", [insert(audit_events).values(seq=purged, **NEW)]


def truncations(rng: Random, chain: Sequence[Any], heads: Sequence[dict[str, Any]]) -> Ways:
    """The ledger is an older copy of itself, with what was true then: nothing in it can show that."""

    def go_on(session: Session) -> None:
        for number in range(rng.randrange(60, 70)):
            append(session, number)
        seals.seal(session, KEY, NOW)

    for then in heads:
        older: list[Step] = [
            *beyond(then["position"], then["seq"]),
            update(switches).where(switches.c.name == "audit_head").values(detail=then),
        ]
        yield "an older copy", older
        yield "an older copy that went on", [*older, go_on]
    yield (
        "emptied",
        [
            delete(audit_seals),
            delete(audit_events),
            emptied("audit_head"),
            emptied("audit_checkpoint"),
        ],
    )
