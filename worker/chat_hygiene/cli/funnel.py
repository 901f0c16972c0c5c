"""A funnel in words: how many chats a policy saw, and at which clause the others stayed."""

from typing import TYPE_CHECKING, Any

from chat_hygiene.cli.output import Output, count

if TYPE_CHECKING:
    from chat_policies import ClauseCount, Funnel

_STAYS = ("unless", "keep", "hold")
"""A chat stays because such a clause is true of it; because of any other one, when it is not."""


def document(funnel: "Funnel") -> dict[str, Any]:
    """For `--json`."""
    return {
        "seen": funnel.seen,
        "in_scope": funnel.in_scope,
        "matched": funnel.matched,
        "held": funnel.held,
        "kept": funnel.kept,
        "clauses": [
            {"name": each.name, "words": each.words, "failed": each.failed, "unknown": each.unknown}
            for each in funnel.clauses
        ],
    }


def show(output: Output, funnel: "Funnel") -> None:
    """Prints the way down, and per clause how many chats it kept; a chat can be kept by several."""
    held = f", {funnel.held} more held" if funnel.held else ""
    kept = f", {funnel.kept} more kept" if funnel.kept else ""
    output.line(
        f"  {count(funnel.seen, 'chat')} seen → {funnel.in_scope:,} in scope → {funnel.matched:,} match{held}{kept}"
    )
    for clause in funnel.clauses:
        if clause.failed or clause.unknown:
            output.line(f"  {clause.failed + clause.unknown:>7,} stay: {_why(clause, funnel)}")


def _why(clause: "ClauseCount", funnel: "Funnel") -> str:
    part = clause.name.partition(".")[0]
    words = clause.words if part in _STAYS else f"not {clause.words}"
    if clause.unknown and clause.unknown == (funnel.seen if part == "scope" else funnel.in_scope):
        return f"{words} (never known: no answer of the API says it)"
    return f"{words} ({clause.unknown:,} of them not known)" if clause.unknown else words
