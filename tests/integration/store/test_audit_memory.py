"""Verifying takes the memory of a batch, however long the audit is."""

import tracemalloc

from sqlalchemy import func, insert, select

from chat_hygiene.store import verifying
from chat_hygiene.store.engine import reading
from chat_hygiene.store.tables import audit_events
from support.chain import KEY, append, seal

SHORT, LONG = 1_500, 6_000
MIB = 2**20


def grow(sessions, to):
    """Doubles the audit by copying it, until it is long enough."""
    columns = [column for column in audit_events.c if column.name != "seq"]
    with sessions.begin() as session:
        last = 0
        while last < to:
            copies = select(*columns).order_by(audit_events.c.seq).limit(to - last)
            session.execute(insert(audit_events).from_select([each.name for each in columns], copies))
            last = session.scalar(select(func.max(audit_events.c.seq)))
    while seal(sessions):
        pass


def peak(sessions):
    with reading(sessions) as session:
        verifying.verify(session, KEY)  # what is kept for good, such as compiled statements
        tracemalloc.start()
        try:
            proven = verifying.verify(session, KEY).sealed
            return proven, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_four_times_the_events_take_no_more_memory(sessions, monkeypatch):
    monkeypatch.setattr(verifying, "BATCH", 300)
    with sessions.begin() as session:
        append(session, 1)
    measured = []
    for events in (SHORT, LONG):
        grow(sessions, events)
        proven, used = peak(sessions)
        assert proven == events
        measured.append(used)
    assert measured[1] - measured[0] < MIB / 4, f"{measured[0] / MIB:.1f} MiB became {measured[1] / MIB:.1f}"
