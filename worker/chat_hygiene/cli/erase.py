"""`erase`: one person's chats, asked for by name: deleted through the same gate, then all that is stored of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chat_hygiene.cli import certificate, start
from chat_hygiene.cli.jobs import job_document
from chat_hygiene.cli.naming import ChatOrNone
from chat_hygiene.cli.output import (
    JsonOption,
    LimitOption,
    Output,
    YesOption,
    count,
    instant,
    mark,
    name_of,
    span,
)
from chat_hygiene.cli.run import watcher
from chat_hygiene.core import certificate as words
from chat_hygiene.core.debts import DebtState
from chat_hygiene.core.errors import UsageError
from chat_hygiene.core.states import EFFECTIVE_STATES, JobState

if TYPE_CHECKING:
    from datetime import datetime

    from chat_hygiene.pipeline.erase import Asked
    from chat_hygiene.store.records import Record
    from chat_hygiene.wiring.erasing import Report, Standing

_OWED = {DebtState.OPEN, DebtState.ABANDONED, DebtState.WRITTEN_OFF}
_BLOCKED = {
    "stopped": "all deleting is stopped: chat-hygiene start lets it go on",
    "hold": "a hold covers it",
    "refused": "WhatsApp refused once, and is asked again",
    "offline": "its number cannot be used now: see chat-hygiene doctor",
}


def erase(
    chat: ChatOrNone = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, for the audit; without phone numbers.")
    ] = None,
    ticket: Annotated[
        str | None, typer.Option("--ticket", help="What it is known by elsewhere, like DPO-2041.")
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", metavar="DEVICE", help="On this number (id or alias) only.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A new file for the certificates.")] = None,
    everything: Annotated[bool, typer.Option("--list", help="Shows what was asked for before.")] = False,
    limit: LimitOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Deletes the chats of one person at once, in WhatsApp and on the platform, and then empties what is stored of them.

    For a person who asks for it: no policy, age or grace is asked. Holds and keep-policies win over it and are named, and the gate reads each chat again just before. What is in the way now (deleting stopped, a number offline) leaves the request standing, and a worker finishes it; --list shows it. It asks first; without a terminal it needs --yes.

    Exit codes: 0 done, 2 not confirmed or no such chat, 5 it has to stay, or deleting is stopped, 6 its number or the account cannot be reached now, 7 it failed, or is tried again.
    """
    output = Output(as_json=as_json)
    if everything:
        _list(output, limit)
        return
    if chat is None or reason is None or ticket is None:
        raise UsageError(
            "a chat, --reason and --ticket are needed",
            fix="chat-hygiene erase CHAT --reason TEXT --ticket NAME; erase --list shows what was asked for",
        )
    output.require_answer(yes=yes)
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import certifying, erasing

    if out is not None and out.exists():
        raise certifying.taken(out)
    with wiring.open_ledger(settings) as ledger:
        rows = erasing.find(ledger, chat, on=on)
        erasing.check(ledger, rows, because=reason, ticket=ticket)
        for row in rows:
            output.say(f"{_name(row)}: {_state(row, ledger.now())}")
        # What a keyboard has of the hint.
        typed = rows[0]["chat_hint"].replace(" ··· ", " ")
        output.confirm_by_name(
            f"Delete {count(len(rows), 'chat')} of this person for good, and what is stored here?",
            typed,
            yes=yes,
        )
        with output.progress() as progress:
            report = erasing.run(ledger, rows, because=reason, ticket=ticket, watcher=watcher(progress))
        ended = [each.job["id"] for each in report.jobs if not each.waits]
        if out is not None and ended:
            certifying.save(out, [certifying.of_job(ledger, job_id) for job_id in ended])
    if as_json:
        output.document("erase", **_document(report), certificates=str(out) if out and ended else None)
    else:
        _show(output, report, out)
    raise typer.Exit(report.code)


def _list(output: Output, limit: int | None) -> None:
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import erasing

    with wiring.open_ledger(settings) as ledger:
        found = erasing.listed(ledger, limit=output.most(limit))
    if output.as_json:
        output.document(
            "erase.list",
            erasures=[
                job_document(row)
                | {"requested_by": row["requested_by"], "notes": row["notes"], "blocked_by": each.blocked_by}
                for row, each in found
            ],
        )
        return
    output.table(
        ["Job", "Chat", "On", "Asked (UTC)", "By", "Ticket", "Stands"],
        (
            [
                *(row["id"], row["chat_hint"], name_of(row["alias"], row["device"]), row["queued_at"]),
                *(row["requested_by"], _ticket(row), _stands(each)),
            ]
            for row, each in found
        ),
        empty="nothing was asked for",
        most=output.most(limit),
    )


