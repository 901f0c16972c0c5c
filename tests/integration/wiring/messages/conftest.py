"""A process that tells people, a letterbox where they are told, and a number of which nothing is wrong."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text, update

from chat_hygiene.pipeline.context import Context
from chat_hygiene.settings import load_settings
from chat_hygiene.store.tables import devices
from chat_hygiene.wiring import notifying
from chat_hygiene.wiring.health import SILENCE
from integration.wiring.conftest import KEYS
from support.letterbox import Letterbox, letterbox
from support.world import DAY, NOW, fill


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Station:
    """A process that tells people, at `now`."""

    opened: Context
    box: Letterbox
    overrides: dict = field(default_factory=dict)
    now: datetime = NOW

    def context(self):
        """Its own of everything but the connections."""
        given = {
            "notify_urls": self.box.address,
            "notify_digest": "off",
            "allow_private_targets": True,
            "actor": "ana",
            **KEYS,
            **self.overrides,
        }
        return replace(self.opened, settings=load_settings(_env_file=None, **given))

    def look(self, *, after: timedelta = timedelta(0)) -> notifying.Told:
        self.now += after
        return notifying.run(self.context(), now=self.now)

    def sql(self, statement, **values) -> None:
        with self.opened.sessions.begin() as session:
            session.execute(text(statement) if isinstance(statement, str) else statement, values)

    def keep_alive(self) -> None:
        """Every part worked just now, and will have for a long time."""
        for part in SILENCE:
            self.sql(
                "insert into switches (name, at) values (:name, :at) on conflict (name) do update set at = excluded.at",
                name=f"heartbeat:{part}",
                at=iso(self.now + 90 * DAY),
            )

    def fill(self, sessions) -> None:
        """Two numbers, a policy that ran, and a job in every state, instead."""
        self.sql("delete from switches where name like 'heartbeat:%'")
        self.sql("delete from devices")
        fill(sessions)
        self.keep_alive()

    def block(self, reason: str | None = "key") -> None:
        self.sql(update(devices).values(blocked_reason=reason))


@pytest.fixture
def box():
    with letterbox() as box:
        yield box


@pytest.fixture
def station(ledger, box):
    """One number that is online and read, every part alive: nothing is wrong."""
    station = Station(
        ledger.context, box, {"freshness_seconds": 90 * 86400, "full_sync_interval_seconds": 90 * 86400}
    )
    station.sql(
        devices.insert().values(
            provider="wassenger", device="d1", alias="Support", status="operative", session_status="online",
            last_online_at=NOW, last_sync_at=NOW, last_full_sync_at=NOW,
        )
    )  # fmt: skip
    station.keep_alive()
    return station
