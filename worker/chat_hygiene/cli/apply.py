"""`policy apply`: shows what a document would change and whom it would reach, then stores it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output, YesOption, count, name_of
from chat_hygiene.cli.policy import FileArgument, does, read, warn_unreadable

if TYPE_CHECKING:
    from chat_hygiene.pipeline.effects import Effect, Reach

_MARKS = {
    "new": ("+", "bold green"),
    "changed": ("~", "bold yellow"),
    "unchanged": ("=", "dim"),
    "retired": ("-", "bold red"),
}


def apply(
    file: FileArgument,
    prune: Annotated[
        bool, typer.Option("--prune", help="Retire the stored policies that the document does not name.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, for the history; without phone numbers.")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Shows what the document changes and whom each policy would reach, then stores new versions, all or none.

    It deletes nothing by itself. It asks when more could go than before: a policy begins to delete, is looser, or reaches chats that it did not; for a policy's name, when it begins to delete what is there already or reaches more than its brakes let through in a day. Without --prune stored policies that the document does not name stay as they are. What an edit no longer names leaves the queue at once.

    Exit codes: 0 done, or nothing to change, 2 not confirmed, 3 the document is invalid and nothing was stored, 5 somebody else changed the policies meanwhile: look again.
    """
    policies = read(file)
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        look = wiring.effects(ledger, policies, prune=prune, now=ledger.now())
        if not as_json:
            for each in look.effects:
                show(output, each)
            named = {each.name for each in policies}
            warn_unreadable(output, [each for each in wiring.unreadable(ledger) if each.policy not in named])
        _ask(output, look.effects, yes=yes)
        stored = wiring.apply(ledger, policies, prune=prune, seen=look, because=reason, now=ledger.now())
    if as_json:
        versions = {change.policy.name: version for change, version in stored if version is not None}
        output.document(
            "policy.apply", stored=len(stored), changes=[_document(each, versions) for each in look.effects]
        )
    elif not stored:
        output.good("no change")
    else:
        retired = sum(version is None for _, version in stored)
        told = [
            f"{count(number, 'policy', 'policies')} {what}"
            for number, what in ((len(stored) - retired, "stored"), (retired, "retired"))
            if number
        ]
        output.good(f"{', '.join(told)}; chat-hygiene preview lists the chats")


def _ask(output: Output, effects: "tuple[Effect, ...]", *, yes: bool) -> None:
    asking = [each for each in effects if each.asks]
    severe = [each for each in asking if each.severe]
    for each in severe:
        name = each.change.policy.name
        assert each.reach is not None  # noqa: S101 - what is severe reaches chats
        words = f"{name} deletes {count(each.reach.extra, 'chat')} that nothing deletes so far."
        output.confirm_by_name(words, name, yes=yes)
    if len(severe) < len(asking):
        output.confirm("Store this? What it deletes is gone for good.", yes=yes)


def show(output: Output, effect: "Effect") -> None:
    """Prints what one policy of a document changes, and whom it would reach."""
    change = effect.change
    sign, style = _MARKS[change.what]
    version = "" if change.from_version is None else f" (version {change.from_version})"
    state = ", and stays paused" if change.state == "paused" and change.what != "retired" else ""
    output.line(
        Text(f"{sign} {change.policy.name}", style=style),
        f": {change.what}{version}, {does(change.policy)}{state}",
    )
    if change.what in {"new", "changed"}:
        output.line(f"    {change.policy.words()}")
    for difference in _differences(effect):
        output.line(f"    {difference.words()}")
    for words in effect.looser:
        output.line("    ", Text("looser", style="bold yellow"), f": {words}")
    if effect.reach is not None:
        _show_reach(output, effect, effect.reach)


def _show_reach(output: Output, effect: "Effect", reach: "Reach") -> None:
    from chat_hygiene.store.pseudonyms import mask_numbers

    words = f"    matches {count(reach.matches, 'chat')} as of the last sync"
    if not effect.deletes or not reach.extra:
        output.line(words)
        return
    more = "all of them" if reach.extra == reach.matches else f"{reach.extra:,} of them"
    beyond = ", more than its brakes let through in a day" if reach.beyond_brakes else ""
    output.line(f"{words}, {more} not deleted by what is stored now{beyond}")
    for chat in reach.first:
        name = mask_numbers(chat["name"] or "-")
        output.line(f"      {name}, {chat['chat_hint']}, on {name_of(chat['alias'], chat['device'])}")
    if reach.extra > len(reach.first):
        output.line(f"      and {reach.extra - len(reach.first):,} more")


def _differences(effect: "Effect") -> tuple[Any, ...]:
    from chat_policies import differences

    change = effect.change
    if change.what != "changed" or change.before is None:
        return ()
    return differences(change.before, change.policy)


def _document(effect: "Effect", versions: Mapping[str, int]) -> dict[str, Any]:
    change, reach = effect.change, effect.reach
    first = () if reach is None else reach.first
    return {
        "policy": change.policy.name,
        "what": change.what,
        "state": change.state,
        "from_version": change.from_version,
        "version": versions.get(change.policy.name, change.from_version),
        "action": change.policy.action,
        "mode": change.policy.mode,
        "rule": change.policy.words(),
        "matches": None if reach is None else reach.matches,
        "extra": None if reach is None else reach.extra,
        "first_extra": [{"chat_ref": chat["chat_ref"], "device": chat["device"]} for chat in first],
        "looser": effect.looser,
        "severe": effect.severe,
        "differences": [
            {"key": each.key, "before": each.before, "after": each.after} for each in _differences(effect)
        ],
    }
