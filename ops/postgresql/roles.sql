-- The gateway's roles: run once by the database administrator, as a superuser, on the cluster that will hold the store.
--
--     psql -v ON_ERROR_STOP=1 -f roles.sql
--     createdb --owner=gateway_owner --encoding=UTF8 --locale=C --template=template0 gateway
--
-- Then, with `[postgresql]` in the installation's services.toml, `gateway init` makes a new store there, or
-- `gateway store copy` moves an embedded one in. Both give each role its permissions; this file gives none.
--
-- It sets no passwords. Log in by certificate (`cert` in pg_hba.conf, `sslcert` and `sslkey` in the dsn), or give each
-- role one with psql's \password, which sends only its SCRAM hash, and name a passfile in services.toml.
-- Running it again changes nothing.

DO $$
DECLARE
    one text;
BEGIN
    FOREACH one IN ARRAY ARRAY['gateway_owner', 'gateway_front', 'gateway_relay', 'gateway_integrator',
        'gateway_dispatcher', 'gateway_reviewer', 'gateway_releaser', 'gateway_operator', 'gateway_auditor',
        'gateway_archivist', 'gateway_overseer', 'gateway_gallring']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = one) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS',
                one);
        END IF;
    END LOOP;
END $$;

-- An auditor's own psql sees what the gateway's commands show: views, and nothing of what they lack.
ALTER ROLE gateway_auditor SET search_path = auditor;

-- A process that hangs with a transaction open must not keep the others waiting, whoever forgot to say so.
ALTER ROLE gateway_front SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE gateway_relay SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE gateway_integrator SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE gateway_dispatcher SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE gateway_releaser SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE gateway_gallring SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE gateway_archivist SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE gateway_reviewer SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE gateway_operator SET idle_in_transaction_session_timeout = '5min';

-- Nor may a question of an auditor's own psql run away. What the gateway asks on an auditor's behalf brings its own limits.
ALTER ROLE gateway_auditor SET statement_timeout = '1min';
ALTER ROLE gateway_auditor SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE gateway_overseer SET statement_timeout = '1min';
ALTER ROLE gateway_overseer SET idle_in_transaction_session_timeout = '5min';
