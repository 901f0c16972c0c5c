"""Planning ahead: the coming runs of the stored policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chat_hygiene.pipeline import slots
from chat_hygiene.pipeline.house import catch_up_of
from chat_hygiene.pipeline.slots import Coming
from chat_hygiene.settings import Settings
from chat_hygiene.store import heartbeats, switches
from chat_hygiene.store.policies import StoredPolicy
from chat_hygiene.store.switches import Stop
from chat_hygiene.wiring import looking
from chat_hygiene.wiring.health import SILENCE, TICK
from chat_hygiene.wiring.ledger import Ledger
from chat_hygiene.wiring.running import to_run


@dataclass(frozen=True, slots=True)
class Planned:
    """A delete policy and its coming runs; none while it is paused."""

    stored: StoredPolicy
    coming: Coming | None


@dataclass(frozen=True, slots=True)
class Timetable:
    """The coming runs, by policy.

    Attributes:
        stopped: the stop in force: runs queue nothing.
        attended: whether somebody opened due runs within the last minutes.
    """

    planned: tuple[Planned, ...]
    stopped: Stop | None
    attended: bool


def timetable(ledger: Ledger, names: Sequence[str], *, now: datetime, until: datetime) -> Timetable:
    """The runs before `until` of these delete policies, of all unless named. Raises UsageError when there is none of a name."""
    stored = to_run(ledger, names) if names else [each for each, _ in looking.policies(ledger)]
    with ledger.reading() as session:
        ticked, stopped = heartbeats.at(session, TICK), switches.stopped(session)
    settings = ledger.settings
    return Timetable(
        planned=tuple(
            Planned(each, _coming(each, settings, now=now, until=until))
            for each in stored
            if each.policy.action == "delete"
        ),
        stopped=stopped,
        attended=ticked is not None and now - ticked <= SILENCE[TICK],
    )


def _coming(stored: StoredPolicy, settings: Settings, *, now: datetime, until: datetime) -> Coming | None:
    if stored.state != "active" or stored.next_run_at is None:
        return None
    catch_up = catch_up_of(stored.policy, settings)
    return slots.coming(stored.policy, stored.next_run_at, catch_up=catch_up, now=now, until=until)
