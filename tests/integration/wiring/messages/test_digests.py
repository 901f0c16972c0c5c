"""The digest comes at its hour, and tells of all the time since the last that arrived."""

from datetime import UTC, datetime, timedelta

from support.world import DAY

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


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
