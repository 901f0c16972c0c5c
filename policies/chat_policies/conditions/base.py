"""What every condition is: a value from a document that can become SQL, words, and the instants at which it turns.

A clause is three-valued: TRUE, FALSE, or NULL when a fact it needs is unknown or lies in the future.
"""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, Protocol, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, RootModel, model_validator
from sqlalchemy import ColumnElement, FromClause

from chat_policies.messages import refuse

MOST_ITEMS = 1000
LONGEST_TEXT = 200

T = TypeVar("T")

FROZEN = ConfigDict(frozen=True, strict=True)


class Condition(Protocol):
    """One condition, or a group of them."""

    @property
    def facts(self) -> tuple[str, ...]:
        """The columns it looks at, except `wid`: that is a phone number and never shown."""
        ...

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """The clause over the columns of `chat`, judged at `now`."""
        ...

    def bound(self, chat: FromClause, now: datetime) -> ColumnElement[bool] | None:
        """What holds wherever the clause is TRUE, and an index can serve; None: nothing."""
        ...

    def words(self) -> str:
        """The condition in a reader's words, without phone numbers."""
        ...

    def ripens(self, facts: Mapping[str, object]) -> list[datetime]:
        """The instants at which its value may turn for a chat with these facts."""
        ...


class Unbounded:
    """A condition that no index serves."""

    def bound(self, chat: FromClause, now: datetime) -> ColumnElement[bool] | None:  # noqa: ARG002 - the protocol's shape
        """None."""
        return None


class Timeless(Unbounded):
    """A condition that time does not turn."""

    def ripens(self, facts: Mapping[str, object]) -> list[datetime]:  # noqa: ARG002 - the protocol's shape
        """None."""
        return []


def check_text(value: str) -> str:
    """Refuses an empty, overlong or uncontrolled text: a database would refuse it later, or nobody could see it."""
    if not value:
        raise refuse("must not be empty")
    if len(value) > LONGEST_TEXT:
        raise refuse(f"is longer than {LONGEST_TEXT} characters")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in value):
        raise refuse("holds a control character")
    return value


def as_items(value: object) -> object:
    """A list with something in it, as a tuple; other values are left for the next check to refuse."""
    if not isinstance(value, list | tuple):
        return value
    if not value:
        raise refuse(
            "must not be empty", "an empty list matches nothing: name something or leave the key out"
        )
    if len(value) > MOST_ITEMS:
        raise refuse(f"has more than {MOST_ITEMS} items")
    return tuple(value)


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """The values in their order, each once."""
    return tuple(dict.fromkeys(values))


Text = Annotated[str, AfterValidator(check_text)]
Items = Annotated[tuple[T, ...], BeforeValidator(as_items), AfterValidator(distinct)]
"""A list in a document, never empty; each item is checked at its own place."""


def _also_alone(schema: dict[str, Any]) -> None:
    listed = {key: schema.pop(key) for key in ("type", "items")}
    schema["anyOf"] = [listed["items"], listed]


class OneOrMore(RootModel[Items[T]], Generic[T]):
    """`resolved`, or `[resolved, archived]`: any of them."""

    model_config = FROZEN | ConfigDict(json_schema_extra=_also_alone)

    @model_validator(mode="before")
    @classmethod
    def _alone(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return value
        if not isinstance(value, str):
            raise refuse("must be text, or a list of texts", "a number or a lone true needs quotes")
        return (value,)
