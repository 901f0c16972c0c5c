"""How often Python looks for cycles among the objects of a process: not again and again while a page of a sync is stored."""

import gc
from contextlib import contextmanager

import orjson
from sqlalchemy import insert

from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.providers.answers import Answer, listed
from chat_hygiene.providers.wassenger_parse import parse_chat
from chat_hygiene.store import pages
from chat_hygiene.store.chats import Account
from chat_hygiene.store.tables import devices
from support.world import NOW

CHATS = 1000
ACCOUNT = Account("wassenger", "d1", 1)


@contextmanager
def looks():
    """The generations that were looked at meanwhile."""
    found = []

    def note(phase, info):
        if phase == "start":
            found.append(info["generation"])

    gc.collect()
    gc.callbacks.append(note)
    try:
        yield found
    finally:
        gc.callbacks.remove(note)


def answer():
    """A page as the API sends one."""
    at = NOW.isoformat()
    times = dict.fromkeys(("statusUpdatedAt", "lastMessageAt", "lastInboundMessageAt"), at)
    more = {
        "meta": {"isUnread": False},
        "owner": {"agent": None},
        "contact": {"name": "Ana"},
        "labels": ["vip"],
    }
    chats = [{"id": f"4477{number:08d}@c.us", "type": "user", **times, **more} for number in range(CHATS)]
    return Answer(200, {}, orjson.dumps(chats))


def test_a_page_is_read_and_stored_with_one_look_at_most(ledger):
    pseudonyms = ledger.context.keys.pseudonyms
    with ledger.writing() as session:
        session.execute(insert(devices).values(id=1, provider="wassenger", device="d1"))

    def store(sweep):
        chats: list[ChatFacts] = listed(answer(), parse_chat, call="GET /chats")
        with ledger.writing() as session:
            return pages.store_page(
                session, ACCOUNT, chats, pseudonyms=pseudonyms, read_at=NOW, sweep=sweep, actor="a"
            )

    for sweep, new in ((1, CHATS), (2, 0)):
        with looks() as found:
            assert store(sweep).new == new
        assert len(found) <= 1
