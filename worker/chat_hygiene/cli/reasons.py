"""What to do about a run that awaits approval, and who dropped out of a list."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chat_hygiene.cli.output import Output, count

if TYPE_CHECKING:
    from chat_hygiene.pipeline.evaluation import Dropped

_NAMED = 10


def decision(run_id: int) -> str:
    """What to do about a run that awaits approval."""
    return f"run {run_id} awaits approval: chat-hygiene runs show {run_id}, then runs approve {run_id} or runs reject {run_id}"


def show_dropped(output: Output, dropped: "Sequence[Dropped]") -> None:
    """Names those that may not go any more, by the clause that keeps them."""
    for words, number in Counter(each.words for each in dropped).most_common():
        hints = [each.chat_hint or each.chat_ref for each in dropped if each.words == words]
        more = f" and {number - _NAMED:,} more" if number > _NAMED else ""
        does = "does" if number == 1 else "do"
        output.warn(f"{count(number, 'chat')} dropped out: {does} not meet “{words}”")
        output.say(f"  {', '.join(hints[:_NAMED])}{more}")


def dropped_document(dropped: "Sequence[Dropped]") -> list[dict[str, Any]]:
    """For `--json`: no name and no number."""
    return [{"chat_ref": each.chat_ref, "clause": each.clause, "words": each.words} for each in dropped]
