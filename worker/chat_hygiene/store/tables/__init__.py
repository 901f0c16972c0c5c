"""Every table. The migrations build the same schema; a test compares the two.

Names of constraints come from a convention, so that a migration can name what it drops. Instants are UTC
(`types.Instant`). States and kinds are text with the closed sets of `core`.
"""

from chat_hygiene.store.tables.accounts import chats, devices
from chat_hygiene.store.tables.base import metadata
from chat_hygiene.store.tables.incidents import incidents
from chat_hygiene.store.tables.jobs import daily_counts, jobs
from chat_hygiene.store.tables.ledger import audit_events, audit_seals, holds, switches
from chat_hygiene.store.tables.policies import (
    policies,
    policy_runs,
    policy_versions,
    purged_runs,
    run_candidates,
)

__all__ = [
    "audit_events",
    "audit_seals",
    "chats",
    "daily_counts",
    "devices",
    "holds",
    "incidents",
    "jobs",
    "metadata",
    "policies",
    "policy_runs",
    "policy_versions",
    "purged_runs",
    "run_candidates",
    "switches",
]
