"""Living worlds in a database, one after the other; and what the product made there."""

from sqlalchemy import delete, insert, select, update

from chat_hygiene.store import tables
from chat_hygiene.store.tables import chats, devices, holds, jobs, policies, policy_runs, policy_versions
from integration.policies.living import DAY, HOUR, NOW


def open_store(sessions):
    """The numbers' rows, which every world changes."""
    with sessions.begin() as session:
        for number, alias in ((1, "sales"), (2, None), (3, None)):
            session.execute(
                insert(devices).values(id=number, provider="test", device=f"d{number}", alias=alias)
            )


def store(session, world):
    """Nothing but this world is stored."""
    for table in (tables.run_candidates, jobs, policy_runs, holds, chats):
        session.execute(delete(table))
    session.execute(update(policies).where(policies.c.state != "retired").values(state="retired"))
    for number, row in world.numbers.items():
        empty = dict.fromkeys(("product", "blocked_reason"))
        session.execute(update(devices).where(devices.c.id == number).values(empty | row))
    stop = {"on": world.stopped, "actor": "ops", "reason": "a check", "at": NOW - DAY}
    session.execute(update(tables.switches).where(tables.switches.c.name == "stop").values(stop))
    heads, versions = [], []
    for each in (*world.rules, *world.keeps):
        action = each.document.get("action", "delete")
        head = {"id": each.id, "name": each.name, "action": action, "state": each.state}
        heads.append(head | {"version": 1, "created_at": NOW - DAY})
        version = {"policy_id": each.id, "version": 1, "document": each.document, "rule": ""}
        versions.append(version | {"created_by": "x", "created_at": NOW - DAY})
    session.execute(insert(policies), heads)
    session.execute(insert(policy_versions), versions)
    known = {"key_id": "1", "chat_hint": "", "synced_at": NOW - HOUR}
    for chat in world.chats.values():
        chat.pop("job", None)
    session.execute(insert(chats), [chat | known for chat in world.chats.values()])
    _store_history(session, world)
    placed = {"reason": "case 7", "held_by": "dpo", "placed_at": NOW - 9 * DAY}
    for row in world.holds:
        row["id"] = session.execute(insert(holds).values(row | placed).returning(holds.c.id)).scalar_one()


def _store_history(session, world):
    for rules, ago, run, states in world.history:
        at = NOW - ago * HOUR
        row = {"policy_id": rules.id, "version": 1, "trigger": "manual", "mode": "enforce", "state": "done"}
        times = dict.fromkeys(("scheduled_for", "started_at", "finished_at"), at)
        run_id = session.execute(
            insert(policy_runs).values(**row, **times, **run, requested_by="x").returning(policy_runs.c.id)
        ).scalar_one()
        values = [
            {
                **{name: world.chats[n][name] for name in ("device_id", "chat_ref")},
                **dict.fromkeys(("queued_at", "matched_at", "not_before", "next_attempt_at"), at),
                "chat_id": n,
                "generation": 1,
                "chat_hint": "",
                "reason": "",
                "run_id": run_id,
                "policy_id": rules.id,
                "version": 1,
                "state": state,
                "finished_at": None if state == "queued" else at,
                "debt_state": "open",
                "whatsapp_state": "confirmed",
                "platform_state": "removed",
            }
            for n, state in states.items()
        ]
        session.execute(insert(jobs), values)


PAST = (
    select(jobs)
    .join(policy_runs, policy_runs.c.id == jobs.c.run_id)
    .order_by(jobs.c.id)
    .with_only_columns(
        *(
            jobs.c[name]
            for name in ("id", "chat_id", "chat_ref", "device_id", "run_id", "policy_id", "version")
        ),
        *(jobs.c[name] for name in ("state", "queued_at", "matched_at", "not_before", "finished_at")),
        *(policy_runs.c.approved_by, policy_runs.c.canary, policy_runs.c.version.label("run_version")),
    )
)


def past(session):
    """Every job, with the run that queued it."""
    return session.execute(PAST).all()
