"""What a look at an owed chat means, when the next one is, and which moves a debt can make."""

import itertools
from datetime import UTC, datetime, timedelta

from chat_hygiene.core.debts import MOVES, DebtState, Finding, found, next_look
from chat_hygiene.core.facts import ChatFacts

LAST = datetime(2026, 3, 1, tzinfo=UTC)


def test_every_look_against_the_sentence_in_the_design():
    messages = [None, LAST - timedelta(days=1), LAST, LAST + timedelta(seconds=1)]
    for status, whatsapp, message in itertools.product(
        [None, "active", "resolved", "removed"], [None, "active", "archived", "removed"], messages
    ):
        facts = ChatFacts("w", status=status, whatsapp_status=whatsapp, last_message_at=message)
        seen = found(facts, last_message_at=LAST)
        if whatsapp == "removed":
            assert seen == Finding(DebtState.SETTLED, "confirmed")
        elif status != "removed" and message == messages[3]:
            assert seen == Finding(DebtState.SUPERSEDED, "present")
        else:
            assert seen == Finding(DebtState.OPEN, "present" if whatsapp else None)
    assert found(None, last_message_at=LAST) == Finding(DebtState.OPEN)


def test_looks_come_after_an_hour_six_and_then_daily():
    waits = [next_look(looks, LAST) - LAST for looks in range(1, 6)]
    assert waits == [timedelta(hours=1), timedelta(hours=6), *[timedelta(days=1)] * 3]


def test_what_ended_stays_ended_and_only_the_abandoned_can_still_end_otherwise():
    assert {state for sources in MOVES.values() for state in sources} == {DebtState.OPEN, DebtState.ABANDONED}
    assert DebtState.OPEN not in MOVES
    assert MOVES[DebtState.ABANDONED] == (DebtState.OPEN,)
    assert all(DebtState.OPEN in sources for sources in MOVES.values())
