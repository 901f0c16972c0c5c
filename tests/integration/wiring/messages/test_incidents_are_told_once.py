"""People are told once of what begins and once of what is over, whatever dies or fails in between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import text

from chat_hygiene.providers import notify
from chat_hygiene.store import switches
from chat_hygiene.store.tables import policy_runs
from chat_hygiene.wiring import notifying
from support.letterbox import letterbox
from support.world import DAY, NAME, NOW

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


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
    station.fill(sessions)
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


def test_without_the_extra_nothing_is_done_and_nothing_breaks(station, box, monkeypatch):
    station.block()
    monkeypatch.setattr(notify, "installed", lambda: False)
    assert station.look() == station.look(after=HOUR) == notifying.Told()
    assert box.letters == []
