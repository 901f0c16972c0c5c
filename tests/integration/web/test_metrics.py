"""The metrics have the names and labels of the contract, and say what the ledger holds."""

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert, update

from chat_hygiene.core.states import JobState
from chat_hygiene.store import heartbeats, purging, tallies, upcoming
from chat_hygiene.store.tables import devices, jobs, policies, policy_runs, switches
from support.promtool import promtool
from support.world import DAY, NOW

KINDS = {
    "chat_hygiene_jobs": ("gauge", {"state"}),
    "chat_hygiene_deletions_total": ("counter", {"policy", "outcome"}),
    "chat_hygiene_runs_total": ("counter", {"policy", "state"}),
    "chat_hygiene_runs_open": ("gauge", {"policy", "state"}),
    "chat_hygiene_run_overdue_seconds": ("gauge", {"policy"}),
    "chat_hygiene_debt_chats": ("gauge", {"device"}),
    "chat_hygiene_debt_age_seconds": ("gauge", {"device"}),
    "chat_hygiene_overdue_chats": ("gauge", {"policy"}),
    "chat_hygiene_sync_age_seconds": ("gauge", {"device"}),
    "chat_hygiene_tick_age_seconds": ("gauge", set()),
    "chat_hygiene_stopped": ("gauge", set()),
}


