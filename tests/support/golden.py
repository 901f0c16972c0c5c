"""The filled ledger with more of everything that a report may show, and rows as both engines spell them.

What would be private stands where somebody could type it: in names, ids, reasons and a label.
"""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import insert, text
from sqlalchemy.orm import Session, sessionmaker

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit
from chat_hygiene.store.holds import Target, place
from chat_hygiene.store.tables import (
    chats,
    daily_counts,
    holds,
    jobs,
    policies,
    policy_runs,
    policy_versions,
    run_candidates,
)
from support.world import DAY, NAME, NOW, NUMBER, RULE, fill

PRIVATE = (NUMBER, NAME, "the case of")
HOUR = timedelta(hours=1)
LABEL = f"case of +{NUMBER}"


def fill_golden(sessions: sessionmaker[Session]) -> None:
    """Adds to `fill`: a policy that observes and is paused, runs that queued nothing, chats that a brake withholds,
    debts in further states, holds on labels, and the events of one chat's story."""
    fill(sessions)
    with sessions.begin() as session:
        add = lambda table, **values: session.execute(insert(table).values(**values))  # noqa: E731
        rule = "silent for 90 d or more"
        document = {"mode": "observe", "schedule": "30 4 * * 1", "timezone": "UTC"}
        add(
            policies,
            id=3,
            name="inactive-90d",
            action="delete",
            state="paused",
            version=1,
            created_at=NOW,
            next_run_at=NOW + DAY,
        )
        add(
            policy_versions,
            policy_id=3,
            version=1,
            created_by="bo",
            created_at=NOW,
            document=document,
            rule=rule,
            reason=f"the case of {NAME}",
        )
        run = {"trigger": "schedule", "requested_by": "beat", "state": "done"}
        nothing = [
            (3, 1, "enforce", 2, {"reason": "nothing matched", "seen": 9, "in_scope": 8}),
            (4, 3, "observe", 1, {"reason": "observe", "seen": 9, "in_scope": 9, "matched": 2, "held": 1}),
            (
                5,
                1,
                "enforce",
                2,
                {"reason": "stale data", "seen": 9, "in_scope": 8, "matched": 3, "deferred": 3},
            ),
        ]
        for number, policy, mode, version, counts in nothing:
            at = NOW - (number - 1) * DAY
            add(
                policy_runs,
                id=number,
                policy_id=policy,
                version=version,
                mode=mode,
                scheduled_for=at,
                started_at=at,
                finished_at=at + HOUR,
                **run,
                **counts,
            )
        for number in (10, 11, 12):
            chat = {
                "chat_ref": f"chat_{number}",
                "chat_hint": f"+44 ··· {number}",
                "device_id": 1 + number % 2,
            }
            gone = number != 10
            add(
                chats,
                id=number,
                wid=f"{NUMBER}{number}@c.us",
                name=NAME,
                key_id="1",
                synced_at=NOW,
                labels=[LABEL],
                removed_at=NOW if gone else None,
                **chat,
            )
            if not gone:
                add(
                    run_candidates,
                    run_id=2,
                    chat_id=number,
                    generation=1,
                    matched_at=NOW - 2 * DAY,
                    not_before=NOW + 36500 * DAY,
                    withheld_by="brake",
                )
                continue
            state = {11: "settled", 12: "abandoned"}[number]
            add(
                jobs, id=number, chat_id=number, generation=1, run_id=1, policy_id=1, version=2, reason=RULE, state="removed_locally",
                queued_at=NOW - 3 * DAY, matched_at=NOW - 3 * DAY, not_before=NOW - 3 * DAY, next_attempt_at=NOW - 2 * DAY,
                whatsapp_state="confirmed" if number == 11 else "unknown", platform_state="forced", finished_at=NOW - 2 * DAY,
                error_class="offline", attempts=2, debt_state=state, debt_reason="offline", debt_opened_at=NOW - 2 * DAY,
                debt_probes=number, debt_settled_at=NOW if number == 11 else None, **chat,
            )  # fmt: skip
        add(daily_counts, day=(NOW - 2 * DAY).date(), policy_id=1, device_id=1, removed_locally=1)
        add(daily_counts, day=(NOW - 2 * DAY).date(), policy_id=1, device_id=2, removed_locally=1)
        # Ids were written by hand so far; this hold gets one from the database.
        session.execute(holds.delete())
        place(
            session,
            Target("label", 2, label=LABEL),
            reason=f"the case of {NAME}",
            until=NOW + 36500 * DAY,
            now=NOW,
            actor="bo",
        )
        story = {
            "actor": "worker",
            "policy": "resolved-30d",
            "policy_version": 2,
            "run_id": 1,
            "job_id": 2,
            "device": "d1",
            "chat_ref": "chat_2",
        }
        audit.append(session, Event.JOB_CLAIMED, at=NOW - 3 * HOUR, **story)
        audit.append(session, Event.JOB_INTENT, at=NOW - 2 * HOUR, detail={"call": "whatsapp"}, **story)
        audit.append(
            session,
            Event.JOB_RETRY,
            at=NOW - HOUR,
            detail={"error": "refused", "whatsapp": "present"},
            **story,
        )
        audit.append(
            session,
            Event.JOB_REQUEUED,
            at=NOW,
            detail={"because": f"the case of {NAME}", "forced": True},
            **story,
        )
        audit.append(
            session, Event.STARTED, at=NOW + HOUR, actor="ana", detail={"because": f"the case of {NAME}"}
        )


def rows(session: Session, query: str) -> tuple[list[str], list[list[object]]]:
    """The names of a query's columns, and its rows as SQLite spells them; a length of time until now is `…`."""
    found = session.execute(text(query))
    names = list(found.keys())
    return names, [
        [
            "…"
            if name.startswith("age") or (row[0] == "database" and name == "last_seen_at")
            else _spelt(value)
            for name, value in zip(names, row, strict=True)
        ]
        for row in found
    ]


def _spelt(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    # A sum over bigint is a Decimal on PostgreSQL.
    return value if value is None or isinstance(value, str) else int(value)  # type: ignore[call-overload]


def written(tables: Iterable[tuple[str, list[str], list[list[object]]]]) -> str:
    """Tables as one JSON document that a person can review: a row is a line."""
    parts = []
    for name, columns, found in tables:
        lines = ",\n".join(f"    {json.dumps(line, ensure_ascii=False)}" for line in [columns, *found])
        parts.append(f"  {json.dumps(name)}: [\n{lines}\n  ]")
    return "{\n" + ",\n".join(parts) + "\n}\n"
