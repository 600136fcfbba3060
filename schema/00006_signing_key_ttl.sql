-- +goose Up
-- Oldest binary beside it: schema 6
-- How long the tokens under a key live at most, so that whoever ends it, a command without the server's settings too, lets them live.
-- A server lengthens it at its start.
ALTER TABLE signing_keys ADD COLUMN token_ttl interval NOT NULL DEFAULT '15 minutes';

-- +goose Down
ALTER TABLE signing_keys DROP COLUMN token_ttl;
