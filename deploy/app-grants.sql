-- Made by `make docs`, as `chat-hygiene db grants --app chat_hygiene_app` prints it.
-- Lets role chat_hygiene_app do the work of chat-hygiene, and only add to audit_events, audit_seals, policy_versions.
-- Schema 0012; run it again after each upgrade, as the owner of the tables: psql --set ON_ERROR_STOP=1 --file FILE
-- A new role has no password yet: \password chat_hygiene_app
BEGIN;
DO $grants$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'chat_hygiene_app') THEN
        CREATE ROLE "chat_hygiene_app" LOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), 'chat_hygiene_app');
END
$grants$;
GRANT USAGE ON SCHEMA public TO "chat_hygiene_app";
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "chat_hygiene_app";
REVOKE ALL ON
    public.audit_events,
    public.audit_seals,
    public.policy_versions
    FROM PUBLIC;
GRANT SELECT, INSERT ON
    public.audit_events,
    public.audit_seals,
    public.policy_versions
    TO "chat_hygiene_app";
GRANT SELECT, INSERT, UPDATE, DELETE ON
    public.chats,
    public.daily_counts,
    public.devices,
    public.holds,
    public.incidents,
    public.jobs,
    public.policies,
    public.policy_runs,
    public.purged_runs,
    public.run_candidates,
    public.switches
    TO "chat_hygiene_app";
GRANT SELECT ON
    public.alembic_version,
    public.report_v1_policies,
    public.report_v1_runs,
    public.report_v1_deletions,
    public.report_v1_deletions_daily,
    public.report_v1_upcoming,
    public.report_v1_failures,
    public.report_v1_debt,
    public.report_v1_devices,
    public.report_v1_holds,
    public.report_v1_changes,
    public.report_v1_audit,
    public.report_v1_health
    TO "chat_hygiene_app";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "chat_hygiene_app";
DO $grants$
DECLARE
    excess text;
BEGIN
    SELECT string_agg(may, ', ') INTO excess FROM (
        SELECT format('%s %s', may_, kept) AS may
        FROM unnest('{public.audit_events,public.audit_seals,public.policy_versions}'::regclass[]) AS kept, unnest('{UPDATE,REFERENCES}'::text[]) AS may_
        WHERE has_any_column_privilege('chat_hygiene_app', kept, may_)
        UNION ALL
        SELECT format('%s %s', may_, kept)
        FROM unnest('{public.audit_events,public.audit_seals,public.policy_versions}'::regclass[]) AS kept, unnest('{DELETE,TRUNCATE,TRIGGER}'::text[]) AS may_
        WHERE has_table_privilege('chat_hygiene_app', kept, may_)
        UNION ALL
        SELECT format('become %s', c.relowner::regrole) FROM pg_class AS c
        WHERE c.oid = 'public.audit_events'::regclass AND pg_has_role('chat_hygiene_app', c.relowner, 'MEMBER')
        UNION ALL
        SELECT 'make roles and rights' FROM pg_roles WHERE rolname = 'chat_hygiene_app' AND (rolsuper OR rolcreaterole)
    ) AS each_way;
    IF excess IS NOT NULL THEN
        RAISE EXCEPTION 'role chat_hygiene_app could still do more: %', excess
            USING HINT = 'take a role that owns nothing and is a member of none: the owner is for upgrades and purges';
    END IF;
END
$grants$;
COMMIT;
