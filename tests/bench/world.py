"""A world of many chats on one engine: the deck, laid down as often as it takes, and the policies that are measured on it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, func, insert, select
from sqlalchemy.orm import Session

from bench import deck
from bench.ground import Ground, indexes
from bench.measuring import expect
from chat_hygiene.core.events import Event
from chat_hygiene.pipeline.context import Context
from chat_hygiene.settings import load_settings
from chat_hygiene.store import policies, versions
from chat_hygiene.store.engine import create_engine, sessions
from chat_hygiene.store.keys import Keys
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.pseudonyms import Pseudonyms
from chat_hygiene.store.tables import chats, devices
from chat_policies import Policy

MILLION = 1_000_000
_KEY = b"k" * 32
# Kept by nothing but the policy itself: what is measured is the work, not the brakes.
_FREELY = {
    "mode": "enforce",
    "schedule": "0 3 * * *",
    "delete": {"from_whatsapp": True},
    "limits": {"max_chats": 10_000_000, "max_share": "100%", "canary": "off"},
}
_TIMES = ("status_updated_at", "first_message_at", "last_message_at", "last_inbound_at", "last_outbound_at")
# Ids are multiplied, so that pseudonyms come in no order, as real ones do.
_SCRAMBLED = {
    "sqlite": "printf('%08x', ({id} * 2654435761) & 4294967295)",
    "postgresql": "lpad(to_hex(({id} * 2654435761) & 4294967295), 8, '0')",
}
_PADDED = {"sqlite": "printf('%09d', {id})", "postgresql": "lpad(({id})::text, 9, '0')"}
# The deck's n-th time down is as many seconds earlier.
_EARLIER = {
    "sqlite": "substr({at}, 1, 14) || printf('%02d:%02d', 29 - n % 1800 / 60, 59 - n % 60) || substr({at}, 20)",
    "postgresql": "{at} - make_interval(secs => n % 1800)",
}
_TIMES_DOWN = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {last}) SELECT n FROM s",
    "postgresql": "SELECT n FROM generate_series(1, {last}) AS s(n)",
}
_QUICKLY = {
    "sqlite": ("PRAGMA foreign_keys = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -500000"),
    "postgresql": ("SET session_replication_role = replica", "SET statement_timeout = 0"),
}


@dataclass(frozen=True, slots=True)
class World:
    """So many chats in a database, and the context that every stage works with.

    Attributes:
        ripe: as often the deck lies there whole; after that what the daily rule matches is not resolved.
    """

    engine: Engine
    context: Context
    size: int
    cards: list[deck.Chat]
    ripe: int

    def matching(self, rule: Mapping[str, Any]) -> list[int]:
        """Ids of the chats that a rule matches, by the naive oracle."""
        ripe = set(deck.matching(self.cards, deck.DAILY))
        places = list(deck.matching(self.cards, rule))
        return [
            time * deck.SIZE + place + 1
            for time in range(self.size // deck.SIZE)
            for place in places
            if time < self.ripe or place not in ripe
        ]

    def store(self, name: str, rule: Mapping[str, Any], **more: object) -> StoredPolicy:
        """Stores a policy of this rule that nothing brakes."""
        policy = Policy.from_document({"name": name, **_FREELY, **rule, **more})
        with self.context.sessions.begin() as session:
            change = versions.Change("new", policy, None, None)
            versions.store(session, change, now=deck.NOW, actor="bench")
            (stored,) = policies.load(session, [name])
        return stored

    def retire(self) -> None:
        """Takes every policy out of use."""
        with self.context.sessions.begin() as session:
            heads = versions.look(session, [each.policy.name for each in policies.load(session)])
            how = {"next_run_at": None, "now": deck.NOW, "actor": "bench", "because": None}
            for head in heads.values():
                versions.turn(session, head, Event.POLICY_RETIRED, **how)

    def forget(self) -> None:
        """As if no policy had ever run."""
        with outside(self.engine) as run:
            if self.engine.dialect.name == "postgresql":
                run("TRUNCATE jobs, run_candidates, policy_runs RESTART IDENTITY")
                return
            # Emptied at once, and not row by row, only while no reference is looked after.
            run("PRAGMA foreign_keys = OFF")
            for table in ("jobs", "run_candidates", "policy_runs"):
                run(f"DELETE FROM {table}")
            run("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def outside(engine: Engine) -> Iterator[Callable[[str], object]]:
    """Runs statements outside of any transaction, on a connection that nobody gets afterwards."""
    connection = engine.raw_connection()
    run = connection.cursor().execute
    try:
        if engine.dialect.name == "postgresql":
            connection.driver_connection.autocommit = True
        else:
            run("PRAGMA query_only = OFF")  # a reader may have left it
        yield run
    finally:
        connection.invalidate()


def world(on: Ground, engine: str, size: int = MILLION, *, ripe: int | None = None, number: int = 1) -> World:
    """The world of that size on `sqlite` or `postgresql`, made when first asked for; no policy is in use or has ever run.

    With `ripe` the daily rule matches nothing after so many times of the deck. `number` 2 is another world like the first.
    """
    ripe = size // deck.SIZE if ripe is None else ripe
    key = ("world", engine, size, ripe, number)
    if key not in on.shared:
        on.shared[key] = _make(on.database(engine), size, ripe)
    found: World = on.shared[key]
    found.forget()
    found.retire()
    return found


def _make(url: str, size: int, ripe: int) -> World:
    cards = deck.cards()
    settings = load_settings(_env_file=None, database_url=url, actor="bench", canary_chats="off")
    engine = create_engine(url)
    context = Context(
        settings, sessions(engine), Keys(Pseudonyms({"1": _KEY}), _KEY), lambda: deck.NOW, "bench", "bench"
    )
    with context.sessions.begin() as session:
        _lay_down(session, cards)
    _multiply(engine, size // deck.SIZE - 1, ripe, list(deck.matching(cards, deck.DAILY)))
    with context.sessions.begin() as session:
        expect(session.scalar(select(func.count()).select_from(chats)), size, "chats in the world")
    return World(engine, context, size, cards, ripe)


def _lay_down(session: Session, cards: list[deck.Chat]) -> None:
    number = {"provider": "wassenger", "status": "operative", "session_status": "online", "product": "io"}
    fresh = dict.fromkeys(("last_online_at", "last_full_sync_at", "last_sync_at", "last_seen_at"), deck.NOW)
    rows = [
        {"id": each, "device": f"device-{each}", **number, **fresh} for each in range(1, deck.DEVICES + 1)
    ]
    session.execute(insert(devices), rows)
    known = {"key_id": "1", "chat_hint": "+44 ··· 76", "synced_at": deck.NOW}
    session.execute(
        insert(chats),
        [
            {
                "id": place + 1,
                "wid": None if card["removed_at"] else f"4477{place + 1:09d}@c.us",
                "chat_ref": f"chat_{'0' * 8}{place:024d}",
                **known,
                **card,
            }
            for place, card in enumerate(cards)
        ],
    )


def _without_indexes(engine: Engine, insert_all: Callable[[], object]) -> None:
    """Built over all rows at the end, they take a third of the time."""
    with engine.begin() as connection:
        dropped = indexes(connection, chats)
        for index in dropped:
            index.drop(connection)
    insert_all()
    with engine.begin() as connection:
        for index in dropped:
            index.create(connection)


def _multiply(engine: Engine, times: int, ripe: int, ripe_places: list[int]) -> None:
    kind = engine.dialect.name
    new_id = f"(id + n * {deck.SIZE})"
    unripe = f"n >= {ripe} AND id IN ({', '.join(str(place + 1) for place in ripe_places)})"
    made = {name: _EARLIER[kind].format(at=name) for name in _TIMES} | {
        "id": new_id,
        "wid": f"CASE WHEN wid IS NOT NULL THEN '4477' || {_PADDED[kind].format(id=new_id)} || '@c.us' END",
        "chat_ref": f"'chat_' || {_SCRAMBLED[kind].format(id=new_id)} || substr(chat_ref, 14)",
        "status": f"CASE WHEN {unripe} THEN 'active' ELSE status END",
    }
    names = [column.name for column in chats.columns]
    values = ", ".join(made.get(name, name) for name in names)
    numbers = _TIMES_DOWN[kind].format(last=times)
    statement = (
        f"INSERT INTO chats ({', '.join(names)}) SELECT {values} FROM chats CROSS JOIN ({numbers}) AS downs"
    )
    with outside(engine) as run:
        for setting in _QUICKLY[kind]:
            run(setting)
        if times:
            _without_indexes(engine, lambda: run(statement))
        if kind == "postgresql":
            run("SELECT setval(pg_get_serial_sequence('chats', 'id'), (SELECT max(id) FROM chats))")
            run("VACUUM ANALYZE")  # a server's planner knows its tables; an SQLite file is planned for unseen
        else:
            run("PRAGMA wal_checkpoint(TRUNCATE)")
