"""The rows of incidents: which are open, which are told, and who tells them next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from chat_hygiene.core.incidents import Condition, Incident, Kind, next_try
from chat_hygiene.store.tables import incidents


def load(session: Session, *, lock: bool = False) -> list[Incident]:
    """All incidents, by key."""
    query = select(incidents).where(incidents.c.kind.in_(list(Kind))).order_by(incidents.c.key)
    rows = session.execute(query.with_for_update() if lock else query)
    return [_incident(row) for row in rows.mappings()]


def open_new(session: Session, found: Iterable[Condition], *, now: datetime) -> None:
    """A row for each that has none. One that began in the future by somebody's clock begins now."""
    for each in sorted(found, key=lambda each: each.key):
        began = now if each.since is None else min(each.since, now)
        row = {"key": each.key, "kind": each.kind.value, "opened_at": began, "detail": dict(each.detail)}
        session.execute(_insert(session).values(row).on_conflict_do_nothing())


def set_closed(session: Session, key: str, at: datetime | None) -> None:
    """It is wrong no longer since then; None: it is wrong again."""
    session.execute(update(incidents).where(incidents.c.key == key).values(closed_at=at))


def forget(session: Session, key: str) -> None:
    """There is nothing to tell of it any more."""
    session.execute(delete(incidents).where(incidents.c.key == key))


def take(session: Session, incident: Incident, detail: Mapping[str, Any], *, now: datetime) -> Incident:
    """For whoever tells it now: nobody else does meanwhile, and if that fails it is tried again. With its newest detail."""
    values = {
        "tries": incident.tries + 1,
        "next_try_at": next_try(incident.tries, now=now),
        "detail": dict(detail),
    }
    session.execute(update(incidents).where(incidents.c.key == incident.key).values(values))
    return replace(incident, detail=detail)


def told(session: Session, began: Sequence[str], ended: Sequence[str], *, now: datetime) -> None:
    """Somebody was told that these began, and that those ended."""
    load(session, lock=True)  # in the order in which everybody locks them
    session.execute(
        update(incidents)
        .where(incidents.c.key.in_(began), incidents.c.told_at.is_(None))
        .values(told_at=now, tries=0, next_try_at=None)
    )
    session.execute(
        delete(incidents).where(
            incidents.c.key.in_(ended), incidents.c.told_at.is_not(None), incidents.c.closed_at.is_not(None)
        )
    )


def _incident(row: RowMapping) -> Incident:
    return Incident(**{**row, "kind": Kind(row["kind"])})


def _insert(session: Session) -> Any:  # noqa: ANN401 - either engine's
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(incidents)
