"""Incidents: what people were told about, so that each is told once, and its end too."""

from sqlalchemy import Column, Table, Text

from chat_hygiene.store.tables.base import metadata
from chat_hygiene.store.types import Instant, Json

incidents = Table(
    "incidents",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    # NULL: nobody was reached yet.
    Column("told_at", Instant),
    Column("closed_at", Instant),
    Column("detail", Json),
)
