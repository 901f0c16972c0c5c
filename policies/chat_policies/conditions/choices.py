"""Conditions on a fact with a closed set of values: a misspelt value is an error, not a rule that never matches."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import ColumnElement, FromClause

from chat_policies import facts
from chat_policies.conditions.base import OneOrMore, T, Timeless
from chat_policies.messages import mask, one_of


class Choice(Timeless, OneOrMore[T]):
    """The fact is one of the values written; NULL when the fact is unknown."""

    facts: ClassVar[tuple[str, ...]]
    phrase: ClassVar[str]

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:  # noqa: ARG002 - the protocol's shape
        """Membership: NULL stays NULL."""
        return chat.c[self.facts[0]].in_(self.root)

    def words(self) -> str:
        """`status pending or active`."""
        return f"{self.phrase} {one_of([mask(str(value)) for value in self.root])}"


class Status(Choice[facts.Status]):
    """The state on the platform."""

    facts = ("status",)
    phrase = "status"

    def bound(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """It is plain itself."""
        return self.sql(chat, now)


class WhatsappStatus(Choice[facts.WhatsappStatus]):
    """The state inside WhatsApp."""

    facts = ("whatsapp_status",)
    phrase = "status in WhatsApp"


class Kind(Choice[facts.Kind]):
    """What kind of chat. Written in `when` it lifts the rule that only one-to-one chats go."""

    facts = ("kind",)
    phrase = "kind"
