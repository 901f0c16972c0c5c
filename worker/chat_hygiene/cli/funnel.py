"""A funnel in words: how many chats a policy saw, and at which clause the others stayed."""

from typing import TYPE_CHECKING, Any

from chat_hygiene.cli.output import Output, count, mark

if TYPE_CHECKING:
    from chat_policies import Funnel


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
            number = clause.failed + clause.unknown
            output.line("  ", mark(False), f" {number:>5,} do not meet {funnel.unmet(clause)}")
