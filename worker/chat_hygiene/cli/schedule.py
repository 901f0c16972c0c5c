"""`schedule`: when each policy runs next, on the clock of its zone."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output, count, instant
from chat_hygiene.cli.policy import does, warn_unreadable

if TYPE_CHECKING:
    from chat_hygiene.wiring.planning import Planned, Timetable
    from chat_policies import Fire

_SHOWN = 14


def schedule(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Stored delete policies; all, unless named."),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How far ahead.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Shows when each policy runs in the coming days, on the clock of its zone and in UTC; changes nothing.

    Each run says where a change of the clock moves it. Of a policy that runs often the text shows the first 14 runs and those that are moved; --json lists all.

    Exit codes: 0 done, 2 no such policy.
    """
    settings = start.settings()

    from chat_hygiene import wiring
    from chat_hygiene.wiring import planning

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        now = ledger.now()
        until = now + timedelta(days=days)
        table = planning.timetable(ledger, names or [], now=now, until=until)
        unreadable = [] if names else wiring.unreadable(ledger)
    if as_json:
        output.document(
            "schedule",
            **_document(table, now, until),
            unreadable=[each.policy for each in unreadable],
        )
        return
    for position, each in enumerate(table.planned):
        if position:
            output.line()
        _show(output, each, days)
    warn_unreadable(output, unreadable)
    _warn(output, table, none_stored=not (table.planned or unreadable))


def _show(output: Output, planned: "Planned", days: int) -> None:
    from chat_policies import schedule_words

    policy = planned.stored.policy
    assert policy.schedule is not None  # noqa: S101 - every delete policy has one
    says = schedule_words(policy.schedule, policy.timezone)
    name = Text(policy.name, style="bold")
    if planned.coming is None:
        resume = f"no run until chat-hygiene policy resume {policy.name}"
        output.line(name, ": ", Text("paused", style="yellow"), f", else {says}; {resume}")
        return
    output.line(name, f": {does(policy)} {says}")
    coming = planned.coming
    rows: list[tuple[str, datetime, str]] = []
    if coming.due is not None:
        local = coming.due.astimezone(ZoneInfo(policy.timezone))
        rows.append((_local(local), coming.due, "due: the next tick runs it"))
    moved = [fire for fire in coming.fires[_SHOWN:] if fire.moved]
    rows += [(_local(fire.local), fire.at, fire.moved) for fire in (*coming.fires[:_SHOWN], *moved)]
    if rows:
        noted = any(note for *_, note in rows)
        columns = ["Local time", "UTC", *([""] if noted else [])]
        output.table(columns, [row[: len(columns)] for row in rows], whole=columns[:2])
    if more := len(coming.fires) - min(_SHOWN, len(coming.fires)) - len(moved):
        output.line(
            f"and {count(more, 'more run')} within {count(days, 'day')}, at the usual time; --json lists them"
        )
    elif not rows:
        following = f"{_local(coming.beyond.local)}, {instant(coming.beyond.at)}"
        output.line(f"no run within {count(days, 'day')}; the next is {following}")


def _local(at: datetime) -> str:
    return f"{at:%a %Y-%m-%d %H:%M}"


def _warn(output: Output, table: "Timetable", *, none_stored: bool) -> None:
    if none_stored:
        output.say("no delete policy is stored: chat-hygiene policy apply FILE stores some")
        return
    if table.stopped is not None:
        output.warn(f"deleting is {table.stopped.words}: runs queue nothing until chat-hygiene start")
    if not table.attended:
        output.warn("nothing runs by itself now: chat-hygiene up opens runs when they are due")


def _document(table: "Timetable", now: datetime, until: datetime) -> dict[str, Any]:
    return {
        "at": now,
        "until": until,
        "stopped": table.stopped is not None,
        "attended": table.attended,
        "policies": [_policy(each) for each in table.planned],
    }


def _policy(planned: "Planned") -> dict[str, Any]:
    from chat_policies import schedule_words

    policy, coming = planned.stored.policy, planned.coming
    assert policy.schedule is not None  # noqa: S101 - every delete policy has one
    return {
        "policy": policy.name,
        "version": planned.stored.version,
        "state": planned.stored.state,
        "mode": policy.mode,
        "schedule": policy.schedule,
        "timezone": policy.timezone,
        "words": schedule_words(policy.schedule, policy.timezone),
        "due": None if coming is None else coming.due,
        "runs": [] if coming is None else [_run(fire) for fire in coming.fires],
        "next_after": None if coming is None else coming.beyond.at,
    }


def _run(fire: "Fire") -> dict[str, Any]:
    return {
        "at": fire.at,
        "local": fire.local.isoformat(),
        "skipped": fire.wanted.isoformat(timespec="minutes") if fire.skipped else None,
        "occurs_twice": fire.repeated,
    }
