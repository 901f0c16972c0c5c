"""What an evaluation is measured beside: one rule, written by hand in SQL, as a loop over objects, and for Cloud Custodian.

Each is written as well as it can be for this one rule (`deck.DAILY`, `deck.FIRST`): it knows of no other, of no hold, no
keep-policy and no job of before.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import TextClause, bindparam, select, text
from sqlalchemy.orm import Session, registry

from bench import deck
from chat_hygiene.store.tables import chats, jobs
from chat_hygiene.store.types import Instant
from chat_policies import Funnel

GRACE = timedelta(days=7)

_LABELLED = {
    "sqlite": "EXISTS (SELECT 1 FROM json_each(labels) WHERE value IN ('vip', 'legal'))",
    "postgresql": "labels ?| ARRAY['vip', 'legal']",
}
CLAUSES = {
    "scope.removed": "removed_at IS NULL",
    "scope.missing": "missing_since IS NULL",
    "scope.kind": "kind = 'chat'",
    "scope.pinned": "pinned IS NOT TRUE",
    "scope.locked": "locked IS NOT TRUE",
    "scope.age_floor": "last_message_at <= :floor AND last_inbound_at <= :floor AND last_outbound_at <= :floor",
    "when.resolved_for": "status = 'resolved' AND status_updated_at <= :since",
    "when.no_inbound_for": "last_inbound_at <= :since",
    "unless.labels": "LABELLED",
    "unless.unread": "unread",
}
"""The rule's clauses by the names that its funnel gives them."""


def instants(rule: Mapping[str, Any]) -> dict[str, datetime]:
    """What the statements below are asked with."""
    days = int(rule["when"]["resolved_for"].removesuffix("d"))
    return {
        "now": deck.NOW,
        "due": deck.NOW + GRACE,
        "floor": deck.NOW - deck.MIN_AGE,
        "since": deck.NOW - timedelta(days=days),
    }


def _typed(statement: str) -> TextClause:
    names = [name for name in ("now", "due", "floor", "since") if f":{name}" in statement]
    return text(statement).bindparams(*(bindparam(name, type_=Instant()) for name in names))


def insert_select(engine: str) -> TextClause:
    """A job for each chat that the rule matches; asked with `instants`, `run_id`, `policy_id` and `reason`."""
    said = [f"NOT ({sql})" if name.startswith("unless.") else sql for name, sql in CLAUSES.items()]
    where = " AND ".join(said).replace("LABELLED", _LABELLED[engine])
    return _typed(f"""
        INSERT INTO jobs (chat_id, generation, device_id, chat_ref, chat_hint, run_id, policy_id, version, reason, state,
            queued_at, matched_at, not_before, next_attempt_at)
        SELECT id, generation, device_id, chat_ref, chat_hint, :run_id, :policy_id, 1, :reason, 'queued',
            :now, :now, :due, :due
        FROM chats
        WHERE {where}
        ON CONFLICT DO NOTHING
    """)


def aggregate(engine: str) -> TextClause:
    """The numbers of the rule's funnel (`numbers`), each clause computed once a chat; asked with `floor` and `since`."""
    clauses = {name.replace(".", "_"): sql for name, sql in CLAUSES.items()}
    scope = " AND ".join(name for name in clauses if name.startswith("scope_"))
    own = " AND ".join(name for name in clauses if name.startswith("when_"))
    free = " AND ".join(f"NOT {name}" for name in clauses if name.startswith("unless_"))
    counts = ["scope_removed", "in_scope", f"in_scope AND {own} AND {free}"]
    for name in clauses:
        among = "scope_removed" if name.startswith("scope_") else "in_scope"
        fails = name if name.startswith("unless_") else f"NOT {name}"
        counts += [f"{among} AND {fails}", f"{among} AND {name} IS NULL"]
    numbers = ", ".join(f"count(*) FILTER (WHERE {count})" for count in counts)
    values = ", ".join(f"({sql}) AS {name}" for name, sql in clauses.items())
    # OFFSET keeps both engines from copying the clauses into every count.
    once = "LIMIT -1 OFFSET 0" if engine == "sqlite" else "OFFSET 0"
    return _typed(
        f"""
        SELECT {numbers}
        FROM (
            SELECT *, {scope} AS in_scope FROM (SELECT {values} FROM chats {once}) AS each_clause {once}
        ) AS each_chat
    """.replace("LABELLED", _LABELLED[engine])
    )


