-- The role that dashboards read with: the report views and nothing else. Run by psql after each upgrade of the schema.
\set ON_ERROR_STOP on
\set password `cat /run/secrets/report_password`
\ir report-grants.sql
ALTER ROLE report PASSWORD :'password' CONNECTION LIMIT 10;
