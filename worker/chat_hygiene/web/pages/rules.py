"""Policies: what each says in words, who changed it and how, pausing and resuming; their schedules; and why nothing went."""

from datetime import timedelta

from chat_hygiene.core.states import JobState
from chat_hygiene.store.policies import ON_REQUEST
from chat_hygiene.store.records import Record
from chat_hygiene.web.page import Content, Deed, Group, MissingError, Page, Visit
from chat_hygiene.web.telling import told
from chat_hygiene.wiring import applying, ruling
from chat_hygiene.wiring.deciding import funnel_of
from chat_hygiene.wiring.ruling import Fate, Rule, Timeline
from chat_policies import ClauseCount, Funnel, schedule_words, written

_DOTS = 14
_DAYS = 14
_SHOWN = 14
_TYPED = "description"
"""What a person typed into a policy, for people: a reader does not see it."""


def _read(visit: Visit) -> Content:
    return {"rules": [_row(each) for each in ruling.rules(visit.ledger)]}


def _row(rule: Rule) -> Record:
    return {
        "ruled": rule.ruled,
        "schedule": _schedule(rule),
        "last": told(rule.runs[0]) if rule.runs else None,
    }


def _schedule(rule: Rule) -> str | None:
    """When it runs, in words; None: a keep-policy, or one that this program cannot read."""
    policy = rule.ruled.policy
    return schedule_words(policy.schedule, policy.timezone) if policy and policy.schedule else None


def _read_one(visit: Visit) -> Content:
    name = visit.text("policy")
    story = ruling.story_of(visit.ledger, name, runs=_DOTS, now=visit.now)
    if story is None:
        if name == ON_REQUEST.name:
            raise MissingError("that is no policy: those chats went because somebody asked for them by name")
        raise MissingError(f"there never was a policy named {name}")
    policy = story.rule.ruled.policy
    shown = {} if policy is None else written(policy)
    hidden = {"name"} if visit.operator else {"name", _TYPED}
    return {
        "ruled": story.rule.ruled,
        "schedule": _schedule(story.rule),
        "dots": [told(run) for run in reversed(story.rule.runs)],
        "leaving": story.leaving,
        "keys": {key: value for key, value in shown.items() if key not in hidden},
        "entries": story.entries,
        "hidden_keys": hidden,
    }


def _read_schedules(visit: Visit) -> Content:
    until = visit.now + timedelta(days=_DAYS)
    found = ruling.calendar(visit.ledger, runs=_DOTS, now=visit.now, until=until)
    return {"lines": [_line(each) for each in found.timelines], "attended": found.attended, "days": _DAYS}


def _line(timeline: Timeline) -> Record:
    coming = timeline.coming
    fires = () if coming is None else coming.fires
    shown = [*fires[:_SHOWN], *(fire for fire in fires[_SHOWN:] if fire.moved)]
    return {
        "ruled": timeline.rule.ruled,
        "schedule": _schedule(timeline.rule),
        "dots": [told(run) for run in reversed(timeline.rule.runs)],
        "coming": coming,
        "fires": shown,
        "more": len(fires) - len(shown),
    }


def _read_nothing(visit: Visit) -> Content:
    found = ruling.fates(visit.ledger)
    quiet = [each for each in found if not each.jobs.get(JobState.DELETED)]
    return {"quiet": [_why(each) for each in quiet], "policies": len(found)}


def _why(fate: Fate) -> Record:
    """The newest run, where its chats stand, and the clause that kept most of what it saw."""
    run = fate.rule.runs[0] if fate.rule.runs else None
    funnel = None if run is None else funnel_of(run)
    most = None if funnel is None else max(funnel.clauses, key=_kept, default=None)
    return {
        "ruled": fate.rule.ruled,
        "run": run and told(run),
        "jobs": {state.value: number for state, number in fate.jobs.items() if number},
        "funnel": funnel,
        "most": None if funnel is None or most is None or not _kept(most) else _most(funnel, most),
    }


def _kept(clause: ClauseCount) -> int:
    return clause.failed + clause.unknown


def _most(funnel: Funnel, clause: ClauseCount) -> tuple[int, str]:
    return _kept(clause), funnel.unmet(clause)


def _ask_pause(visit: Visit) -> Content:
    lead = [
        "Nothing of it is queued or deleted until it is resumed, and what is queued stays as it is.",
        "The call that is out is finished. Its times pass without a run.",
    ]
    return {"lead": [f"Pauses {visit.text('policy')}.", *lead], "verb": "Pause the policy", "hidden": {}}


def _pause(visit: Visit) -> str:
    name = visit.text("policy")
    paused = applying.pause(visit.ledger, [name], because=visit.text("reason"), now=visit.now)
    return f"{name} is paused." if paused else f"{name} was paused already, and stays so."


def _ask_resume(visit: Visit) -> Content:
    name = visit.text("policy")
    (thaw,) = applying.thaw(visit.ledger, [name], now=visit.now)
    how_soon = "It is not paused." if thaw.leaving is None else f"Of its queue: {thaw.leaving.words}."
    lead = [
        f"Lets {name} go on with its next time. The times that passed are recorded as not run.",
        how_soon,
        "Each chat is read and judged again right before it goes.",
    ]
    return {"lead": lead, "verb": "Let it go on", "hidden": {}}


def _resume(visit: Visit) -> str:
    name = visit.text("policy")
    resumed = applying.resume(visit.ledger, [name], because=visit.text("reason"), now=visit.now)
    return f"{name} goes on." if resumed else f"{name} was not paused."


_BACK = "/policies/{policy}"

PARTS = (
    Page("/nothing", "nothing", "Why nothing was deleted", "nothing.html", _read_nothing, Group.NOW),
    Page("/policies", "policies", "Policies", "policies.html", _read, Group.RULES),
    Page("/policies/{policy}", "policy", "Policy", "policy.html", _read_one),
    Deed("/policies/{policy}/pause", "pause", "Pause a policy", _ask_pause, _pause, back=_BACK),
    Deed("/policies/{policy}/resume", "resume", "Resume a policy", _ask_resume, _resume, back=_BACK),
    Page("/schedules", "schedules", "Schedules", "schedules.html", _read_schedules, Group.RULES),
)
