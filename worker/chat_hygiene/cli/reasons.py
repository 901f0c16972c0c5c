"""Why a run did what it did, in words: each reason, what to do about it, and who dropped out of a list."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chat_hygiene.cli.output import Output, count
from chat_hygiene.core.reasons import Reason

if TYPE_CHECKING:
    from chat_hygiene.pipeline.evaluation import Dropped

WORDS = {
    Reason.OBSERVE: "only observes",
    Reason.NOTHING_MATCHED: "nothing matched",
    Reason.ALREADY_QUEUED: "everything that matches is queued already",
    Reason.STALE: "nothing queued: the data is too old to delete by; chat-hygiene sync",
    Reason.STOPPED: "nothing queued: deleting is stopped; chat-hygiene start lets it go on",
    Reason.BRAKE: "nothing queued: a brake tripped",
    Reason.CANARY: "nothing queued: the first chats of this version go alone",
    Reason.UNKNOWN_DEVICE: "not evaluated: it names a device that the account does not have",
    Reason.PAUSED: "not evaluated: it is paused, and chat-hygiene policy resume lets it go on",
    Reason.RETIRED: "not evaluated: the policy is retired",
    Reason.KEEP_POLICY: "not evaluated: it is a keep-policy by now",
    Reason.UNREADABLE: "not evaluated: this program cannot read the policy; is a newer one at work?",
    Reason.DATABASE: "not evaluated: the database failed until the data was too old; see the log",
    Reason.COALESCED: "not run by itself: a later slot's run made up for it",
    Reason.MISSED: "not run: nothing was at work at its time, nor soon enough after it; see chat-hygiene doctor",
    Reason.REJECTED: "nothing queued: somebody decided against it",
    Reason.GONE_BEFORE: "nothing queued: it had left before, and what was stored of it is gone",
    Reason.EXPIRED: "nothing queued: nobody approved it in time",
}
_NAMED = 10


def result(reason: str, *, queued: int, deferred: int, canary: bool) -> str:
    """What came of a run."""
    if reason == Reason.QUEUED:
        wait = "the others wait until these have ended well" if canary else "their data is too old"
        rest = f", {deferred:,} deferred: {wait}" if deferred else ""
        return f"{count(queued, 'chat')} queued{rest}"
    if reason in set(Reason):
        return WORDS[Reason(reason)]
    return f"not evaluated, {reason}: see the log"


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
