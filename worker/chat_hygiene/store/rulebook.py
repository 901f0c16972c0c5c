"""Policies as somebody reads them: every one that was written, also those that this program cannot read, or are retired."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from chat_hygiene.store.policies import WRITTEN
from chat_hygiene.store.records import fetch
from chat_hygiene.store.tables import policies, policy_versions
from chat_policies import Policy


@dataclass(frozen=True, slots=True)
class Ruled:
    """A policy and its current version.

    Attributes:
        policy: its document; None when this program cannot read it.
        next_run_at: None while it is paused, and of a keep-policy.
    """

    id: int
    name: str
    action: str
    state: str
    version: int
    next_run_at: datetime | None
    rule: str
    created_by: str
    created_at: datetime
    document: dict[str, Any]
    policy: Policy | None

    @property
    def does(self) -> str:
        """What it does with the chats it names: deletes, observes or keeps."""
        if self.action == "keep":
            return "keeps"
        return "deletes" if self.document.get("mode") == "enforce" else "observes"


def read(session: Session, *, name: str | None = None) -> list[Ruled]:
    """Policies by name: the one of that name, retired or not, else all that are not retired."""
    wanted = policies.c.state != "retired" if name is None else policies.c.name == name
    current = and_(
        policy_versions.c.policy_id == policies.c.id, policy_versions.c.version == policies.c.version
    )
    columns = (
        *(policies.c[each] for each in ("id", "name", "action", "state", "version", "next_run_at")),
        *(policy_versions.c[each] for each in ("rule", "created_by", "created_at", "document")),
    )
    query = select(*columns).join(policy_versions, current).where(WRITTEN, wanted).order_by(policies.c.name)
    return [Ruled(**row, policy=_readable(row["document"])) for row in fetch(session, query)]


def _readable(document: dict[str, Any]) -> Policy | None:
    try:
        return Policy.from_document(document)
    except ValidationError:
        return None
