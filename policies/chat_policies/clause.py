"""A named clause: one reason why a chat may go or must stay."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, false, true
from sqlalchemy.sql.elements import Grouping


@dataclass(frozen=True, slots=True, eq=False)
class Clause:
    """A three-valued test of a chat, and the value that lets the chat go. NULL, unknown, never does."""

    name: str
    """`scope.kind`, `when.resolved_for`, `unless.labels`, `keep.keep-contracts`, `hold.chat`; unique in its policy."""
    words: str
    sql: ColumnElement[bool]
    wanted: bool
    """True: must be TRUE; False: must be FALSE."""
    facts: tuple[str, ...]
    """The columns it looks at that may be shown."""
    bound: ColumnElement[bool] | None = None
    """TRUE wherever the clause lets a chat go, and so plain that an index can serve it. It decides nothing: it spares a look
    at chats that the clause would keep."""

    def holds(self) -> ColumnElement[bool]:
        """TRUE or FALSE, never NULL: whether this clause lets the chat go."""
        # Grouped, because `NOT x IS TRUE` is read as `NOT (x IS TRUE)`, and an unknown x would let the chat go.
        return Grouping(self.sql).is_(true() if self.wanted else false())
