"""Explain: why one chat goes, stays, or went. Reads only; the verdicts come from the same clauses that decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.pipeline import rules
from chat_hygiene.settings import Settings
from chat_hygiene.store import audit, chats, devices, jobs, policies
from chat_hygiene.store.devices import Device
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.records import Record
from chat_hygiene.store.tables import chats as chat_rows
from chat_policies import UnknownDeviceError, Verdict, ripening


@dataclass(frozen=True, slots=True)
class PolicyVerdict:
    """One policy's clauses for the chat. `eligible_at`: when it matches if nothing changes; None: not by waiting."""

    stored: StoredPolicy
    verdicts: tuple[Verdict, ...]
    matches: bool
    eligible_at: datetime | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything known of one chat on one device."""

    chat: Record
    device: Device
    fresh: bool
    policies: tuple[PolicyVerdict, ...]
    jobs: tuple[Record, ...]
    events: tuple[Record, ...]


def run(session: Session, refs: Sequence[str], settings: Settings, *, now: datetime) -> list[Report]:
    """One report per stored chat that has one of these pseudonyms."""
    fresh = devices.fresh_ids(session, now=now, freshness=settings.freshness_seconds)
    deleting = [each for each in policies.load(session) if each.policy.action == "delete"]
    reports = []
    for row in chats.find(session, refs):
        (device,) = devices.load(session, [row["device_id"]])
        reports.append(
            Report(
                chat=row,
                device=device,
                fresh=device.id in fresh,
                policies=tuple(_verdict(session, each, row, settings, now=now) for each in deleting),
                jobs=tuple(jobs.find(session, chat_refs=[row["chat_ref"]])),
                events=tuple(audit.find(session, chat_refs=[row["chat_ref"]])),
            )
        )
    return reports


def _verdict(
    session: Session, stored: StoredPolicy, row: Record, settings: Settings, *, now: datetime
) -> PolicyVerdict:
    try:
        verdicts = _ask(session, stored, row["id"], settings, now=now)
    except UnknownDeviceError as error:
        return PolicyVerdict(stored, (), matches=False, eligible_at=None, problem=str(error))
    matching = _all_hold(verdicts)
    eligible = now if matching else None
    if not matching:
        # The same clauses, asked again at each instant at which one of them turns.
        keeps = policies.keeps(session)
        for instant in ripening(stored.policy, keeps, row, settings.min_age_seconds):
            if instant > now and _all_hold(_ask(session, stored, row["id"], settings, now=instant)):
                eligible = instant
                break
    return PolicyVerdict(stored, verdicts, matches=matching, eligible_at=eligible)


def _ask(
    session: Session, stored: StoredPolicy, chat_id: int, settings: Settings, *, now: datetime
) -> tuple[Verdict, ...]:
    compiled = rules.clauses(session, stored.policy, settings, now=now)
    query = compiled.explain(chat_rows).where(chat_rows.c.id == chat_id)
    return compiled.read_explain(session.execute(query).one())


def _all_hold(verdicts: Sequence[Verdict]) -> bool:
    return all(each.holds for each in verdicts)
