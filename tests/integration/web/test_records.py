"""What was deleted, what failed, what is owed, the numbers and the changes, as pages and as sheets."""

import csv
import io
import json
import re
from datetime import date, timedelta

from sqlalchemy import insert, select, update

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit
from chat_hygiene.store.tables import audit_events, chats, daily_counts, devices, jobs
from chat_hygiene.web import charts
from chat_hygiene.web.charts import Series
from support.world import DAY, NOW


def sheet(browser, path):
    return list(csv.DictReader(io.StringIO(browser.get(path).text)))


def words(page):
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.text.split("<main")[1]))


def more_jobs(world, states):
    """Jobs of d1 that ended so, a minute apart."""
    with world.begin() as session:
        for number, values in enumerate(states, 200):
            chat = {"device_id": 1, "chat_ref": f"chat_{number}", "chat_hint": "+44 ··· 00"}
            session.execute(
                insert(chats).values(id=number, key_id="1", synced_at=NOW, labels=[], generation=1, **chat)
            )
            times = dict.fromkeys(("queued_at", "matched_at", "not_before", "next_attempt_at"), NOW)
            session.execute(
                insert(jobs).values(
                    id=number, chat_id=number, generation=1, run_id=1, policy_id=1, version=2, reason="x",
                    **times, **chat, **values,
                )
            )  # fmt: skip


def walked(browser, path):
    """The pseudonyms on every page of a list."""
    seen, at = [], path
    while at:
        page = browser.get(at)
        seen += re.findall(r'title="(chat_[a-z0-9]+)"', page.text)
        found = re.search(r'href="(\?[^"]+)" rel="next"', page.text)
        at = found and f"{path}{found[1].replace('&amp;', '&')}"
    return seen


def test_what_was_deleted_is_counted_by_day_and_policy_over_thirty_days(browser, world):
    with world.begin() as session:
        for back, number in ((29, 7), (30, 500)):
            session.execute(
                insert(daily_counts).values(
                    day=NOW.date() - back * DAY, policy_id=1, device_id=2, deleted=number, already_gone=2
                )
            )
    page = browser.get("/deleted")
    assert "10 deleted, 1 removed here" in words(page), (
        "3 of today and 7 of the first day, and not those before"
    )
    assert "2026-04-10 7 0 2 0" in words(page)
    assert re.findall("<title>([^<]+)</title>", page.text)[1:] == [
        "2026-04-10: 7 deleted, 2 gone before",
        "2026-05-09: 3 deleted, 1 removed here, perhaps still in WhatsApp",
        "2026-04-10: 7",
        "2026-05-09: 3",
    ]
    assert [(row["day"], row["device"], row["deleted"]) for row in sheet(browser, "/deleted.csv")] == [
        ("2026-04-10", "d2", "7"),
        ("2026-05-09", "d1", "3"),
    ]


def test_what_failed_says_why_and_whether_it_is_tried_again(browser, world):
    text = words(browser.get("/failures"))
    assert "WhatsApp refused E1 1 ! look: again 2026-05-09 03:00" in text
    assert "the call got no answer 5 ✕ wrong: failed for good" in text
    assert [
        (row["job_id"], row["final"], row["next_attempt_at"] != "") for row in sheet(browser, "/failures.csv")
    ] == [
        ("8", "1", False),
        ("2", "0", True),
    ]
    more_jobs(
        world,
        [{"state": "quarantined", "error_class": "lost", "last_failed_at": NOW - DAY, "crashes": 5}] * 60
        + [{"state": "cancelled", "error_class": "lost", "last_failed_at": NOW - DAY}],
    )  # fmt: skip
    seen = walked(browser, "/failures")
    assert (len(seen), len(set(seen)), seen[:2]) == (62, 62, ["chat_8", "chat_2"])
    assert browser.get("/failures?after=x").status_code == 404


