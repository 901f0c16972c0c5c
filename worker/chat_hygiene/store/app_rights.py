"""The rights of the application's role in PostgreSQL, as SQL: to do all its work, and to change nothing that proves it.

The tables belong to another role, which upgrades the schema and purges the audit. Whoever has the application's password
can then add to the audit, and never edit, remove or unguard what it holds.
"""

from chat_hygiene.store.grants import checked
from chat_hygiene.store.revision import HEAD
from chat_hygiene.store.tables import metadata
from chat_hygiene.store.views import VIEWS

KEPT = ("audit_events", "audit_seals", "policy_versions")
"""Tables to which rows are added, and nothing else ever happens."""

_SQL = """\
-- Lets role {role} do the work of chat-hygiene, and only add to {kept}.
-- Schema {schema}; run it again after each upgrade, as the owner of the tables: psql --set ON_ERROR_STOP=1 --file FILE
-- A new role has no password yet: \\password {role}
BEGIN;
DO $grants$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE "{role}" LOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), '{role}');
END
$grants$;
GRANT USAGE ON SCHEMA public TO "{role}";
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "{role}";
REVOKE ALL ON
    {kept_tables}
    FROM PUBLIC;
GRANT SELECT, INSERT ON
    {kept_tables}
    TO "{role}";
GRANT SELECT, INSERT, UPDATE, DELETE ON
    {own_tables}
    TO "{role}";
GRANT SELECT ON
    public.alembic_version,
    {views}
    TO "{role}";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "{role}";
DO $grants$
DECLARE
    excess text;
BEGIN
    SELECT string_agg(may, ', ') INTO excess FROM (
        SELECT format('%s %s', may_, kept) AS may
        FROM unnest('{{{kept_list}}}'::regclass[]) AS kept, unnest('{{UPDATE,REFERENCES}}'::text[]) AS may_
        WHERE has_any_column_privilege('{role}', kept, may_)
        UNION ALL
        SELECT format('%s %s', may_, kept)
        FROM unnest('{{{kept_list}}}'::regclass[]) AS kept, unnest('{{DELETE,TRUNCATE,TRIGGER}}'::text[]) AS may_
        WHERE has_table_privilege('{role}', kept, may_)
        UNION ALL
        SELECT format('become %s', c.relowner::regrole) FROM pg_class AS c
        WHERE c.oid = 'public.audit_events'::regclass AND pg_has_role('{role}', c.relowner, 'MEMBER')
        UNION ALL
        SELECT 'make roles and rights' FROM pg_roles WHERE rolname = '{role}' AND (rolsuper OR rolcreaterole)
    ) AS each_way;
    IF excess IS NOT NULL THEN
        RAISE EXCEPTION 'role {role} could still do more: %', excess
            USING HINT = 'take a role that owns nothing and is a member of none: the owner is for upgrades and purges';
    END IF;
END
$grants$;
COMMIT;
"""


def application(role: str) -> str:
    """SQL that lets `role` do the product's work; it can be run again, and fails rather than leave more to it.

    Raises UsageError for what cannot be a role's name.
    """
    own = [name for name in sorted(metadata.tables) if name not in KEPT]
    return _SQL.format(
        role=checked(role),
        schema=HEAD,
        kept=", ".join(KEPT),
        kept_list=",".join(f"public.{name}" for name in KEPT),
        kept_tables=_list(KEPT),
        own_tables=_list(own),
        views=_list([view.name for view in VIEWS]),
    )


def _list(names: list[str] | tuple[str, ...]) -> str:
    return ",\n    ".join(f"public.{name}" for name in names)
