"""The messages, word for word."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from chat_hygiene.core.incidents import Incident, Kind
from chat_hygiene.core.states import JobState
from chat_hygiene.store.digests import Facts
from chat_hygiene.store.upcoming import Late
from chat_hygiene.wiring import wording

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
DAY = timedelta(days=1)
MADRID = ZoneInfo("Europe/Madrid")


def incident(kind: Kind, *, ago: timedelta = DAY, closed: bool = False, **detail) -> Incident:
    return Incident(
        f"{kind}:1", kind, NOW - ago, NOW if closed else None, NOW if closed else None, 0, None, detail
    )


def approval(run: int = 12, **detail) -> Incident:
    until = (NOW + 7 * DAY).isoformat()
    return incident(Kind.APPROVAL, policy="resolved-30d", run=run, chats=312, until=until, **detail)


EVERY = [
    incident(Kind.SILENT, part="tick"),
    incident(Kind.SILENT, part="delete"),
    incident(Kind.DEBT, number="Support ES", chats=1),
    incident(Kind.RUN_FAILED, policy="inactive-90d", run=14),
    incident(Kind.FAILURES, policy="resolved-30d", chats=3),
    incident(Kind.STALE, number="Support ES", why="offline", never=False),
    incident(Kind.STALE, number="Sales UK", why="unread", never=True),
    incident(Kind.BLOCKED, number="Sales +44 7700 900123", why="plan"),
    incident(Kind.STOPPED),
    approval(),
]


def news(began=(), ended=(), others=0, page=None):
    return wording.news(began, ended, others=others, zone=MADRID, page=page)


def test_everything_that_can_be_wrong_in_one_message():
    message = news(EVERY, page="https://hygiene.example.org")
    assert (message.title, message.mood) == ("chat-hygiene: 10 things need you", "warning")
    assert (
        message.body
        == """\
- resolved-30d: run 12 awaits approval of 312 chats, until Mon 30 Nov 08:00
→ chat-hygiene runs show RUN, then approve or reject it

- all deleting is stopped since Sun 22 Nov 08:00
→ chat-hygiene start, once it may go on

- Sales ··· 23: blocked, its plan gives no access to its chats
→ chat-hygiene doctor says how to mend it

- Support ES: not online since Sun 22 Nov 08:00
- Sales UK: its chats could not be read yet
→ chat-hygiene doctor says how to mend it

- resolved-30d: 3 chats could not be deleted
→ chat-hygiene jobs list --state failed, or quarantined

- inactive-90d: run 14 failed, and queued nothing
→ chat-hygiene runs show RUN

- Support ES: 1 chat removed here, still in WhatsApp, the first since Sun 22 Nov 08:00
→ chat-hygiene debt list; they are looked for by themselves

- nobody looks at the schedules
- nobody works on the queue delete
→ see that its worker runs; its log says what stopped it

https://hygiene.example.org"""
    )


def test_everything_that_can_be_over_in_one_message():
    ended = [
        incident(each.kind, closed=True, **(dict(each.detail) | {"state": "expired"})) for each in EVERY[1:]
    ]
    message = news(ended=ended[:5])
    assert (message.title, message.mood) == ("chat-hygiene: all clear", "success")
    assert (
        message.body
        == """\
- Support ES: up to date again (out of date Sun 22 Nov 08:00 to Mon 23 Nov 08:00)
- resolved-30d: no new failures for a day; what failed before stays so
- inactive-90d: runs again (failed Sun 22 Nov 08:00)
- Support ES: nothing old is still in WhatsApp
- the queue delete works again (silent Sun 22 Nov 08:00 to Mon 23 Nov 08:00)

Nothing else is open"""
    )
    message = news([EVERY[-2]], ended[-3:], others=2)
    assert message.title == "chat-hygiene: all deleting is stopped"
    assert (
        message.body
        == """\
- all deleting is stopped since Sun 22 Nov 08:00
→ chat-hygiene start, once it may go on

Over:
- resolved-30d: run 12 expired: nobody decided, and nothing of it is deleted
- deleting goes on (stopped Sun 22 Nov 08:00 to Mon 23 Nov 08:00)
- Sales ··· 23: no longer blocked (Sun 22 Nov 08:00 to Mon 23 Nov 08:00)

2 other incidents still open"""
    )


def test_what_many_numbers_have_in_common_is_cut_short():
    message = news([incident(Kind.BLOCKED, number=f"Number {each}", why="key") for each in range(200)])
    assert message.title == "chat-hygiene: 200 numbers are blocked"
    assert message.body.count("\n") == 6
    assert "- and 195 more" in message.body


def test_a_digest():
    ended = {
        ("resolved-30d", JobState.DELETED): 1204,
        ("inactive-90d", JobState.DELETED): 4,
        ("resolved-30d", JobState.ALREADY_GONE): 2,
        ("resolved-30d", JobState.REMOVED_LOCALLY): 3,
        ("inactive-90d", JobState.QUARANTINED): 1,
    }
    facts = Facts(
        ended=ended,
        in_whatsapp=12,
        late=(Late("resolved-30d", 14, NOW - 3 * DAY),),
        leaving={"resolved-30d": 88},
        next_runs={"resolved-30d": NOW + DAY / 2, "inactive-90d": None},
    )
    message = wording.digest(
        facts, [approval()], since=NOW - DAY, at=NOW, until=NOW + DAY, zone=MADRID, page=None
    )
    assert (message.title, message.mood) == ("chat-hygiene: 1,208 deleted, 1 failed, 1 open", "info")
    assert (
        message.body
        == """\
Sun 22 Nov 08:00 to Mon 23 Nov 08:00 (Europe/Madrid)

Deleted: 1,208
- resolved-30d: 1,204
- inactive-90d: 4
Gone before we came: 2
- resolved-30d: 2
Removed here, not in WhatsApp: 3
- resolved-30d: 3
Still in WhatsApp, in all: 12
Failed: 1
- inactive-90d: 1
Overdue: 14
- resolved-30d: 14
May leave until Tue 24 Nov 08:00: 88
- resolved-30d: 88

Next runs:
- resolved-30d: Mon 23 Nov 20:00
- inactive-90d: none planned

Open:
- resolved-30d: run 12 awaits approval of 312 chats, until Mon 30 Nov 08:00"""
    )


def test_a_digest_of_nothing_is_short():
    facts = Facts(ended={}, in_whatsapp=0, late=(), leaving={}, next_runs={})
    message = wording.digest(facts, [], since=NOW - DAY, at=NOW, until=NOW + DAY, zone=MADRID, page=None)
    assert message.title == "chat-hygiene: 0 deleted, 0 failed, 0 open"
    assert message.body.endswith("No policy runs\n\nNothing is open")
