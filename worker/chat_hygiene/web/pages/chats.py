"""One chat's story: found by its number, id or pseudonym, and told clause by clause; made to be printed, too."""

import json
from typing import Any
from urllib.parse import urlencode

from chat_hygiene.core.errors import UsageError
from chat_hygiene.pipeline.explain import PolicyVerdict, Report
from chat_hygiene.store.records import Record
from chat_hygiene.web.page import Content, Group, MissingError, Page, Search, Visit
from chat_hygiene.wiring import clauses, explain, fates, looking

_MOST = 20
_NOT_HERE = "no such chat is stored"


def _read(visit: Visit) -> Content:
    refs = visit.text("among").split("~")[:_MOST] if visit.text("among") else []
    return {"found": looking.chats(visit.ledger, refs), "problem": None}


def _find(visit: Visit) -> str:
    chat = visit.text("chat")
    if not chat:
        raise UsageError("no chat was named", fix="type a number with its country code, or a pseudonym")
    refs = [row["chat_ref"] for row in looking.chats_of(visit.ledger, chat)]
    if not refs:
        raise UsageError(
            _NOT_HERE, fix="check the number, with its country code; a sync may not have read it yet"
        )
    return f"/chats/{refs[0]}" if len(refs) == 1 else f"/chats?{urlencode({'among': '~'.join(refs[:_MOST])})}"


def _story(visit: Visit) -> Content:
    ref = visit.text("chat")
    reports = explain(visit.ledger, ref, now=visit.now) if ref.startswith("chat_") else []
    if not reports:
        raise MissingError(_NOT_HERE)
    return {
        "reports": [_told(report, visit) for report in reports],
        "unread": looking.unreadable(visit.ledger),
    }


def _told(report: Report, visit: Visit) -> dict[str, Any]:
    now, typed = visit.now, visit.operator
    return {
        "chat": report.chat,
        "device": report.device,
        "fresh": report.fresh,
        "stop": report.stop,
        "holds": list(fates.holds(report, now, typed=typed)),
        "debts": list(fates.debts(report, now)),
        "policies": [_policy(each, visit) for each in sorted(report.policies, key=fates.quiet)],
        "events": [{**row, "facts": _facts(row, typed=typed)} for row in reversed(report.events)],
    }


def _policy(each: PolicyVerdict, visit: Visit) -> dict[str, Any]:
    says, *more = fates.of(each, visit.now)
    return {
        "name": each.stored.policy.name,
        "version": each.stored.version,
        "says": says,
        "more": more,
        "clauses": [
            {
                "lets_go": clauses.lets_go(verdict),
                "words": clauses.words(verdict),
                "seen": clauses.seen(verdict, visit.now, typed=visit.operator),
            }
            for verdict in each.verdicts
        ],
    }


def _facts(row: Record, *, typed: bool) -> str:
    detail = json.loads(row["detail"] or "{}")
    told = {name: value for name, value in detail.items() if value is not None}
    if not typed:
        told = {name: value for name, value in told.items() if name not in {"because", "ticket"}}
    return ", ".join(f"{name} {value}" for name, value in told.items())


_FOUND = Page("/chats", "chats", "Story of a chat", "chats.html", _read, Group.RECORD)

PARTS = (
    _FOUND,
    Search("/chats/find", "find_chat", _FOUND, _find),
    Page("/chats/{chat}", "chat", "Story of a chat", "chat.html", _story),
)
