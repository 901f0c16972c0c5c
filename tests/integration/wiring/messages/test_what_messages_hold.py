"""What is wrong is found by SQL, and no message about it holds a person."""

from datetime import timedelta

from sqlalchemy import update

from chat_hygiene.pipeline import incidents
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import chats, devices, jobs, policies
from chat_hygiene.wiring.health import SILENCE
from integration.wiring.messages.conftest import iso
from support.world import DAY, NAME, NOW, NUMBER

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def test_each_thing_that_is_wrong_is_seen_by_policy_or_by_number(station, sessions):
    station.fill(sessions)

    def wrong(**settings) -> set[tuple[str, object]]:
        station.overrides |= settings
        with reading(sessions) as session:
            seen = incidents.look(station.context(), session, now=station.now, silence=SILENCE)
            return {(each.key, each.detail.get("why", each.detail.get("chats"))) for each in seen}

    blocked, approval = ("blocked:2", "plan"), ("approval:2", 0)
    assert wrong() == {blocked, approval}
    station.sql("update jobs set finished_at = :at where state = 'failed'", at=iso(NOW - DAY + MINUTE))
    assert wrong() == {blocked, approval, ("failures:1", 1)}
    station.sql("update policy_runs set state = 'failed' where id = 2")
    station.now += MINUTE
    assert wrong() == {blocked, ("run_failed:1", None)}, "what failed a day ago is no news"
    station.sql("update policies set state = 'paused'")
    station.now += DAY - 2 * MINUTE
    assert wrong() == {blocked}
    station.now += MINUTE
    assert wrong() == {blocked, ("debt:1", 1)}, "a day after it was opened"
    station.sql("update jobs set debt_state = 'settled' where debt_state = 'open'")
    assert wrong(freshness_seconds=86400) == {blocked}
    assert wrong(freshness_seconds=86399) == {blocked, ("stale:1", "offline")}
    station.sql("update devices set last_online_at = :at", at=iso(station.now))
    assert wrong() == {blocked, ("stale:1", "unread")}
    station.sql("update devices set last_sync_at = :at", at=iso(station.now))
    assert wrong(full_sync_interval_seconds=86400) == {blocked}, "read completely two days ago"
    assert wrong(full_sync_interval_seconds=86399) == {blocked, ("stale:1", "unread")}
    station.sql("update devices set status = 'removed'")
    assert wrong() == set(), "a number that left the account is nobody's to mend"


def test_no_person_is_in_any_message(station, box, sessions):
    station.fill(sessions)
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
