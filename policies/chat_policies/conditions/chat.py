"""`chat`: these very chats, by chat id or by the `chat_ref` that reports show."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator
from sqlalchemy import ColumnElement, FromClause, or_

from chat_policies.conditions.base import OneOrMore, Text, Timeless
from chat_policies.messages import refuse


def _id_or_ref(value: str) -> str:
    # A bare phone number is neither, and would name nobody: a keep-policy with one would keep nothing.
    if "@" not in value and not value.startswith("chat_"):
        raise refuse(
            "is neither a chat id nor a chat_ref", 'write "447700900123@c.us", or the chat_… of a report'
        )
    return value


Named = Annotated[Text, AfterValidator(_id_or_ref)]


class Chat(Timeless, OneOrMore[Named]):
    """One of the chats named."""

    facts: ClassVar[tuple[str, ...]] = ("chat_ref",)

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:  # noqa: ARG002 - the protocol's shape
        """NULL for another chat whose id has been erased."""
        return or_(chat.c.wid.in_(self.root), chat.c.chat_ref.in_(self.root))

    def words(self) -> str:
        """How many, never which: a chat id is a phone number."""
        return "the named chat" if len(self.root) == 1 else f"one of {len(self.root)} named chats"
