"""Yes-or-no facts. A flag that the API left out is unknown: neither `true` nor `false` matches it."""

from datetime import datetime
from typing import ClassVar

from pydantic import RootModel
from sqlalchemy import ColumnElement, FromClause

from chat_policies.conditions.base import FROZEN, Timeless


class Flag(Timeless, RootModel[bool]):
    """The flag has the value written."""

    model_config = FROZEN

    facts: ClassVar[tuple[str, ...]]
    phrase: ClassVar[str]

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:  # noqa: ARG002 - the protocol's shape
        """Equality: NULL stays NULL."""
        return chat.c[self.facts[0]] == self.root

    def words(self) -> str:
        """`unread` or `not unread`."""
        return self.phrase if self.root else f"not {self.phrase}"


class Unread(Flag):
    """Has unread messages."""

    facts = ("unread",)
    phrase = "unread"


class Pinned(Flag):
    """Pinned. Written in `when` it lifts the rule that pinned chats stay."""

    facts = ("pinned",)
    phrase = "pinned"


class Muted(Flag):
    """Muted."""

    facts = ("muted",)
    phrase = "muted"


class Archived(Flag):
    """Archived."""

    facts = ("archived",)
    phrase = "archived"


class Locked(Flag):
    """Locked. Written in `when` it lifts the rule that locked chats stay."""

    facts = ("locked",)
    phrase = "locked"


class Assigned(Flag):
    """Assigned to an agent."""

    facts = ("assigned",)
    phrase = "assigned to an agent"
