"""On the same data a preview shows, a run queues and a plan lets go the same chats; a plan can only lose some."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from chat_hygiene import wiring
from chat_hygiene.core.errors import SafetyStopError
from chat_hygiene.pipeline import evaluate, plan, preview
from chat_hygiene.settings import load_settings
from chat_hygiene.store import policies
from chat_hygiene.store.tables import jobs
from integration.policies.profiles import cases
from integration.policies.strategies import NOW, QUIET, WILD
from integration.policies.worlds import Store, goes, some_holds, worlds

KEY = b"a" * 32
WEEK = timedelta(days=7)


@pytest.fixture
def ledger(database_url):
    keys = {"audit_key": KEY.decode(), "pseudonym_key": "p" * 32}
    settings = load_settings(database_url=database_url, actor="tester", canary_chats="off", **keys)
    with wiring.open_ledger(settings, clock=lambda: NOW) as ledger:
        yield ledger


def looked(ledger, store):
    """The preview of the world's policy, and the plan of it, written and read again."""
    with ledger.reading() as session:
        (stored,) = policies.load(session, [store.name])
        (seen,) = preview.run(session, [stored.policy], ledger.settings, now=NOW).previews
    made = plan.make([plan.Planned.of(store.name, 1, seen.going)], now=NOW, lasts=WEEK)
    (found,) = plan.read(plan.write(made, KEY), KEY, source="plan.json").policies
    return seen, found


def ran(ledger, store, **only):
    """The report of a run, what it queued, and what the policy then has in its queue."""
    trigger = "plan" if only else "manual"
    report = evaluate.run(ledger.context, store.name, trigger=trigger, slot=NOW, now=NOW, **only)
    query = select(jobs.c.chat_ref, jobs.c.run_id)
    with ledger.reading() as session:
        rows = session.execute(
            query.where(jobs.c.policy_id == store.policy_id, jobs.c.state == "queued")
        ).all()
    new = {row.chat_ref for row in rows if row.run_id == report.run_id}
    assert len(new) == report.queued
    return report, new, {row.chat_ref for row in rows}


def refs(candidates):
    return {each.chat_ref for each in candidates}


def busy(before):
    """The chats that may get no job: they have one, or this version failed to delete them within a week."""
    return {
        f"chat_{number}"
        for number, state, mine in before
        if state in ("queued", "quarantined") or (state == "failed" and mine)
    }


def test_preview_equals_run_equals_plan_and_all_equal_the_naive_reading(ledger):
    store, went, stayed = Store(ledger.context.sessions), 0, 0

    @cases(250)
    @given(worlds())
    def compare(world):
        nonlocal went, stayed
        policy, keeps, inbox, holds, before = world
        store.fill(*world)
        seen, _ = looked(ledger, store)
        _, queued, queue = ran(ledger, store)
        store.fill(*world)
        _, found = looked(ledger, store)
        report, let_go, left = ran(ledger, store, only=found.candidates, version=found.version)

        assert refs(each for each in seen.going if not each.queued and not each.stale) == queued
        assert let_go == queued
        assert refs(each for each in seen.matches if each.queued) | queued == queue == left
        assert refs(report.dropped) == refs(found.candidates) - left
        may = refs_of(chat for chat in inbox if goes(policy, keeps, chat, holds, NOW))
        assert queued == may - busy(before)
        went, stayed = went + len(queued), stayed + len(inbox) - len(queued)

    compare()
    assert went >= 500
    assert stayed >= 500


def refs_of(chats):
    return {chat["chat_ref"] for chat in chats}


@st.composite
def changed(draw, inbox):
    """The same chats later: most have a fact changed, some of them so that they match only now."""
    later = []
    for chat in inbox:
        names = draw(st.lists(st.sampled_from(sorted(set(WILD) - {"device_id", "wid"})), max_size=1))
        later.append(chat | {name: draw(WILD[name]) for name in names})
    return later


def test_whatever_happens_in_between_a_plan_lets_no_other_chat_go_and_none_that_stopped_matching(ledger):
    store, went, dropped, newly = Store(ledger.context.sessions), 0, 0, 0

    @cases(150)
    @given(worlds(), st.data())
    def compare(world, data):
        nonlocal went, dropped, newly
        policy, keeps, inbox, holds, _ = world
        store.fill(*world)
        _, found = looked(ledger, store)
        later = data.draw(changed(inbox))
        more = [*holds, *data.draw(some_holds())]
        store.fill(policy, keeps, later, more)
        report, let_go, _ = ran(ledger, store, only=found.candidates, version=found.version)

        listed = refs(found.candidates)
        may = refs_of(chat for chat in later if goes(policy, keeps, chat, more, NOW))
        assert let_go == listed & may
        assert refs(report.dropped) == listed - may
        assert all(each.clause and each.words for each in report.dropped)
        went, dropped, newly = went + len(let_go), dropped + len(listed - may), newly + len(may - listed)

    compare()
    assert went >= 200
    assert dropped >= 100
    assert newly >= 10


def test_a_policy_that_was_edited_since_lets_nothing_of_the_plan_go(ledger):
    store = Store(ledger.context.sessions)
    policy = {"name": "p", "schedule": "0 3 * * *", "when": {"muted": False}}
    store.fill(policy, [], [{"id": 1, "chat_ref": "chat_1", **QUIET}])
    _, found = looked(ledger, store)
    with pytest.raises(SafetyStopError, match="version"):
        ran(ledger, store, only=found.candidates, version=found.version + 1)
    assert ran(ledger, store, only=found.candidates, version=found.version)[1] == {"chat_1"}


def test_a_plan_cannot_name_chats_into_being(ledger):
    store = Store(ledger.context.sessions)
    policy = {"name": "p", "schedule": "0 3 * * *", "when": {"muted": False}}
    inbox = [{"id": n, "chat_ref": f"chat_{n}", **QUIET, "wid": f"{n}@c.us"} for n in (1, 2)]
    store.fill(policy, [], [inbox[0], inbox[1] | {"muted": True}])
    strangers = [
        plan.Candidate(chat_ref="chat_9", device="d1", generation=1),  # of no chat
        plan.Candidate(chat_ref="chat_1", device="d2", generation=1),  # of another number
        plan.Candidate(chat_ref="chat_1", device="d1", generation=2),  # of another life
        plan.Candidate(chat_ref="chat_2", device="d1", generation=1),  # does not match
    ]
    for stranger in strangers:
        report, let_go, _ = ran(ledger, store, only=[stranger], version=1)
        assert (let_go, refs(report.dropped)) == (set(), {stranger.chat_ref})
        store.fill(policy, [], [inbox[0], inbox[1] | {"muted": True}])
