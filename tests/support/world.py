"""A small filled ledger: two numbers, a policy that ran, a keep-policy, and a job in every state."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, update
from sqlalchemy.orm import Session, sessionmaker

from chat_hygiene.core.events import Event
from chat_hygiene.store import audit, seals
from chat_hygiene.store.tables import (
    chats,
    daily_counts,
    devices,
    holds,
    jobs,
    policies,
    policy_runs,
    policy_versions,
    switches,
)

NOW = datetime(2026, 5, 9, 3, 0, 0, 5, tzinfo=UTC)  # as text 2026-05-09T03:00:00.000005Z
DAY = timedelta(days=1)
RULE = "resolved for 30 d or more"
NUMBER, NAME = "447362053576", "Ada Lovelace"


def fill(sessions: sessionmaker[Session]) -> None:
    """Writes it; the audit is sealed but for its last two events."""
    with sessions.begin() as session:
        add = lambda table, **values: session.execute(insert(table).values(**values))  # noqa: E731
        add(
            devices, id=1, provider="wassenger", device="d1", alias="Support", status="operative",
            session_status="online", last_online_at=NOW, last_sync_at=NOW, last_full_sync_at=NOW - DAY,
        )  # fmt: skip
        add(
            devices,
            id=2,
            provider="wassenger",
            device="d2",
            session_status="offline",
            paused_until=NOW,
            blocked_reason="plan",
        )
        when = {"resolved_for": "30d"}
        documents = {
            "delete": {
                "name": "resolved-30d", "when": when, "mode": "enforce", "schedule": "0 3 * * *",
                "timezone": "Europe/Madrid", "delete": {"from_whatsapp": True},
            },
            "keep": {"name": "keep-contracts", "action": "keep", "when": {"labels": ["contract"]}},
        }  # fmt: skip
        for number, (name, action) in enumerate([("resolved-30d", "delete"), ("keep-contracts", "keep")], 1):
            add(
                policies,
                id=number,
                name=name,
                action=action,
                state="active",
                version=2,
                created_at=NOW,
                next_run_at=NOW + DAY,
            )
            for version in (1, 2):
                add(
                    policy_versions, policy_id=number, version=version, created_by="ana", created_at=NOW,
                    document=documents[action], rule=RULE,
                )  # fmt: skip
        run = {"policy_id": 1, "version": 2, "trigger": "schedule", "mode": "enforce", "requested_by": "ana"}
        add(
            policy_runs,
            id=1,
            scheduled_for=NOW - DAY,
            started_at=NOW - DAY,
            finished_at=NOW,
            state="done",
            seen=9,
            queued=8,
            **run,
        )
        add(
            policy_runs,
            id=2,
            scheduled_for=NOW,
            started_at=NOW,
            state="awaiting_approval",
            reason="max_chats",
            approved_by="bo",
            **run,
        )
        states = {
            1: {"state": "queued", "not_before": NOW + 36500 * DAY},
            2: {"state": "queued", "error_class": "refused", "error_code": "E1", "attempts": 1, "first_failed_at": NOW, "last_failed_at": NOW},
            3: {"state": "queued", "device_id": 2},
            4: {"state": "leased"},
            5: {"state": "deleted", "whatsapp_state": "confirmed", "platform_state": "removed", "finished_at": NOW},
            6: {
                "state": "removed_locally", "whatsapp_state": "present", "platform_state": "forced", "finished_at": NOW,
                "error_class": "refused", "debt_state": "open", "debt_reason": "refused", "debt_opened_at": NOW,
                "debt_probes": 2, "debt_next_probe_at": NOW + DAY,
            },
            7: {"state": "already_gone", "whatsapp_state": "unknown", "platform_state": "removed", "finished_at": NOW},
            8: {"state": "failed", "error_class": "no_answer", "attempts": 5, "first_failed_at": NOW - DAY, "last_failed_at": NOW},
            9: {"state": "cancelled"},
        }  # fmt: skip
        for number, values in states.items():
            chat = {
                "device_id": values.get("device_id", 1),
                "chat_ref": f"chat_{number}",
                "chat_hint": f"+44 ··· 0{number}",
            }
            gone = number in (5, 6, 7)
            add(
                chats, id=number, wid=f"{NUMBER}{number}@c.us", name=NAME, key_id="1", synced_at=NOW, labels=["vip"],
                removed_at=NOW if gone else None, **chat,
            )  # fmt: skip
            times = {
                "queued_at": NOW - DAY,
                "matched_at": NOW - DAY,
                "not_before": NOW - DAY,
                "next_attempt_at": NOW,
            }
            ids = {
                "id": number,
                "chat_id": number,
                "generation": 1,
                "run_id": 1,
                "policy_id": 1,
                "version": 2,
            }
            add(jobs, reason=RULE, **{**ids, **chat, **times, **values})
        add(daily_counts, day=NOW.date(), policy_id=1, device_id=1, deleted=3, removed_locally=1, failed=1)
        add(
            holds,
            id=1,
            scope="chat",
            chat_ref="chat_99",
            reason=f"the case of {NAME}",
            held_by="bo",
            placed_at=NOW,
        )
        add(
            holds,
            id=2,
            scope="device",
            device_id=1,
            reason="x",
            held_by="bo",
            placed_at=NOW,
            until=NOW,
            released_at=NOW,
        )
        session.execute(update(switches).where(switches.c.name == "stop").values(actor="ana"))
        add(switches, name="heartbeat:tick", at=NOW)
        policy = {"at": NOW, "actor": "ana", "policy": "resolved-30d"}
        audit.append(session, Event.POLICY_CREATED, policy_version=1, **policy)
        audit.append(session, Event.POLICY_CHANGED, policy_version=2, **policy)
        audit.append(session, Event.POLICY_PAUSED, policy_version=2, **policy)
        audit.append(
            session,
            Event.JOB_DELETED,
            run_id=1,
            job_id=5,
            device="d1",
            chat_ref="chat_5",
            outcome="deleted",
            **policy,
        )
    with sessions.begin() as session:
        seals.seal(session, b"k" * 32, NOW)
    with sessions.begin() as session:
        audit.append(session, Event.HOLD_PLACED, at=NOW, actor="bo", detail={"scope": "chat"})
        audit.append(session, Event.STOPPED, at=NOW, actor="ana")
