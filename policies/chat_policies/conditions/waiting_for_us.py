"""`waiting_for_us`: the last word was the customer's."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from pydantic import RootModel
from sqlalchemy import ColumnElement, FromClause, and_, case, not_

from chat_policies.conditions.base import FROZEN, Unbounded
from chat_policies.facts import instants


class WaitingForUs(Unbounded, RootModel[bool]):
    """The last inbound message is later than the last outbound one; unknown unless both are known and past."""

    model_config = FROZEN

    facts: ClassVar[tuple[str, ...]] = ("last_inbound_at", "last_outbound_at")

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """NULL when either is unknown or in the future."""
        inbound, outbound = (chat.c[name] for name in self.facts)
        waiting = case((and_(inbound <= now, outbound <= now), inbound > outbound))
        return waiting if self.root else not_(waiting)

    def words(self) -> str:
        """`waiting for our answer`."""
        return "waiting for our answer" if self.root else "not waiting for our answer"

    def ripens(self, facts: Mapping[str, object]) -> list[datetime]:
        """As a message that is dated in the future passes."""
        return instants(facts, *self.facts)
