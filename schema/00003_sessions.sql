-- +goose Up
-- Oldest binary beside it: schema 3
-- A login opens a session, and its refresh tokens continue it. No token is stored: the token of a
-- generation is derived from the session's id, the generation and the secret key. Without the
-- secret key this table logs in nobody.
CREATE TABLE sessions (
    id           uuid        PRIMARY KEY,
    user_id      uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- That of the newest refresh token, and since when it is the newest.
    generation   integer     NOT NULL DEFAULT 1,
    rotated_at   timestamptz NOT NULL,
    -- When it ends unless it is refreshed, never after ends_at.
    expires_at   timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    -- The sweep finds a session by it. A refresh seldom changes it, so that most refreshes change
    -- no index (HOT).
    expires_on   date        GENERATED ALWAYS AS ((expires_at AT TIME ZONE 'UTC')::date) STORED NOT NULL,
    -- When its budget of refreshes is whole again.
    budget_at    timestamptz NOT NULL,
    user_agent   text        NOT NULL,
    address      text        NOT NULL,
    -- After its user's tokens_not_before, or it is dead.
    created_at   timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_on ON sessions (expires_on);

-- +goose Down
DROP TABLE sessions;
