"""Checking: is the API there, is the token good, can each number be worked with; and how does our own work stand?

Reads only.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chat_hygiene.clock import Clock, utc_now
from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.errors import ProviderError
from chat_hygiene.core.facts import DeviceFacts
from chat_hygiene.pipeline import coverage
from chat_hygiene.providers import registry
from chat_hygiene.providers.wassenger_parse import retention
from chat_hygiene.settings import Settings
from chat_hygiene.store import debts, devices, run_records, switches, upcoming
from chat_hygiene.store.devices import Device
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_hygiene.store.records import Record
from chat_hygiene.store.switches import Stop
from chat_hygiene.wiring.health import Health, health
from chat_hygiene.wiring.ledger import Ledger
from chat_policies import shortest_wait


@dataclass(frozen=True, slots=True)
class Number:
    """One number of the account. `refusal` is what the API said when a page of its chats was asked for, if it refused."""

    facts: DeviceFacts
    refusal: ProviderError | None


@dataclass(frozen=True, slots=True)
class Account:
    """What the API shows of the account. `clock_skew`: its clock minus ours."""

    numbers: tuple[Number, ...]
    clock_skew: timedelta | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How our own work stands, as its rows tell it.

    Attributes:
        stop: the stop of all deleting, if one is in force.
        abandoned: chats that were removed here, are still in WhatsApp, and are looked for no longer.
        numbers: the stored numbers that can be worked with.
        late: per policy, the chats that should be gone and are not.
        blocks: how many of those each thing keeps back, as `report_v1_upcoming` says it; None: nothing known.
        awaiting: the runs that await an approval.
        uncovered: the numbers with chats that no enforcing policy covers, and how many.
    """

    health: Health
    stop: Stop | None
    abandoned: int
    numbers: tuple[Device, ...]
    late: tuple[upcoming.Late, ...]
    blocks: Mapping[str | None, int]
    awaiting: tuple[Record, ...]
    uncovered: tuple[tuple[Device, int], ...]


def standing(ledger: Ledger, *, now: datetime) -> Standing:
    """How our own work stands."""
    with ledger.reading() as session:
        stop = switches.stopped(session)
        abandoned = debts.count(session, DebtState.ABANDONED)
        numbers = tuple(device for device in devices.load(session) if device.usable)
        late = tuple(upcoming.late(session, now=now))
        blocks = upcoming.blocks(session, now=now) if late else {}
        awaiting = tuple(run_records.listing(session, awaiting=True))
        uncovered = tuple(coverage.known(session))
    return Standing(health(ledger, now=now), stop, abandoned, numbers, late, blocks, awaiting, uncovered)


def check_account(settings: Settings, *, clock: Clock = utc_now) -> Account:
    """Lists the numbers, and asks each operative one for one chat.

    Raises InvalidInputError without a token, ProviderError when the numbers cannot be listed.
    """

    async def work() -> Account:
        reader = registry.open_reader(settings, clock)
        try:
            numbers = []
            for facts in await reader.devices():
                refusal = None
                if facts.status == "operative":
                    try:
                        await reader.chats(facts.device, page=0, size=1)
                    except ProviderError as error:
                        refusal = error
                numbers.append(Number(facts, refusal))
            return Account(tuple(numbers), reader.clock_skew)
        finally:
            await reader.aclose()

    return asyncio.run(work())


def undercut(
    facts: DeviceFacts, stored: Iterable[StoredPolicy], settings: Settings
) -> list[tuple[str, timedelta]]:
    """The active delete policies over this number that wait longer than the vendor keeps its data, and how long they wait.

    Raises ValueError when the vendor's own retention has an unknown spelling.
    """
    kept = retention(facts.retention_policy)
    if kept is None:
        return []
    names = {facts.device, mask_numbers(facts.alias or "")}
    policies = [each.policy for each in stored if each.state == "active" and each.policy.action == "delete"]
    waits = [
        (policy.name, shortest_wait(policy, settings.min_age_seconds))
        for policy in policies
        if policy.devices is None or names.intersection(policy.devices)
    ]
    return [(name, wait) for name, wait in waits if wait > kept]
