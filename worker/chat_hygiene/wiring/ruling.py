"""Ruling: the policies as a person looks at them, each with its runs: what it says, who changed it, and when it comes."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from chat_hygiene.core.states import JobState
from chat_hygiene.pipeline import slots
from chat_hygiene.pipeline.house import catch_up_of
from chat_hygiene.pipeline.slots import Coming
from chat_hygiene.store import heartbeats, queues, rulebook, run_records, versions
from chat_hygiene.store.queues import Leaving
from chat_hygiene.store.records import Record
from chat_hygiene.store.rulebook import Ruled
from chat_hygiene.store.versions import Entry
from chat_hygiene.wiring.health import SILENCE, TICK
from chat_hygiene.wiring.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy and its newest runs, newest first."""

    ruled: Ruled
    runs: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Fate:
    """A delete policy with its newest run. `jobs`: how many of that run's stand in each state, up to `tallies.MOST`."""

    rule: Rule
    jobs: dict[JobState, int]


@dataclass(frozen=True, slots=True)
class Story:
    """One policy. `leaving`: how soon its queue leaves if nothing holds it up; `entries`: what was done to it, newest first."""

    rule: Rule
    leaving: Leaving
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A delete policy's runs, past and to come; `coming` is None while none come: paused, or it cannot be read."""

    rule: Rule
    coming: Coming | None


@dataclass(frozen=True, slots=True)
class Calendar:
    """The delete policies. `attended`: somebody opened due runs within the last minutes."""

    timelines: tuple[Timeline, ...]
    attended: bool


def rules(ledger: Ledger) -> list[Rule]:
    """Every policy that is not retired, each with its newest run."""
    with ledger.reading() as session:
        return [_rule(session, each, runs=1) for each in rulebook.read(session)]


def fates(ledger: Ledger) -> list[Fate]:
    """Every delete policy that is not retired, and what became of what its newest run queued."""
    with ledger.reading() as session:
        deleting = [each for each in rulebook.read(session) if each.action == "delete"]
        found = [_rule(session, each, runs=1) for each in deleting]
        ran = {each.ruled.id: each.runs[0]["id"] for each in found if each.runs}
        jobs = {policy: run_records.standing(session, run) for policy, run in ran.items()}
        return [Fate(each, jobs.get(each.ruled.id, {})) for each in found]


def story_of(ledger: Ledger, name: str, *, runs: int, now: datetime) -> Story | None:
    """One policy, retired or not, with so many of its newest runs; None: there never was one of that name."""
    with ledger.reading() as session:
        found = rulebook.read(session, name=name)
        if not found:
            return None
        (ruled,) = found
        leaving = queues.leaving(session, ruled.id, now=now)
        return Story(_rule(session, ruled, runs=runs), leaving, tuple(versions.history(session, name)))


def calendar(ledger: Ledger, *, runs: int, now: datetime, until: datetime) -> Calendar:
    """Each delete policy with so many of its newest runs, and those to come before `until`."""
    with ledger.reading() as session:
        found = [
            _rule(session, each, runs=runs) for each in rulebook.read(session) if each.action == "delete"
        ]
        ticked = heartbeats.at(session, TICK)
    return Calendar(
        timelines=tuple(Timeline(each, _coming(ledger, each.ruled, now=now, until=until)) for each in found),
        attended=ticked is not None and now - ticked <= SILENCE[TICK],
    )


def _rule(session: Session, ruled: Ruled, *, runs: int) -> Rule:
    return Rule(ruled, tuple(run_records.newest(session, ruled.id, limit=runs)))


def _coming(ledger: Ledger, ruled: Ruled, *, now: datetime, until: datetime) -> Coming | None:
    if ruled.state != "active" or ruled.next_run_at is None or ruled.policy is None:
        return None
    catch_up = catch_up_of(ruled.policy, ledger.settings)
    return slots.coming(ruled.policy, ruled.next_run_at, catch_up=catch_up, now=now, until=until)
