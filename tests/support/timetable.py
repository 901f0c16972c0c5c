"""A ledger whose clock a test sets: policies, numbers and chats are written, and time is stepped."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select, text, update

from chat_hygiene import wiring
from chat_hygiene.pipeline import evaluate, tick
from chat_hygiene.store.tables import chats, devices, policies, policy_versions
from chat_policies import load
from support.settled import settled

MIDNIGHT = datetime(2026, 5, 4, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Timetable:
    """The product's stages on one database, at `now`."""

    database_url: str
    now: datetime = MIDNIGHT
    overrides: dict = field(default_factory=dict)

    @contextmanager
    def context(self):
        settings = settled(
            database_url=self.database_url,
            api_url="http://127.0.0.1:9/v1",
            api_token="t" * 32,
            audit_key="a" * 32,
            pseudonym_key="p" * 32,
            actor="tester",
            **self.overrides,
        )
        with wiring.open_ledger(settings, clock=lambda: self.now) as ledger:
            yield ledger.context

    def sql(self, statement, **values):
        with self.context() as context, context.sessions.begin() as session:
            found = session.execute(text(statement) if isinstance(statement, str) else statement, values)
            return [tuple(row) for row in found] if found.returns_rows else []

    def policy(self, name="old", **keys) -> None:
        """Stores a policy that deletes what nobody wrote in for 30 days, daily at 03:00 UTC unless told otherwise."""
        lines = {
            "schedule": '"0 3 * * *"',
            "mode": "enforce",
            "when": "{inactive_for: 30d}",
            "grace": "none",
            "delete": "{from_whatsapp: true}",
            "limits": "{max_chats: 1000, max_share: 100%, canary: off}",
            **keys,
        }
        body = "".join(f"    {key}: {value}\n" for key, value in lines.items() if value is not None)
        document = f"version: 1\npolicies:\n  - name: {name}\n{body}"
        with self.context() as context:
            wiring.apply(wiring.Ledger(context), load(document.encode(), "policies.yaml"), now=self.now)

    def spoil(self, name, **keys) -> None:
        """A newer version of a policy, with a document that this program does not read."""
        ((policy_id, version, document),) = self.sql(
            select(policies.c.id, policies.c.version, policy_versions.c.document)
            .join(policy_versions, policy_versions.c.policy_id == policies.c.id)
            .where(policies.c.name == name)
            .order_by(policy_versions.c.version.desc())
            .limit(1)
        )
        row = {"policy_id": policy_id, "version": version + 1, "document": document | keys}
        self.sql(insert(policy_versions).values(**row, rule="", created_by="newer", created_at=self.now))
        self.sql(update(policies).where(policies.c.id == policy_id).values(version=version + 1))

    def number(self, name="d1", **columns) -> int:
        """A number that was online and completely synced just now, unless told otherwise."""
        row = {
            "provider": "wassenger",
            "device": name,
            "status": "operative",
            "session_status": "online",
            "last_online_at": self.now,
            "last_seen_at": self.now,
            "last_sync_at": self.now,
            "last_full_sync_at": self.now,
            **columns,
        }
        ((device_id,),) = self.sql(insert(devices).values(row).returning(devices.c.id))
        return device_id

    def synced(self, **columns) -> None:
        """Every number was listed, online and completely synced just now."""
        row = dict.fromkeys(("last_online_at", "last_seen_at", "last_sync_at", "last_full_sync_at"), self.now)
        self.sql(update(devices).values({**row, **columns}))

    def chat(self, number, device_id=1, *, quiet=60 * DAY, **columns) -> int:
        row = {
            "device_id": device_id,
            "wid": f"44770090{number:04d}@c.us",
            "kind": "chat",
            "status": "resolved",
            "last_message_at": self.now - quiet,
            "chat_ref": f"chat_{number}",
            "key_id": "1",
            "chat_hint": f"+44 ··· {number:02d}",
            "synced_at": self.now,
            **columns,
        }
        ((chat_id,),) = self.sql(insert(chats).values(row).returning(chats.c.id))
        return chat_id

    def tick(self, *, after: timedelta = timedelta(0)) -> tick.Wake:
        self.now += after
        with self.context() as context:
            return tick.run(context, now=self.now)

    def due_run(self) -> int:
        """Time goes on to the next slot; the id of its run."""
        self.now = self.now.replace(hour=3, minute=0) + (DAY if self.now.hour >= 3 else timedelta(0))
        return self.tick().runs[-1]

    def evaluate(self, run_id: int) -> evaluate.Report | None:
        with self.context() as context:
            return evaluate.scheduled(context, run_id, now=self.now)

    def runs(self) -> list[tuple]:
        """(slot in UTC, state, reason) by slot."""
        rows = self.sql(
            "select scheduled_for, state, reason from policy_runs order by policy_id, scheduled_for"
        )
        return [(instant(at).strftime("%d %H:%M"), state, reason) for at, state, reason in rows]

    def events(self, kind: str) -> list[tuple]:
        return self.sql("select policy, detail from audit_events where kind = :kind order by seq", kind=kind)


def instant(value) -> datetime:
    """An instant as a raw statement gives it, on either engine."""
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
