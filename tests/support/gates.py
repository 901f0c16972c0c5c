"""The gate, asked about one job that stands before it alone, and how a job comes there."""

from datetime import timedelta

from chat_hygiene.core.facts import ChatFacts
from chat_hygiene.pipeline import gate
from chat_hygiene.store import jobs


def claim(context):
    """The one due job of the first device, leased."""
    (job,) = claim_all(context)
    return job


def claim_all(context):
    """Every due job of the first device, leased."""
    with context.sessions.begin() as session:
        return jobs.claim(
            session,
            1,
            100,
            mine=jobs.of_policies(None),
            now=context.clock(),
            lease=context.settings.lease_seconds,
            owner=context.owner,
            actor="tester",
        )


def matching(context, wid):
    """A read by which the inbox's rule lets the chat go."""
    long_ago = context.clock() - timedelta(days=60)
    return ChatFacts(
        wid,
        kind="chat",
        status="resolved",
        status_updated_at=long_ago,
        last_message_at=long_ago,
        last_inbound_at=long_ago,
    )


def judged(context, job, facts, *, read_at, now):
    """What it says of this job, whose chat was read as `facts` at `read_at`."""
    (found,) = gate.run(context, [gate.Ask(job, facts, read_at)], now=now)
    return found
