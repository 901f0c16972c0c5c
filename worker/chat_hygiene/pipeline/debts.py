"""Debts: chats that were removed here are looked for in WhatsApp until that is settled, or has been tried for long enough.

A look is one read of the chat, paid for by its number's budget, and made only while the number is online: WhatsApp says
nothing through one that is not. Half of the budget is left to the number's jobs, as by a sync. A fault of the number or the line costs no look. Each debt is claimed before it is read,
so that rounds at once look at none of them twice; one whose read fails is left alone for as long as a claim lasts, so
that the others have their turn.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

import structlog

from chat_hygiene.core.debts import DebtState, Finding, found
from chat_hygiene.core.errors import (
    BadAnswerError,
    NotFoundError,
    ProviderError,
    RefusedError,
    UnknownOutcomeError,
)
from chat_hygiene.core.facts import ChatFacts, DeviceFacts
from chat_hygiene.pipeline.calls import admitted, note_fault
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.pipeline.turns import LOOK, not_before
from chat_hygiene.providers.base import Reader
from chat_hygiene.store import breakers, debts, devices, pages
from chat_hygiene.store.chats import Account
from chat_hygiene.store.debts import Debt
from chat_hygiene.store.devices import Device
from chat_hygiene.store.engine import reading

BATCH = 100
"""Of debts that are too old."""
SIDE_BY_SIDE = 8
CLAIM = timedelta(hours=1)

_log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Report:
    """How many looks were made and debts closed. `more`: time ran out before all that were due were looked at."""

    looked: int = 0
    settled: int = 0
    superseded: int = 0
    abandoned: int = 0
    more: bool = field(default=False)

    def add(self, other: "Report") -> None:
        """Counts another report in."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


async def run(
    context: Context,
    reader: Reader,
    *,
    pacer: Pacer,
    now: datetime,
    until: datetime,
    stop: Callable[[], bool],
) -> Report:
    """Abandons what is too old, then looks at every debt that was due at `now`, numbers side by side.

    It ends by itself at `until`, or soon after `stop()` says so.
    """
    report = Report(abandoned=await asyncio.to_thread(_abandon, context, now))
    with reading(context.sessions) as session:
        due = devices.load(session, debts.due_by_device(session, now=now))
    places = asyncio.Semaphore(SIDE_BY_SIDE)

    def over() -> bool:
        return stop() or context.clock() >= until

    async def one(device: Device) -> None:
        async with places:
            report.add(await _look_at_device(context, reader, pacer, device, now, over))

    await asyncio.gather(*(one(device) for device in due))
    return report


def _abandon(context: Context, now: datetime) -> int:
    abandoned = 0
    while True:
        with context.sessions.begin() as session:
            old = debts.too_old(session, now=now, limit=BATCH)
            for chat_id, job_id in old:
                abandoned += debts.close(
                    session, chat_id, DebtState.ABANDONED, now=now, actor=context.actor, job_id=job_id
                )
        if len(old) < BATCH:
            return abandoned


async def _look_at_device(
    context: Context,
    reader: Reader,
    pacer: Pacer,
    device: Device,
    due_at: datetime,
    over: Callable[[], bool],
) -> Report:
    report, last = Report(), context.clock()
    try:
        if not await _turn(context, device.id, last, over):
            return Report(more=True)
        if not await admitted(context, reader, device.id, pacer=pacer):
            return report
        await pacer.call(device.id)
        last = context.clock()
        facts = await reader.device(device.device)
        # If it is offline by now, nothing is due on it any more.
        await asyncio.to_thread(_record_device, context, reader, facts)
        while await asyncio.to_thread(_due, context, device.id, due_at):
            if not await _turn(context, device.id, last, over):
                report.more = True
                return report
            if not await admitted(context, reader, device.id, pacer=pacer):
                return report
            await pacer.call(device.id)
            debt = await asyncio.to_thread(_claim, context, device.id, due_at)
            if debt is None:
                await asyncio.to_thread(pacer.give_back, device.id, 1)
                return report
            last = context.clock()
            report.add(await _look(context, reader, debt, due_at))
    except ProviderError as error:
        fault = await asyncio.to_thread(note_fault, context, device.id, error)
        _log.info("debts cannot be looked at", device=device.device, reason=fault.reason)
    return report


async def _turn(context: Context, device_id: int, last: datetime, over: Callable[[], bool]) -> bool:
    """Waits until the next request may be made. False: the round is over before."""

    def wait() -> float:
        now = context.clock()
        with reading(context.sessions) as session:
            at = not_before(session, context.settings, device_id, last=last, now=now)
        return 0 if at is None else (at - now).total_seconds()

    while not over():
        if (left := await asyncio.to_thread(wait)) <= 0:
            return True
        await asyncio.sleep(min(left, LOOK))
    return False


async def _look(context: Context, reader: Reader, debt: Debt, due_at: datetime) -> Report:
    """One look. Raises ProviderError when the number or the line is at fault, or may be."""
    read_at = context.clock()
    facts: ChatFacts | None = None
    try:
        facts = await reader.chat(debt.device, debt.wid)
    except (NotFoundError, RefusedError, BadAnswerError):
        # The number answered just now: what is refused or garbled is this chat, and nothing is said of it.
        pass
    except UnknownOutcomeError:
        # Its claim stands: should it be this chat, the next look is at another.
        raise
    except ProviderError:
        await asyncio.to_thread(_hand_back, context, debt, due_at)
        raise
    finding = found(facts, last_message_at=debt.last_message_at)
    await asyncio.to_thread(_store, context, reader, debt, facts, finding, read_at)
    if finding.state is not DebtState.OPEN:
        _log.info(f"debt {finding.state}", job_id=debt.job_id, device=debt.device, chat_ref=debt.chat_ref)
    return Report(
        looked=1,
        settled=int(finding.state is DebtState.SETTLED),
        superseded=int(finding.state is DebtState.SUPERSEDED),
    )


def _store(
    context: Context,
    reader: Reader,
    debt: Debt,
    facts: ChatFacts | None,
    finding: Finding,
    read_at: datetime,
) -> None:
    now, actor = context.clock(), context.actor
    with context.sessions.begin() as session:
        # First, while the debt is open: a new life of the chat supersedes it.
        debts.looked(session, debt, finding, now=now, actor=actor)
        if facts is not None and facts.status != "removed":
            # It is on the platform again: there is one place that makes a new life of that.
            (device,) = devices.load(session, [debt.device_id])
            pages.store_page(
                session,
                Account(reader.name, debt.device, debt.device_id),
                [facts],
                pseudonyms=context.keys.pseudonyms,
                read_at=read_at,
                sweep=device.sweep,
                actor=actor,
            )
        if facts is not None:
            breakers.good_call(session, debt.device_id, now=now, actor=actor)


def _due(context: Context, device_id: int, due_at: datetime) -> bool:
    with reading(context.sessions) as session:
        return debts.due_on(session, device_id, now=due_at)


def _claim(context: Context, device_id: int, due_at: datetime) -> Debt | None:
    with context.sessions.begin() as session:
        return debts.claim(session, device_id, now=due_at, until=context.clock() + CLAIM)


def _hand_back(context: Context, debt: Debt, due_at: datetime) -> None:
    with context.sessions.begin() as session:
        debts.plan(session, debt, at=due_at)


def _record_device(context: Context, reader: Reader, facts: DeviceFacts) -> None:
    with context.sessions.begin() as session:
        devices.record(session, reader.name, [facts], now=context.clock())
