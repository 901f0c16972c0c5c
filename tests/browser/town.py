"""A believable account a week into its work: the demo's chats, policies that ran and were changed, and something of everything.

Written by the product itself against the fake service, on a clock that a week passes on.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from chat_hygiene import wiring
from chat_hygiene.clock import utc_now
from chat_hygiene.providers.fake.believable import SALES, SUPPORT, demo_world
from chat_hygiene.providers.fake.records import api_time, chat_record
from chat_hygiene.providers.fake.server import serve
from chat_hygiene.settings import load_settings
from chat_hygiene.wiring import holding
from chat_hygiene.wiring.health import QUEUES
from chat_hygiene.wiring.serving import Service
from chat_policies import load
from support.site import KEYS

BEGAN = datetime(2026, 5, 3, 14, 10, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLICIES = """
version: 1
defaults: {{timezone: Europe/Madrid, schedule: "0 3 * * *"}}
policies:
  - name: resolved-30d
    description: Solved conversations leave after a month
    mode: enforce
    when: {{resolved_for: 30d, no_inbound_for: 30d}}
    unless: {{labels: [vip, legal], unread: true}}
    grace: none
    delete: {{from_whatsapp: true, force_local: true}}
    limits: {{max_chats: {most}, max_share: 60%}}
  - name: quiet-90d
    description: Conversations that fell silent leave after a quarter and a week's notice
    mode: enforce
    when: {{inactive_for: 90d, status: [active, pending, archived], waiting_for_us: false}}
    unless: {{labels: [vip, legal]}}
    grace: 14d
    delete: {{from_whatsapp: true}}
    limits: {{max_chats: 200, max_share: 60%}}
  - name: returns-60d
    description: Returns are over after two months; never off the platform alone
    schedule: "0 2 * * 1"
    mode: enforce
    when: {{status: [pending], labels: [returned], inactive_for: 60d}}
    grace: none
    delete: {{from_whatsapp: true, force_local: false}}
    limits: {{max_chats: 50, max_share: 60%}}
  - name: inactive-180d
    description: What a half-year rule would take, before we decide on it
    mode: observe
    when: {{inactive_for: 180d}}
    unless: {{labels: [vip]}}
    grace: 7d
  - name: keep-contracts
    description: Conversations that are part of a contract stay
    action: keep
    when: {{labels: [contract]}}
"""


@dataclass(frozen=True, slots=True)
class Town:
    """What was made: the ledger's address, the instant to look at it, and what fills the paths of the pages."""

    database_url: str
    now: datetime
    given: dict[str, str]


def build(database_url: str) -> Town:
    """A week of it in an empty, migrated database."""
    shift = [BEGAN - utc_now()]
    clock = lambda: utc_now() + shift[0]  # noqa: E731
    with serve(demo_world(clock)) as server:
        settings = load_settings(
            _env_file=None, database_url=database_url, api_url=server.url, api_token=server.world.token,
            actor="carmen", requests_per_minute=60_000, retry_base_seconds=0.02, refusal_confirm_seconds=0.05,
            canary_chats="off", **KEYS,
        )  # fmt: skip
        with wiring.open_ledger(settings, clock=clock) as ledger:
            _live(ledger, server.world, shift)
            now = clock().replace(microsecond=0) + timedelta(seconds=1)
            return Town(database_url, now, _given(ledger))


def _live(ledger, world, shift) -> None:
    _apply(ledger, most=200, because="agreed with legal on the retention calendar")
    _arrive(world, SUPPORT, "Returns desk", 2, status="pending", labels=["returned"], refused=True)
    shift[0] += 11 * HOUR  # 03:10 in Madrid
    _night(ledger)
    for day in range(1, 4):
        shift[0] += DAY
        _arrive(world, SALES, f"Trade fair, day {day}", 2 * day)
        _night(ledger)
    wiring.pause(ledger, ["returns-60d"], because="the returns team is moving", now=ledger.now())
    shift[0] += DAY
    _apply(ledger, most=4, because="slower while the new team settles in")
    wiring.resume(ledger, ["returns-60d"], because="moved", now=ledger.now())
    _night(ledger)
    shift[0] += DAY
    _arrive(world, SUPPORT, "Spring campaign", 9)
    _night(ledger)
    shift[0] += 5 * HOUR
    _night(ledger)
    due = _column(ledger, "select chat_ref from jobs where state = 'queued' order by id limit 3")
    for ref in due[:2]:
        aim = holding.aim(ledger, chat=ref, on=None)
        until = ledger.now() + 90 * DAY
        holding.place(
            ledger, aim, reason="dispute about an order", until=until, progress=lambda _done, _of: None
        )


def _apply(ledger, *, most: int, because: str) -> None:
    document = POLICIES.format(most=most).encode()
    wiring.apply(ledger, load(document, "policies.yaml"), because=because, now=ledger.now())


def _night(ledger) -> None:
    """What a service does by itself, once: a sync, what the calendar asks for, and the deletions until none is due."""
    wiring.sync_once(ledger, full=True, watcher=wiring.Watcher())
    service = Service(ledger.settings, stop=lambda: False, clock=ledger.context.clock)
    service.tick()
    for run in service.waiting_runs():
        service.evaluate(run)
    service.drain()
    service.look_at_debts()
    for queue in QUEUES:
        service.beat(queue)
    service.close()


def _arrive(world, device, name, count, *, status="resolved", labels=(), refused=False) -> None:
    """Chats that have been quiet for long."""
    for number in range(count):
        quiet = world.now() - timedelta(days=70 + 3 * number)
        wid = f"4477009{number_of(name) % 9000 + 1000}{number:02d}@c.us"
        at = api_time(quiet)
        record = chat_record(
            wid, last_message_at=quiet, name=f"{name} {number + 1}", status=status, statusUpdatedAt=at,
            firstMessageAt=at, lastInboundMessageAt=at, lastOutboundMessageAt=api_time(quiet + timedelta(hours=1)),
            labels=list(labels),
        )  # fmt: skip
        world.add_chat(device, record)
        if refused:
            world.refuse(device, wid)


def number_of(name: str) -> int:
    """The same in every process."""
    return sum(ord(char) * place for place, char in enumerate(name, 1))


def _given(ledger) -> dict[str, str]:
    first = lambda query: str(_column(ledger, query)[0])  # noqa: E731
    return {
        "chat": first("select chat_ref from jobs where state = 'removed_locally' limit 1"),
        "hold": first("select id from holds where released_at is null"),
        "job": first("select id from jobs where state = 'failed' order by id"),
        "run": first("select id from policy_runs where state = 'awaiting_approval'"),
        "policy": "resolved-30d",
    }


def _column(ledger, query: str) -> list:
    with ledger.reading() as session:
        return list(session.scalars(text(query)))
