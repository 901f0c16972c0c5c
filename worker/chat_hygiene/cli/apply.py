"""`policy apply`: shows what a document would change and whom it would reach, then stores it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from chat_hygiene.cli import start
from chat_hygiene.cli.output import JsonOption, Output, YesOption, count
from chat_hygiene.cli.policy import FileArgument, does, read

if TYPE_CHECKING:
    from chat_hygiene.wiring import Effect

_MARKS = {"new": ("+", "bold green"), "changed": ("~", "bold yellow"), "unchanged": ("=", "dim")}


def apply(file: FileArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Shows what the document changes and how many chats each policy would reach now, then stores new versions.

    It deletes nothing. On a terminal it asks when a policy that deletes is new or changed; elsewhere it does not ask. Stored policies that the document does not name stay as they are.

    Exit codes: 0 done, 2 not confirmed, 3 the document is invalid and nothing was stored.
    """
    policies = read(file)
    settings = start.settings()

    from chat_hygiene import wiring

    output = Output(as_json=as_json)
    with wiring.open_ledger(settings) as ledger:
        effects = wiring.effects(ledger, policies, now=ledger.now())
        news = [each for each in effects if each.change.what != "unchanged"]
        if not as_json:
            for each in effects:
                show(output, each)
        if any(each.change.policy.mode == "enforce" for each in news) and output.can_ask:
            output.confirm("Store this? What it deletes is gone for good.", yes=yes)
        stored = wiring.apply(ledger, policies, now=ledger.now())
    if as_json:
        versions = {change.policy.name: version for change, version in stored}
        output.document(
            "policy.apply", stored=len(stored), changes=[_document(each, versions) for each in effects]
        )
    elif not news:
        output.good("no change")
    else:
        output.good(
            f"{count(len(stored), 'policy', 'policies')} stored; chat-hygiene preview lists the chats"
        )


def show(output: Output, effect: "Effect") -> None:
    """Prints what one policy of a document changes."""
    change = effect.change
    sign, style = _MARKS[change.what]
    version = "" if change.from_version is None else f" (version {change.from_version})"
    output.line(
        Text(f"{sign} {change.policy.name}", style=style), f": {change.what}{version}, {does(change.policy)}"
    )
    if change.what == "unchanged":
        return
    output.line(f"    {change.policy.words()}")
    for key, before, after in _differences(effect):
        output.line(f"    {key}: {before} → {after}")
    if effect.matches is not None:
        output.line(f"    matches {count(effect.matches, 'chat')} as of the last sync")


def _differences(effect: "Effect") -> list[tuple[str, object, object]]:
    change = effect.change
    if change.before is None:
        return []
    before, after = dict(_flat(change.before.to_document())), dict(_flat(change.policy.to_document()))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [(key, before.get(key, "not set"), after.get(key, "not set")) for key in keys]


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _document(effect: "Effect", versions: Mapping[str, int]) -> dict[str, Any]:
    change = effect.change
    return {
        "policy": change.policy.name,
        "what": change.what,
        "from_version": change.from_version,
        "version": versions.get(change.policy.name, change.from_version),
        "action": change.policy.action,
        "mode": change.policy.mode,
        "rule": change.policy.words(),
        "matches": effect.matches,
        "differences": [
            {"key": key, "before": before, "after": after} for key, before, after in _differences(effect)
        ],
    }
