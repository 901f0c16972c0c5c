"""Rows as plain dictionaries by column name: what a face or a report is handed."""

from typing import Any

from sqlalchemy import Executable
from sqlalchemy.orm import Session

Record = dict[str, Any]


def fetch(session: Session, query: Executable) -> list[Record]:
    """Every row of a query."""
    return [{str(name): value for name, value in row.items()} for row in session.execute(query).mappings()]
