"""`explain`: why one chat goes, stays or went."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from chat_hygiene.cli import fate, start
from chat_hygiene.cli.audit import event_document, event_table
from chat_hygiene.cli.jobs import job_document
from chat_hygiene.cli.naming import ChatArgument, NumbersOption, numbered, numbers
from chat_hygiene.cli.output import JsonOption, Output, instant, mark, name_of, span
from chat_hygiene.core.errors import UsageError

if TYPE_CHECKING:
    from chat_hygiene.pipeline.explain import PolicyVerdict, Report
    from chat_policies import Verdict


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
        reports = wiring.explain(ledger, chat, now=now)
        refs = [report.chat["chat_ref"] for report in reports]
        full = numbers(ledger, refs, where="explain", shown=show_numbers)
    if not reports:
        raise UsageError(
            "no such chat is stored", fix="check the number, with its country code; or run chat-hygiene sync"
        )
    if as_json:
        output.document("explain", at=now, chats=[numbered(_document(report), full) for report in reports])
        return
    for report in reports:
        _show(output, report, now, full or {})


def _show(output: Output, report: "Report", now: datetime, full: Mapping[str, str]) -> None:
    chat, device = report.chat, report.device
    output.line(
        Text(full.get(chat["chat_ref"], chat["chat_hint"]), style="bold"),
        f" on {name_of(device.alias, device.device)}, {chat['chat_ref']}",
    )
    stale = "" if report.fresh else "; its number's data is too old to delete by: sync first"
    output.line(f"  {_state(report)}; its facts were read {span(now - chat['synced_at'])} ago{stale}")
    for line in (*fate.holds(report, now), *fate.debts(report, now)):
        output.line("  ", line)
    if report.stop is not None:
        output.line(f"  all deleting is stopped by {report.stop.actor} since {instant(report.stop.at)}")
    for each in sorted(report.policies, key=_quiet):
        says, *more = fate.of(each, now)
        output.line(Text(each.stored.policy.name, style="bold"), f": {says}")
        for line in more:
            output.line(f"  {line}")
        passed = [verdict for verdict in each.verdicts if _is_scope(verdict) and _lets_go(verdict)]
        if passed:
            output.line("  ", mark(True), f" {', '.join(map(_words, passed))}")
        for verdict in each.verdicts:
            # What every chat has to be is told, with what was seen, only of a chat that is not.
            if verdict not in passed:
                output.line("  ", mark(_lets_go(verdict)), f" {_words(verdict)}{_seen(verdict, now)}")
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


def _quiet(each: "PolicyVerdict") -> tuple[bool, bool, bool]:
    # First what is going to happen, then what would, then what will not.
    return (each.queued is None and each.withheld is None, not each.stored.enforces, not each.matches)


def _is_scope(verdict: "Verdict") -> bool:
    return verdict.clause.name.startswith("scope.")


def _lets_go(verdict: "Verdict") -> bool | None:
    return None if verdict.value is None else verdict.value is verdict.clause.wanted


def _words(verdict: "Verdict") -> str:
    return verdict.clause.words if verdict.clause.wanted else f"not {verdict.clause.words}"


def _seen(verdict: "Verdict", now: datetime) -> str:
    seen = [f"{_fact(fact)} {_value(value, now)}" for fact, value in _facts(verdict).items()]
    return f" ({', '.join(seen)})" if seen else ""


def _fact(column: str) -> str:
    return column.removesuffix("_at").replace("_", " ")


def _facts(verdict: "Verdict") -> dict[str, Any]:
    # Every fact that is text was typed or made elsewhere, and the chat's id is a phone number.
    return {fact: _masked(value) for fact, value in verdict.facts.items() if fact != "wid"}


def _masked(value: Any) -> Any:  # noqa: ANN401 - a fact
    from chat_hygiene.store.pseudonyms import mask_numbers

    if isinstance(value, list):
        return [_masked(each) for each in value]
    return mask_numbers(value) if isinstance(value, str) else value


def _value(value: object, now: datetime) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{span(now - value)} ago" if value <= now else f"in {span(value - now)}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


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
        "holds": [fate.hold_document(row) for row in report.holds],
        "policies": [_policy(each) for each in report.policies],
        "jobs": [job_document(row) for row in report.jobs],
        "events": [event_document(row) for row in report.events],
    }


def _policy(each: "PolicyVerdict") -> dict[str, Any]:
    return {
        "policy": each.stored.policy.name,
        "version": each.stored.version,
        "enforces": each.stored.enforces,
        "matches": each.matches,
        "eligible_at": each.eligible_at,
        "problem": each.problem,
        "fresh": each.fresh,
        "waits_for_its_number_no_longer": each.given_up,
        **fate.document(each),
        "clauses": [
            {
                "name": verdict.clause.name,
                "words": verdict.clause.words,
                "value": verdict.value,
                "lets_go": _lets_go(verdict),
                "seen": _facts(verdict),
            }
            for verdict in each.verdicts
        ],
    }
