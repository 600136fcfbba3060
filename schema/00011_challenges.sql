-- +goose Up
-- Oldest binary beside it: schema 6
-- Codes that were mailed to an address and wait for an answer. Neither the code nor the token of
-- the link is stored: both are derived from the id, the purpose and the secret key. Without the
-- secret key this table opens nothing.
CREATE TABLE challenges (
    -- Another request of the same purpose for the same address replaces the id, which ends the
    -- former request.
    id         uuid        PRIMARY KEY,
    purpose    text        NOT NULL,
    -- NULL for an address without an account, for which the same row is written.
    user_id    uuid        REFERENCES users (id) ON DELETE CASCADE,
    email_key  text        NOT NULL,
    -- To which the mail goes.
    email      text        NOT NULL,
    attempts   integer     NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT challenges_email_key UNIQUE (email_key, purpose)
);
CREATE INDEX challenges_user_id ON challenges (user_id);
CREATE INDEX challenges_expires_at ON challenges (expires_at);

-- +goose Down
DROP TABLE challenges;
