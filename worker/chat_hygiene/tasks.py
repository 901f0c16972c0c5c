"""The tasks: each runs one stage for one slice and wakes up whoever has to go on.

A task carries at most one id, and everything it does it finds in SQL: one that is forged, late or doubled does nothing.
What goes out goes out after the stage has committed, and only onwards (tick → sync → evaluate → drain), so no two tasks
can keep waking each other. What cannot be sent is left to the next tick, which looks at everything that should be awake.
"""

import inspect
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from functools import wraps
from typing import Any

import structlog
from celery import current_app, current_task, shared_task

from chat_hygiene.core.errors import HygieneError
from chat_hygiene.wiring.health import QUEUES
from chat_hygiene.wiring.serving import Service

ROUTES = {
    "tick": "maintenance",
    "sync": "sync",
    "evaluate": "evaluate",
    "drain": "delete",
    "reconcile": "maintenance",
    # Reads, and slow ones: what keeps the rest in order does not wait behind them.
    "look_at_debts": "sync",
    "purge": "maintenance",
    "seal": "maintenance",
    "notify": "maintenance",
}
"""`heartbeat` is sent to each queue by name."""

EXPIRES = timedelta(minutes=5)
"""A wake-up that nobody heard for so long is dropped: the ticks since then have said the same. So clocks may differ by
up to five minutes between the machines, as much as deleting bears; beyond it nothing would be done at all."""

_log = structlog.get_logger(__name__)


def wake(*signatures: Any) -> None:  # noqa: ANN401 - Celery's signatures
    """Sends these; the first that fails is told, and the rest are left to the next tick.

    The connection is a fresh one: it cannot have gone stale, and without retries it holds a task for seconds at most.
    """
    if not signatures:
        return
    try:
        with (
            current_app.connection_for_write(transport_options={"max_retries": 0}) as connection,
            current_app.amqp.Producer(connection, auto_declare=False) as producer,
        ):
            for signature in signatures:
                signature.apply_async(producer=producer, retry=False, expires=EXPIRES.total_seconds())
    except Exception as error:  # noqa: BLE001 - whatever a broker's client raises, a wake-up is only a hint
        _log.warning("nobody could be woken up; the next tick does it", error=type(error).__name__)


def _stage(work: Callable[..., None]) -> Any:  # noqa: ANN401 - Celery's task
    @wraps(work)
    def task(*ids: int) -> None:
        try:
            inspect.signature(work).bind(*ids)
        except TypeError:
            _log.warning("a task was dropped: it carries too many ids, or none", ids=list(ids))
            return
        try:
            work(*ids)
        except HygieneError as error:
            # The database, the service or a setting: the next wake-up tries again.
            _log.warning(f"not done for now: {error}", fix=error.fix or None)

    return shared_task(name=f"chat_hygiene.{work.__name__}")(task)


def _service() -> Service:
    service: Service = current_app.service
    return service


def _tell(done: bool, message: str, **facts: object) -> None:  # noqa: FBT001 - whether it did anything is the point
    """One line a task; those that found nothing to do are for who debugs."""
    (_log.info if done else _log.debug)(message, **facts)


@_stage
def tick() -> None:
    """Claims the policies that are due and wakes up everybody who has something to do."""
    with _service().watching():
        found = _service().tick()
        who = [
            *([sync.s()] if found.account else []),
            *(sync.s(device) for device in found.devices),
            *(evaluate.s(run) for run in found.runs),
            *([drain.s()] if found.drain else []),
            *([reconcile.s()] if found.reconcile else []),
            *([look_at_debts.s()] if found.debts else []),
            *([purge.s()] if found.purge else []),
        ]
        late = None if found.late is None else round(found.late.total_seconds())
        _tell(bool(who), "tick", woken=len(who), late_seconds=late)
        wake(*who)


@_stage
def sync(device_id: int | None = None) -> None:
    """One slice of a device's sync; without one, the list of the account's numbers."""
    if device_id is None:
        devices = _service().list_devices()
        _log.info("numbers listed", devices=len(devices))
        wake(*(sync.s(each) for each in devices))
        return
    structlog.contextvars.bind_contextvars(device_id=device_id)
    found = _service().sync(device_id)
    if found is None:
        return
    if (report := found.report) is not None:
        _log.info(
            "synced" if report.problem is None else f"not synced: {report.problem}",
            full=report.full,
            seen=report.seen,
            new=report.new,
            changed=report.changed,
            missing=report.missing,
            more=found.more,
        )
    if found.more:
        wake(sync.s(device_id))
    elif report is not None:
        wake(*(evaluate.s(each) for each in _service().waiting_runs()))


@_stage
def evaluate(run_id: int) -> None:
    """Evaluates a run whose sync is there."""
    structlog.contextvars.bind_contextvars(run_id=run_id)
    report = _service().evaluate(run_id)
    if report is None:
        return
    _log.info(
        "evaluated",
        policy=report.policy,
        state=report.state,
        reason=report.reason,
        queued=report.queued,
        cancelled=report.cancelled,
        deferred=report.deferred,
    )
    if report.queued:
        wake(drain.s())


@_stage
def drain() -> None:
    """One slice of the jobs that are due."""
    report = _service().drain()
    if report is None:
        return
    _tell(report.worked > 0, "drained", worked=report.worked, stopped=report.stopped, more=report.more)
    if report.more:
        wake(drain.s())


@_stage
def reconcile() -> None:
    """Takes back what dead workers left, and closes what nobody can be asked for any more."""
    report = _service().reconcile()
    facts = {**asdict(report.leases), "departed": report.departed}
    _tell(any(facts.values()), "reconciled", **facts)


@_stage
def look_at_debts() -> None:
    """One round through the debts that are due. The tick wakes the next: a round takes about as long as four ticks."""
    report = _service().look_at_debts()
    if report is None:
        return
    facts = asdict(report)
    _tell(any(facts.values()), "debts looked at", **facts)


@_stage
def purge() -> None:
    """Lets go of our own rows past their retention."""
    facts = asdict(_service().purge())
    _tell(any(facts.values()), "purged", **facts)


@_stage
def seal() -> None:
    """Seals the audit's new events."""
    events = _service().seal()
    _tell(events > 0, "sealed", events=events)


@_stage
def notify() -> None:
    """Tells people what is wrong, what is over, and the digest."""
    facts = asdict(_service().notify())
    _tell(any(facts.values()), "people were told", **facts)


@_stage
def heartbeat() -> None:
    """Writes that the queue it came by is served."""
    queue = current_task.request.delivery_info["routing_key"]
    if queue in QUEUES:
        _service().beat(queue)
