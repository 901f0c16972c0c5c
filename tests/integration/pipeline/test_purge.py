"""Our own rows past their retention go, in batches, and nothing goes that still protects a chat."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, text

from chat_hygiene.pipeline import purge
from chat_hygiene.store.tables import chats, holds, jobs, policy_runs, run_candidates
from support.timetable import DAY, Timetable

OLD, YOUNG = timedelta(days=731), timedelta(days=729)
FINAL = {
    "deleted": {"whatsapp_state": "confirmed", "platform_state": "removed"},
    "already_gone": {"whatsapp_state": "unknown", "platform_state": "removed"},
    "removed_locally": {"whatsapp_state": "present", "platform_state": "forced", "debt_state": "settled"},
    "failed": {},
    "cancelled": {},
    "quarantined": {},
}
NEWEST = 10**6
"""The id of a young job, run and chat: the newest row of a table never goes."""
EFFECTIVE = ("deleted", "already_gone", "removed_locally")


class Records(Timetable):
    """Old rows, written as they would stand."""

    def run_row(self, *, ago=OLD, state="done", **columns) -> int:
        row = {
            "policy_id": 1,
            "version": 1,
            "trigger": "schedule",
            "scheduled_for": self.now - ago,
            "started_at": self.now - ago,
            "finished_at": self.now - ago,
            "mode": "enforce",
            "state": state,
            "requested_by": "scheduler",
            **columns,
        }
        ((run_id,),) = self.sql(insert(policy_runs).values(row).returning(policy_runs.c.id))
        return run_id

    def ended(self, number, run_id, *, state="deleted", ago=OLD, chat=None, **columns) -> int:
        """A job in a final state and, unless `chat` says otherwise, the chat as that left it."""
        gone = {"removed_at": self.now - ago, "removed_how": state, "wid": None}
        chat_id = self.chat(number, **(chat if chat is not None else gone if state in EFFECTIVE else {}))
        row = job_row(self.now - ago, number, chat_id, run_id, state)
        ((job_id,),) = self.sql(insert(jobs).values(**(row | columns)).returning(jobs.c.id))
        return job_id

    def newest(self) -> None:
        young = timedelta(days=10)
        self.run_row(id=NEWEST, ago=young)
        self.chat(NEWEST, id=NEWEST, removed_at=self.now - young, removed_how="deleted", wid=None)
        row = job_row(self.now - young, NEWEST, NEWEST, NEWEST, "deleted")
        self.sql(insert(jobs).values(id=NEWEST, **row))

    def purge(self, **keys) -> dict[str, int]:
        if not self.sql(f"select id from jobs where id = {NEWEST}"):
            self.newest()
        return self.purge_all(**keys)

    def purge_all(self, **keys) -> dict[str, int]:
        with self.context() as context:
            return {
                name: count for name, count in purge.run(context, now=self.now, **keys).gone.items() if count
            }

    def left(self) -> dict[str, int]:
        tables = {
            "jobs": ("jobs", "id"),
            "candidates": ("run_candidates", "run_id"),
            "runs": ("policy_runs", "id"),
            "chats": ("chats", "id"),
        }
        found = {
            name: self.sql(f"select count(*) from {table} where {column} < {NEWEST}")[0][0]
            for name, (table, column) in tables.items()
        }
        return {name: count for name, count in found.items() if count}


def job_row(at, number, chat_id, run_id, state):
    return {
        "chat_id": chat_id,
        "generation": 1,
        "device_id": 1,
        "chat_ref": f"chat_{number}",
        "chat_hint": "+44",
        "run_id": run_id,
        "policy_id": 1,
        "version": 1,
        "reason": "r",
        "state": state,
        **dict.fromkeys(("queued_at", "matched_at", "not_before", "next_attempt_at", "finished_at"), at),
        **FINAL[state],
    }


@pytest.fixture
def records(database_url):
    records = Records(database_url)
    records.policy()
    records.number()
    return records


def candidate(run_id, chat_id, at):
    return {"run_id": run_id, "chat_id": chat_id, "generation": 1, "matched_at": at, "not_before": at}


@pytest.mark.parametrize("state", FINAL)
def test_an_ended_job_goes_with_its_run_and_an_erased_chat(records, state):
    run_id = records.run_row()
    records.ended(1, run_id, state=state)
    if state in EFFECTIVE:
        assert records.purge() == {"jobs": 1, "runs": 1, "chats": 1}
        assert records.left() == {}
    elif state == "quarantined":
        assert records.purge() == {}, "the chat is there, and nothing but this job keeps it from another one"
    else:
        assert records.purge() == {"jobs": 1, "runs": 1}
        assert records.left() == {"chats": 1}


def test_what_is_younger_than_its_retention_stays(records):
    run_id = records.run_row(ago=YOUNG)
    records.ended(1, run_id, ago=YOUNG)
    records.chat(2, missing_since=records.now - YOUNG)
    assert records.purge() == {}
    assert records.events("records.purged") == []
    records.now += 2 * DAY
    assert records.purge() == {"jobs": 1, "runs": 1, "chats": 2}


def test_no_id_of_a_row_that_went_is_given_again(records):
    before = [records.run_row(ago=OLD + days * DAY) for days in (2, 1)]
    gone = [records.ended(number, before[0]) for number in (1, 2)]
    assert records.purge_all() == {"jobs": 1, "chats": 1}
    (kept,) = (row for (row,) in records.sql("select id from jobs"))
    assert kept == max(gone)
    assert records.ended(3, records.run_row()) not in gone
    assert records.purge_all() == {"jobs": 1, "runs": 2, "chats": 1}


def test_open_debt_keeps_its_job_its_run_and_its_chat(records):
    run_id = records.run_row()
    owed = {"removed_at": records.now - OLD, "removed_how": "removed_locally"}
    records.ended(1, run_id, state="removed_locally", chat=owed, debt_state="open")
    assert records.purge() == {}
    records.sql("update jobs set debt_state = 'abandoned'")
    records.sql("update chats set wid = null")
    assert records.purge() == {"jobs": 1, "runs": 1, "chats": 1}


def test_open_jobs_and_runs_that_wait_stay_however_old(records):
    run_id = records.run_row(state="awaiting_approval", finished_at=None)
    chat_id = records.chat(1, missing_since=records.now - OLD)
    records.sql(insert(run_candidates).values(candidate(run_id, chat_id, records.now)))
    queued = records.run_row(ago=OLD + DAY)
    records.ended(2, queued, state="cancelled", finished_at=None)
    records.sql("update jobs set state = 'queued'")
    records.run_row(ago=OLD + 2 * DAY, state="syncing", finished_at=None)
    assert records.purge() == {}


def test_a_job_of_an_earlier_life_goes_and_the_later_life_stays(records):
    run_id = records.run_row()
    records.ended(1, run_id, chat={"generation": 2})
    assert records.purge() == {"jobs": 1, "runs": 1}
    assert records.left() == {"chats": 1}


def test_a_removal_whose_chat_looks_alive_keeps_its_job(records):
    run_id = records.run_row()
    records.ended(1, run_id, chat={})
    assert records.purge() == {}, "without the job the same life could be deleted again"


def test_a_held_chat_keeps_its_row_and_so_its_pseudonym(records):
    records.chat(1, missing_since=records.now - OLD)
    hold = {
        "scope": "chat",
        "chat_ref": "chat_1",
        "reason": "case",
        "held_by": "dpo",
        "placed_at": records.now,
    }
    records.sql(insert(holds).values(**hold))
    assert records.purge() == {}
    records.sql("update holds set released_at = placed_at")
    assert records.purge() == {"chats": 1}


def test_evaluations_keep_the_week_that_they_count_whatever_the_setting_says(records):
    records.overrides = {"records_kept_seconds": 1}
    run_id = records.run_row(ago=6 * DAY)
    records.ended(1, run_id, state="failed", ago=6 * DAY)
    assert records.purge() == {}
    records.now += DAY + timedelta(seconds=1)
    assert records.purge() == {"jobs": 1, "runs": 1}


def test_a_purged_chat_that_returns_is_a_new_life_and_the_policy_may_delete_it_again(records):
    run_id = records.run_row()
    records.ended(1, run_id)
    records.purge()
    records.chat(1)
    slot = records.now.replace(hour=3)
    records.now = slot
    records.synced()
    (run_id,) = records.tick().runs
    assert records.evaluate(run_id).queued == 1


def test_thousands_of_rows_of_each_kind_go_in_batches_that_the_audit_counts(records):
    records.run_row()
    at, number = records.now - OLD, 3000
    base = {
        "device_id": 1,
        "kind": "chat",
        "key_id": "1",
        "chat_hint": "+44",
        "synced_at": at,
        "wid": None,
        "labels": [],
    }
    with records.context() as context, context.sessions.begin() as session:
        ids = range(1, number + 1)
        session.execute(
            insert(chats),
            [
                {**base, "id": each, "chat_ref": f"chat_{each}", "removed_at": at, "missing_since": None}
                for each in ids
            ]
            + [
                {**base, "id": each, "chat_ref": f"chat_{each}", "removed_at": None, "missing_since": at}
                for each in range(number + 1, 2 * number + 1)
            ],
        )
        run = {
            "policy_id": 1,
            "version": 1,
            "trigger": "schedule",
            "mode": "enforce",
            "state": "superseded",
            "started_at": at,
            "finished_at": at,
            "requested_by": "scheduler",
        }
        session.execute(
            insert(policy_runs),
            [{**run, "id": each + 1, "scheduled_for": at - timedelta(minutes=each)} for each in ids],
        )
        session.execute(insert(jobs), [job_row(at, each, each, 1, "deleted") for each in ids])
        session.execute(insert(run_candidates), [candidate(each + 1, each, at) for each in ids])
    stops = iter([False, False, True])
    assert records.purge(stop=lambda: next(stops)) == {"jobs": 2000}
    assert records.left()["jobs"] == 1000
    assert records.tick().purge, "a purge that was stopped is not woken again"
    assert records.purge() == {"jobs": 1000, "candidates": 3000, "runs": 3001, "chats": 6000}
    assert records.left() == {}
    assert not records.tick().purge
    told: dict[str, int] = {}
    for _, detail in records.events("records.purged"):
        (name,) = (key for key in json.loads(detail) if key != "before")
        told[name] = told.get(name, 0) + json.loads(detail)[name]
        assert json.loads(detail)[name] <= purge.BATCH
    assert told == {"jobs": 3000, "candidates": 3000, "runs": 3001, "chats": 6000}
    assert records.sql("select count(*) from policies") == [(1,)]
    assert records.sql("select count(*) from policy_versions") == [(1,)]
    records.now += DAY
    assert records.tick().purge


def test_a_policy_change_or_retirement_orphans_nothing(records):
    run_id = records.run_row()
    records.ended(1, run_id)
    records.policy(when="{inactive_for: 60d}")
    records.sql("update policies set state = 'retired'")
    assert records.purge() == {"jobs": 1, "runs": 1, "chats": 1}
    assert records.sql("select count(*) from policy_versions") == [(2,)]
    with records.context() as context, context.sessions.begin() as session:
        orphans = (
            "select count(*) from policy_runs r left join policies p on p.id = r.policy_id where p.id is null"
        )
        assert session.execute(text(orphans)).scalar_one() == 0
