"""A queue of three, and what people do to the policy whose queue it is."""

import json

from sqlalchemy import select

from chat_hygiene import wiring
from chat_hygiene.store.tables import jobs
from chat_policies import load
from support.timetable import DAY

KEEP = "  - name: keep-vip\n    action: keep\n    when: {labels: [vip]}\n"
HEAD = "version: 1\npolicies:\n"


def documents(*bodies):
    return load((HEAD + "".join(bodies)).encode(), "policies.yaml")


def three_queued(table):
    """Three chats, quiet for 40, 60 and 90 days, queued for ten days from now by a policy that names 30."""
    table.number()
    for number, days in enumerate((40, 60, 90), 1):
        table.chat(number, quiet=days * DAY)
    table.policy(grace="10d", when="{inactive_for: 30d}")
    table.evaluate(table.due_run())
    assert states(table) == ["queued"] * 3
    return table


def states(table):
    return [state for (state,) in table.sql("select state from jobs order by id")]


def due(table):
    """(not before, next attempt) of each job, in days from now."""
    rows = table.sql(select(jobs.c.not_before, jobs.c.next_attempt_at).order_by(jobs.c.id))
    return [tuple((at - table.now) / DAY for at in row) for row in rows]


def cancelled(table):
    return [json.loads(detail)["clause"] for _, detail in table.events("job.cancelled")]


def turn(table, verb, *names):
    with table.context() as context:
        return getattr(wiring, verb)(
            wiring.Ledger(context), names or ["old"], because="the audit asked", now=table.now
        )


def apply(table, wanted, **how):
    with table.context() as context:
        return wiring.apply(wiring.Ledger(context), wanted, now=table.now, **how)


def effects(table, wanted, **how):
    with table.context() as context:
        look = wiring.effects(wiring.Ledger(context), wanted, now=table.now, **how)
    return look, {each.change.policy.name: each for each in look.effects}


OLD = "  - name: old\n    schedule: '0 3 * * *'\n    grace: 10d\n    when: {{inactive_for: {days}}}\n    mode: {mode}\n"
DELETES = "    delete: {from_whatsapp: true}\n    limits: {max_chats: 1000, max_share: 100%}\n"


def old(days="30d", mode="enforce"):
    return OLD.format(days=days, mode=mode) + DELETES
