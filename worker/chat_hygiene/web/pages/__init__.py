"""What the page shows and does, noun by noun; the menu has the pages in this order."""

from chat_hygiene.web.page import Part
from chat_hygiene.web.pages import (
    changes,
    chats,
    debt,
    deleted,
    devices,
    failures,
    holds,
    leaving,
    overview,
    rules,
    runs,
    stop,
)

PARTS: tuple[Part, ...] = (
    *overview.PARTS,
    *leaving.PARTS,
    *runs.PARTS,
    *rules.PARTS,
    *failures.PARTS,
    *debt.PARTS,
    *devices.PARTS,
    *deleted.PARTS,
    *changes.PARTS,
    *chats.PARTS,
    *holds.PARTS,
    *stop.PARTS,
)
