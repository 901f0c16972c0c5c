"""On the same data a preview shows, a run queues and a plan lets go the same chats; a plan can only lose some.

The naive reading says which; brakes, canary and approvals let no other through.
"""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from chat_hygiene import wiring
from chat_hygiene.core.errors import SafetyStopError
from chat_hygiene.pipeline import approval, evaluate, plan, preview
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
    new = queue_of(ledger, store, report.run_id)
    assert len(new) == report.queued
    return report, new, queue_of(ledger, store)


def queue_of(ledger, store, run_id=None):
    """What the policy has in its queue, of one run if given."""
    query = select(jobs.c.chat_ref).where(jobs.c.policy_id == store.policy_id, jobs.c.state == "queued")
    with ledger.reading() as session:
        return set(session.scalars(query if run_id is None else query.where(jobs.c.run_id == run_id)))


def refs(candidates):
    return {each.chat_ref for each in candidates}


def naive(world):
    """The chats that a run may queue, by the naive reading: those that go, but for those with a job.

    A chat that this version failed to delete within a week counts as one with a job.
    """
    policy, keeps, inbox, holds, before = world
    busy = {
        f"chat_{number}"
        for number, state, mine in before
        if state in ("queued", "quarantined") or (state == "failed" and mine)
    }
    return {chat["chat_ref"] for chat in inbox if goes(policy, keeps, chat, holds, NOW)} - busy


def each_of(number, some_worlds, compare):
    """Compares so many times four worlds."""

    @cases(number)
    @given(some_worlds)
    def run(found):
        for each in found:
            compare(each)

    run()


def test_preview_equals_run_equals_plan_and_all_equal_the_naive_reading(ledger):
    store, went, stayed = Store(ledger.context.sessions), 0, 0

    def compare(world):
        nonlocal went, stayed
        store.fill(*world)
        seen, found = looked(ledger, store)
        _, queued, queue = ran(ledger, store)
        store.fill(*world)
        report, let_go, left = ran(ledger, store, only=found.candidates, version=found.version)

        assert refs(each for each in seen.going if not each.queued and not each.stale) == queued
        assert let_go == queued
        assert refs(each for each in seen.matches if each.queued) | queued == queue == left
        assert refs(report.dropped) == refs(found.candidates) - left
        assert queued == naive(world)
        went, stayed = went + len(queued), stayed + len(world[2]) - len(queued)

    each_of(30, worlds(), compare)
    assert went >= 500
    assert stayed >= 500


@st.composite
def changing_worlds(draw):
    """Worlds with what became of each: most chats have a fact changed, some so that they match only now; more is held."""
    kept = sorted(set(WILD) - {"device_id", "wid"})

    def change(chat):
        names = draw(st.lists(st.sampled_from(kept), max_size=1))
        return chat | {name: draw(WILD[name]) for name in names}

    return [(world, [change(chat) for chat in world[2]], draw(some_holds())) for world in draw(worlds())]


def test_whatever_happens_in_between_a_plan_lets_no_other_chat_go_and_none_that_stopped_matching(ledger):
    store, went, dropped, newly = Store(ledger.context.sessions), 0, 0, 0

    def compare(worlds_and_changes):
        nonlocal went, dropped, newly
        (policy, keeps, inbox, holds, before), later, more = worlds_and_changes
        store.fill(policy, keeps, inbox, holds, before)
        _, found = looked(ledger, store)
        store.fill(policy, keeps, later, [*holds, *more])
        report, let_go, _ = ran(ledger, store, only=found.candidates, version=found.version)

        listed = refs(found.candidates)
        may = naive((policy, keeps, later, [*holds, *more], ()))
        assert let_go == listed & may
        assert refs(report.dropped) == listed - may
        assert all(each.clause and each.words for each in report.dropped)
        went, dropped, newly = went + len(let_go), dropped + len(listed - may), newly + len(may - listed)

    each_of(30, changing_worlds(), compare)
    assert went >= 200
    assert dropped >= 100
    assert newly >= 10


@st.composite
def limited_worlds(draw):
    """Worlds with limits, most of them none."""
    limits = st.fixed_dictionaries(
        {
            "max_chats": st.sampled_from((0, 1, 4, *[1000] * 5)),
            "max_share": st.sampled_from(("0%", "10%", *["100%"] * 4)),
            "canary": st.sampled_from(("off", "off", 1, 3)),
        }
    )
    return [(world, draw(limits)) for world in draw(worlds())]


def test_no_policy_keep_hold_brake_or_canary_lets_a_chat_through_that_may_not_go(ledger):
    store, ends = Store(ledger.context.sessions), Counter()

    def compare(limited):
        world, limits = limited
        store.fill(*world, limits=limits)
        wanted = naive(world)
        seen, _ = looked(ledger, store)
        told = {"all": seen.fresh, "first": min(seen.verdict.first, seen.fresh), "brake": 0}
        report, queued, _ = ran(ledger, store)
        assert len(queued) == told[seen.verdict.ruling], "the preview told something else"
        on_device = Counter(chat["device_id"] for chat in world[2] if chat["chat_ref"] in wanted)
        ends[report.state, report.reason] += 1
        if report.state == "awaiting_approval":
            assert queued == set()
            approval.approve(ledger.context, report.run_id, per_day=None, because=None, now=NOW)
            assert queue_of(ledger, store, report.run_id) == wanted
            return
        assert max(on_device.values(), default=0) <= limits["max_chats"], "a brake was not asked"
        assert queued <= wanted
        most = len(wanted) if limits["canary"] == "off" else min(limits["canary"], len(wanted))
        assert len(queued) == most

    each_of(20, limited_worlds(), compare)
    assert ends["awaiting_approval", "brake"] >= 5
    assert ends["done", "queued"] >= 5


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