def samples(site):
    """{name: {labels in the order of their names: value}}, and {name: (kind, labels)}."""
    answer = site.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    values, kinds = {}, {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            values.setdefault(sample.name, {})[labels] = sample.value
            kinds[sample.name] = (family.type, set(sample.labels))
    return values, kinds


def test_names_kinds_and_labels_are_those_of_the_contract(site):
    assert samples(site)[1] == KINDS


def test_prometheus_finds_nothing_to_say_about_them(site):
    promtool("check", "metrics", stdin=site.get("/metrics").text)


def test_they_say_what_the_ledger_holds(site):
    values, _ = samples(site)
    counted = {
        "queued": 3,
        "leased": 1,
        "deleted": 1,
        "removed_locally": 1,
        "already_gone": 1,
        "failed": 1,
        "cancelled": 1,
    }
    assert values["chat_hygiene_jobs"] == {(state,): counted.get(state, 0) for state in JobState}
    assert values["chat_hygiene_deletions_total"] == {
        ("deleted", "resolved-30d"): 3,
        ("removed_locally", "resolved-30d"): 1,
        ("already_gone", "resolved-30d"): 0,
        ("failed", "resolved-30d"): 1,
    }
    ended = dict.fromkeys(("done", "rejected", "expired", "superseded", "failed"), 0) | {"done": 1}
    assert values["chat_hygiene_runs_total"] == {
        ("resolved-30d", state): count for state, count in ended.items()
    }
    waiting = {"syncing": 0, "evaluating": 0, "awaiting_approval": 1}
    assert values["chat_hygiene_runs_open"] == {
        ("resolved-30d", state): count for state, count in waiting.items()
    }
    assert values["chat_hygiene_debt_chats"] == {("d1",): 1, ("d2",): 0}
    assert values["chat_hygiene_debt_age_seconds"] == {("d1",): 0, ("d2",): 0}
    assert values["chat_hygiene_run_overdue_seconds"] == {("resolved-30d",): 0}
    assert values["chat_hygiene_overdue_chats"] == {("resolved-30d",): 3}
    assert values["chat_hygiene_sync_age_seconds"] == {("d1",): 0, ("d2",): float("inf")}
    assert values["chat_hygiene_tick_age_seconds"] == {(): 0}
    assert values["chat_hygiene_stopped"] == {(): 0}


def test_overdue_is_what_the_report_view_says(site, world):
    from sqlalchemy import text

    with world() as session:
        (overdue,) = session.scalars(
            text("SELECT overdue FROM report_v1_policies WHERE policy = 'resolved-30d'")
        )
    assert samples(site)[0]["chat_hygiene_overdue_chats"] == {("resolved-30d",): overdue}


def test_jobs_are_counted_no_further_than_is_said(site, monkeypatch):
    monkeypatch.setattr(tallies, "MOST", 2)
    monkeypatch.setattr(upcoming, "MOST", 1)
    values, _ = samples(site)
    assert values["chat_hygiene_jobs"][("queued",)] == 2
    assert values["chat_hygiene_overdue_chats"] == {("resolved-30d",): 1}
    assert "10000 are so many or more" in site.get("/metrics").text


@pytest.mark.parametrize(
    ("state", "owed"), [("open", 1), ("abandoned", 1), ("settled", 0), ("superseded", 0), ("written_off", 0)]
)
def test_debt_counts_until_it_is_settled_or_given_up_by_a_person(site, world, state, owed):
    with world.begin() as session:
        session.execute(update(jobs).where(jobs.c.id == 6).values(debt_state=state))
    assert samples(site)[0]["chat_hygiene_debt_chats"] == {("d1",): owed, ("d2",): 0}


def test_time_and_the_stop_switch_move_them(site, world):
    with world.begin() as session:
        session.execute(update(switches).where(switches.c.name == "stop").values(on=True))
        session.execute(
            update(devices).where(devices.c.device == "d1").values(last_sync_at=NOW - timedelta(hours=1))
        )
        session.execute(
            update(switches).where(switches.c.name == "heartbeat:tick").values(at=NOW - timedelta(minutes=3))
        )
        session.execute(update(policy_runs).where(policy_runs.c.id == 2).values(state="done"))
    values, _ = samples(site)
    assert values["chat_hygiene_stopped"] == {(): 1}
    assert values["chat_hygiene_sync_age_seconds"]["d1",] == 3600
    assert values["chat_hygiene_tick_age_seconds"] == {(): 180}
    assert values["chat_hygiene_runs_total"]["resolved-30d", "done"] == 2
    assert values["chat_hygiene_runs_open"]["resolved-30d", "awaiting_approval"] == 0


def test_a_number_that_left_the_account_is_measured_only_by_what_it_owes(site, world):
    with world.begin() as session:
        session.execute(update(devices).values(status="removed"))
    values, _ = samples(site)
    assert "chat_hygiene_sync_age_seconds" not in values
    assert values["chat_hygiene_debt_chats"] == {("d1",): 1}


def test_a_tick_that_never_was_is_infinitely_old(site, world):
    with world.begin() as session:
        session.execute(switches.delete().where(switches.c.name == "heartbeat:tick"))
        heartbeats.beat(session, "sync", now=NOW)
    assert samples(site)[0]["chat_hygiene_tick_age_seconds"] == {(): float("inf")}


def test_a_run_that_was_purged_stays_counted(site, world):
    run = {"policy_id": 1, "version": 2, "trigger": "schedule", "mode": "enforce", "requested_by": "beat"}
    with world.begin() as session:
        for number, ago in ((3, 900), (4, 899), (5, 2)):
            at = NOW - ago * DAY
            values = {"scheduled_for": at, "started_at": at, "finished_at": at, "state": "done"}
            session.execute(insert(policy_runs).values(id=number, **values, **run))
    before = samples(site)[0]["chat_hygiene_runs_total"]
    assert before["resolved-30d", "done"] == 4
    (runs,) = (kind for kind in purging.KINDS if kind.table is policy_runs)
    for _ in range(2):
        with world.begin() as session:
            assert len(purging.remove(session, runs, before=NOW - 700 * DAY, after=None, limit=1)) == 1
        assert samples(site)[0]["chat_hygiene_runs_total"] == before


@pytest.mark.parametrize(
    ("policy", "run", "overdue"),
    [
        ({"next_run_at": NOW - timedelta(hours=2)}, {}, 7200),
        ({"next_run_at": NOW - timedelta(hours=2), "state": "paused"}, {}, 0),
        ({}, {"state": "syncing", "scheduled_for": NOW - timedelta(hours=5)}, 18000),
        (
            {"next_run_at": NOW - timedelta(hours=2)},
            {"state": "evaluating", "scheduled_for": NOW - timedelta(hours=5)},
            18000,
        ),
    ],
)
def test_a_run_is_overdue_from_its_slot_until_it_ends(site, world, policy, run, overdue):
    with world.begin() as session:
        if policy:
            session.execute(update(policies).where(policies.c.id == 1).values(**policy))
        if run:
            session.execute(update(policy_runs).where(policy_runs.c.id == 2).values(**run))
    assert samples(site)[0]["chat_hygiene_run_overdue_seconds"] == {("resolved-30d",): overdue}


def test_debt_is_as_old_as_the_oldest_removal_that_is_not_settled(site, world):
    with world.begin() as session:
        session.execute(update(jobs).where(jobs.c.id == 6).values(debt_opened_at=NOW - 2 * DAY))
    assert samples(site)[0]["chat_hygiene_debt_age_seconds"] == {("d1",): 172800, ("d2",): 0}