def _show(output: Output, report: "Report", out: Path | None) -> None:
    jobs = {each.job["id"]: each for each in report.jobs}
    for asked in report.request.chats:
        standing = None if asked.job_id is None else jobs[asked.job_id]
        _show_chat(output, asked, standing)
    if report.stopped:
        output.warn(f"nothing is deleted now: {report.stopped}")
    if report.problem:
        output.failed(str(report.problem))
    if any(each.waits for each in report.jobs):
        output.say("  The request stands: a worker finishes it, and chat-hygiene erase --list shows it.")
    if ended := [each.job["id"] for each in report.jobs if not each.waits]:
        _say_certificates(output, ended, out)


def _show_chat(output: Output, asked: "Asked", standing: "Standing | None") -> None:
    name = _name(asked.chat)
    if standing is None:
        output.line(mark(True), f" {name}: emptied; the job that deleted it is past its retention")
        return
    job = standing.job
    if standing.waits:
        again = ", asked for before" if asked.again else ""
        output.line(
            mark(None), f" {name}: still to be deleted, as job {job['id']}{again}: {_waits(standing)}"
        )
    elif job["state"] == JobState.CANCELLED:
        output.line(
            mark(False), f" {name}: it has to stay, by the clause {standing.clause}: nothing was deleted"
        )
    elif job["state"] in EFFECTIVE_STATES:
        output.line(mark(job["debt_state"] not in _OWED or None), f" {name}: {_ended(asked, job)}")
        for side, says in _sides(job):
            output.line(f"  {side:<10} {says}")
    else:
        output.line(mark(False), f" {name}: {_outcome(job)}: chat-hygiene jobs show {job['id']} tells why")


def _ended(asked: "Asked", job: "Record") -> str:
    if asked.again and asked.before:
        return f"it was erased before, by job {job['id']}"
    return "it had left before" if asked.before else _outcome(job)


def _say_certificates(output: Output, ended: Sequence[int], out: Path | None) -> None:
    if out is not None:
        output.good(
            f"{count(len(ended), 'certificate')} in {out}: {certificate.HOW_TO_CHECK.format(file=out)}"
        )
        return
    for job_id in ended:
        output.say(f"  chat-hygiene audit certificate --job {job_id} --out FILE certifies that")


def _sides(job: "Record") -> list[tuple[str, str]]:
    debt = None if job["debt_state"] is None else DebtState(job["debt_state"])
    _, stored = words.tables(removed=True, back=False, emptied=True, has_id=debt is DebtState.OPEN)
    return [
        ("WhatsApp", words.whatsapp(job["whatsapp_state"], debt)),
        ("platform", words.platform(job["platform_state"])),
        ("here", stored),
    ]


def _outcome(job: "Record") -> str:
    return str(job["state"]).replace("_", " ")


def _waits(standing: "Standing") -> str:
    job = standing.job
    if standing.blocked_by in _BLOCKED:
        more = f", at {instant(job['next_attempt_at'])}" if standing.blocked_by == "refused" else ""
        return f"{_BLOCKED[standing.blocked_by]}{more}"
    if job["error_class"] is not None:
        return f"it failed for now ({job['error_class'].replace('_', ' ')}), and is tried again"
    return "its turn comes"


def _stands(standing: "Standing") -> str:
    if standing.waits:
        return f"waits: {_waits(standing)}"
    if standing.clause is not None:
        return f"cancelled by {standing.clause}"
    return _outcome(standing.job)


def _state(row: "Record", now: "datetime") -> str:
    if row["removed_at"] is not None:
        return f"it left at {instant(row['removed_at'])}; what is stored of it is emptied"
    last = row["last_message_at"]
    quiet = "never" if last is None else f"{span(now - last)} ago"
    return f"{row['status'] or 'status not known'}, last message {quiet}"


def _name(row: "Record") -> str:
    return f"{row['chat_hint']} on {_on(row)}"


def _on(row: "Record") -> str:
    return name_of(row["alias"], row["device"])


def _ticket(row: "Record") -> str:
    return ", ".join(note.removeprefix("ticket ") for note in row["notes"] or [])


def _document(report: "Report") -> dict[str, Any]:
    return {
        "run": report.request.run_id,
        "stopped": report.stopped,
        "problem": None if report.problem is None else str(report.problem),
        "exit_code": report.code,
        "chats": [
            {
                "chat_ref": each.chat["chat_ref"],
                "device": each.chat["device"],
                "job": each.job_id,
                "left_before": each.before,
                "asked_before": each.again,
            }
            for each in report.request.chats
        ],
        "jobs": [
            job_document(each.job) | {"clause": each.clause, "blocked_by": each.blocked_by}
            for each in report.jobs
        ],
    }
