"""`chat`: these very chats, by chat id or by the `chat_ref` that reports show."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import ColumnElement, FromClause, or_

from chat_policies.conditions.base import OneOrMore, Text, Timeless


class Chat(Timeless, OneOrMore[Text]):
    """One of the chats named."""

    facts: ClassVar[tuple[str, ...]] = ("chat_ref",)

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:  # noqa: ARG002 - the protocol's shape
        """NULL for another chat whose id has been erased."""
        return or_(chat.c.wid.in_(self.root), chat.c.chat_ref.in_(self.root))

    def words(self) -> str:
        """How many, never which: a chat id is a phone number."""
        return "the named chat" if len(self.root) == 1 else f"one of {len(self.root)} named chats"
