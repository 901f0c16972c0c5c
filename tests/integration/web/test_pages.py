"""What the pages show and do, on both engines."""

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from chat_hygiene.core.errors import UsageError
from chat_hygiene.store.tables import audit_events, chats, holds, jobs, switches
from chat_hygiene.web import sheets
from support.site import served
from support.world import NOW

HOSTILE = [
    '<script>alert("x")</script>',
    "\"' onmouseover=alert(1) x='",
    "{{ 7 * 7 }}",
    "</bdi><img src=x>",
    "\u202egnp.exe",
]


def events(world, kind):
    with world() as session:
        query = select(audit_events.c.actor, audit_events.c.detail).where(audit_events.c.kind == kind)
        return [(actor, json.loads(detail or "{}")) for actor, detail in session.execute(query)]


def queue(world, names):
    """More chats of d1 that leave, an hour apart, with these names."""
    with world.begin() as session:
        for number, name in enumerate(names, 100):
            chat = {"device_id": 1, "chat_ref": f"chat_{number}", "chat_hint": "+44 ··· 00"}
            session.execute(
                insert(chats).values(
                    id=number, wid=f"{number}@c.us", name=name, key_id="1", synced_at=NOW, labels=[], **chat
                )
            )
            leaves = NOW + timedelta(hours=number - 100)
            session.execute(
                insert(jobs).values(
                    id=number, chat_id=number, generation=1, run_id=1, policy_id=1, version=2, reason="x",
                    state="queued", queued_at=NOW, matched_at=NOW, not_before=leaves, next_attempt_at=leaves, **chat,
                )
            )  # fmt: skip


def refs(page):
    return re.findall(r'title="(chat_[a-z0-9]+)"', page.text)


def test_the_strip_answers_whether_one_is_safe_on_every_page(browser, world):
    with world.begin() as session:
        session.execute(
            update(switches).where(switches.c.name == "stop").values(on=True, at=NOW, actor="bo", reason="x")
        )
    for path in ("/", "/leaving", "/stop"):
        text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", browser.get(path).text))
        for words in (
            "Stopped by bo, now",
            "1 of 2 online 1 blocked",
            "Still in WhatsApp ! look: 1",
            "Overdue ! look: 3",
        ):
            assert words in text, f"{path} lacks “{words}”: {text[:900]}"


def test_stopping_and_starting_stand_in_the_audit_with_who_and_why(browser, world):
    assert browser.send("/stop", reason="too many failures").headers["location"] == "/"
    assert "Deleting is stopped." in browser.get("/").text
    assert browser.send("/start", reason="they were ours").status_code == 303
    actor = browser.get("/").text.split("Signed in as")[1].split("<bdi>")[1].split("<")[0]
    assert events(world, "stopped")[-1] == (actor, {"because": "too many failures"})
    assert events(world, "started") == [(actor, {"because": "they were ours"})]


def test_a_hold_takes_a_chat_off_the_list_until_it_is_released(browser, world):
    with world.begin() as session:  # the ledger's own holds have ids that no sequence gave
        session.execute(delete(holds))
    assert "chat_2" in refs(browser.get("/leaving"))
    assert browser.send("/holds/new", chat="chat_2", reason="a case", **{"for": "30"}).status_code == 303
    page = browser.get("/leaving")
    assert "chat_2" not in refs(page)
    assert "The chat is held, and 1 deletion of it is off the list." in page.text
    with world() as session:
        (hold,) = session.execute(select(holds).where(holds.c.chat_ref == "chat_2")).all()
    assert (hold.reason, hold.until) == ("a case", NOW + timedelta(days=30))
    assert "a case" in browser.get(f"/holds/{hold.id}/release").text
    assert browser.send(f"/holds/{hold.id}/release", reason="it is closed").status_code == 303
    assert [detail["because"] for _, detail in events(world, "hold.released")] == ["it is closed"]
    again = browser.send(f"/holds/{hold.id}/release", reason="it is closed")
    assert (again.status_code, "it was released" in again.text) == (422, True)


