"""The demo's account is believable, always the same, and has what the demo shows."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from chat_hygiene.core.errors import InvalidInputError
from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.providers.fake.believable import ANSWERING, REFUSED, SALES, SUPPORT, VANISHING, demo_world
from chat_hygiene.providers.wassenger_parse import parse_chat, parse_device

NOW = datetime(2026, 5, 4, 3, tzinfo=UTC)
MONTH = timedelta(days=30)
FICTION = (
    r"447700900\d{3}|3363998\d{4}|1\d{3}55501\d\d|49176040690\d\d|4670174069\d|467017406[1-9]\d|35320911\d{4}"
)


def chats_of(world, device: str) -> list[ChatFacts]:
    return [parse_chat(chat.record) for chat in world.chats(device).values()]


def due(chat: ChatFacts, now: datetime = NOW) -> bool:
    return (
        chat.kind == "chat"
        and chat.status == "resolved"
        and chat.status_updated_at <= now - MONTH
        and chat.last_inbound_at <= now - MONTH
        and not chat.unread
        and not chat.pinned
        and not {"vip", "legal", "contract"} & set(chat.labels)
    )


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_about_one_in_eleven_is_due_and_less_than_a_tenth_of_each_number(seed):
    world = demo_world(lambda: NOW, seed=seed)
    for device in (SUPPORT, SALES):
        chats = [chat for chat in chats_of(world, device) if chat.kind == "chat"]
        assert len(chats) == 150
        assert sum(map(due, chats)) == 13
        assert sum(due(chat, NOW + timedelta(hours=1)) for chat in chats) == 13, "none is due within the hour"


def test_the_three_special_chats_are_due_at_first():
    world = demo_world(lambda: NOW)
    names = [chat.name for device in (SUPPORT, SALES) for chat in chats_of(world, device) if due(chat)]
    assert [names.count(name) for name in (REFUSED, ANSWERING, VANISHING)] == [1, 1, 1]


def test_every_number_is_made_for_fiction_and_every_record_parses_in_full():
    world = demo_world(lambda: NOW)
    for device in (SUPPORT, SALES):
        for chat in chats_of(world, device):
            if chat.kind == "chat":
                assert re.fullmatch(rf"({FICTION})@c\.us", chat.wid)
                assert chat.first_message_at <= chat.last_inbound_at <= chat.last_message_at <= NOW
                assert chat.name
                assert chat.labels is not None
        facts = parse_device(world.devices[device])
        assert facts.online
        assert facts.product == "io"


def test_the_same_seed_gives_the_same_account_and_another_one_another():
    first, again, other = (demo_world(lambda: NOW, seed=seed).chats(SUPPORT) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_it_grows_on_demand_up_to_the_numbers_there_are():
    world = demo_world(lambda: NOW, chats=5000)
    assert sum(len(world.chats(device)) for device in (SUPPORT, SALES)) == 5006
    with pytest.raises(InvalidInputError, match="at most"):
        demo_world(lambda: NOW, chats=20_000)