def test_what_is_owed_stands_there_until_it_is_written_off_with_a_reason(browser, world):
    owed = {"state": "removed_locally", "debt_opened_at": NOW - DAY, "debt_reason": "offline"}
    more_jobs(
        world,
        [{**owed, "debt_state": "abandoned"}] + [{**owed, "debt_state": "open"}] * 55 + [{**owed, "debt_state": "settled"}],
    )  # fmt: skip
    seen = walked(browser, "/debt")
    assert (len(seen), len(set(seen)), seen[0], seen[-1]) == (57, 57, "chat_200", "chat_6")
    text = words(browser.get("/debt"))
    assert "57 chats removed here" in text
    assert "offline for longer than the policy waits" in text
    assert "given up looking" in text
    assert "looked for no more" in browser.get("/debt/6/write-off").text
    assert browser.send("/debt/6/write-off", reason="the person deleted it").headers["location"] == "/debt"
    assert "The debt of job 6 is written off." in browser.get("/debt").text
    assert "chat_6" not in walked(browser, "/debt")
    with world() as session:
        kind = audit_events.c.kind == Event.DEBT_WRITTEN_OFF.value
        assert session.scalars(select(audit_events.c.detail).where(kind)).all() == [
            '{"because":"the person deleted it"}'
        ]
    assert browser.send("/debt/6/write-off", reason="again").status_code == 422


def test_each_number_says_what_stands_in_its_way(browser, world):
    with world.begin() as session:
        session.execute(
            update(devices)
            .where(devices.c.id == 2)
            .values(breaker_until=NOW + DAY, breaker_failures=7, uncovered=3, gone_since=NOW)
        )
    first, second = words(browser.get("/devices")).split(" d2 ")
    assert "Support d1 ✓ well: in operation ✓ well: WhatsApp is online ✕ wrong: too old" in first
    assert "its plan gives no access to its chats" in second
    assert "WhatsApp is offline ✕ wrong: too old to delete by" in second
    assert "breaker open" in second
    assert "7 failures in a row; asked again in 24 h" in second
    assert [(row["device"], row["chats"], row["uncovered"]) for row in sheet(browser, "/devices.csv")] == [
        ("d1", "5", ""),
        ("d2", "1", "3"),
    ]


def test_changes_say_who_and_what_and_why_to_operators_alone(ana, ben, house):
    with house.sessions.begin() as session:
        for number in range(60):
            audit.append(
                session, Event.POLICY_PAUSED, at=NOW - timedelta(seconds=number // 3), actor=f"actor-{number}",
                policy="resolved-30d", policy_version=2, detail={"because": f"why-{number}"},
            )  # fmt: skip
        audit.append(session, Event.JOB_DELETED, at=NOW, actor="nobody-here")
    first = ana.get("/changes")
    rest = ana.get("/changes" + re.search(r'href="(\?[^"]+)" rel="next"', first.text)[1])
    actors = re.findall(r"<bdi>(actor-\d+)</bdi>", first.text + rest.text)
    assert (len(actors), len(set(actors))) == (60, 60)
    assert "nobody-here" not in first.text
    assert "why-5" in first.text
    assert "why-" not in ben.get("/changes").text + ben.get("/changes.csv").text
    assert "stored the policy: version 1" in words(first)


def test_a_drawing_is_of_attributes_alone_and_shows_one_chat_beside_thousands():
    days = [date(2026, 5, 1), date(2026, 5, 2), date(2026, 5, 3)]
    drawn = charts.bars(days, [Series("deleted", "deleted", [9000, 0, 1])], 'a "title" <b>')
    assert "style" not in drawn
    assert 'aria-label="a &#34;title&#34; &lt;b&gt;"' in drawn
    assert re.findall('class="y">([^<]+)<', drawn) == ["0", "5,000", "10,000"]
    assert [float(each) >= 1.5 for each in re.findall('<rect[^>]+ height="([^"]+)"', drawn)] == [True, True]
    assert "NaN" not in charts.bars(days, [Series("deleted", "", [0, 0, 0])], "nothing")


def test_what_failed_is_tried_again_by_hand_with_a_reason(browser, world):
    assert 'href="/failures/8/retry"' in browser.get("/failures").text
    assert browser.send("/failures/8/retry", reason="the number is back").headers["location"] == "/failures"
    assert "Job 8 is tried again." in browser.get("/failures").text
    with world() as session:
        job = session.execute(select(jobs).where(jobs.c.id == 8)).one()
        query = select(audit_events.c.detail).where(audit_events.c.job_id == 8)
        (detail,) = session.scalars(query).all()
    assert (job.state, job.attempts) == ("queued", 0)
    assert json.loads(detail) == {"because": "the number is back"}
    answer = browser.send("/failures/5/retry", reason="once more")
    assert (answer.status_code, "nothing is left to try" in answer.text) == (422, True)
    assert browser.get("/failures/999/retry").status_code == 404
