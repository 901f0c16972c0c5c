"""The tree of conditions under `when` and `unless`: a mapping of conditions, and `any`, `all` and `not` of more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, create_model, model_serializer, model_validator
from sqlalchemy import ColumnElement, FromClause, and_, not_, or_

from chat_policies.conditions import CONDITIONS, Condition
from chat_policies.conditions.base import FROZEN, Items, Unbounded
from chat_policies.messages import all_of, refuse

MOST_VALUES = 500
"""In one tree: a database limits the depth of a statement and its parameters."""


@dataclass(frozen=True, slots=True)
class _Group(Unbounded):
    # A bound of all its members would double the depth of the statement, which a database limits.
    members: tuple[Condition, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        """The facts of all members, each once."""
        return tuple(dict.fromkeys(fact for member in self.members for fact in member.facts))

    def ripens(self, facts: Mapping[str, object]) -> list[datetime]:
        """The instants of all members."""
        return [instant for member in self.members for instant in member.ripens(facts)]


class AllOf(_Group):
    """Every member."""

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """AND."""
        return and_(*(member.sql(chat, now) for member in self.members))

    def words(self) -> str:
        """`a and b`."""
        return all_of([member.words() for member in self.members])


class AnyOf(_Group):
    """At least one member."""

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """OR."""
        return or_(*(member.sql(chat, now) for member in self.members))

    def words(self) -> str:
        """`any of (a; b)`."""
        return f"any of ({'; '.join(member.words() for member in self.members)})"


class Not(_Group):
    """Not all members together."""

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """NOT of AND: NULL stays NULL."""
        return not_(and_(*(member.sql(chat, now) for member in self.members)))

    def words(self) -> str:
        """`not (a and b)`."""
        return f"not ({all_of([member.words() for member in self.members])})"


_FIELDS: dict[str, Any] = {name: (kind | None, None) for name, kind in CONDITIONS.items()}
_Conditions = create_model(
    "_Conditions",
    __config__=FROZEN | ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1}),
    **_FIELDS,
)


class Rules(_Conditions):  # type: ignore[valid-type,misc] # its fields are the table's
    """A mapping of conditions and groups; what joins its members is said by the key it stands under."""

    any: Items["Rules"] = ()
    all: Items["Rules"] = ()
    not_: "Rules | None" = Field(default=None, alias="not")

    @model_validator(mode="before")
    @classmethod
    def _some(cls, value: object) -> object:
        if value == {}:
            raise refuse(
                "must not be empty", "name at least one condition: an empty rule never means all chats"
            )
        return value

    @model_serializer(mode="wrap")
    def _spelling(self, dump: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        written = {name: value for name, value in dump(self).items() if value is not None and value != []}
        return {"not" if name == "not_" else name: value for name, value in written.items()}

    def members(self) -> dict[str, Condition]:
        """What is written, by its key, in the order of the table of conditions."""
        members = {name: getattr(self, name) for name in CONDITIONS if getattr(self, name) is not None}
        if self.any:
            members["any"] = AnyOf(tuple(rules.together() for rules in self.any))
        if self.all:
            members["all"] = AllOf(tuple(rules.together() for rules in self.all))
        if self.not_ is not None:
            members["not"] = Not(tuple(self.not_.members().values()))
        return members

    def together(self) -> Condition:
        """The mapping as one condition: all of its members."""
        members = tuple(self.members().values())
        return members[0] if len(members) == 1 else AllOf(members)

    def values(self) -> int:
        """How many durations, flags and listed texts the tree has."""
        return _leaves(self.model_dump(mode="json"))


def _leaves(document: object) -> int:
    if isinstance(document, dict):
        return sum(_leaves(value) for value in document.values())
    return sum(_leaves(item) for item in document) if isinstance(document, list) else 1
