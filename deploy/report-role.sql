-- The role that dashboards read with: the report views and nothing else. Run by psql after each upgrade of the schema;
-- a view that came with it is granted then.
\set ON_ERROR_STOP on
\set password `cat /run/secrets/report_password`
SELECT 'CREATE ROLE report LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'report') \gexec
ALTER ROLE report PASSWORD :'password' CONNECTION LIMIT 10;
ALTER ROLE report SET default_transaction_read_only = on;
ALTER ROLE report SET statement_timeout = '30s';
SELECT format('GRANT SELECT ON %I.%I TO report', schemaname, viewname)
FROM pg_views WHERE schemaname = 'public' AND starts_with(viewname, 'report_v1_') \gexec
