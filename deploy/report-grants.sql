-- Made by `make docs`, as `chat-hygiene db grants --role report` prints it.
-- Lets role report read the report views of chat-hygiene, and nothing else. Schema 0012; run it again after each upgrade.
-- Run it as the owner of the tables, or as a superuser: psql --set ON_ERROR_STOP=1 --file FILE
-- A new role has no password yet: \password report
BEGIN;
DO $grants$
DECLARE
    it CONSTANT text := 'report';
    owner CONSTANT text := (SELECT viewowner FROM pg_views WHERE schemaname = 'public' AND viewname = 'report_v1_policies');
    relation regclass;
    routine regprocedure;
BEGIN
    IF owner IS NULL THEN
        RAISE EXCEPTION 'the report views are not in schema public of this database: chat-hygiene db upgrade makes them';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = it) THEN
        EXECUTE format('CREATE ROLE %I LOGIN', it);
    END IF;
    IF EXISTS (
        SELECT FROM pg_roles AS r WHERE r.rolname = it AND (
            r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
            OR EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid)
            OR EXISTS (SELECT FROM pg_class AS c WHERE c.relowner = r.oid)
        )
    ) THEN
        RAISE EXCEPTION 'role % has rights of its own: it is special, a member of another role, or owns tables', it
            USING HINT = 'take a role that does nothing but read reports';
    END IF;
    -- An extension's objects are somebody else's.
    FOR relation IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT EXISTS (
            SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
        )
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM %I', relation, it);
    END LOOP;
    FOR relation IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S' AND NOT EXISTS (
            SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
        )
    LOOP
        EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM %I', relation, it);
    END LOOP;
    FOR routine IN SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'public'::regnamespace AND NOT EXISTS (
            SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
        ) LOOP
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %I', routine, it);
    END LOOP;
    EXECUTE format('REVOKE ALL ON SCHEMA public FROM %I', it);
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), it);
    -- What everybody may do by default. The owner of the tables keeps what it needs for the next upgrade.
    EXECUTE format('GRANT CREATE ON SCHEMA public TO %I', owner);
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        -- Large objects, which anybody may store and nobody here does.
        REVOKE EXECUTE ON FUNCTION lo_create(oid), lo_creat(integer), lo_from_bytea(oid, bytea) FROM PUBLIC;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), it);
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', it);
END
$grants$;
GRANT SELECT ON
    report_v1_policies,
    report_v1_runs,
    report_v1_deletions,
    report_v1_deletions_daily,
    report_v1_upcoming,
    report_v1_failures,
    report_v1_debt,
    report_v1_devices,
    report_v1_holds,
    report_v1_changes,
    report_v1_audit,
    report_v1_health
    TO "report";
ALTER ROLE "report" SET default_transaction_read_only = on;
ALTER ROLE "report" SET statement_timeout = '30s';
DO $grants$
DECLARE
    it CONSTANT text := 'report';
    excess text;
BEGIN
    SELECT string_agg(may, ', ') INTO excess FROM (
        SELECT format('%s on %s', right_, c.oid::regclass) AS may
        FROM pg_class AS c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS right_
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
            AND has_table_privilege(it, c.oid, right_) AND NOT EXISTS (
            SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
        )
            AND NOT (right_ = 'SELECT' AND c.relkind = 'v' AND starts_with(c.relname, 'report_v1_'))
        UNION ALL
        SELECT format('EXECUTE on %s', p.oid::regprocedure) FROM pg_proc AS p
        WHERE p.pronamespace = 'public'::regnamespace AND has_function_privilege(it, p.oid, 'EXECUTE') AND NOT EXISTS (
            SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
        )
        UNION ALL
        SELECT format('CREATE on schema %I', n.nspname) FROM pg_namespace AS n
        WHERE has_schema_privilege(it, n.oid, 'CREATE')
        UNION ALL
        SELECT 'CREATE or TEMPORARY on the database'
        WHERE has_database_privilege(it, current_database(), 'CREATE, TEMPORARY')
    ) AS each_way;
    IF excess IS NOT NULL THEN
        RAISE EXCEPTION 'role % could still do more: %', it, excess
            USING HINT = 'everybody may: revoke it FROM PUBLIC, or run this as a superuser';
    END IF;
END
$grants$;
COMMIT;
