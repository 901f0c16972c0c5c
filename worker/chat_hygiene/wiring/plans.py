"""Plans: made of what a preview shows, kept in a file, and read again by `run --plan`, which may only do less."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from chat_hygiene.core.errors import InvalidInputError, SafetyStopError, UsageError
from chat_hygiene.pipeline import plan as plans
from chat_hygiene.pipeline import preview
from chat_hygiene.pipeline.plan import Plan, Planned
from chat_hygiene.store import files, policies, switches
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.wiring.ledger import Ledger

_STORED = "chat-hygiene policy list shows what is stored; policy apply FILE stores a document"
_AGAIN = "look again, and make a new plan: chat-hygiene preview --out FILE"


def make_plan(ledger: Ledger, name: str | None, *, now: datetime) -> tuple[preview.Report, Plan]:
    """What one stored policy that enforces, or all of them, would delete now, to be looked at, and as a plan.

    Raises UsageError when there is nothing that a plan could be of.
    """
    with ledger.reading() as session:
        stored = _enforcing(policies.load(session, None if name is None else [name]), name)
        report = preview.run(session, [each.policy for each in stored], ledger.settings, now=now)
    if not report.live_chats:
        raise UsageError(
            "no chat is stored yet: there is nothing to plan", fix="chat-hygiene sync reads them"
        )
    planned = [
        Planned.of(seen.policy.name, each.version, seen.going)
        for each, seen in zip(stored, report.previews, strict=True)
    ]
    return report, plans.make(planned, now=now, lasts=ledger.settings.approval_expiry_seconds)


def _enforcing(found: Sequence[StoredPolicy], name: str | None) -> list[StoredPolicy]:
    if enforcing := [each for each in found if each.enforces]:
        return enforcing
    if name is None:
        raise UsageError("no policy enforces: a plan would be empty", fix=_STORED)
    if not found or found[0].policy.action != "delete":
        raise UsageError(
            f"no delete policy is stored under the name {name}: a plan is of stored ones", fix=_STORED
        )
    does = "observes" if found[0].state == "active" else f"is {found[0].state}"
    raise UsageError(f"{name} {does}: it deletes nothing, so there is nothing to plan", fix=_STORED)


def save_plan(ledger: Ledger, plan: Plan, file: Path) -> None:
    """Writes a plan, for its owner's eyes only. Raises UsageError; nothing is ever written over."""
    try:
        new = files.write_new(file, plans.write(plan, ledger.context.keys.audit_key))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", fix="name another file") from None
    if not new:
        raise UsageError(
            f"{file} is there already, and nothing is written over", fix="name another file, or remove it"
        )


def load_plan(ledger: Ledger, file: Path) -> Plan:
    """The plan in a file, proven to be as it was written. Raises InvalidInputError or SafetyStopError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be read: {error.strerror}", fix="chat-hygiene preview --out FILE makes a plan"
        ) from None
    return plans.read(data, ledger.context.keys.audit_key, source=str(file))


def check_plan(ledger: Ledger, plan: Plan) -> None:
    """Raises SafetyStopError, with one line per reason, when the plan may not be carried out, or nothing may be deleted."""
    plans.check(plan, now=ledger.now())
    with ledger.reading() as session:
        stop = switches.stopped(session)
        stored = {
            each.policy.name: each for each in policies.load(session, [p.policy for p in plan.policies])
        }
    if stop is not None:
        raise SafetyStopError(
            f"deleting is stopped by {stop.actor}: nothing was done", fix="chat-hygiene start ends the stop"
        )
    if problems := [words for each in plan.policies if (words := _problem(each, stored.get(each.policy)))]:
        raise SafetyStopError("\n".join([*problems, "nothing was done"]), fix=_AGAIN)


def _problem(planned: Planned, stored: StoredPolicy | None) -> str | None:
    if stored is None:
        return f"{planned.policy} is not stored any more"
    if stored.state != "active":
        return f"{planned.policy} is {stored.state}"
    if stored.version != planned.version:
        return f"{planned.policy} has changed: the plan is of version {planned.version}, now version {stored.version} stands"
    return None
