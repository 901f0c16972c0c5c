"""`explain`: why one chat goes, stays or went."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from chat_hygiene.cli import start
from chat_hygiene.cli.audit import event_document, event_table
from chat_hygiene.cli.jobs import job_document
from chat_hygiene.cli.naming import ChatArgument, NumbersOption, numbered, numbers
from chat_hygiene.cli.output import JsonOption, Output, instant, mark, name_of, span
from chat_hygiene.cli.policy import warn_unreadable
from chat_hygiene.core.errors import UsageError

if TYPE_CHECKING:
    from chat_hygiene.pipeline.explain import PolicyVerdict, Report
    from chat_hygiene.store.records import Record


def explain(chat: ChatArgument, show_numbers: NumbersOption = False, as_json: JsonOption = False) -> None:
    """Says for each policy, clause by clause, why a chat goes or stays, when it leaves or becomes eligible, and what happened to it.

    ✔ the clause lets it go, ✘ it keeps it, ? a fact is not known, which keeps it too. Looks at stored facts only; sends nothing.

    Exit codes: 0 done, 2 no such chat.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        now = ledger.now()
        reports, unreadable = wiring.explain(ledger, chat, now=now), wiring.unreadable(ledger)
        refs = [report.chat["chat_ref"] for report in reports]
        full = numbers(ledger, refs, where="explain", shown=show_numbers)
    if not reports:
        raise UsageError(
            "no such chat is stored", fix="check the number, with its country code; or run chat-hygiene sync"
        )
    if as_json:
        output.document(
            "explain",
            at=now,
            chats=[numbered(_document(report), full) for report in reports],
            unreadable=[each.policy for each in unreadable],
        )
        return
    for report in reports:
        _show(output, report, now, full or {})
    warn_unreadable(output, unreadable)


def _show(output: Output, report: "Report", now: datetime, full: Mapping[str, str]) -> None:
    from chat_hygiene.wiring import clauses, fates

    chat, device = report.chat, report.device
    output.line(
        Text(full.get(chat["chat_ref"], chat["chat_hint"]), style="bold"),
        f" on {name_of(device.alias, device.device)}, {chat['chat_ref']}",
    )
    stale = "" if report.fresh else "; its number's data is too old to delete by: sync first"
    output.line(f"  {_state(report)}; its facts were read {span(now - chat['synced_at'])} ago{stale}")
    for told in (*fates.holds(report, now), *fates.debts(report, now)):
        output.line("  ", _text(told))
    if report.stop is not None:
        output.line(f"  all deleting is stopped by {report.stop.actor} since {instant(report.stop.at)}")
    for each in sorted(report.policies, key=fates.quiet):
        says, *more = map(_text, fates.of(each, now))
        output.line(Text(each.stored.policy.name, style="bold"), f": {says}")
        for line in more:
            output.line(f"  {line}")
        passed = [
            verdict for verdict in each.verdicts if clauses.is_scope(verdict) and clauses.lets_go(verdict)
        ]
        if passed:
            output.line("  ", mark(True), f" {', '.join(map(clauses.words, passed))}")
        for verdict in each.verdicts:
            # What every chat has to be is told, with what was seen, only of a chat that is not.
            if verdict not in passed:
                facts = clauses.seen(verdict, now)
                shown = f" {clauses.words(verdict)}{f' ({facts})' if facts else ''}"
                output.line("  ", mark(clauses.lets_go(verdict)), shown)
    if not report.policies:
        output.line("  no policy that deletes is stored")
    if report.events:
        event_table(output, report.events)


def _state(report: "Report") -> str:
    chat = report.chat
    if chat["removed_at"] is not None:
        return f"removed at {instant(chat['removed_at'])} ({chat['removed_how']})"
    if chat["missing_since"] is not None:
        return f"missing from the listing since {instant(chat['missing_since'])}"
    return f"{chat['status'] or 'status not known'}"


def _text(line: Sequence[str | datetime]) -> str:
    return "".join(part if isinstance(part, str) else instant(part) for part in line)


def _document(report: "Report") -> dict[str, Any]:
    chat = report.chat
    return {
        "chat_ref": chat["chat_ref"],
        "chat_hint": chat["chat_hint"],
        "device": report.device.device,
        "status": chat["status"],
        "synced_at": chat["synced_at"],
        "removed_at": chat["removed_at"],
        "missing_since": chat["missing_since"],
        "fresh": report.fresh,
        "stopped": report.stop is not None,
        "holds": [_hold(row) for row in report.holds],
        "policies": [_policy(each) for each in report.policies],
        "jobs": [job_document(row) for row in report.jobs],
        "events": [event_document(row) for row in report.events],
    }


def _policy(each: "PolicyVerdict") -> dict[str, Any]:
    from chat_hygiene.wiring import clauses

    return {
        "policy": each.stored.policy.name,
        "version": each.stored.version,
        "enforces": each.stored.enforces,
        "matches": each.matches,
        "eligible_at": each.eligible_at,
        "problem": each.problem,
        "fresh": each.fresh,
        "waits_for_its_number_no_longer": each.given_up,
        **_fate(each),
        "clauses": [
            {
                "name": verdict.clause.name,
                "words": verdict.clause.words,
                "value": verdict.value,
                "lets_go": clauses.lets_go(verdict),
                "seen": clauses.facts(verdict),
            }
            for verdict in each.verdicts
        ],
    }


def _hold(row: "Record") -> dict[str, Any]:
    # Without its reason, which is free text.
    fields = ("id", "scope", "label", "held_by", "placed_at", "until")
    return {name: row[name] for name in fields} | {"device": row["device"]}


def _fate(each: "PolicyVerdict") -> dict[str, Any]:
    queued, withheld = each.queued, each.withheld
    fields = ("run_id", "run_state", "expires_at", "withheld_by", "matched_at", "not_before")
    return {
        "queued": None if queued is None else asdict(queued),
        "withheld": None if withheld is None else {name: withheld[name] for name in fields},
        "blocked_by": each.blocked_by,
        "stays": each.stays,
    }
