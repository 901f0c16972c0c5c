"""Whole worlds for the pipeline: a stored policy beside keep-policies, numbers, chats, holds, and jobs of before."""

from datetime import timedelta

from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from chat_hygiene.store.tables import (
    chats,
    devices,
    holds,
    jobs,
    policies,
    policy_runs,
    policy_versions,
    run_candidates,
)
from integration.policies import oracle
from integration.policies.strategies import DEVICES, MIN_AGE, NOW, inboxes, keep_policies
from integration.policies.strategies import policies as policies_of_a_world

EVER = timedelta(days=3000)
NO_LIMITS = {"max_chats": 1_000_000, "max_share": "100%", "canary": "off"}
RUNS = 10**9
"""Ids of the runs of before: far from those that a database gives."""
STALE = 3
"""The number that was not synced lately."""


@st.composite
def some_holds(draw):
    """Holds of every scope, some of them over."""
    found = []
    for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
        scope = draw(st.sampled_from(("chat", "label", "device")))
        found.append(
            {
                "scope": scope,
                "chat_ref": f"chat_{draw(st.integers(1, 24))}" if scope == "chat" else None,
                "label": "vip" if scope == "label" else None,
                "device_id": 2 if scope == "device" else None,
                "until": draw(
                    st.sampled_from((None, None, NOW - timedelta(days=2), NOW, NOW + timedelta(hours=1)))
                ),
                "released_at": draw(st.sampled_from((None, None, None, NOW - timedelta(hours=1)))),
            }
        )
    return found


@st.composite
def worlds(draw):
    """Four worlds with the same policies, as `Store.fill` takes them: the statements of a policy are compiled once.

    Each is (policy, keep-policies, chats, holds, jobs of before); a job is (chat, state, whether it is this policy's).
    """
    policy, keeps = draw(policies_of_a_world()), draw(keep_policies())
    states = st.sampled_from(("queued", "quarantined", "failed", "failed long ago"))
    job = st.tuples(st.integers(1, 24), states, st.booleans())
    before = st.lists(job, max_size=4, unique_by=lambda each: each[0])
    return [(policy, keeps, draw(inboxes(policy)), draw(some_holds()), draw(before)) for _ in range(4)]


def document(policy, **more):
    return {
        **policy,
        "mode": "enforce",
        "grace": "none",
        "delete": {"from_whatsapp": True},
        "limits": NO_LIMITS,
        **more,
    }


def held(hold, chat, now):
    if hold["released_at"] is not None or (hold["until"] is not None and hold["until"] <= now):
        return False
    if hold["scope"] == "chat":
        return hold["chat_ref"] == chat["chat_ref"]
    if hold["scope"] == "label":
        return hold["label"] in chat["labels"]
    return hold["device_id"] == chat["device_id"]


def goes(policy, keeps, chat, held_by, now):
    """Whether a chat may go, by the naive reading of everything that may keep it."""
    return (
        chat["device_id"] != STALE
        and not any(held(hold, chat, now) for hold in held_by)
        and oracle.matches(policy, keeps, chat, now, MIN_AGE, DEVICES)
    )


class Store:
    """One database that holds one world after another; each has policies of its own, since versions are never changed."""

    def __init__(self, sessions):
        self.sessions, self.world = sessions, 0
        with sessions.begin() as session:
            for number, alias in ((1, "sales"), (2, None), (3, None)):
                seen = NOW - timedelta(days=3 if number == STALE else 0)
                row = {"id": number, "provider": "test", "device": f"d{number}", "alias": alias}
                states = {"status": "operative", "session_status": "online"}
                times = {"last_online_at": seen, "last_full_sync_at": seen}
                session.execute(insert(devices).values(**row, **states, **times))

    @property
    def name(self):
        """Of the policy."""
        return f"p-{self.world}"

    @property
    def policy_id(self):
        return self.world * 10

    def fill(self, policy, keeps, inbox, held_by=(), before=(), **more):
        """Nothing but this world is stored; the policy enforces, and `more` changes its document."""
        self.world += 1
        other = {"name": "other", "schedule": "0 3 * * *", "when": {"kind": "group"}}
        documents = [document(policy, **more) | {"name": "p"}, other, *keeps]
        with self.sessions.begin() as session:
            for table in (run_candidates, jobs, policy_runs, holds, chats):
                session.execute(delete(table))
            session.execute(update(policies).where(policies.c.state == "active").values(state="retired"))
            for place, each in enumerate(documents):
                self._policy(session, self.policy_id + place, each | {"name": f"{each['name']}-{self.world}"})
            known = {"key_id": "1", "chat_hint": "", "synced_at": NOW}
            session.execute(insert(chats), [chat | known for chat in inbox])
            for hold in held_by:
                why = {"reason": "case 7", "held_by": "dpo", "placed_at": NOW - EVER}
                session.execute(insert(holds).values(**hold, **why))
            for each in before:
                self._job(session, {chat["id"]: chat for chat in inbox}, *each)

    def _policy(self, session, policy_id, document):
        action = document.get("action", "delete")
        row = {"id": policy_id, "name": document["name"], "action": action, "state": "active", "version": 1}
        session.execute(insert(policies).values(**row, created_at=NOW))
        version = {"policy_id": policy_id, "version": 1, "document": document, "rule": "", "created_by": "x"}
        session.execute(insert(policy_versions).values(**version, created_at=NOW))
        if action == "delete":
            run = {"id": RUNS + policy_id, "policy_id": policy_id, "version": 1, "trigger": "manual"}
            times = dict.fromkeys(("scheduled_for", "started_at"), NOW - EVER)
            session.execute(
                insert(policy_runs).values(**run, **times, mode="enforce", state="done", requested_by="x")
            )

    def _job(self, session, chat_of, chat_id, state, mine):
        chat, owner = chat_of[chat_id], self.policy_id + (0 if mine else 1)
        days = {"failed": 1, "failed long ago": 8}.get(state)
        row = {
            "chat_id": chat_id,
            "generation": 1,
            **{fact: chat[fact] for fact in ("device_id", "chat_ref")},
            "chat_hint": "",
            "reason": "",
            "version": 1,
            "state": state.removesuffix(" long ago"),
            "run_id": RUNS + owner,
            "policy_id": owner,
            **dict.fromkeys(("queued_at", "matched_at", "not_before", "next_attempt_at"), NOW - EVER),
            "finished_at": days and NOW - timedelta(days=days),
        }
        session.execute(insert(jobs).values(**row))
