"""The gate, asked about one job that stands before it alone."""

from chat_hygiene.pipeline import gate


def judged(context, job, facts, *, read_at, now):
    """What it says of this job, whose chat was read as `facts` at `read_at`."""
    (found,) = gate.run(context, [gate.Ask(job, facts, read_at)], now=now)
    return found
