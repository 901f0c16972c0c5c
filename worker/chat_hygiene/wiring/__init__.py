"""The only place that puts settings, store, providers and stages together. Faces call this package and nothing below."""

from chat_hygiene.wiring.applying import Effect, apply, effects
from chat_hygiene.wiring.ledger import Ledger, open_ledger, settings
from chat_hygiene.wiring.looking import (
    audit_events,
    explain,
    export_audit,
    jobs,
    policies,
    preview,
    verify_audit,
)
from chat_hygiene.wiring.running import RunReport, Watcher, run_once, sync_once, to_run

__all__ = [
    "Effect",
    "Ledger",
    "RunReport",
    "Watcher",
    "apply",
    "audit_events",
    "effects",
    "explain",
    "export_audit",
    "jobs",
    "open_ledger",
    "policies",
    "preview",
    "run_once",
    "settings",
    "sync_once",
    "to_run",
    "verify_audit",
]
