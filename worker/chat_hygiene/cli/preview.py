"""`preview`: every chat that would go, now or on a day to come, and why; or a plan of them. Reads stored facts only."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from chat_hygiene.cli import funnel, policy, start, when
from chat_hygiene.cli.naming import NumbersOption, numbered, numbers
from chat_hygiene.cli.output import JsonOption, Output, count, instant, name_of, span
from chat_hygiene.core.errors import UsageError

if TYPE_CHECKING:
    from chat_hygiene.pipeline.plan import Plan, Planned
    from chat_hygiene.pipeline.preview import Match, Preview, Report

_SHOWN = 40


def preview(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME or FILE]", help="A stored policy, or a document that is not stored yet."
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="WHEN", help=f"What would go then: {when.FORMS}.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write a plan: run --plan FILE deletes these chats and no others."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help=f"On a terminal: every chat, not the first {_SHOWN} of each policy.")
    ] = False,
    show_numbers: NumbersOption = False,
    as_json: JsonOption = False,
) -> None:
    """Lists every chat that would go, and why; sends nothing, syncs nothing, stores nothing.

    It looks at the facts of the last sync and says how old they are. The text shows names with their numbers masked; --json shows pseudonyms (chat_ref) and devices instead.

    --at asks the same question of an instant to come: what would go then if nothing changes until then. How fresh the data will be is not asked.

    --out writes a plan of the stored policies that enforce: pseudonyms only, signed, good for CHAT_HYGIENE_APPROVAL_EXPIRY_SECONDS.

    Exit codes: 0 done, 2 no such policy, an instant that is past, or a file that is there already, 3 the document is invalid.
    """
    if at is not None and out is not None:
        raise UsageError("a plan is of now: --out and --at do not go together", fix="leave one of them out")
    settings = start.settings()

    from chat_hygiene import wiring

    output, plan = Output(as_json=as_json), None
    with wiring.open_ledger(settings) as ledger:
        now = ledger.now()
        if out is None:
            then = None if at is None else when.parse(at, now=now)
            report = wiring.preview(ledger, policy.named(ledger, what), now=now, at=then)
        else:
            report, plan = wiring.make_plan(ledger, what, now=now)
            wiring.save_plan(ledger, plan, out)
        unreadable = [] if what is not None else wiring.unreadable(ledger)
        most = None if everything or as_json or not output.terminal else _SHOWN
        refs = [match.chat_ref for each in report.previews for match in each.matches[:most]]
        full = numbers(ledger, refs, where="preview", shown=show_numbers)
    if as_json:
        more = {"plan": _plan_document(plan, out), "unreadable": [each.policy for each in unreadable]}
        output.document("preview", **_document(report, full), **more)
        return
    show(output, report, now, most=most, full=full)
    policy.warn_unreadable(output, unreadable)
    if plan is not None:
        _tell_plan(output, plan, out)


def show(
    output: Output,
    report: "Report",
    now: datetime,
    *,
    most: int | None,
    full: Mapping[str, str] | None = None,
) -> None:
    """Prints each policy's funnel and its chats, at most `most` of them, then how old the data is.

    `full`: pseudonym to the number that is shown instead of its hint.
    """
    if not report.live_chats:
        output.warn("no chat is stored yet: chat-hygiene sync reads them")
        return
    for each in report.previews:
        _show_one(output, report, each, now, full or {}, most)
    for device in report.devices:
        synced = device.fresh_as_of
        age = "has never been synced completely" if synced is None else f"is as of {span(now - synced)} ago"
        output.say(f"The data of {name_of(device.alias, device.device)} {age}.")
    if report.ahead:
        output.say("By these facts, if nothing changes; what a later sync finds can change all of it.")
    output.say("Nothing was sent or changed. chat-hygiene sync reads the chats anew, run deletes.")


def _show_one(
    output: Output,
    report: "Report",
    each: "Preview",
    now: datetime,
    full: Mapping[str, str],
    most: int | None,
) -> None:
    would = f"would go at {instant(report.at)}" if report.ahead else "would go"
    does = would if each.policy.mode == "enforce" else f"{would} if it enforced (it observes)"
    stay = len(each.matches) - len(each.going)
    output.line(
        Text(each.policy.name, style="bold"),
        f": {count(len(each.going), 'chat')} {does}",
        f", {stay:,} more match and stay for now" if stay else "",
    )
    output.line(f"  because: {each.policy.words()}")
    funnel.show(output, each.funnel)
    shown = each.matches[:most]
    if shown:
        rows = [_row(match, report, now, full) for match in shown]
        output.table(["Name", "Chat", "On", "Last message", "Goes"], rows)
    if len(shown) < len(each.matches):
        output.say(f"and {len(each.matches) - len(shown):,} more: --all")
    if each.fresh:
        _tell_verdict(output, report, each)


def _tell_verdict(output: Output, report: "Report", each: "Preview") -> None:
    """Says why a run would queue fewer than are shown."""
    from chat_hygiene.pipeline.judging import Ruling

    verdict = each.verdict
    run = f"{'if it enforced, ' if each.policy.mode == 'observe' else ''}a run {'then' if report.ahead else 'now'}"
    none = f"{run} would queue none of them"
    if report.stopped is not None:
        output.warn(f"{none}: {report.stopped.words}")
    elif each.paused:
        output.warn(f"{none}: {each.policy.name} is paused")
    elif verdict.words:
        for words in verdict.words:
            output.warn(f"{none} and await an approval: {words}")
    elif verdict.ruling is Ruling.WAIT and not report.ahead:
        output.warn(f"{none}: the first chats of this version go alone, and have not ended yet")
    elif verdict.ruling is Ruling.FIRST and verdict.first < each.fresh:
        first = count(verdict.first, "chat")
        output.warn(
            f"{run} would queue {first}, those silent for longest: the others wait until these have ended well"
        )


def _row(match: "Match", report: "Report", now: datetime, full: Mapping[str, str]) -> tuple[object, ...]:
    from chat_hygiene.store.pseudonyms import mask_numbers

    return (
        mask_numbers(match.name or "-"),
        full.get(match.chat_ref, match.chat_hint),
        name_of(match.alias, match.device),
        "never" if match.last_message_at is None else f"{span(now - match.last_message_at)} ago",
        _goes(match, report),
    )


def _goes(match: "Match", report: "Report") -> str:
    if match.stays is not None:
        return f"stays: {match.stays}"
    if match.stale:
        return "after a sync"
    if report.ahead:
        gone = "gone by then: " if _gone_by_then(match, report) else ""
        return "by then" if match.leaves_at == report.at else gone + instant(match.leaves_at)
    return "now" if match.leaves_at <= report.at else f"in {span(match.leaves_at - report.at)}"


def _gone_by_then(match: "Match", report: "Report") -> bool:
    return report.ahead and match.queued and match.leaves_at <= report.at


def _tell_plan(output: Output, plan: "Plan", file: Path | None) -> None:
    for each in plan.policies:
        show_planned(output, each)
    output.good(f"The plan is in {file}, good until {instant(plan.expires_at)}.")
    output.say(
        f"chat-hygiene run --plan {file} deletes those of them that still match then, and no others; neither limits nor canary are asked."
    )


def show_planned(output: Output, planned: "Planned") -> None:
    """Says what a plan is about, with the digest by which a person can tell two plans apart."""
    chats = count(len(planned.candidates), "chat")
    output.say(Text(planned.policy, style="bold"), f", version {planned.version}: {chats}")
    output.say(f"  digest {planned.digest}")


def _document(report: "Report", full: Mapping[str, str] | None) -> dict[str, Any]:
    return {
        "at": report.at,
        "ahead": report.ahead,
        "live_chats": report.live_chats,
        "stopped": report.stopped is not None,
        "devices": [{"device": each.device, "fresh_as_of": each.fresh_as_of} for each in report.devices],
        "policies": [_policy(each, report, full) for each in report.previews],
    }


def _policy(preview: "Preview", report: "Report", full: Mapping[str, str] | None) -> dict[str, Any]:
    reason = preview.policy.words()
    return {
        "policy": preview.policy.name,
        "mode": preview.policy.mode,
        "rule": reason,
        "funnel": funnel.document(preview.funnel),
        "run": {
            "wants": preview.fresh,
            "ruling": preview.verdict.ruling.value,
            "first": preview.verdict.first or None,
            "because": preview.verdict.words,
            "paused": preview.paused,
        },
        "chats": [
            numbered(
                {
                    "chat_ref": match.chat_ref,
                    "device": match.device,
                    "reason": reason,
                    "last_message_at": match.last_message_at,
                    "leaves_at": match.leaves_at,
                    "queued": match.queued,
                    "stays": match.stays,
                    "stale": match.stale,
                    "gone_by_then": _gone_by_then(match, report),
                },
                full,
            )
            for match in preview.matches
        ],
    }


def _plan_document(plan: "Plan | None", file: Path | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    return {
        "file": str(file),
        "expires_at": plan.expires_at,
        "policies": [
            {
                "policy": each.policy,
                "version": each.version,
                "chats": len(each.candidates),
                "digest": each.digest,
            }
            for each in plan.policies
        ],
    }
