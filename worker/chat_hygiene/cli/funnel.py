"""A funnel in words: how many chats a policy saw, and at which clause the others stayed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chat_hygiene.cli.output import Output, count, mark

if TYPE_CHECKING:
    from chat_policies import ClauseCount, Funnel


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


def of_run(run: Mapping[str, Any]) -> "Funnel":
    """The funnel that a stored run keeps in its row."""
    from chat_policies import ClauseCount, Funnel

    names = ("seen", "in_scope", "matched", "held", "kept")
    clauses = [
        ClauseCount(each["clause"], each["words"], each["failed"], each["unknown"])
        for each in run["funnel"] or []
    ]
    return Funnel(**{name: run[name] for name in names}, clauses=tuple(clauses))


def show(output: Output, funnel: "Funnel") -> None:
    """Prints the way down, and per clause how many chats it kept; a chat can be kept by several."""
    held = f", {funnel.held} more held" if funnel.held else ""
    kept = f", {funnel.kept} more kept" if funnel.kept else ""
    output.line(
        f"  {count(funnel.seen, 'chat')} seen → {funnel.in_scope:,} in scope → {funnel.matched:,} match{held}{kept}"
    )
    for clause in funnel.clauses:
        if clause.failed or clause.unknown:
            words = f"do not meet “{_words(clause)}”{_unknown(clause, funnel)}"
            output.line("  ", mark(False), f" {clause.failed + clause.unknown:>5,} {words}")


def _words(clause: "ClauseCount") -> str:
    return f"unless {clause.words}" if clause.name.startswith(("unless.", "keep.", "hold")) else clause.words


def _unknown(clause: "ClauseCount", funnel: "Funnel") -> str:
    if not clause.unknown:
        return ""
    asked = funnel.seen if clause.name.startswith("scope.") else funnel.in_scope
    if clause.unknown == asked:
        return ": no answer of the API says it"
    return f": of {clause.unknown:,} it is not known"
