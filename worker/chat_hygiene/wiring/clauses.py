"""A policy's clauses on one chat in words: whether each lets it go, and by which facts. Numbers in facts are masked."""

from datetime import datetime
from typing import Any

from chat_hygiene.core.words import span
from chat_hygiene.store.pseudonyms import mask_numbers
from chat_policies import Verdict

TYPED = {"labels", "agent", "department"}
"""The facts that somebody typed."""


def lets_go(verdict: Verdict) -> bool | None:
    """Whether the clause lets the chat go; None: a fact is not known, which keeps it."""
    return None if verdict.value is None else verdict.value is verdict.clause.wanted


def is_scope(verdict: Verdict) -> bool:
    """Whether it is one that every chat of the policy has to satisfy."""
    return verdict.clause.name.startswith("scope.")


def words(verdict: Verdict) -> str:
    """What has to be so for the chat to go."""
    return verdict.clause.words if verdict.clause.wanted else f"not {verdict.clause.words}"


def facts(verdict: Verdict) -> dict[str, Any]:
    """What the clause saw, by column. Every text was typed or made elsewhere, and the chat's id is a phone number."""
    return {fact: _masked(value) for fact, value in verdict.facts.items() if fact != "wid"}


def seen(verdict: Verdict, now: datetime, *, typed: bool = True) -> str:
    """The same in words; without `typed` not what somebody typed."""
    told = (
        f"{fact.removesuffix('_at').replace('_', ' ')} "
        + (_words(value, now) if typed or fact not in TYPED or not value else "not shown to readers")
        for fact, value in facts(verdict).items()
    )
    return ", ".join(told)


def _masked(value: Any) -> Any:  # noqa: ANN401 - a fact
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return mask_numbers(value) if isinstance(value, str) else value


def _words(value: object, now: datetime) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{span(now - value)} ago" if value <= now else f"in {span(value - now)}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