def numbers(funnel: Funnel) -> tuple[int, ...]:
    """What `aggregate` counts, of a funnel."""
    each = {count.name: (count.failed, count.unknown) for count in funnel.clauses}
    return (funnel.seen, funnel.in_scope, funnel.matched, *(n for name in CLAUSES for n in each[name]))


class Chat:
    """A row of `chats`."""


class Job:
    """A row of `jobs`."""


_MAPPED = registry()
_MAPPED.map_imperatively(Chat, chats)
_MAPPED.map_imperatively(Job, jobs)


def loop(session: Session, rule: Mapping[str, Any], run: Mapping[str, Any], *, most: int) -> int:
    """The rule in Python over the first `most` chats as objects, read in pages of 1,000; their jobs are added together."""
    at = instants(rule)
    named = set(rule["unless"]["labels"])
    found = []
    query = select(Chat).where(chats.c.id <= most).execution_options(yield_per=1000)
    for chat in session.scalars(query):
        if (
            chat.status == "resolved"
            and chat.status_updated_at is not None
            and chat.status_updated_at <= at["since"]
            and chat.last_inbound_at is not None
            and chat.last_inbound_at <= at["since"]
            and chat.unread is False
            and not named.intersection(chat.labels)
            and chat.removed_at is None
            and chat.missing_since is None
            and chat.kind == "chat"
            and not chat.pinned
            and not chat.locked
            and chat.last_message_at <= at["floor"]
            and chat.last_outbound_at <= at["floor"]
        ):
            job = Job()
            for name in ("generation", "device_id", "chat_ref", "chat_hint"):
                setattr(job, name, getattr(chat, name))
            job.chat_id, job.version, job.state = chat.id, 1, "queued"
            job.run_id, job.policy_id, job.reason = run["run_id"], run["policy_id"], run["reason"]
            job.queued_at = job.matched_at = at["now"]
            job.not_before = job.next_attempt_at = at["due"]
            found.append(job)
    session.add_all(found)
    session.flush()
    return len(found)


class Custodian:
    """Cloud Custodian's filters of the rule, over chats as dicts whose times are datetimes. What keeps most goes first."""

    def __init__(self, rule: Mapping[str, Any]) -> None:
        # Only a benchmark that runs has it installed.
        from c7n.filters.core import FilterRegistry

        filters = FilterRegistry("chat.filters")
        self._filters = [filters.factory(each) for each in self._policy(rule)]

    def run(self, resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those that pass every filter, as a policy of it asks them."""
        for each in self._filters:
            resources = each.process(resources)
        return resources

    @staticmethod
    def _policy(rule: Mapping[str, Any]) -> list[dict[str, Any]]:
        def value(key: str, wanted: object, **more: object) -> dict[str, Any]:
            return {"type": "value", "key": key, "value": wanted, **more}

        days = int(rule["when"]["resolved_for"].removesuffix("d"))
        old = {"value_type": "age", "op": "ge"}
        labelled = value("labels", list(rule["unless"]["labels"]), op="intersect")
        return [
            value("status", "resolved"),
            value("status_updated_at", days, **old),
            value("last_inbound_at", days, **old),
            value("unread", wanted=False),
            {"not": [labelled]},
            value("removed_at", "absent"),
            value("missing_since", "absent"),
            value("kind", "chat"),
            value("pinned", wanted=True, op="ne"),
            value("locked", wanted=True, op="ne"),
            value("last_message_at", deck.MIN_AGE.days, **old),
            value("last_outbound_at", deck.MIN_AGE.days, **old),
        ]
