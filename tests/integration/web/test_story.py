"""One chat's story: found without its number in an address, and told with names to operators alone."""

import re
from datetime import timedelta

from sqlalchemy import insert, update

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit
from chat_hygiene.store.tables import chats, holds
from support.world import NAME, NOW, NUMBER


def words(page):
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.text.split("<main")[1]))


def test_a_chat_is_found_by_its_number_and_leads_to_its_pseudonym(browser, world):
    answer = browser.send("/chats/find", chat=f" +{NUMBER[:2]} {NUMBER[2:]}2")
    assert (answer.status_code, answer.headers["location"]) == (303, "/chats/chat_2")
    assert browser.send("/chats/find", chat="chat_8").headers["location"] == "/chats/chat_8"
    with world.begin() as session:
        session.execute(
            insert(chats).values(
                id=99, device_id=2, chat_ref="chat_99", chat_hint="x", key_id="1", synced_at=NOW, labels=[],
                wid=f"{NUMBER}2@c.us",
            )
        )  # fmt: skip
    both = browser.send("/chats/find", chat=f"{NUMBER}2").headers["location"]
    assert set(re.findall(r'title="(chat_\d+)"', browser.get(both).text)) == {"chat_2", "chat_99"}
    for typed in ("nobody", "", "+34 611 987 222"):
        answer = browser.send("/chats/find", chat=typed)
        assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
        assert not re.search(r"987\s*222", answer.text)
    assert browser.get("/chats/chat_none").status_code == 404
    assert browser.client.post("/chats/find", data={"chat": "chat_8"}).status_code == 403


def test_a_story_says_what_holds_it_what_is_owed_and_what_was_done(ana, ben, house):
    with house.sessions.begin() as session:
        session.execute(
            insert(holds).values(
                scope="chat", device_id=1, chat_ref="chat_2", reason="the case of Grace", held_by="bo", placed_at=NOW,
                until=NOW + timedelta(days=3),
            )
        )  # fmt: skip
        session.execute(update(chats).where(chats.c.id == 2).values(agent="Grace", status="resolved"))
        typed = {"because": "asked by Grace", "ticket": "Grace-7"}
        audit.append(session, Event.HOLD_PLACED, at=NOW, actor="bo", chat_ref="chat_2", detail=typed)
    text = words(ana.get("/chats/chat_2"))
    assert f"{NAME} · +44" in text
    assert "until 2026-05-12 03:00 , as this chat" in text
    assert all(each in text for each in ("the case of Grace", "asked by Grace", "Grace-7"))
    read = ben.get("/chats/chat_2").text
    assert "as this chat" in read
    assert not [secret for secret in (NAME, "Grace", NUMBER) if secret in read]
    assert "removed here and owed in WhatsApp since 2026-05-09 03:00 (job 6)" in words(
        ben.get("/chats/chat_6")
    )
    assert "job deleted ana resolved-30d" in words(ana.get("/chats/chat_5"))
