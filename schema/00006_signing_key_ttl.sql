-- +goose Up
-- Oldest binary beside it: schema 6
-- The longest lifetime of the tokens under a key. A command that ends the key doesn't have the
-- server's settings, and must let the tokens live. A server lengthens it at its start.
ALTER TABLE signing_keys ADD COLUMN token_ttl interval NOT NULL DEFAULT '15 minutes';

-- +goose Down
ALTER TABLE signing_keys DROP COLUMN token_ttl;
