"""The report views, version 1: what dashboards read. `store/views.py` says what each column means.

A column may be added at the end; none may change, move or go. No view shows a full number, a name or free text.
"""

from alembic import op

from chat_hygiene.store.spelling import spell

revision = "0004"
down_revision = "0003"

VIEWS = {
    "report_v1_policies": """
        SELECT p.name AS policy, p.version, FIELD(mode) AS mode, p.state,
            FIELD(schedule) AS schedule, FIELD(timezone) AS timezone, v.rule, p.next_run_at,
            r.started_at AS last_run_at, r.state AS last_run_state,
            (SELECT count(*) FROM jobs AS j WHERE j.policy_id = p.id
                AND j.state IN ('queued', 'leased', 'sent') AND j.not_before < NOW) AS overdue,
            (SELECT min(j.not_before) FROM jobs AS j WHERE j.policy_id = p.id
                AND j.state IN ('queued', 'leased', 'sent') AND j.not_before < NOW) AS oldest_overdue_at
        FROM policies AS p
        JOIN policy_versions AS v ON v.policy_id = p.id AND v.version = p.version
        LEFT JOIN policy_runs AS r ON r.id = (SELECT max(id) FROM policy_runs WHERE policy_id = p.id)
    """,
    "report_v1_runs": """
        SELECT r.id AS run_id, p.name AS policy, r.version AS policy_version, r."trigger" AS "trigger",
            r.scheduled_for, r.started_at, r.finished_at, r.mode, r.state, r.reason,
            r.seen, r.in_scope, r.matched, r.held, r.kept, r.deferred, r.queued,
            COALESCE(o.deleted, 0) AS deleted, COALESCE(o.removed_locally, 0) AS removed_locally,
            COALESCE(o.already_gone, 0) AS already_gone, COALESCE(o.cancelled, 0) AS cancelled,
            COALESCE(o.failed, 0) AS failed, r.requested_by, r.approved_by
        FROM policy_runs AS r
        JOIN policies AS p ON p.id = r.policy_id
        LEFT JOIN (
            SELECT run_id,
                sum(CASE WHEN state = 'deleted' THEN 1 ELSE 0 END) AS deleted,
                sum(CASE WHEN state = 'removed_locally' THEN 1 ELSE 0 END) AS removed_locally,
                sum(CASE WHEN state = 'already_gone' THEN 1 ELSE 0 END) AS already_gone,
                sum(CASE WHEN state = 'cancelled' THEN 1 ELSE 0 END) AS cancelled,
                sum(CASE WHEN state IN ('failed', 'quarantined') THEN 1 ELSE 0 END) AS failed
            FROM jobs GROUP BY run_id
        ) AS o ON o.run_id = r.id
    """,
    "report_v1_deletions": """
        SELECT j.id AS job_id, j.run_id, p.name AS policy, j.version AS policy_version, d.device,
            j.chat_ref, j.chat_hint, j.reason, j.state AS outcome, j.whatsapp_state, j.platform_state,
            j.queued_at, j.finished_at, j.attempts, j.error_class, j.error_code
        FROM jobs AS j
        JOIN policies AS p ON p.id = j.policy_id
        JOIN devices AS d ON d.id = j.device_id
        WHERE j.state IN ('deleted', 'removed_locally', 'already_gone')
    """,
    "report_v1_deletions_daily": """
        SELECT n.day, p.name AS policy, d.device, n.deleted, n.removed_locally, n.already_gone, n.failed
        FROM daily_counts AS n
        JOIN policies AS p ON p.id = n.policy_id
        JOIN devices AS d ON d.id = n.device_id
    """,
    "report_v1_upcoming": """
        SELECT p.name AS policy, d.device, j.chat_ref, j.chat_hint, j.reason, j.matched_at, j.not_before,
            CASE WHEN j.not_before <= NOW THEN j.not_before END AS due_since,
            CASE
                WHEN EXISTS (SELECT 1 FROM switches AS s WHERE s.name = 'stop' AND s."on") THEN 'stopped'
                WHEN EXISTS (
                    SELECT 1 FROM holds AS h
                    WHERE h.released_at IS NULL AND (h.until IS NULL OR h.until > NOW)
                        AND (h.device_id IS NULL OR h.device_id = j.device_id)
                        AND (h.scope = 'device' OR h.scope = 'chat' AND h.chat_ref = j.chat_ref
                            OR h.scope = 'label' AND LABELLED)
                ) THEN 'hold'
                WHEN j.error_class = 'refused' THEN 'refused'
                WHEN COALESCE(d.session_status, 'unknown') <> 'online' THEN 'offline'
            END AS blocked_by
        FROM jobs AS j
        JOIN policies AS p ON p.id = j.policy_id
        JOIN devices AS d ON d.id = j.device_id
        JOIN chats AS c ON c.id = j.chat_id
        WHERE j.state = 'queued'
    """,
    "report_v1_failures": """
        SELECT j.id AS job_id, p.name AS policy, d.device, j.chat_ref, j.chat_hint,
            j.error_class, j.error_code, j.attempts, j.first_failed_at, j.last_failed_at,
            CASE WHEN j.state = 'queued' THEN j.next_attempt_at END AS next_attempt_at,
            j.state IN ('failed', 'quarantined') AS final
        FROM jobs AS j
        JOIN policies AS p ON p.id = j.policy_id
        JOIN devices AS d ON d.id = j.device_id
        WHERE j.error_class IS NOT NULL AND j.state IN ('queued', 'failed', 'quarantined')
    """,
    "report_v1_debt": """
        SELECT j.id AS job_id, d.device, j.chat_ref, j.chat_hint, p.name AS policy,
            j.debt_opened_at AS opened_at, AGE(j.debt_opened_at) AS age_seconds, j.debt_reason AS reason,
            j.debt_probes AS probes, j.debt_next_probe_at AS next_probe_at, j.debt_state AS state,
            j.debt_settled_at AS settled_at
        FROM jobs AS j
        JOIN policies AS p ON p.id = j.policy_id
        JOIN devices AS d ON d.id = j.device_id
        WHERE j.debt_state IS NOT NULL
    """,
    "report_v1_devices": """
        SELECT d.device, d.alias, d.status, d.session_status, d.last_online_at, d.last_sync_at,
            d.last_full_sync_at,
            (SELECT count(*) FROM chats AS c WHERE c.device_id = d.id
                AND c.removed_at IS NULL AND c.missing_since IS NULL) AS chats,
            UNKNOWN_COUNT AS uncovered, d.paused_until, d.blocked_reason
        FROM devices AS d
    """,
    "report_v1_holds": """
        SELECT h.id AS hold_id, h.scope, h.chat_ref, h.label, d.device, h.held_by, h.placed_at,
            h.until AS "until", h.released_at
        FROM holds AS h
        LEFT JOIN devices AS d ON d.id = h.device_id
    """,
    "report_v1_changes": """
        SELECT e.at AS "at", e.actor, e.kind AS action,
            CASE WHEN e.kind LIKE 'policy.%' THEN e.policy WHEN e.kind LIKE 'hold.%' THEN 'hold' ELSE 'switch' END
                AS object,
            e.policy,
            CASE e.kind WHEN 'policy.created' THEN NULL WHEN 'policy.changed' THEN e.policy_version - 1
                ELSE e.policy_version END AS from_version,
            e.policy_version AS to_version
        FROM audit_events AS e
        WHERE e.kind LIKE 'policy.%' OR e.kind LIKE 'hold.%' OR e.kind IN ('stopped', 'started')
    """,
    "report_v1_audit": """
        SELECT e.seq, e.at AS "at", e.kind, e.actor, e.policy, e.policy_version, e.run_id, e.job_id, e.device,
            e.chat_ref, e.outcome, e.detail,
            EXISTS (SELECT 1 FROM audit_seals AS s WHERE s.event_id = e.seq) AS sealed
        FROM audit_events AS e
    """,
    "report_v1_health": """
        SELECT h.part, h.last_seen_at, h.age_seconds, h.age_seconds <= 300 AS ok,
            CASE WHEN h.age_seconds > 300 THEN 'no sign of life for more than 5 minutes' END AS detail
        FROM (
            SELECT substr(s.name, 11) AS part, s.at AS last_seen_at, AGE(s.at) AS age_seconds
            FROM switches AS s WHERE s.name LIKE 'heartbeat:%'
            UNION ALL
            SELECT 'database', NOW, 0
        ) AS h
    """,
}


def upgrade() -> None:
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {spell(query, op.get_context().dialect.name)}")


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
