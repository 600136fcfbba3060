-- +goose Up
-- Oldest binary beside it: schema 6
-- What the application keeps with a user, and only operators write: an object, at most 8 KiB of JSON.
ALTER TABLE users ADD COLUMN app_metadata jsonb NOT NULL DEFAULT '{}';
-- The id of the user in the system that it was moved from, so that an application's foreign keys stay true.
ALTER TABLE users ADD COLUMN external_id text CONSTRAINT users_external_id_key UNIQUE;

-- The roles of users. The role superuser is users.is_superuser, and never a row here.
CREATE TABLE user_roles (
    user_id    uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       text        NOT NULL CHECK (role <> 'superuser'),
    granted_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_role ON user_roles (role, user_id);

-- What the login asked for. What of it counts is decided at each request, by the roles of the user.
ALTER TABLE sessions ADD COLUMN scopes text[] NOT NULL DEFAULT '{}';

-- The operator who caused an event; NULL for the commands, and where no operator did.
ALTER TABLE events ADD COLUMN actor_id uuid;

-- The lists of users and events, a page at a time.
CREATE INDEX users_email_key_prefix ON users (email_key text_pattern_ops);
CREATE INDEX users_is_superuser ON users (id) WHERE is_superuser;
CREATE INDEX users_inactive ON users (id) WHERE NOT is_active;
CREATE INDEX users_unverified ON users (id) WHERE NOT email_verified;
CREATE INDEX events_type ON events (type, id);

-- +goose Down
DROP INDEX events_type;
DROP INDEX users_unverified;
DROP INDEX users_inactive;
DROP INDEX users_is_superuser;
DROP INDEX users_email_key_prefix;
ALTER TABLE events DROP COLUMN actor_id;
ALTER TABLE sessions DROP COLUMN scopes;
DROP TABLE user_roles;
ALTER TABLE users DROP COLUMN external_id, DROP COLUMN app_metadata;
