-- +goose Up
-- Oldest binary beside it: schema 6
-- What the sweep finds the users by whose sessions were ended.
CREATE INDEX users_tokens_not_before ON users (tokens_not_before) WHERE tokens_not_before IS NOT NULL;

-- +goose Down
DROP INDEX users_tokens_not_before;