def test_the_list_goes_on_where_it_ended_and_shows_each_chat_once(browser, world):
    queue(world, ["x"] * 120)
    with world.begin() as session:  # many with one instant, as a run makes them
        session.execute(update(jobs).where(jobs.c.id > 130).values(not_before=NOW))
    seen, path = [], "/leaving"
    while path:
        page = browser.get(path)
        seen += refs(page)
        found = re.search(r'href="(\?[^"]+)" rel="next"', page.text)
        path = found and f"/leaving{found[1].replace('&amp;', '&')}"
    assert len(seen) == len(set(seen)) == 123
    for nonsense in ("nonsense", "0001-01-01T00:00:00%2B14:00~1", "9999-12-31T23:59:59-23:59~0"):
        assert browser.get(f"/leaving?after={nonsense}").status_code == 404
    assert refs(browser.get("/leaving?device=d2")) == ["chat_3"]
    assert refs(browser.get("/leaving?policy=none-of-them")) == []


def test_the_sheet_has_what_the_list_has_and_no_names(browser, world):
    queue(world, ["=cmd|' /C calc'!A1"])
    answer = browser.get("/leaving.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["chat_ref"] for row in rows] == refs(browser.get("/leaving"))
    assert {row["chat_hint"][:2] for row in rows} == {"'+"}
    assert "cmd" not in answer.text


def test_a_sheet_begins_no_formula_and_leaves_nothing_out_unsaid(monkeypatch):
    text = sheets.csv_text(
        ["a"], [[value] for value in ("=1", "+1", "-1", "@x", "\tx", "\rx", "x=1", 5, None)]
    )
    cells = [row[0] if row else "" for row in csv.reader(io.StringIO(text, newline=""))][1:]
    assert cells == ["'=1", "'+1", "'-1", "'@x", "'\tx", "'\rx", "x=1", "5", ""]
    monkeypatch.setattr(sheets, "MOST", 1)
    with pytest.raises(UsageError, match="more than 1 rows"):
        sheets.csv_text(["a"], [[1], [2]])


def test_names_that_a_stranger_typed_are_shown_as_text(browser, world):
    queue(world, HOSTILE)
    text = browser.get("/leaving").text
    assert "<img" not in text.split("<main")[1]
    assert "onmouseover=alert(1) x='\"" not in text
    assert text.count("<script") == 1, "our own, and no other"
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in text
    assert "{{ 7 * 7 }}" in text


def test_times_are_in_the_zone_that_was_chosen_and_in_utc_on_hover(browser):
    assert browser.send("/zone", zone="Pacific/Auckland", back="/leaving").headers["location"] == "/leaving"
    page = browser.get("/").text
    assert (
        '<time datetime="2026-05-09T03:00:00Z" title="2026-05-09 03:00:00 UTC">2026-05-09 15:00</time>'
        in page
    )
    assert 'href="/zone?back=/">Pacific/Auckland</a>' in page
    for zone in ("../../etc/passwd", "", "Mars/Olympus"):
        browser.client.cookies.set("chat_hygiene_zone", zone)
        assert browser.get("/").status_code == 200


def test_an_answer_to_a_browser_is_a_page_and_lets_nothing_in_from_elsewhere(browser):
    for path, status in (
        ("/", 200),
        ("/nowhere", 404),
        ("/holds/999/release", 404),
        ("/holds/x/release", 404),
    ):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        policy = dict(each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert set(policy.values()) == {"'none'", "'self'"}
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r'\s(style|on[a-z]+)="|<style|https?://', answer.text.replace("http-equiv", ""))


def test_static_files_are_kept_and_are_what_the_page_names(browser):
    paths = re.findall(r'(?:href|src)="(/static/[^"]+)"', browser.get("/").text)
    assert {path.rpartition(".")[2] for path in paths} == {"css", "js", "svg"}
    for path in paths:
        answer = browser.get(path)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True)


def test_before_anything_is_there_it_says_how_to_begin(database_url):
    with served(database_url, now=NOW) as site, site.browser() as browser:
        page = browser.get("/").text
        assert "How to begin" in page
        assert "chat-hygiene policy apply policies.yaml" in page
        assert "No chat is to leave." in browser.get("/leaving").text
