-- +goose Up
-- Oldest binary beside it: schema 6
-- What the application stores with a user, and only operators write: an object, at most 8 KiB of
-- JSON.
ALTER TABLE users ADD COLUMN app_metadata jsonb NOT NULL DEFAULT '{}';
-- The id of the user in the system that it was imported from, so that an application's foreign keys
-- stay valid.
ALTER TABLE users ADD COLUMN external_id text CONSTRAINT users_external_id_key UNIQUE;

-- The roles of users. The role superuser is users.is_superuser, and never a row here.
CREATE TABLE user_roles (
    user_id    uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       text        NOT NULL CHECK (role <> 'superuser'),
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_role ON user_roles (role, user_id);
-- A function in PL/pgSQL opens the table only when it is called. The planner would inline a
-- function in SQL into the statement, which then takes a fifth longer for everybody.
-- +goose StatementBegin
CREATE FUNCTION roles_of(of_user uuid) RETURNS text[] STABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(SELECT r.role FROM user_roles r WHERE r.user_id = of_user ORDER BY r.role);
END
$$;
-- +goose StatementEnd

-- What the login asked for. What of it counts is decided at each request, by the roles of the user.
ALTER TABLE sessions ADD COLUMN scopes text[] NOT NULL DEFAULT '{}';

-- The operator who caused an event; NULL for the commands, and where no operator did.
ALTER TABLE events ADD COLUMN actor_id uuid;

-- The list of users, a page at a time: the newest first, and by email. Each state has its own
-- range, so that a rare state needs no scan. No login touches these columns.
CREATE INDEX users_newest ON users (is_active, email_verified, created_at, id);
CREATE INDEX users_by_email ON users (is_active, email_verified, email_key COLLATE "C");
CREATE INDEX users_superusers ON users (id) WHERE is_superuser;

-- The list of events.
CREATE INDEX events_type ON events (type, id);
CREATE INDEX events_type_of_user ON events ((type || ' ' || user_id::text), id);

-- The transaction that has written an event. Events become visible in the order of the transactions
-- and not of the ids, so `latchkey events --follow` asks for those that its last snapshot has not
-- seen. NULL for older events.
ALTER TABLE events ADD COLUMN transaction_id xid8;
ALTER TABLE events ALTER COLUMN transaction_id SET DEFAULT pg_current_xact_id();
CREATE INDEX events_transaction_id ON events (transaction_id) WHERE transaction_id IS NOT NULL;

-- +goose Down
ALTER TABLE events DROP COLUMN transaction_id;
DROP INDEX events_type_of_user;
DROP INDEX events_type;
DROP INDEX users_superusers;
DROP INDEX users_by_email;
DROP INDEX users_newest;
ALTER TABLE events DROP COLUMN actor_id;
ALTER TABLE sessions DROP COLUMN scopes;
DROP FUNCTION roles_of;
DROP TABLE user_roles;
ALTER TABLE users DROP COLUMN external_id, DROP COLUMN app_metadata;
