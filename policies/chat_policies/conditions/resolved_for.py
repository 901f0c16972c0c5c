"""`resolved_for`: the conversation is resolved, and has been for so long.

The API has no date of resolution: it is the last change of status while the status is `resolved`.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, FromClause, and_

from chat_policies.conditions.age import Age, newest_is_old

_SINCE = ("status_updated_at",)


class ResolvedFor(Age):
    """Resolved, and the status last changed that long ago."""

    facts = ("status", *_SINCE)
    phrase = "resolved for {}"

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """FALSE in any other status, whatever its date."""
        return and_(chat.c.status == "resolved", newest_is_old(chat, _SINCE, self.root, now))

    def bound(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """The date with its status."""
        return and_(chat.c.status == "resolved", Age.bound(self, chat, now))
