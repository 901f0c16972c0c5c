"""Pages of chats in the store: how few statements one takes, and where its rows lie."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, insert, text

from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.store import pages
from chat_hygiene.store.chats import Account
from chat_hygiene.store.pseudonyms import Pseudonyms
from chat_hygiene.store.tables import devices

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
ACCOUNT = Account("wassenger", "d1", 1)
OLD, NEW = b"o" * 32, b"n" * 32

# Of instants those with thousandths, millionths and none of a second, and the first one that there is.
EVERY_FACT = ChatFacts(
    wid="447700000001@c.us",
    kind="chat",
    name='Ana \u2028 "Peña" 🙂',
    status="resolved",
    whatsapp_status="active",
    status_updated_at=datetime.min.replace(tzinfo=UTC),
    first_message_at=AT,
    last_message_at=AT + timedelta(milliseconds=120),
    last_inbound_at=AT + timedelta(microseconds=7),
    last_outbound_at=datetime.max.replace(tzinfo=UTC),
    unread=True,
    pinned=False,
    muted=True,
    archived=False,
    locked=True,
    assigned=False,
    agent="a1",
    department="d1",
    labels=("vip", "señal", 'a "quoted" one'),
)
OTHER_FACTS = {
    name: ("other",)
    if name == "labels"
    else not value
    if isinstance(value, bool)
    else AT + timedelta(days=1)
    if isinstance(value, datetime)
    else "other"
    for name, value in EVERY_FACT._asdict().items()
}


@pytest.fixture
def store(sessions):
    """Stores a page as another sweep read it."""
    with sessions.begin() as session:
        session.execute(insert(devices).values(id=1, provider="wassenger", device="d1"))

    def put(page, *, sweep=1, keys=None):
        with sessions.begin() as session:
            return pages.store_page(
                session,
                ACCOUNT,
                page,
                pseudonyms=Pseudonyms(keys or {"1": OLD}),
                read_at=AT + timedelta(hours=sweep),
                sweep=sweep,
                actor="tester",
            )

    return put


def page(count, **fields):
    return [ChatFacts(f"4477{number:08d}@c.us", kind="chat", **fields) for number in range(count)]


def counted(engine, work):
    """The statements of one piece of work, without those that begin and end it."""
    words = []

    def note(_connection, _cursor, statement, *_):
        if statement.split()[0] not in {"BEGIN", "PRAGMA"}:
            words.append(statement.split()[0])

    event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return words


@pytest.mark.parametrize("count", [1, 100])
def test_a_page_takes_the_same_few_statements_whatever_its_size(engine, store, count):
    new = counted(engine, lambda: store(page(count), sweep=1))
    assert new == ["SELECT", "SELECT", "INSERT"]
    assert counted(engine, lambda: store(page(count), sweep=2)) == ["SELECT", "UPDATE"]
    changed = counted(engine, lambda: store(page(count, name="Ana"), sweep=3))
    assert changed == ["SELECT", "UPDATE", "UPDATE"]
    rotated = counted(engine, lambda: store(page(count), sweep=4, keys={"2": NEW, "1": OLD}))
    assert rotated == ["SELECT", "UPDATE", "UPDATE"], "who is known by its chat id needs no pseudonym"


def test_what_a_page_did_is_counted(store):
    def told(stored):
        return stored.seen, stored.new, stored.changed, stored.returned

    assert told(store([*page(3), *page(3)])) == (3, 3, 0, 0), "a chat that is listed twice is one"
    assert told(store(page(3), sweep=2)) == (3, 0, 0, 0)
    assert told(store([*page(4), *page(1, name="Ana")], sweep=3)) == (4, 1, 1, 0), "the later one counts"


@pytest.mark.parametrize(
    ("before", "after", "then"),
    [
        ({"unread": True}, {}, (True, [])),
        ({"unread": True}, {"unread": False}, (False, [])),
        ({"labels": ("vip", "señal")}, {"unread": False}, (False, ["vip", "señal"])),
        ({"labels": ("vip",)}, {"labels": ()}, (None, [])),
    ],
)
def test_what_an_answer_leaves_out_is_kept_where_it_protects(sessions, store, before, after, then):
    store(page(1, name="Ana", **before))
    store(page(1, **after), sweep=2)
    with sessions.begin() as session:
        row = session.execute(text("SELECT name, unread, labels FROM chats")).one()
    labels = row.labels if isinstance(row.labels, list) else json.loads(row.labels)
    assert (row.name, row.unread if row.unread is None else bool(row.unread), labels) == (None, *then)


def test_a_chat_with_every_fact_is_known_again_and_a_change_of_any_is_seen(store):
    before = EVERY_FACT
    assert store([before]).new == 1
    assert store([before], sweep=2).changed == 0, "what is read from the row equals what was written there"
    for name in ChatFacts._fields[1:]:
        after = before._replace(**{name: OTHER_FACTS[name]})
        assert (name, store([after], sweep=3).changed) == (name, 1)
        assert store([before], sweep=4).changed == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_is_seen_again_stays_where_it_lies(sessions, store):
    def places():
        with sessions.begin() as session:
            query = text("SELECT id, (ctid::text::point)[0] FROM chats ORDER BY id")
            return session.execute(query).all()

    store(page(500))
    before = places()
    assert len({block for _, block in before}) > 10
    for sweep in (2, 3, 4):
        store(page(500), sweep=sweep)
    assert places() == before, "a row that moves is written into every index again"
