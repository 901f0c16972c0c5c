"""A ledger with due jobs, filled in bulk by SQL over an account of `bench.api`, as syncs and a run would have left it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from bench.api import FIRST, Api
from bench.ground import indexes
from chat_hygiene import logs, wiring
from chat_hygiene.pipeline.pacing import CALLS_PER_JOB
from chat_hygiene.settings import Settings, load_settings
from chat_hygiene.store.engine import create_engine
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.tables import chats, devices, jobs
from chat_hygiene.wiring.ledger import Ledger
from chat_policies import load
from support import inbox

POLICIES = inbox.POLICIES.replace("max_chats: 1000", "max_chats: 10000000").encode()

_RUN = """
insert into policy_runs (id, policy_id, version, trigger, scheduled_for, started_at, finished_at, mode, state, queued, requested_by)
select 1, id, version, 'schedule', created_at, created_at, created_at, 'enforce', 'done', {chats}, 'bench'
from policies where name = 'resolved-30d'
"""
_CHATS = """
insert into chats (id, device_id, wid, kind, name, status, whatsapp_status, status_updated_at, last_message_at,
                   last_inbound_at, unread, pinned, archived, locked, assigned, labels, chat_ref, key_id, chat_hint, synced_at)
select n + 1, 1 + n % {devices}, cast({first} + n as text) || '@c.us', 'chat', 'Person ' || n, 'resolved', 'active', {at}, {at},
       {at}, false, false, false, false, false, '["order"]', 'chat_' || 'abcdefghijklmnopqrstuvwx' || cast(n as text), '1', '+44 ··· 00', {now}
from {series}
"""
_JOBS = """
insert into jobs (chat_id, generation, device_id, chat_ref, chat_hint, run_id, policy_id, version, reason, state,
                  queued_at, matched_at, not_before, next_attempt_at)
select chats.id, 1, device_id, chat_ref, chat_hint, 1, policies.id, 1, 'resolved for 30 d or more', 'queued', {now}, {now}, {now}, {now}
from chats join policies on policies.name = 'resolved-30d' where chats.id <= {jobs} order by chats.id
"""
_SPOKEN = {
    "sqlite": {
        "series": "(with recursive s(n) as (select 0 union all select n + 1 from s where n < {last}) select n from s) s",
        "at": "strftime('%Y-%m-%dT%H:%M:%f000Z', '{newest:%Y-%m-%d %H:%M:%S}', '-' || n || ' seconds')",
        "now": "'{now:%Y-%m-%dT%H:%M:%S}.000000Z'",
    },
    "postgresql": {
        "series": "generate_series(0, {last}) as s(n)",
        "at": "timestamptz '{newest:%Y-%m-%d %H:%M:%S}+00' - n * interval '1 second'",
        "now": "timestamptz '{now:%Y-%m-%d %H:%M:%S}+00'",
    },
}


def settings(database_url: str, api: Api, *, per_minute: int = 60_000) -> Settings:
    """Of a worker on this database and account; else as they come."""
    return load_settings(
        _env_file=None,
        database_url=database_url,
        api_url=api.url,
        api_token="token-of-the-bench",
        pseudonym_key="p" * 32,
        audit_key="a" * 32,
        actor="bench",
        requests_per_minute=per_minute,
    )


@contextmanager
def logged_away() -> Iterator[None]:
    """Every line is made as a worker makes it, and goes nowhere."""
    with Path(os.devnull).open("w") as nowhere:
        logs.configure(secrets=[], mask=mask_numbers, stream=nowhere)
        try:
            yield
        finally:
            logs.configure(secrets=[], mask=mask_numbers, level=logging.WARNING)


@contextmanager
def due(settings: Settings, api: Api, *, jobs_of: int | None = None) -> Iterator[Ledger]:
    """The ledger, open: every chat of the account is in it, as the API shows it, and the first `jobs_of`, or all, have a job that is due."""
    account = api.account
    if account.due_every != 1:
        raise ValueError("every chat of the account has to be due")
    with wiring.open_ledger(settings) as ledger:
        now = ledger.now() - timedelta(minutes=1)
        wiring.apply(ledger, load(POLICIES, "policies.yaml"), now=now)
        with ledger.writing() as session:
            rows = [
                {
                    "id": number + 1,
                    "provider": "wassenger",
                    "device": account.device(number),
                    "status": "operative",
                    "session_status": "online",
                    "product": "io",
                    **dict.fromkeys(
                        ("last_online_at", "online_since", "last_seen_at", "last_full_sync_at"), now
                    ),
                    # Each at another point of its interval, as numbers that were added one by one are.
                    "tokens": CALLS_PER_JOB * number / account.devices,
                    "tokens_at": ledger.now(),
                }
                for number in range(account.devices)
            ]
            session.execute(insert(devices), rows)
            spoken = _SPOKEN[session.get_bind().dialect.name]
            facts = {"last": account.chats - 1, "newest": account.instant(0), "now": now}
            parts = {name: words.format(**facts) for name, words in spoken.items()}
            _hurry(session)
            dropped = indexes(session.connection(), chats, jobs)
            for index in dropped:
                index.drop(session.connection())
            for statement in (_RUN, _CHATS, _JOBS):
                words = statement.format(
                    **parts,
                    chats=account.chats,
                    devices=account.devices,
                    first=FIRST,
                    jobs=jobs_of or account.chats,
                )
                session.execute(text(words.replace(":", "\\:")))
            for index in dropped:
                index.create(session.connection())
        _analyze(settings)
        yield ledger


def _hurry(session: Session) -> None:
    # Nothing that is inserted here can be wrong, and a million rows take longer than any statement of the product's.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text("set local statement_timeout = 0"))


def _analyze(settings: Settings) -> None:
    # As autovacuum and a checkpoint would have by then, and as SQLite is never asked to.
    if settings.sqlite_file is None:
        engine = create_engine(settings.database_url.get_secret_value())
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("vacuum analyze")
            connection.exec_driver_sql("checkpoint")
        engine.dispose()
