"""Conditions on how long ago something happened. A tie to the second counts; a date in the future is unknown."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import RootModel
from sqlalchemy import ColumnElement, FromClause, and_, case, or_

from chat_policies import durations
from chat_policies.conditions.base import FROZEN
from chat_policies.durations import Duration
from chat_policies.facts import MESSAGE_TIMES, instants


def newest_is_old(
    chat: FromClause, names: tuple[str, ...], age: timedelta, now: datetime
) -> ColumnElement[bool]:
    """Whether the newest known of these instants is `age` old or older; NULL when none is known or one is to come.

    Said without max() and greatest(): with a NULL among their arguments SQLite's and PostgreSQL's differ.
    """
    columns = [chat.c[name] for name in names]
    if len(columns) == 1:
        return case((columns[0] <= now, columns[0] <= now - age))
    known = or_(*(column.is_not(None) for column in columns))
    past = (or_(column.is_(None), column <= now) for column in columns)
    old = (or_(column.is_(None), column <= now - age) for column in columns)
    return case((and_(known, *past), and_(*old)))


def newest_turns(facts: Mapping[str, object], names: tuple[str, ...], age: timedelta) -> list[datetime]:
    """When `newest_is_old` turns: as the newest instant passes, and as it becomes old."""
    known = instants(facts, *names)
    if not known:
        return []
    newest = max(known)
    try:
        return [newest, newest + age]
    except OverflowError:  # a fact in the year 9999
        return [newest]


class Age(RootModel[Duration]):
    """The newest known of `facts` is at least this long ago."""

    model_config = FROZEN

    facts: ClassVar[tuple[str, ...]]
    phrase: ClassVar[str]

    def sql(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """See `newest_is_old`."""
        return newest_is_old(chat, self.facts, self.root, now)

    def bound(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """Without the look at dates in the future."""
        return chat.c[self.facts[-1]] <= now - self.root

    def words(self) -> str:
        """`no message from the customer for 30 d or more`."""
        return self.phrase.format(durations.words(self.root))

    def ripens(self, facts: Mapping[str, object]) -> list[datetime]:
        """See `newest_turns`."""
        return newest_turns(facts, self.facts, self.root)


class InactiveFor(Age):
    """No message either way."""

    facts = MESSAGE_TIMES
    phrase = "no message either way for {}"

    def bound(self, chat: FromClause, now: datetime) -> ColumnElement[bool]:
        """None from the customer either: as `no_inbound_for`, but that none may be known."""
        inbound = chat.c.last_inbound_at
        return or_(inbound.is_(None), inbound <= now - self.root)


class NoInboundFor(Age):
    """No message from the customer."""

    facts = ("last_inbound_at",)
    phrase = "no message from the customer for {}"


class NoOutboundFor(Age):
    """No message from us."""

    facts = ("last_outbound_at",)
    phrase = "no message from us for {}"


class OlderThan(Age):
    """The first message is that old."""

    facts = ("first_message_at",)
    phrase = "first message {} ago"
