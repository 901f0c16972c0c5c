"""`preview`: every chat that would go, and why. Reads stored facts only."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from chat_hygiene.cli import funnel, policy, start
from chat_hygiene.cli.output import JsonOption, Output, count, name_of, span

if TYPE_CHECKING:
    from chat_hygiene.pipeline.preview import Match, Preview, Report

_SHOWN = 40


def preview(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME or FILE]", help="A stored policy, or a document that is not stored yet."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help=f"On a terminal: every chat, not the first {_SHOWN} of each policy.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Lists every chat that would go now, and why; sends nothing, syncs nothing, stores nothing.

    It looks at the facts of the last sync and says how old they are. The text shows names with their numbers masked; --json shows pseudonyms (chat_ref) and devices instead.

    Exit codes: 0 done, 2 no such policy, 3 the document is invalid.
    """
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        now = ledger.now()
        report = wiring.preview(ledger, policy.named(ledger, what), now=now)
    if as_json:
        output.document("preview", **_document(report, now))
    else:
        show(output, report, now, most=None if everything or not output.terminal else _SHOWN)


def show(output: Output, report: "Report", now: datetime, *, most: int | None) -> None:
    """Prints each policy's funnel and its chats, at most `most` of them, then how old the data is."""
    if not report.live_chats:
        output.warn("no chat is stored yet: chat-hygiene sync reads them")
        return
    for each in report.previews:
        does = "would go" if each.policy.mode == "enforce" else "would go if it enforced (it observes)"
        output.line(Text(each.policy.name, style="bold"), f": {count(len(each.matches), 'chat')} {does}")
        output.line(f"  because: {each.policy.words()}")
        funnel.show(output, each.funnel)
        shown = each.matches[:most]
        if shown:
            output.table(
                ["Name", "Chat", "On", "Last message", "Goes"], [_row(match, now) for match in shown]
            )
        if len(shown) < len(each.matches):
            output.say(f"and {len(each.matches) - len(shown):,} more: --all")
    for device in report.devices:
        synced = device.fresh_as_of
        age = "has never been synced completely" if synced is None else f"is as of {span(now - synced)} ago"
        output.say(f"The data of {name_of(device.alias, device.device)} {age}.")
    output.say("Nothing was sent or changed. chat-hygiene sync reads the chats anew, run deletes.")


def _row(match: "Match", now: datetime) -> tuple[object, ...]:
    from chat_hygiene.store.pseudonyms import mask_numbers

    goes = "now" if match.leaves_at <= now else f"in {span(match.leaves_at - now)}"
    if match.stale:
        goes = "after a sync"
    return (
        mask_numbers(match.name or "-"),
        match.chat_hint,
        name_of(match.alias, match.device),
        "never" if match.last_message_at is None else f"{span(now - match.last_message_at)} ago",
        goes,
    )


def _document(report: "Report", now: datetime) -> dict[str, Any]:
    return {
        "at": now,
        "live_chats": report.live_chats,
        "devices": [{"device": each.device, "fresh_as_of": each.fresh_as_of} for each in report.devices],
        "policies": [_policy(each) for each in report.previews],
    }


def _policy(preview: "Preview") -> dict[str, Any]:
    reason = preview.policy.words()
    return {
        "policy": preview.policy.name,
        "mode": preview.policy.mode,
        "rule": reason,
        "funnel": funnel.document(preview.funnel),
        "chats": [
            {
                "chat_ref": match.chat_ref,
                "device": match.device,
                "reason": reason,
                "last_message_at": match.last_message_at,
                "leaves_at": match.leaves_at,
                "queued": match.queued,
                "stale": match.stale,
            }
            for match in preview.matches
        ],
    }
