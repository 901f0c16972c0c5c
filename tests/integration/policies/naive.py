"""What may go in a whole world, naively: plain Python over the world as people and the API made it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from integration.policies import oracle
from integration.policies.strategies import DEVICES, MIN_AGE

FRESHNESS = timedelta(hours=6)
AHEAD = timedelta(minutes=5)
DAY = timedelta(days=1)
HOUSE_CANARY = 2
HOLDING = {"queued", "leased", "sent", "deleted", "already_gone", "removed_locally", "quarantined"}
EFFECTIVE = {"deleted", "already_gone", "removed_locally"}


def covers(hold, chat):
    if hold["device_id"] not in {None, chat["device_id"]}:
        return False
    if hold["scope"] == "chat":
        return hold["chat_ref"] == chat["chat_ref"]
    return hold["scope"] == "device" or hold["label"] in chat["labels"]


def over_at(hold):
    return hold["until"] if hold["released_at"] is None else hold["released_at"]


def held(world, chat):
    return any(covers(each, chat) and not _over(each, world.now) for each in world.holds)


def _over(hold, now):
    return over_at(hold) is not None and over_at(hold) <= now


def hold_ended(world, chat, since):
    """Whether a hold on it ended after `since`."""
    return any(
        covers(each, chat) and _over(each, world.now) and over_at(each) > since for each in world.holds
    )


def why_not(world, rules, chat):
    """Why a chat may not go by a policy, freshness and other jobs aside; None: it may."""
    if held(world, chat):
        return "is held"
    alone = (chat, world.now, MIN_AGE, DEVICES)
    if not oracle.matches(rules.document, [], *alone):
        return "does not match"
    if not oracle.matches(rules.document, world.kept_by, *alone):
        return "is kept"
    return None


def given_up(world, rules, device):
    grace = rules.document["delete"].get("offline_grace")
    seen = device["last_online_at"]
    return (
        grace is not None
        and device["session_status"] != "online"
        and device.get("blocked_reason") is None
        and seen is not None
        and world.now - seen >= oracle.duration(grace)
    )


def usable(device):
    return device["status"] == "operative" and device.get("product") in {None, "io"}


def fresh(world, rules, chat):
    device = world.numbers[chat["device_id"]]

    def recent(at):
        return at is not None and -AHEAD <= world.now - at <= FRESHNESS

    online = recent(device["last_online_at"]) or given_up(world, rules, device)
    return usable(device) and recent(device["last_full_sync_at"]) and online


def reach(when, fact, default):
    """The values of a fact that a chat can have, so that `when` may hold."""
    if set(when) == {"any"}:
        return {value for each in when["any"] for value in reach(each, fact, default)}
    return set(oracle.listed(when[fact])) if fact in when else {default}


def in_scope(rules, chat):
    when = rules.document["when"]
    return (
        chat["removed_at"] is None
        and chat["missing_since"] is None
        and chat["status"] != "removed"
        and oracle.on_device(rules.document, chat, DEVICES)
        and chat["kind"] in reach(when, "kind", "chat")
        and all((chat[flag] is True) in reach(when, flag, False) for flag in ("pinned", "locked"))
    )


def candidates(world, rules, past):
    """Pseudonyms of the chats that may get a job: with fresh data, and all."""
    found = [chat for chat in world.chats.values() if why_not(world, rules, chat) is None]
    free = {chat["chat_ref"] for chat in found if not _busy(world, rules, chat, past)}
    return {chat["chat_ref"] for chat in found if fresh(world, rules, chat)} & free, free


def _busy(world, rules, chat, past):
    mine = [job for job in past if job.chat_id == chat["id"]]
    return any(
        job.state in HOLDING and not (job.policy_id == rules.id and void(world, job)) for job in mine
    ) or any(
        job.state == "failed"
        and (job.policy_id, job.version) == (rules.id, rules.version)
        and job.finished_at > world.now - 7 * DAY
        for job in mine
    )


def void(world, job):
    """A queued job that begins anew: a hold on its chat ended since."""
    return job.state == "queued" and hold_ended(world, world.chats[job.chat_id], job.queued_at)


def over_brake(world, rules, refs, past):
    """Whether so many are too many for any number's day."""
    limits, zone = rules.document["limits"], ZoneInfo(rules.document["timezone"])
    share = int(limits["max_share"].removesuffix("%"))
    today = [
        job
        for job in past
        if job.policy_id == rules.id
        and job.approved_by is None
        and job.state != "cancelled"
        and not void(world, job)
        and why_not_queued(world, rules, job) is None
        and job.queued_at.astimezone(zone).date() == world.now.astimezone(zone).date()
    ]
    for number in world.numbers:
        wanted = sum(chat["chat_ref"] in refs for chat in on(world, number))
        before = [job for job in today if job.device_id == number]
        population = sum(in_scope(rules, chat) for chat in on(world, number))
        population += sum(job.state in EFFECTIVE for job in before)
        allowed = min(limits["max_chats"], -(-share * population // 100))
        if wanted and wanted + len(before) > allowed:
            return True
    return False


def why_not_queued(world, rules, job):
    """Why a queued job is taken off the list; None for any other job."""
    return why_not(world, rules, world.chats[job.chat_id]) if job.state == "queued" else None


def on(world, number):
    return [chat for chat in world.chats.values() if chat["device_id"] == number]


def oldest(world, refs, most):
    def silent_since(chat):
        return chat["last_message_at"] is None, chat["last_message_at"] or world.now, chat["id"]

    found = sorted((chat for chat in world.chats.values() if chat["chat_ref"] in refs), key=silent_since)
    return {chat["chat_ref"] for chat in found[:most]}


def canary(world, rules, past, lifted):
    """(where the canary stands, how many it lets go)."""
    size = rules.document["limits"].get("canary", HOUSE_CANARY)
    if size == "off" or (rules.id, rules.version) in lifted:
        return "passed", None
    first = [
        job for job in past
        if (job.policy_id, job.run_version) == (rules.id, rules.version) and job.canary
    ]  # fmt: skip
    if not first:
        return "ahead", size
    states = {
        "cancelled" if void(world, job) or why_not_queued(world, rules, job) else job.state for job in first
    }
    if states & {"removed_locally", "failed", "quarantined"}:
        return "failed", None
    return ("under way" if states & {"queued", "leased", "sent"} else "passed"), None


def expected(world, rules, past, lifted):
    """(what a run of the policy says, what it queues)."""
    if rules.state == "paused":
        return "paused", set()
    if not rules.enforces:
        return "observe", set()
    refs, free = candidates(world, rules, past)
    if world.stopped:
        return "stopped", set()
    if not refs:
        return ("stale" if free else "nothing"), set()
    if over_brake(world, rules, refs, past):
        return "brake", set()
    stands, size = canary(world, rules, past, lifted)
    if stands == "ahead":
        return "canary", oldest(world, refs, size)
    if stands in {"under way", "failed"}:
        return f"canary {stands}", set()
    return "queued", refs


def may_pass(world, rules, job):
    """Why no call may be made for a claimed job; None: it may."""
    chat, device = world.chats[job.chat_id], world.numbers[job.device_id]
    if world.stopped:
        return "stopped"
    if not rules.enforces:
        return rules.state if rules.state != "active" else "observes"
    if (reason := why_not(world, rules, chat)) is not None:
        return reason
    if hold_ended(world, chat, job.queued_at):
        return "was held"
    if job.not_before > world.now:
        return "has its grace"
    online = usable(device) and device["session_status"] == "online"
    if device.get("blocked_reason") is not None or not (
        online or (usable(device) and given_up(world, rules, device))
    ):
        return "cannot be reached"
    return None
