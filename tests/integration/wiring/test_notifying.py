"""People are told once of what begins and once of what is over, whatever dies or fails in between."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import text, update

from chat_hygiene.pipeline.context import Context
from chat_hygiene.providers import notify
from chat_hygiene.settings import load_settings
from chat_hygiene.store import switches
from chat_hygiene.store.tables import chats, devices, jobs, policies, policy_runs
from chat_hygiene.wiring import notifying
from chat_hygiene.wiring.health import SILENCE
from integration.wiring.conftest import KEYS
from support.letterbox import Letterbox, letterbox
from support.world import DAY, NAME, NOW, NUMBER, fill

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


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
                at=f"{self.now + 90 * DAY:%Y-%m-%dT%H:%M:%S.%fZ}",
            )

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


def test_nothing_is_told_while_nothing_is_wrong(station, box):
    assert station.look() == notifying.Told()
    assert box.letters == []


def test_an_incident_is_told_once_and_so_is_its_end(station, box):
    station.block()
    station.look()
    assert box.letters == [], "it may be gone in a moment"
    for _ in range(3):
        station.look(after=5 * MINUTE)
    assert box.titles == ["1 number is blocked"]
    station.block(None)
    for _ in range(4):
        station.look(after=10 * MINUTE)
    assert box.titles == ["1 number is blocked", "all clear"]
    assert "Support: no longer blocked" in box.letters[1]["message"]
    with station.opened.sessions.begin() as session:
        assert session.execute(text("select count(*) from incidents")).scalar_one() == 0


def test_what_comes_and_goes_is_one_incident(station, box):
    for blocked in [True, True, True, False, False, False] * 4:
        station.block("key" if blocked else None)
        station.look(after=4 * MINUTE)
    assert box.titles == ["1 number is blocked"]
    for _ in range(2):
        station.look(after=10 * MINUTE)
    assert box.titles[1:] == ["all clear"]


def test_many_incidents_are_one_message_and_what_ended_stands_beneath(station, box):
    station.block()
    station.look()
    station.look(after=5 * MINUTE)
    station.block(None)
    station.look(after=MINUTE)
    with station.opened.sessions.begin() as session:
        switches.stop(session, reason=f"the case of {NAME}", now=station.now - 2 * DAY, actor="ana")
    station.sql("delete from switches where name = 'heartbeat:delete'")
    station.look(after=MINUTE)
    station.look(after=15 * MINUTE)
    assert box.titles == ["1 number is blocked", "all deleting is stopped", "1 part of the service is silent"]
    assert "Over:\n- Support: no longer blocked" in box.letters[2]["message"]
    assert "1 other incident still open" in box.letters[2]["message"]
    assert "ana" not in repr(box.letters)


def test_a_failed_telling_is_tried_again_ever_later_and_arrives_once(station, box):
    station.block()
    station.look()
    box.status = 500
    station.look(after=5 * MINUTE)
    for _ in range(15):
        station.look(after=MINUTE)
    assert box.refused == 5, "at once, after 1, 2, 4 and 8 minutes"
    box.status = 200
    for minutes in (15, 1, 60, 60):
        station.look(after=minutes * MINUTE)
    assert box.titles == ["1 number is blocked"]


def test_an_address_that_fails_does_not_make_the_others_hear_twice(station, box):
    with letterbox() as broken:
        broken.status = 500
        station.overrides["notify_urls"] = f"{broken.address} {box.address}"
        station.block()
        station.look()
        for _ in range(5):
            station.look(after=10 * MINUTE)
        assert (broken.refused, box.titles) == (1, ["1 number is blocked"])


class Killed(BaseException):
    """A process that is gone."""


def test_killed_between_sending_and_marking_it_is_told_once_more_and_never_lost(station, box, monkeypatch):
    station.block()
    station.look()
    send = notify.send

    def send_and_die(*words, **named):
        send(*words, **named)
        raise Killed

    with monkeypatch.context() as dying, pytest.raises(Killed):
        dying.setattr(notify, "send", send_and_die)
        station.look(after=5 * MINUTE)
    station.look()
    assert len(box.letters) == 1, "its next try is not yet due: the other may still be at it"
    for _ in range(5):
        station.look(after=MINUTE)
    assert box.titles == ["1 number is blocked"] * 2


def test_of_several_processes_one_tells(station, box):
    station.block()
    station.look()
    station.overrides["notify_digest"] = "daily"
    station.look(after=5 * MINUTE - DAY)  # the digest's row, a day ago
    station.now += DAY
    together = Barrier(4)

    def tell(_):
        context = station.context()
        together.wait()
        return notifying.run(context, now=station.now)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(tell, range(4)))
    assert (sum(each.began for each in found), sum(each.digest for each in found)) == (1, 1)
    assert len(box.letters) == 2


def test_a_run_that_awaits_approval_is_told_with_what_became_of_it(station, box, sessions):
    fill_more(station, sessions)
    station.look()
    assert "resolved-30d: run 2 awaits approval of 0 chats" in box.letters[0]["message"]
    station.sql("update policy_runs set state = 'superseded' where id = 2")
    row = {"policy_id": 1, "version": 2, "trigger": "schedule", "mode": "enforce", "requested_by": "ana"}
    at = NOW + MINUTE
    station.sql(
        policy_runs.insert().values(id=3, scheduled_for=at, started_at=at, state="awaiting_approval", **row)
    )
    station.look(after=MINUTE)
    station.look(after=MINUTE)
    assert box.titles[1:] == ["1 run awaits your approval"], "the newer one is the news"
    station.sql("update policy_runs set state = 'rejected' where id = 3")
    station.look(after=MINUTE)
    station.look(after=MINUTE)
    assert "resolved-30d: run 3 was rejected" in box.letters[-1]["message"]


def fill_more(station, sessions) -> None:
    station.sql("delete from switches where name like 'heartbeat:%'")
    station.sql("delete from devices")
    fill(sessions)
    station.keep_alive()


def test_no_person_is_in_any_message(station, box, sessions):
    fill_more(station, sessions)
    station.overrides["notify_digest"] = "daily"
    wid = f"{NUMBER}@c.us"
    station.sql(update(devices).values(alias=f"line of +44 7362 053576 \u202e{NUMBER}", blocked_reason=None))
    station.sql(update(chats).values(name=f"{NAME} {wid}"))
    station.sql(
        update(jobs).values(error_class=NAME, error_code=wid, reason=NAME, debt_reason=wid, finished_at=NOW)
    )
    station.sql("update switches set reason = :name, actor = :name where name = 'stop'", name=NAME)
    station.sql(update(policies).values(next_run_at=NOW + DAY))
    station.look()
    station.overrides |= {"freshness_seconds": 3600}
    station.look(after=9 * HOUR)
    station.block("gone")
    station.look(after=2 * DAY)
    station.sql("update jobs set state = 'cancelled', debt_state = null where state <> 'deleted'")
    station.look(after=HOUR)
    station.look(after=HOUR)
    told = repr(box.letters)
    assert len(box.letters) >= 4
    for person in (NUMBER, NAME, "Ada", "7362", "053576", "@c.us", "\u202e", "chat_", "··· 0"):
        assert person not in told, f"{person} in {told}"
    assert "line of ··· 76" in told


def test_without_the_extra_nothing_is_done_and_nothing_breaks(station, box, monkeypatch):
    station.block()
    monkeypatch.setattr(notify, "installed", lambda: False)
    assert station.look() == station.look(after=HOUR) == notifying.Told()
    assert box.letters == []


def test_a_digest_comes_at_its_hour_in_its_zone_across_both_clock_changes(station, box):
    station.overrides |= {"notify_digest": "daily", "notify_hour": 2, "notify_timezone": "Europe/Madrid"}
    for first in (datetime(2027, 3, 27, 12, tzinfo=UTC), datetime(2027, 10, 30, 12, tzinfo=UTC)):
        station.sql("delete from incidents")
        station.now = first
        looks = [(station.look(after=HOUR), station.now) for _ in range(38)]
        told = [at.strftime("%d %H") for found, at in looks if found.digest]
        # 02:00 is skipped in spring (03:00 +02 is 01:00 UTC); in autumn it comes twice, and the first counts.
        assert told == (["28 01", "29 00"] if first.month == 3 else ["31 00", "01 01"])


def test_a_digest_that_reached_nobody_is_told_with_the_next(station, box):
    station.overrides |= {"notify_digest": "daily", "notify_hour": 8}
    station.look()  # Saturday 03:00
    box.status = 500
    station.look(after=6 * HOUR)
    box.status = 200
    station.look(after=DAY)
    station.look(after=MINUTE)
    [letter] = box.letters
    assert letter["message"].startswith("Sat 9 May 03:00 to Sun 10 May 08:00 (UTC)")
