"""Asking for a person's chats by name, as the command and the page do, and looking at what is left of them."""

import json

from chat_hygiene import wiring
from chat_hygiene.wiring import certifying, erasing
from chat_hygiene.wiring.erasing import Report

NUMBER = "+44 7700 90 0001"
OTHER = "5f0c1d2e3a4b5c6d7e8f9a0c"
KEEP = "  - {name: keep-contracts, action: keep, when: {labels: [contract]}}\n"
PERSONAL = {"name": "Ada Lovelace", "labels": ["case of Ada"], "status": "active"}


def erase(rig, chat=NUMBER, *, reason="asked by mail", ticket="DPO-1", on=None, by="tester") -> Report:
    with rig.ledger() as opened:
        ledger = opened.acting_as(by)
        rows = erasing.find(ledger, chat, on=on)
        return erasing.run(ledger, rows, because=reason, ticket=ticket, watcher=wiring.Watcher())


def states(report: Report) -> list[str]:
    return [each.job["state"] for each in report.jobs]


def told(rig, kind: str) -> list[dict]:
    """What the events of a kind say, in their order."""
    rows = rig.sql("select detail from audit_events where kind = :kind order by seq", kind=kind)
    return [json.loads(detail or "{}") for (detail,) in rows]


def stored(rig) -> str:
    """Everything in the chats and jobs tables, as one text."""
    return repr(rig.sql("select * from chats")) + repr(rig.sql("select * from jobs"))


def certificate(rig, job_id: int = 1) -> bytes:
    with rig.ledger() as ledger:
        return certifying.of_job(ledger, job_id)


def says(data: bytes) -> dict:
    return json.loads(data)
