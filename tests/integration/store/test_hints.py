"""A hint makes a known chat or number be read again; it is neither lost nor followed for ever."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from chat_hygiene.store import hints
from chat_hygiene.store.tables import chats, devices
from support.world import NOW

LATER = NOW + timedelta(microseconds=1)


@pytest.fixture
def numbers(sessions):
    """Two numbers with the same two chats each: ids 1 and 2 on d1, 3 and 4 on d2."""
    with sessions.begin() as session:
        for number in (1, 2):
            session.execute(insert(devices).values(id=number, provider="wassenger", device=f"d{number}"))
        for number in (1, 2, 3, 4):
            session.execute(
                insert(chats).values(
                    id=number, device_id=(number + 1) // 2, wid=f"{number}@c.us", chat_ref=f"chat_{number % 2}",
                    key_id="1", chat_hint="", synced_at=NOW,
                )
            )  # fmt: skip
    return sessions


def hint(sessions, device, refs, at=NOW):
    with sessions.begin() as session:
        return hints.chat(session, "wassenger", device, refs, now=at)


def waiting(sessions, device_id=1, limit=10):
    with sessions() as session:
        return hints.take(session, device_id, limit)


def test_a_known_chat_is_hinted_under_any_of_its_pseudonyms_on_its_own_number_only(numbers):
    assert hint(numbers, "d1", ["chat_elsewhere", "chat_1"])
    assert waiting(numbers) == [(1, "1@c.us", NOW)]
    assert waiting(numbers, 2) == [], "the other number has a chat of that pseudonym too"


@pytest.mark.parametrize(
    ("provider", "device", "refs"),
    [("wassenger", "d1", ["chat_9"]), ("wassenger", "d9", ["chat_1"]), ("other", "d1", ["chat_1"]), ("wassenger", "d1", [])],
)  # fmt: skip
def test_an_unknown_chat_is_said_to_be_unknown(numbers, provider, device, refs):
    with numbers.begin() as session:
        assert hints.chat(session, provider, device, refs, now=NOW) is False
    assert waiting(numbers) == []


def test_a_chat_that_we_removed_cannot_be_hinted_and_a_hint_from_before_is_not_taken(numbers):
    hint(numbers, "d1", ["chat_0"])
    with numbers.begin() as session:
        session.execute(update(chats).values(removed_at=NOW))
    assert hint(numbers, "d1", ["chat_1"]) is False
    assert waiting(numbers) == []


def test_the_oldest_hints_are_taken_first_and_no_more_than_asked_for(numbers):
    hint(numbers, "d1", ["chat_0"])
    hint(numbers, "d1", ["chat_1"], at=NOW - timedelta(seconds=1))
    assert [chat_id for chat_id, _, _ in waiting(numbers)] == [1, 2]
    assert [chat_id for chat_id, _, _ in waiting(numbers, limit=1)] == [1]


def test_a_hint_that_was_followed_is_gone_and_one_that_came_meanwhile_stays(numbers):
    hint(numbers, "d1", ["chat_1"])
    ((chat_id, _, taken_at),) = waiting(numbers)
    hint(numbers, "d1", ["chat_1"], at=LATER)
    with numbers.begin() as session:
        hints.done(session, chat_id, taken_at)
    assert waiting(numbers) == [(1, "1@c.us", LATER)], "the newer hint was lost"
    with numbers.begin() as session:
        hints.done(session, chat_id, LATER)
    assert waiting(numbers) == []


def test_a_late_hint_does_not_hide_a_newer_one(numbers):
    hint(numbers, "d1", ["chat_1"], at=LATER)
    assert hint(numbers, "d1", ["chat_1"], at=NOW)
    assert waiting(numbers) == [(1, "1@c.us", LATER)]


def test_a_known_number_is_hinted_and_an_unknown_one_said_to_be_unknown(numbers):
    with numbers.begin() as session:
        assert hints.device(session, "wassenger", "d1", now=LATER) is True
        assert hints.device(session, "wassenger", "d1", now=NOW) is True
        assert hints.device(session, "wassenger", "d9", now=NOW) is False
        assert hints.device(session, "other", "d2", now=NOW) is False
    with numbers() as session:
        assert dict(session.execute(select(devices.c.device, devices.c.hinted_at)).all()) == {
            "d1": LATER,
            "d2": None,
        }
