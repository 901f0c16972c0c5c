"""Why a run deletes what it deletes: how many chats each clause stopped, counted in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, FromClause, Row, Select, and_, false, func, not_, select, true

from chat_policies.clause import Clause


@dataclass(frozen=True, slots=True)
class ClauseCount:
    """How many chats a clause kept: known to fail it, and unknown to it.

    A scope clause is counted among the chats seen, any other among those in scope; a chat counts in every clause that
    keeps it.
    """

    name: str
    words: str
    failed: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """Counts of chats, over all rows asked.

    Attributes:
        seen: not removed (`scope.removed` holds).
        in_scope: every `scope.…` clause holds.
        matched: every clause holds.
        held: would match, but a hold stops it: every clause but the `hold` and `keep.…` ones holds, a hold does not.
        kept: would match, but a keep-policy stops it and no hold: every clause but the `keep.…` ones holds, one of
            those does not. So `matched + held + kept` chats meet the policy itself.
        clauses: one count for each clause, in order.
    """

    seen: int
    in_scope: int
    matched: int
    held: int
    kept: int
    clauses: tuple[ClauseCount, ...]

    def unmet(self, clause: ClauseCount) -> str:
        """What the chats that one of its clauses kept do not meet, and how many of them it cannot tell anything of."""
        words = f"unless {clause.words}" if _kind(clause) in {"unless", "keep", "hold"} else clause.words
        if not clause.unknown:
            return f"“{words}”"
        if clause.unknown == (self.seen if _kind(clause) == "scope" else self.in_scope):
            return f"“{words}”: no answer of the API says it"
        return f"“{words}”: of {clause.unknown:,} it is not known"


def funnel(clauses: Sequence[Clause], chat: FromClause) -> Select[*tuple[int, ...]]:
    """One row: seen, in_scope, matched, held, kept, then failed and unknown of each clause."""
    # Each clause, and what several of them say together, is computed once a chat; OFFSET keeps both engines from copying
    # its text into every count below.
    values = select(*(clause.sql.label(f"c{i}") for i, clause in enumerate(clauses)))
    single = values.select_from(chat).offset(0).subquery()
    named = [(clause, single.c[f"c{i}"]) for i, clause in enumerate(clauses)]

    def holds(*kinds: str) -> ColumnElement[bool]:
        return and_(
            true(), *(value.is_(_wanted(clause)) for clause, value in named if _kind(clause) in kinds)
        )

    own = {_kind(clause) for clause in clauses} - {"hold", "keep"}
    together = {
        "seen": and_(
            true(), *(value.is_(true()) for clause, value in named if clause.name == "scope.removed")
        ),
        "in_scope": holds("scope"),
        "meets": holds(*own),
        "unheld": holds("hold"),
        "unkept": holds("keep"),
    }
    inner = select(single, *(each.label(name) for name, each in together.items())).offset(0).subquery()
    seen, in_scope, meets, unheld, unkept = (inner.c[name] for name in together)
    counts = [
        _count(seen),
        _count(in_scope),
        _count(meets, unheld, unkept),
        _count(meets, not_(unheld)),
        _count(meets, unheld, not_(unkept)),
    ]
    for i, clause in enumerate(clauses):
        value, among = inner.c[f"c{i}"], seen if _kind(clause) == "scope" else in_scope
        counts += [
            _count(among, value.is_(not_(_wanted(clause)))),
            _count(among, value.is_(None)),
        ]
    return select(*counts).select_from(inner)


def read_funnel(clauses: Sequence[Clause], row: Row[*tuple[int, ...]]) -> Funnel:
    """The row's numbers under their names."""
    seen, in_scope, matched, held, kept, *each = row
    counts = tuple(
        ClauseCount(clause.name, clause.words, failed, unknown)
        for clause, failed, unknown in zip(clauses, each[::2], each[1::2], strict=True)
    )
    return Funnel(seen, in_scope, matched, held, kept, counts)


def _count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(and_(*conditions))


def _kind(clause: Clause | ClauseCount) -> str:
    return clause.name.partition(".")[0]


def _wanted(clause: Clause) -> ColumnElement[bool]:
    return true() if clause.wanted else false()
