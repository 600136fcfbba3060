-- +goose Up
-- Oldest binary beside it: schema 6
-- When a session was opened that has outlived an end of all others; NULL for created_at. Such a session is dated anew.
ALTER TABLE sessions ADD COLUMN opened_at timestamptz;

-- The network that asked for a challenge. A newer request ends the older one of the same network: otherwise a stranger
-- could end another's code by asking for the next.
ALTER TABLE challenges ADD COLUMN network text NOT NULL DEFAULT '';
ALTER TABLE challenges DROP CONSTRAINT challenges_email_key;
ALTER TABLE challenges ADD CONSTRAINT challenges_email_key UNIQUE (email_key, purpose, network);

-- +goose Down
DELETE FROM challenges;
ALTER TABLE challenges DROP CONSTRAINT challenges_email_key;
ALTER TABLE challenges ADD CONSTRAINT challenges_email_key UNIQUE (email_key, purpose);
ALTER TABLE challenges DROP COLUMN network;
ALTER TABLE sessions DROP COLUMN opened_at;
