-- +goose Up
-- Oldest binary beside it: schema 6
-- When a session was opened that survived the end of all others; NULL means created_at. Such a
-- session gets a new created_at.
ALTER TABLE sessions ADD COLUMN opened_at timestamptz;

-- The network that requested a challenge. A newer request ends the older one of the same network.
-- If it ended those of other networks, a stranger could end another user's code by a request.
ALTER TABLE challenges ADD COLUMN network text NOT NULL DEFAULT '';
ALTER TABLE challenges DROP CONSTRAINT challenges_email_key;
ALTER TABLE challenges ADD CONSTRAINT challenges_email_key UNIQUE (email_key, purpose, network);

-- +goose Down
DELETE FROM challenges;
ALTER TABLE challenges DROP CONSTRAINT challenges_email_key;
ALTER TABLE challenges ADD CONSTRAINT challenges_email_key UNIQUE (email_key, purpose);
ALTER TABLE challenges DROP COLUMN network;
ALTER TABLE sessions DROP COLUMN opened_at;
