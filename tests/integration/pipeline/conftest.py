"""An account on the fake server, a ledger on a real database, and a clock that a test can move."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import NullPool, create_engine, text

from chat_hygiene import wiring
from chat_hygiene.clock import utc_now
from chat_hygiene.core.events import Event
from chat_hygiene.pipeline import drain
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.providers import registry
from chat_hygiene.providers.fake.records import api_time, chat_record, device_record
from chat_hygiene.providers.fake.server import serve
from chat_hygiene.providers.fake.world import World
from chat_policies import load
from support.gates import claim
from support.settled import settled
from support.timetable import Timetable

DEVICE = "5f0c1d2e3a4b5c6d7e8f9a0b"
POLICY = """
version: 1
policies:
  - name: resolved-30d
    schedule: "0 3 * * *"
    mode: {mode}
    when: {when}
    {unless}
    grace: {grace}
    delete: {{from_whatsapp: {whatsapp}, force_local: {force}}}
    limits: {limits}
{more}
"""


@dataclass
class Rig:
    """The product, opened in this process, against a world of its own."""

    world: World
    url: str
    database_url: str
    offset: timedelta = timedelta(0)
    overrides: dict = field(default_factory=dict)

    def now(self) -> datetime:
        return utc_now() + self.offset

    def chat(self, number: int, *, quiet_days: float = 60, device: str = DEVICE, **fields) -> str:
        """A chat that the policy matches, unless told otherwise."""
        wid = f"44770090{number:04d}@c.us"
        at = self.now() - timedelta(days=quiet_days)
        record = {"status": "resolved", "statusUpdatedAt": api_time(at), "name": f"Person {number}", **fields}
        self.world.add_chat(device, chat_record(wid, last_message_at=at, **record))
        return wid

    def settings(self):
        return settled(
            database_url=self.database_url,
            api_url=f"{self.url}/v1",
            api_token=self.world.token or "revoked",
            audit_key="a" * 32,
            actor="tester",
            **{
                "requests_per_minute": 60000,
                "pseudonym_key": "p" * 32,
                "read_deadline_seconds": 5,
                "delete_deadline_seconds": 5,
                "lease_seconds": 20,
                "retry_base_seconds": 0.05,
                "refusal_confirm_seconds": 0.1,
                **self.overrides,
            },
        )

    def ledger(self):
        return wiring.open_ledger(self.settings(), clock=self.now)

    def apply(
        self,
        *,
        mode="enforce",
        when="{resolved_for: 30d}",
        unless="",
        grace="none",
        whatsapp="true",
        force="true",
        limits="{max_chats: 1000, max_share: 100%, canary: off}",
        more="",
    ) -> None:
        document = POLICY.format(
            mode=mode,
            when=when,
            unless=unless,
            grace=grace,
            whatsapp=whatsapp,
            force=force,
            limits=limits,
            more=more,
        )
        with self.ledger() as ledger:
            wiring.apply(ledger, load(document.encode(), "policies.yaml"), now=self.now())

    def run(self, *names: str) -> wiring.RunReport:
        with self.ledger() as ledger:
            return wiring.run_once(ledger, names, watcher=wiring.Watcher())

    def sync(self, *, full: bool = True):
        with self.ledger() as ledger:
            return wiring.sync_once(ledger, full=full, watcher=wiring.Watcher())

    def sql(self, statement: str, **values):
        with self.ledger() as ledger, ledger.context.sessions.begin() as session:
            found = session.execute(text(statement), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    def states(self) -> dict[str, int]:
        return dict(self.sql("select state, count(*) from jobs group by state"))

    def deleted(self) -> list[str | None]:
        return [seen.call.wid for seen in self.world.seen(method="DELETE")]

    def verified(self) -> bool:
        with self.ledger() as ledger:
            return wiring.verify_audit(ledger).ok


def drained(rig, **limits) -> drain.Report:
    """One drain, as a worker runs it, and nothing else."""

    async def work(context):
        reader = registry.open_reader(context.settings, context.clock)
        deleter = registry.open_deleter(context.settings, context.clock)
        try:
            return await drain.run(
                context, reader, deleter, pacer=Pacer(context), **{"horizon": timedelta(seconds=1), **limits}
            )
        finally:
            await reader.aclose()
            await deleter.aclose()

    with rig.ledger() as ledger:
        return asyncio.run(work(ledger.context))


def undocumented(database_url) -> set[tuple[str, str]]:
    """Kinds of stored events with facts of their detail that the documents do not name."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        told = connection.execute(
            text("SELECT DISTINCT kind, detail FROM audit_events WHERE detail IS NOT NULL")
        )
        return {
            (kind, fact)
            for kind, detail in told
            for fact in json.loads(detail)
            if fact not in Event(kind).facts
        }


@pytest.fixture
def rig(database_url):
    world = World(now=lambda: datetime.now(UTC), token="token-of-the-tests")
    world.add_device(device_record(DEVICE, alias="Support"))
    with serve(world) as server:
        rig = Rig(world, server.url.removesuffix("/v1"), database_url)
        world.now = rig.now
        yield rig
    assert undocumented(database_url) == set(), "core/events.py does not name these facts of these events"


@pytest.fixture
def table(database_url):
    return Timetable(database_url)


@pytest.fixture
def claimed(rig):
    """A leased job whose chat still matches, with the context of its worker."""
    wid = rig.chat(1)
    rig.apply()
    rig.overrides = {"read_only": True}
    rig.run()
    rig.overrides = {}
    with rig.ledger() as ledger:
        yield ledger.context, claim(ledger.context), wid
