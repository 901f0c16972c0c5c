-- The role that the service works as: it can only add to the audit. Run by psql after each upgrade of the schema.
\set ON_ERROR_STOP on
\set password `cat /run/secrets/app_password`
\ir app-grants.sql
ALTER ROLE chat_hygiene_app PASSWORD :'password';
