"""Why one chat goes or stays: each clause with its value and the facts it saw."""

from collections.abc import Iterable, Mapping
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


class Look:
    """Clauses, of one policy or of several, asked of chats by one statement; what several share is asked once."""

    def __init__(self, clauses: Iterable[Clause]) -> None:
        self._names = {clause: f"c{number}" for number, clause in enumerate(dict.fromkeys(clauses))}

    def select(self, chat: FromClause) -> Select[*tuple[Any, ...]]:
        """One row a chat: id, the clauses' values as c0, c1 …, then each fact that any of them looks at."""
        values = (type_coerce(clause.sql, Boolean).label(name) for clause, name in self._names.items())
        facts = dict.fromkeys(fact for clause in self._names for fact in clause.facts)
        return select(chat.c.id, *values, *(chat.c[fact] for fact in facts)).select_from(chat)

    def read(self, row: Row[*tuple[Any, ...]]) -> dict[Clause, Verdict]:
        """The verdict of each clause, from a row of `select`."""
        seen = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        return {
            clause: Verdict(clause, seen[name], {fact: seen[fact] for fact in clause.facts})
            for clause, name in self._names.items()
        }
