"""`/metrics`: what the ledger holds, counted by the database at each scrape. The names are a contract."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from chat_hygiene.store import measures
from chat_hygiene.store.measures import Labels, Measures
from chat_hygiene.store.tallies import MOST
from chat_hygiene.wiring import Ledger

MEDIA_TYPE = CONTENT_TYPE_LATEST


def exposition(ledger: Ledger) -> bytes:
    """All metrics in Prometheus's text format."""
    now = ledger.now()
    with ledger.reading() as session:
        found = measures.read(session, now=now)
    registry = CollectorRegistry()
    registry.register(_Measured(found, now))
    return generate_latest(registry)


class _Measured(Collector):
    """One scrape's answer."""

    def __init__(self, found: Measures, now: datetime) -> None:
        self._found, self._now = found, now

    def describe(self) -> list[Metric]:
        """Nothing: the registry lives for one scrape, and nothing else can collide in it."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family, with all of its labels."""
        found = self._found
        ages: dict[Labels, float] = {label: self._age(at) for label, at in found.synced_at.items()}
        yield _gauge("jobs", f"Delete jobs by state; {MOST} are so many or more", ["state"], found.jobs)
        yield _counter("deletions", "Delete jobs that ended", ["policy", "outcome"], found.deletions)
        yield _counter("runs", "Runs of a policy that ended", ["policy", "state"], found.runs_ended)
        yield _gauge(
            "runs_open", "Runs that go on or await an approval", ["policy", "state"], found.runs_open
        )
        yield _gauge(
            "run_overdue_seconds",
            "Since the slot whose run should have ended by now; 0: none",
            ["policy"],
            self._since(found.run_due_at),
        )
        yield _gauge(
            "debt_chats", "Removed here, still in WhatsApp: open or abandoned debt", ["device"], found.debts
        )
        yield _gauge(
            "debt_age_seconds",
            "Since the oldest of these was removed here; 0: none",
            ["device"],
            self._since(found.owed_since),
        )
        yield _gauge(
            "overdue_chats",
            f"Chats that should be gone and are not: queued ({MOST} are so many or more) or withheld",
            ["policy"],
            found.overdue,
        )
        yield _gauge("sync_age_seconds", "Since the last good sync; +Inf: never", ["device"], ages)
        yield _gauge(
            "tick_age_seconds",
            "Since schedules were last looked at; +Inf: never",
            [],
            {(): self._age(found.ticked_at)},
        )
        yield _gauge("stopped", "1 while all deleting is stopped", [], {(): float(found.stopped)})

    def _since(self, instants: Mapping[Labels, datetime | None]) -> dict[Labels, float]:
        return {label: 0.0 if at is None else self._age(at) for label, at in instants.items()}

    def _age(self, at: datetime | None) -> float:
        return math.inf if at is None else max(0.0, (self._now - at).total_seconds())


def _gauge(name: str, doc: str, labels: Sequence[str], values: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(f"chat_hygiene_{name}", doc, labels=labels)
    for label, value in values.items():
        family.add_metric(label, value)
    return family


def _counter(name: str, doc: str, labels: Sequence[str], values: Mapping[Labels, int]) -> Metric:
    family = CounterMetricFamily(f"chat_hygiene_{name}", doc, labels=labels)
    for label, value in values.items():
        family.add_metric(label, value)
    return family
