"""Runs, policies and schedules on the page: what came of them is told, and deciding there is deciding."""

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from chat_hygiene.store import tallies
from chat_hygiene.store.tables import audit_events, jobs, policy_runs
from chat_hygiene.web import strip
from integration.pipeline.deciding import NONE, queued, run, waiting
from support.site import served
from support.timetable import DAY, Timetable

KEYS = {"audit_key": "a" * 32, "pseudonym_key": "p" * 32}
REASON = "agreed with the data-protection officer"


@pytest.fixture
def table(database_url):
    return Timetable(database_url)


@pytest.fixture
def show(table):
    """Opens the page at the table's instant, for whoever is at this machine or for people of a file."""

    def open_(**more):
        return served(table.database_url, now=table.now, clock=lambda: table.now, **{**KEYS, **more})

    return open_


def words(answer) -> str:
    """What a page says, without its tags and its strip."""
    assert answer.status_code in {200, 409, 422}, answer.text
    main = answer.text.partition("<main")[2].partition(">")[2]
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", main))


def test_a_run_tells_its_way_down_and_each_of_its_chats_once(table, show):
    run_id = waiting(table, 60, unless="{labels: [vip]}")
    table.chat(90, labels=["vip"])
    with show() as site, site.browser() as browser:
        text = words(browser.get(f"/runs/{run_id}"))
        assert "It awaits an approval: nothing queued: a brake tripped. 60 chats wait." in text
        first = browser.get(f"/runs/{run_id}")
        after = re.search(r'href="\?(after=\d+)"', first.text)[1]
        rest = browser.get(f"/runs/{run_id}?{after}")
        refs = [re.findall(r'title="(chat_\d+)"', page.text) for page in (first, rest)]
        assert [len(page) for page in refs] == [50, 10]
        assert len({*refs[0], *refs[1]}) == 60, "a chat stands on two pages, or on none"
        sheet = list(csv.DictReader(io.StringIO(browser.get(f"/runs/{run_id}/chats.csv").text)))
        assert [row["chat_ref"] for row in sheet][:2] == ["chat_59", "chat_58"], (
            "not those silent for longest"
        )
        assert {row["standing"] for row in sheet} == {"brake"}
        table.now += timedelta(seconds=1)
        again = run(table).run_id
        assert "1 “unless labelled vip”" in words(browser.get(f"/runs/{again}"))
        text = words(browser.get(f"/runs/{run_id}"))
        assert "replaced by a newer run" in text
        assert f"Run {again}" in words(browser.get("/runs?awaiting=yes"))
        assert f"Run {run_id} " not in words(browser.get("/runs?awaiting=yes"))
        assert browser.get("/runs/999").status_code == 404


def test_an_approval_lets_exactly_what_still_matches_go_so_many_a_day(table, show):
    run_id = waiting(table, 4)
    table.sql("UPDATE chats SET last_message_at = :at WHERE chat_ref = 'chat_2'", at=_text(table))
    with show(actor="bo") as site, site.browser() as browser:
        asked = words(browser.get(f"/runs/{run_id}/approve"))
        assert "Deletes for good 3 of 4 chats of old" in asked
        assert "1 chat dropped out" in asked
        wrong = browser.send(f"/runs/{run_id}/approve", reason=REASON, per_day="-1")
        assert wrong.status_code == 422
        assert "a whole number from 1 on" in words(wrong)
        assert queued(table) == []
        assert browser.send(f"/runs/{run_id}/approve", reason=REASON, per_day="2").status_code == 303
        assert queued(table) == ["chat_0", "chat_1", "chat_3"]
        leave = table.sql(select(jobs.c.not_before).distinct().order_by(jobs.c.not_before))
        assert len(leave) == 2, "not spread over days"
        (row,) = table.sql(select(policy_runs.c.state, policy_runs.c.approved_by))
        assert row == ("done", "bo")
        assert "3 chats of old queued, 2 a day." in words(browser.get(f"/runs/{run_id}"))


