"""The only place that puts settings, store, providers and stages together. Faces call this package and nothing below."""

from chat_hygiene.store.jobs import Waiting
from chat_hygiene.wiring.applying import apply, effects, history, pause, resume, thaw
from chat_hygiene.wiring.auditing import verify_audit
from chat_hygiene.wiring.checking import Account, Number, Standing, check_account, standing, undercut
from chat_hygiene.wiring.deciding import Run, approve_run, look_at_run, reject_run, run_of, runs
from chat_hygiene.wiring.ledger import Ledger, open_ledger, settings
from chat_hygiene.wiring.looking import (
    audit_events,
    explain,
    jobs,
    policies,
    preview,
    unreadable,
)
from chat_hygiene.wiring.operating import cancel_jobs, look_at_debts, retry_debts, retry_jobs, write_off
from chat_hygiene.wiring.plans import check_plan, load_plan, make_plan, save_plan
from chat_hygiene.wiring.running import RunReport, Watcher, run_once, sync_once, to_run
from chat_hygiene.wiring.upgrading import (
    app_grants,
    check_schema,
    report_grants,
    schema_versions,
    upgrade_schema,
)

__all__ = [
    "Account",
    "Ledger",
    "Number",
    "Run",
    "RunReport",
    "Standing",
    "Waiting",
    "Watcher",
    "app_grants",
    "apply",
    "approve_run",
    "audit_events",
    "cancel_jobs",
    "check_account",
    "check_plan",
    "check_schema",
    "effects",
    "explain",
    "history",
    "jobs",
    "load_plan",
    "look_at_debts",
    "look_at_run",
    "make_plan",
    "open_ledger",
    "pause",
    "policies",
    "preview",
    "reject_run",
    "report_grants",
    "resume",
    "retry_debts",
    "retry_jobs",
    "run_of",
    "run_once",
    "runs",
    "save_plan",
    "schema_versions",
    "settings",
    "standing",
    "sync_once",
    "thaw",
    "to_run",
    "undercut",
    "unreadable",
    "upgrade_schema",
    "verify_audit",
    "write_off",
]
