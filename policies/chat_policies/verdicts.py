"""Why one chat goes or stays: each clause with its value and the facts it saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, FromClause, Row, Select, select, type_coerce

from chat_policies.clause import Clause


@dataclass(frozen=True, slots=True)
class Verdict:
    """A clause on one chat: its value (None is unknown), whether it lets the chat go, and the facts it saw."""

    clause: Clause
    value: bool | None
    facts: Mapping[str, object]

    @property
    def holds(self) -> bool:
        """Whether the clause lets the chat go."""
        return self.value is self.clause.wanted


def explain(clauses: Sequence[Clause], chat: FromClause) -> Select[*tuple[Any, ...]]:
    """One row a chat: id, the clauses' values as c0, c1 …, then each fact that any of them looks at."""
    values = [type_coerce(clause.sql, Boolean).label(f"c{i}") for i, clause in enumerate(clauses)]
    facts = dict.fromkeys(fact for clause in clauses for fact in clause.facts)
    return select(chat.c.id, *values, *(chat.c[fact] for fact in facts)).select_from(chat)


def read_explain(clauses: Sequence[Clause], row: Row[*tuple[Any, ...]]) -> tuple[Verdict, ...]:
    """One verdict for each clause, in order."""
    seen = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    return tuple(
        Verdict(clause, seen[f"c{i}"], {fact: seen[fact] for fact in clause.facts})
        for i, clause in enumerate(clauses)
    )
