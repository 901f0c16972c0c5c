"""The page of holds: what stays, by whom and until when; placed there, released there, and without typed words for a reader."""

import csv
import io
import re
from datetime import timedelta

from sqlalchemy import delete, insert, select

from chat_hygiene.store.tables import holds
from support.world import NAME, NOW, NUMBER


def words(page):
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.text.split("<main")[1]))


def test_a_chat_a_label_and_a_number_are_held_and_released_there(browser, world):
    with world.begin() as session:  # the ledger's own holds have ids that no sequence gave
        session.execute(delete(holds))
    place = lambda **fields: browser.send("/holds/place", reason="a case", **fields)  # noqa: E731
    assert place(scope="chat", named=f"+{NUMBER}2", on="d1").headers["location"] == "/holds"
    assert place(scope="label", named="vip", on="", **{"for": "30"}).status_code == 303
    assert place(scope="device", named="", on="d2").status_code == 303
    shown = words(browser.get("/holds"))
    for line in (
        r"\+44 ··· 02 chat_2… hold \d Support ✓ well: in force until it is released",
        r"chats with the label vip hold \d every one ✓ well: in force until 2026-06-08 03:00 in 30 d",
        r"all its chats hold \d d2 ✓ well: in force",
    ):
        assert re.search(line, shown), f"no {line} in {shown}"
    for fields in ({"scope": "device", "on": ""}, {"scope": "label", "named": " "}, {"named": "nobody"}):
        answer = place(**fields)
        assert (answer.status_code, "Nothing was done" in answer.text) == (422, True), fields
    with world() as session:
        ids = session.scalars(select(holds.c.id).order_by(holds.c.id)).all()
    assert len(ids) == 3
    assert browser.send(f"/holds/{ids[1]}/release", reason="over").headers["location"] == "/holds"
    assert "vip" not in words(browser.get("/holds"))
    assert "vip hold" in words(browser.get("/holds?ended=yes"))


def test_the_list_goes_on_and_a_sheet_has_all_of_it(browser, world):
    with world.begin() as session:
        rows = [
            {"id": number, "scope": "chat", "chat_ref": f"chat_{number}", "device_id": 1}
            | {"reason": "x", "held_by": "bo", "placed_at": NOW, "until": NOW + timedelta(days=1)}
            for number in range(100, 170)
        ]
        session.execute(insert(holds), rows)
    first = browser.get("/holds")
    onward = re.search(r'href="\?(before=\d+)" rel="next"', first.text)
    second = browser.get(f"/holds?{onward[1]}")
    assert [len(re.findall("Release …", page.text)) for page in (first, second)] == [50, 21]
    taken = list(csv.DictReader(io.StringIO(browser.get("/holds.csv").text)))
    assert len(taken) == 72
    assert "reason" not in taken[0]


def test_a_reader_sees_who_holds_and_not_what_they_typed(house, ben):
    with house.sessions.begin() as session:
        session.execute(
            insert(holds).values(
                id=9, scope="label", label=NAME, label_shown=NAME, reason="x", held_by="bo", placed_at=NOW
            )
        )
    page = ben.get("/holds")
    assert "chats with a label hold 9 every one ✓ well: in force" in words(page)
    assert NAME not in page.text + ben.get("/holds.csv").text
    assert "Release" not in page.text
    assert "Place a hold" not in page.text
