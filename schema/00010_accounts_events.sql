-- +goose Up
-- Oldest binary beside it: schema 6
-- The profile of a user. user_metadata is an object of the application, at most 8 KiB of JSON.
ALTER TABLE users ADD COLUMN display_name text;
ALTER TABLE users ADD COLUMN locale text;
ALTER TABLE users ADD COLUMN user_metadata jsonb NOT NULL DEFAULT '{}';

-- What happened to accounts. An event outlives its user, so nothing here refers to the users table.
-- An event never has a secret.
CREATE TABLE events (
    id         uuid        PRIMARY KEY,
    type       text        NOT NULL,
    user_id    uuid        NOT NULL,
    -- Who caused it: user, operator or unknown.
    actor      text        NOT NULL,
    session_id uuid,
    address    text,
    user_agent text,
    data       jsonb       NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL
);
-- A user's events, the newest first: ids are of version 7.
CREATE INDEX events_user_id ON events (user_id, id);
-- The sweep.
CREATE INDEX events_created_at ON events USING brin (created_at);

-- +goose Down
DROP TABLE events;
ALTER TABLE users DROP COLUMN user_metadata, DROP COLUMN locale, DROP COLUMN display_name;
