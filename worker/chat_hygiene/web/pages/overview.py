"""The overview: how it stands, and what needs a person."""

from chat_hygiene.web.page import Content, Group, Page, Visit
from chat_hygiene.wiring import glancing


def _read(visit: Visit) -> Content:
    found = glancing.overview(visit.ledger)
    return {"awaiting": found.awaiting, "policies": found.policies}


PARTS = (Page("/", "overview", "Overview", "overview.html", _read, Group.NOW),)