def test_a_rejection_lets_none_go(table, show):
    run_id = waiting(table, 2)
    with show(actor="bo") as site, site.browser() as browser:
        assert browser.send(f"/runs/{run_id}/reject", reason=REASON).status_code == 303
        assert queued(table) == []
        ((actor, detail),) = table.sql(
            select(audit_events.c.actor, audit_events.c.detail).where(audit_events.c.kind == "run.rejected")
        )
        assert (actor, json.loads(detail)["because"]) == ("bo", REASON)
        assert "somebody decided against it" in words(browser.get(f"/runs/{run_id}"))
        refused = browser.send(f"/runs/{run_id}/reject", reason=REASON)
        assert refused.status_code == 422


def test_a_policy_tells_its_rule_and_what_each_version_changed_and_pauses_and_goes_on(table, show, people):
    table.policy(description='"written by hand"')
    table.policy(description='"by somebody else"', grace="5d", when="{inactive_for: 60d}")
    with show() as site, site.browser() as browser:
        assert browser.send("/policies/old/pause", reason=REASON).status_code == 303
        text = words(browser.get("/policies/old"))
        for says in (
            "old is paused.",
            "else it deletes",
            "no message either way for 60 d or more",
            "when.inactive_for 30d → 60d",
            "by somebody else",
        ):
            assert says in text, f"lacks “{says}”: {text}"
        assert REASON in text
        assert "none until it is resumed" in words(browser.get("/schedules"))
        assert "paused" in words(browser.get("/policies"))
        assert "nothing is queued" in words(browser.get("/policies/old/resume"))
        assert browser.send("/policies/old/resume", reason=REASON).status_code == 303
        assert "2026-05-04 03:00" in words(browser.get("/schedules"))
        assert browser.get("/policies/nobody").status_code == 404
    with show(web_users_file=people.file) as site, site.browser() as reader:
        reader.sign_in("ben", people.tokens["ben"])
        page = reader.get("/policies/old").text
        assert "60d" in page
        for typed in (REASON, "written by hand", "by somebody else", "/policies/old/pause"):
            assert typed not in page, f"a reader sees “{typed}”"


def test_what_a_run_queued_is_counted_no_further_than_is_said(table, show, monkeypatch):
    table.policy("often", limits="{max_chats: 100, max_share: 100%, canary: off}")
    table.number()
    for chat in (1, 2, 3):
        table.chat(chat)
    run(table, "often")
    with show() as site, site.browser() as browser:
        assert "What it queued: 3 queued." in words(browser.get("/nothing"))
        for module in (tallies, strip):
            monkeypatch.setattr(module, "MOST", 2)
        assert "What it queued: 2+ queued." in words(browser.get("/nothing"))


def test_the_newest_runs_are_told_with_what_is_to_come_and_why_nothing_went(table, show):
    table.policy("often", schedule='"*/15 * * * *"', limits=NONE)
    table.policy("quiet", when="{inactive_for: 300d}")
    table.spoil("often", action="guess")
    table.number()
    table.chat(1)
    run_id = run(table, "quiet").run_id
    missed = {
        "policy_id": 2, "version": 1, "trigger": "schedule", "mode": "enforce", "state": "expired", "reason": "missed",
        "scheduled_for": table.now - 2 * DAY, "started_at": table.now - DAY, "requested_by": "scheduler",
    }  # fmt: skip
    table.sql(insert(policy_runs).values(missed))
    with show() as site, site.browser() as browser:
        page = browser.get("/schedules")
        dots = re.findall(r'class="dot (\w+)" href="/runs/(\d+)"', page.text)
        assert dots == [("bad", str(run_id + 1)), ("plain", str(run_id))], "not the oldest slot first"
        text = words(page)
        assert "every day at 03:00" in text
        assert "The coming 14 days: 14 runs" in text
        assert "this program cannot read when" in text
        text = words(browser.get("/nothing"))
        assert "nothing matched" in text
        assert "1 chat seen, 1 in scope, 0 match" in text
        assert "1 does not meet “no message either way for 300 d or more”" in text
        assert "It never ran" in text
        assert browser.get("/policies").status_code == 200


def test_an_empty_ledger_says_what_there_would_be(show):
    with show() as site, site.browser() as browser:
        for path in ("/runs", "/policies", "/schedules", "/nothing"):
            assert 'class="empty"' in browser.get(path).text, path


def _text(table):
    return table.now if "postgresql" in table.database_url else f"{table.now:%Y-%m-%d %H:%M:%S}.000000"
