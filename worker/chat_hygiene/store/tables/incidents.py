"""Incidents: what people were told about, so that each is told once, and its end too."""

from sqlalchemy import Column, Integer, Table, Text

from chat_hygiene.store.tables.base import metadata
from chat_hygiene.store.types import Instant, Json

# A row goes once its end was told, or with its end when its beginning never was. The digest is a row, too, which stays.
incidents = Table(
    "incidents",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    # NULL: nobody was reached yet.
    Column("told_at", Instant),
    # Since when it is not there any more; NULL again when it comes back before its end is told.
    Column("closed_at", Instant),
    # Whoever tells it puts the next try off first: so nobody else tells it meanwhile, and failures are spaced.
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_try_at", Instant),
    # What the message needs: ids of ours, counts and instants, never a chat.
    Column("detail", Json, nullable=False),
)
