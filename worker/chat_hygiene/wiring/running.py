"""Working: sync, the whole job once, and single jobs at once. A deleter is opened only by `_drain`, here, and for the tasks in `serving`."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement

from chat_hygiene.core.errors import UsageError
from chat_hygiene.pipeline import debts, departed, drain, evaluate, reconcile, seal, sweep, sync
from chat_hygiene.pipeline.pacing import Pacer
from chat_hygiene.pipeline.plan import Plan
from chat_hygiene.providers import registry
from chat_hygiene.providers.base import Reader
from chat_hygiene.store import jobs, policies, presence, sweeps
from chat_hygiene.store.jobs import Waiting
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.wiring import keyring
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.plans import check_plan

RUN_WAITS_FOR = timedelta(seconds=60)
"""`run` waits for a job that is due within this time, and lists the rest."""


@dataclass(slots=True)
class Watcher:
    """What a face wants to hear while a run goes on; each is called from the run's own thread."""

    stage: Callable[[str], None] = lambda _: None
    synced: sweep.Progress = lambda _device, _seen: None
    worked: drain.Progress = lambda _: None
    queued: Callable[[int], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one `run` did, stage by stage."""

    started_at: datetime
    finished_at: datetime
    reconciled: reconcile.Report
    synced: sync.Report
    looked: debts.Report
    evaluated: tuple[evaluate.Report, ...]
    drained: drain.Report
    outcomes: dict[str, int]
    waiting: Waiting
    sealed: int


def sync_once(ledger: Ledger, *, full: bool, watcher: Watcher) -> sync.Report:
    """One sync of every device, sealed. Raises ProviderError when the account cannot be reached."""
    context = ledger.context
    keyring.require(context)

    async def work() -> sync.Report:
        reader = registry.open_reader(context.settings, context.clock)
        try:
            return await sync.run(
                context, reader, full=full, pacer=Pacer(context), now=context.clock(), progress=watcher.synced
            )
        finally:
            await reader.aclose()

    def take_back() -> None:
        with context.sessions.begin() as session:
            sweeps.release_all(session)

    try:
        if context.settings.sqlite_file is None:
            return asyncio.run(work())
        with presence.working(context.settings.sqlite_file, when_alone=take_back):
            return asyncio.run(work())
    finally:
        seal.run(context)


def to_run(ledger: Ledger, names: Sequence[str]) -> list[StoredPolicy]:
    """The policies that a `run` of these names takes: all enforcing ones unless named.

    Raises UsageError for a name that is none of them, and UnreadablePolicyError.
    """
    with ledger.reading() as session:
        policies.load(session, names)  # one that cannot be read is told of, and not said to be missing
        stored = [each for each in policies.load(session) if each.policy.action == "delete"]
    if not names:
        return [each for each in stored if each.enforces]
    known = {each.policy.name: each for each in stored}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"no delete policy is named {', '.join(unknown)}",
            fix=f"stored are: {', '.join(known) or 'none; store some with `chat-hygiene policy apply FILE`'}",
        )
    return [known[name] for name in dict.fromkeys(names)]


def run_once(
    ledger: Ledger, names: Sequence[str], *, watcher: Watcher, plan: Plan | None = None
) -> RunReport:
    """Now, once, to the end: reconcile, sync, look for what is owed, evaluate, drain what is due, seal.

    With a plan only its chats can go, and only those of them that still match.

    Raises ProviderError when the account cannot be reached; what an earlier run left is then untouched but reconciled.
    Raises SafetyStopError when the plan may not be carried out any more.
    """
    context = ledger.context
    keyring.require(context)
    if plan is not None:
        check_plan(ledger, plan)
    alone: list[reconcile.Report] = []

    def take_back() -> None:
        alone.append(reconcile.run(context, now=context.clock(), alone=True))

    def work() -> RunReport:
        try:
            return asyncio.run(_run(ledger, names, plan, watcher, alone))
        finally:
            seal.run(context)

    if context.settings.sqlite_file is None:
        return work()
    with presence.working(context.settings.sqlite_file, when_alone=take_back):
        return work()


async def _run(
    ledger: Ledger,
    names: Sequence[str],
    plan: Plan | None,
    watcher: Watcher,
    alone: Sequence[reconcile.Report],
) -> RunReport:
    context = ledger.context
    started = context.clock()
    watcher.stage("reconcile")
    reconciled = alone[0] if alone else reconcile.run(context, now=started)
    reader = registry.open_reader(context.settings, context.clock)
    pacer = Pacer(context)
    try:
        watcher.stage("sync")
        synced = await sync.run(
            context, reader, full=True, pacer=pacer, now=context.clock(), progress=watcher.synced
        )
        now = context.clock()
        if plan is None:  # it closes whatever is due on such numbers
            await asyncio.to_thread(departed.run, context, now=now)
        looked = await debts.run(
            context, reader, pacer=pacer, now=now, until=now + RUN_WAITS_FOR, stop=drain.never
        )
        watcher.stage("evaluate")
        if plan is None:
            evaluated = await asyncio.to_thread(_evaluate, ledger, names)
            mine = jobs.of_policies([each.id for each in to_run(ledger, names)] if names else None)
        else:
            evaluated = await asyncio.to_thread(_carry_out, ledger, plan)
            mine = jobs.of_plans([each.run_id for each in evaluated])
        watcher.stage("delete")
        drained = await _drain(ledger, reader, pacer, watcher, mine)
    finally:
        await reader.aclose()
    watcher.stage("seal")
    sealed = seal.run(context)
    told = jobs.of_policies(None) if plan is None else mine
    with ledger.reading() as session:
        outcomes = jobs.outcomes_since(session, started, mine=told)
        finished = context.clock()
        waiting = jobs.count_waiting(session, mine=told, now=finished)
    return RunReport(
        started_at=started,
        finished_at=finished,
        reconciled=reconciled,
        synced=synced,
        looked=looked,
        evaluated=tuple(evaluated),
        drained=drained,
        outcomes=outcomes,
        waiting=waiting,
        sealed=sealed,
    )


def _evaluate(ledger: Ledger, names: Sequence[str]) -> list[evaluate.Report]:
    context, reports = ledger.context, []
    for stored in to_run(ledger, names):
        now = context.clock()
        reports.append(evaluate.run(context, stored.policy.name, trigger="manual", slot=now, now=now))
    return reports


def _carry_out(ledger: Ledger, plan: Plan) -> list[evaluate.Report]:
    """Evaluates each policy of the plan among the chats that the plan lists."""
    check_plan(ledger, plan)  # the sync took its time
    context, reports = ledger.context, []
    for planned in plan.policies:
        now = context.clock()
        reports.append(
            evaluate.run(
                context,
                planned.policy,
                trigger="plan",
                slot=now,
                now=now,
                only=planned.candidates,
                version=planned.version,
            )
        )
    return reports


def work_off(ledger: Ledger, job_ids: Collection[int], *, watcher: Watcher) -> drain.Report:
    """Works these jobs now, as far as they are due within `RUN_WAITS_FOR`, and seals. Nothing else is looked for.

    Raises ProviderError when the account cannot be reached: the jobs wait for a worker then.
    """
    context = ledger.context

    async def work() -> drain.Report:
        reader = registry.open_reader(context.settings, context.clock)
        try:
            watcher.stage("reconcile")
            # What a number can do now decides whether its jobs are taken up.
            await sync.list_devices(context, reader, now=context.clock())
            watcher.stage("delete")
            return await _drain(ledger, reader, Pacer(context), watcher, jobs.of_ids(job_ids))
        finally:
            await reader.aclose()

    def take_back() -> None:
        reconcile.run(context, now=context.clock(), alone=True)

    try:
        if context.settings.sqlite_file is None:
            return asyncio.run(work())
        with presence.working(context.settings.sqlite_file, when_alone=take_back):
            return asyncio.run(work())
    finally:
        seal.run(context)


async def _drain(
    ledger: Ledger, reader: Reader, pacer: Pacer, watcher: Watcher, mine: ColumnElement[bool]
) -> drain.Report:
    context = ledger.context
    if context.settings.read_only:
        return drain.Report(0, "READ_ONLY is set: this process holds no deleter")
    with ledger.reading() as session:
        watcher.queued(jobs.count_due(session, mine=mine, before=context.clock() + RUN_WAITS_FOR))
    deleter = registry.open_deleter(context.settings, context.clock)
    try:
        return await drain.run(
            context,
            reader,
            deleter,
            pacer=pacer,
            horizon=RUN_WAITS_FOR,
            mine=mine,
            progress=watcher.worked,
        )
    finally:
        await deleter.aclose()
