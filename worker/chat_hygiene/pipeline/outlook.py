"""What a drain sees when it looks around: the devices whose jobs could be worked, and when; leases; the stop switch."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_
from sqlalchemy.orm import Session

from chat_hygiene.pipeline import rules
from chat_hygiene.pipeline.context import Context
from chat_hygiene.pipeline.pacing import CALLS_PER_JOB
from chat_hygiene.store import budgets, devices, jobs, policies, switches
from chat_hygiene.store.devices import Device
from chat_hygiene.store.engine import reading
from chat_hygiene.store.switches import Stop


@dataclass(frozen=True, slots=True)
class Prospect:
    """A device with queued jobs that can be worked, now or later.

    Attributes:
        mine: which of its jobs.
        at: when the first of them is due and the device neither paused nor behind an open breaker.
        affords: of how many jobs its request budget holds the calls.
        budget_wait: how long until it holds those of one.
    """

    device: Device
    mine: ColumnElement[bool]
    at: datetime
    affords: int
    budget_wait: timedelta


@dataclass(frozen=True, slots=True)
class Outlook:
    """One look.

    Attributes:
        unanswered: a call went out whose answer was lost, and its job waits until it cannot act any more.
        lease_end: when the first lease of another worker ends.
        stopped: the stop in force, if one is.
    """

    now: datetime
    prospects: tuple[Prospect, ...]
    unanswered: bool
    lease_end: datetime | None
    stopped: Stop | None


def look(context: Context, *, mine: ColumnElement[bool]) -> Outlook:
    """Looks around for those who work the jobs that are `mine`, in a handful of index look-ups."""
    now = context.clock()
    with reading(context.sessions) as session:
        found = list(_workable(session, mine, now=now))
        per_minute = context.settings.requests_per_minute
        tokens = budgets.available(session, [device.id for device, _, _ in found], per_minute=per_minute)
        return Outlook(
            now=now,
            prospects=tuple(
                Prospect(
                    device,
                    jobs_of_it,
                    max(due, device.waits_until(now) or due),
                    int(tokens[device.id]) // CALLS_PER_JOB,
                    timedelta(seconds=budgets.wait(tokens[device.id], CALLS_PER_JOB, per_minute=per_minute)),
                )
                for device, jobs_of_it, due in found
            ),
            unanswered=jobs.unanswered(session, mine=mine),
            lease_end=jobs.first_lease_end(session, others_than=context.owner),
            stopped=switches.stopped(session),
        )


def _workable(
    session: Session, mine: ColumnElement[bool], *, now: datetime
) -> Iterator[tuple[Device, ColumnElement[bool], datetime]]:
    """Each device with jobs that can be worked, which they are, and when the first is due."""
    due = jobs.due_by_device(session, mine=mine)
    usable = [row for row in devices.load(session, list(due)) if row.usable and row.blocked_reason is None]
    for device in (row for row in usable if row.online):
        yield device, mine, due[device.id]
    offline = [row for row in usable if not row.online]
    stored = policies.enforcing(session) if offline else []
    for device in offline:
        # Its jobs wait until it is online, but for those of policies that wait no longer.
        ids = [each.id for each in stored if rules.given_up(device, each.policy, now=now)]
        of_these = and_(mine, jobs.of_policies(ids))
        if ids and (at := jobs.first_due(session, device.id, mine=of_these)) is not None:
            yield device, of_these, at
