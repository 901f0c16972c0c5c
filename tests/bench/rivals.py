"""What an evaluation is measured beside: one rule, written by hand in SQL, as a loop over objects, and for Cloud Custodian.

Each is written as well as it can be for this one rule (`deck.DAILY`, `deck.FIRST`): it knows of no other, of no hold, no
keep-policy and no job of before.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from c7n.filters.core import Filter, FilterRegistry
from sqlalchemy import TextClause, bindparam, select, text
from sqlalchemy.orm import Session, registry

from bench import deck
from chat_hygiene.store.tables import chats, jobs
from chat_hygiene.store.types import Instant

GRACE = timedelta(days=7)

_LABELLED = {
    "sqlite": "EXISTS (SELECT 1 FROM json_each(labels) WHERE value IN ('vip', 'legal'))",
    "postgresql": "labels ?| ARRAY['vip', 'legal']",
}
_THERE = "removed_at IS NULL AND missing_since IS NULL"
_SCOPE = f"""{_THERE} AND kind = 'chat' AND pinned IS NOT TRUE AND locked IS NOT TRUE
    AND last_message_at <= :floor AND last_inbound_at <= :floor AND last_outbound_at <= :floor"""
_WHEN = ("status = 'resolved' AND status_updated_at <= :since", "last_inbound_at <= :since")
_UNREAD = "unread = false"


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
    return _typed(f"""
        INSERT INTO jobs (chat_id, generation, device_id, chat_ref, chat_hint, run_id, policy_id, version, reason, state,
            queued_at, matched_at, not_before, next_attempt_at)
        SELECT id, generation, device_id, chat_ref, chat_hint, :run_id, :policy_id, 1, :reason, 'queued',
            :now, :now, :due, :due
        FROM chats
        WHERE {_SCOPE} AND {" AND ".join(_WHEN)} AND {_UNREAD} AND NOT ({_LABELLED[engine]})
        ON CONFLICT DO NOTHING
    """)


def aggregate(engine: str) -> TextClause:
    """The numbers of the rule's funnel: each clause computed once a chat, then counted."""
    clauses = {
        "there": _THERE,
        "scope": _SCOPE,
        "resolved": _WHEN[0],
        "quiet": _WHEN[1],
        "tagged": _LABELLED[engine],
        "unread": "unread",
    }
    columns = ", ".join(f"{sql} AS {name}" for name, sql in clauses.items())
    return _typed(
        f"""
        SELECT count(*) FILTER (WHERE there), count(*) FILTER (WHERE scope),
            count(*) FILTER (WHERE scope AND resolved AND quiet AND NOT tagged AND NOT unread),
            count(*) FILTER (WHERE scope AND NOT resolved), count(*) FILTER (WHERE scope AND resolved IS NULL),
            count(*) FILTER (WHERE scope AND NOT quiet), count(*) FILTER (WHERE scope AND quiet IS NULL),
            count(*) FILTER (WHERE scope AND tagged), count(*) FILTER (WHERE scope AND tagged IS NULL),
            count(*) FILTER (WHERE scope AND unread), count(*) FILTER (WHERE scope AND unread IS NULL)
        FROM (SELECT {columns} FROM chats LIMIT ALL_ROWS OFFSET 0) AS each
    """.replace("LIMIT ALL_ROWS", "LIMIT -1" if engine == "sqlite" else "")
    )


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
        filters = FilterRegistry("chat.filters")
        self._filters: list[Filter] = [filters.factory(each) for each in self._policy(rule)]

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
