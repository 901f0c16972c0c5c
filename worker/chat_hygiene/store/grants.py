"""Rights in PostgreSQL, as SQL to be run by whoever owns the database: what a role may do, and that it may do no more."""

import re

from chat_hygiene.core.errors import UsageError
from chat_hygiene.store.revision import HEAD
from chat_hygiene.store.views import VIEWS

TIMEOUT = "30s"
"""How long one statement of a reporting role may take, unless somebody says otherwise."""

_ROLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,62}")
_TIMEOUT = re.compile(r"[1-9][0-9]{0,8}(ms|s|min|h)")

_OURS = """NOT EXISTS (
            SELECT FROM pg_depend AS d WHERE d.objid = {oid} AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
        )"""

# Rights come to a role by more ways than grants to it, so each way is shut, and at the end it is asked what it may do.
_REPORTING = """\
-- Lets role {role} read the report views of chat-hygiene, and nothing else. Schema {schema}; run it again after each upgrade.
-- Run it as the owner of the tables, or as a superuser: psql --set ON_ERROR_STOP=1 --file FILE
-- A new role has no password yet: \\password {role}
BEGIN;
DO $grants$
DECLARE
    it CONSTANT text := '{role}';
    owner CONSTANT text := (SELECT viewowner FROM pg_views WHERE schemaname = 'public' AND viewname = '{view}');
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
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND {ours_c}
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM %I', relation, it);
    END LOOP;
    FOR relation IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S' AND {ours_c}
    LOOP
        EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM %I', relation, it);
    END LOOP;
    FOR routine IN SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = 'public'::regnamespace AND {ours_p} LOOP
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
    {views}
    TO "{role}";
ALTER ROLE "{role}" SET default_transaction_read_only = on;
ALTER ROLE "{role}" SET statement_timeout = '{timeout}';
DO $grants$
DECLARE
    it CONSTANT text := '{role}';
    excess text;
BEGIN
    SELECT string_agg(may, ', ') INTO excess FROM (
        SELECT format('%s on %s', right_, c.oid::regclass) AS may
        FROM pg_class AS c, unnest('{{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}}'::text[]) AS right_
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
            AND has_table_privilege(it, c.oid, right_) AND {ours_c}
            AND NOT (right_ = 'SELECT' AND c.relkind = 'v' AND starts_with(c.relname, 'report_v1_'))
        UNION ALL
        SELECT format('EXECUTE on %s', p.oid::regprocedure) FROM pg_proc AS p
        WHERE p.pronamespace = 'public'::regnamespace AND has_function_privilege(it, p.oid, 'EXECUTE') AND {ours_p}
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
"""


def reporting(role: str, *, timeout: str = TIMEOUT) -> str:
    """SQL that lets `role` select the report views and nothing else; it can be run again, and fails rather than give more.

    `timeout` is for each statement, such as `30s`. It guards against accidents: whoever is the role can lift it.
    Raises UsageError.
    """
    if not _TIMEOUT.fullmatch(timeout):
        raise UsageError(
            f"{timeout!r} is no time-out", fix="a whole number above 0 and ms, s, min or h, such as 30s"
        )
    return _REPORTING.format(
        role=checked(role),
        schema=HEAD,
        view=VIEWS[0].name,
        views=",\n    ".join(view.name for view in VIEWS),
        timeout=timeout,
        ours_p=_OURS.format(oid="p.oid"),
        ours_c=_OURS.format(oid="c.oid"),
    )


def checked(role: str) -> str:
    """The name of a role, if it can stand between quotes of any kind. Raises UsageError."""
    if not _ROLE.fullmatch(role):
        raise UsageError(
            "that cannot be the name of a role",
            fix="letters, digits and _ . @ - in at most 63 characters, the first one a letter",
        )
    return role
