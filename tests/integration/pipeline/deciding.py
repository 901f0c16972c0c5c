"""Runs on a timetable, by hand: what they queued and withhold, how their jobs end, and deciding about them."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from chat_hygiene.pipeline import approval, evaluate, preview
from chat_hygiene.store import policies
from chat_hygiene.store.tables import chats, jobs, run_candidates, switches
from support.timetable import DAY

ENDED_BADLY = ("removed_locally", "failed", "quarantined")
NONE = "{max_chats: 0, max_share: 100%, canary: off}"


@dataclass(frozen=True)
class Listed:
    """A chat of a plan."""

    chat_ref: str
    device: str = "d1"
    generation: int = 1


def run(table, name: str = "old", **plan) -> evaluate.Report:
    """One run by hand, a second after whatever was before."""
    table.now += timedelta(seconds=1)
    trigger = "plan" if plan else "manual"
    with table.context() as context:
        return evaluate.run(context, name, trigger=trigger, slot=table.now, now=table.now, **plan)


def foreseen(table, name: str = "old") -> str:
    """What a preview says that a run of the policy would be told."""
    with table.context() as context, context.sessions.begin() as session:
        (stored,) = policies.load(session, [name])
        (seen,) = preview.run(session, [stored.policy], context.settings, now=table.now).previews
        return seen.verdict.ruling


def waiting(table, chats: int, **policy) -> int:
    """A run that awaits approval with so many candidates, the oldest last; its id."""
    table.policy(**{"limits": NONE, **policy})
    table.number()
    for number in range(chats):
        table.chat(number, quiet=(40 + number) * DAY)
    return run(table).run_id


def approve(table, run_id: int, *, per_day=None, because=None) -> evaluate.Report:
    with table.context() as context:
        return approval.approve(context, run_id, per_day=per_day, because=because, now=table.now)


def queued(table) -> list[str]:
    """Pseudonyms of what is queued."""
    return [
        ref
        for (ref,) in table.sql(
            select(jobs.c.chat_ref).where(jobs.c.state == "queued").order_by(jobs.c.chat_ref)
        )
    ]


def withheld(table) -> dict[str, tuple[str, datetime]]:
    """Pseudonym to what withholds it, and since when it matches."""
    query = select(chats.c.chat_ref, run_candidates.c.withheld_by, run_candidates.c.matched_at).join(
        chats, chats.c.id == run_candidates.c.chat_id
    )
    rows = table.sql(query.where(run_candidates.c.withheld_by.is_not(None)))
    assert len({ref for ref, *_ in rows}) == len(rows), "a chat is withheld twice"
    return {ref: (by, since) for ref, by, since in rows}


def end_jobs(table, *outcomes: str, most: int | None = None) -> None:
    """The queued jobs, or the first few, end so, in the order of their ids, the last outcome for all that are left."""
    ids = [
        job_id
        for (job_id,) in table.sql(select(jobs.c.id).where(jobs.c.state == "queued").order_by(jobs.c.id))
    ]
    for number, job_id in enumerate(ids[:most]):
        outcome = outcomes[min(number, len(outcomes) - 1)]
        more = {"whatsapp_state": "confirmed", "platform_state": "removed"} if outcome == "deleted" else {}
        if outcome == "removed_locally":
            more = {"debt_state": "open", "whatsapp_state": "present", "platform_state": "forced"}
        table.sql(
            update(jobs).where(jobs.c.id == job_id).values(state=outcome, finished_at=table.now, **more)
        )
        if outcome in {"deleted", "already_gone", "removed_locally"}:
            gone = select(jobs.c.chat_id).where(jobs.c.id == job_id).scalar_subquery()
            table.sql(update(chats).where(chats.c.id == gone).values(removed_at=table.now))


def message(table, number: int) -> None:
    """Somebody wrote in that chat just now."""
    table.sql(update(chats).where(chats.c.chat_ref == f"chat_{number}").values(last_message_at=table.now))


def stop(table, *, on: bool = True) -> None:
    """Somebody stops all deleting, or lets it go on."""
    values = {"on": on, "actor": "ops", "reason": "a check", "at": table.now}
    table.sql(update(switches).where(switches.c.name == "stop").values(values))


def at_once(*works) -> list:
    """What each returned or raised, all begun at one moment."""
    barrier, ended = threading.Barrier(len(works)), [None] * len(works)

    def work(place, call):
        barrier.wait()
        try:
            ended[place] = call()
        except Exception as error:  # noqa: BLE001 - handed back
            ended[place] = error

    threads = [threading.Thread(target=work, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "they wait for each other"
    return ended
