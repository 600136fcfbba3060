-- +goose Up
-- Oldest binary beside it: schema 2
-- How much of its budget each key has used lately: the moment at which the budget is whole again (the theoretical arrival time
-- of GCRA). A key is an HMAC, so that the table tells of nobody. Unlogged, so that no attempt waits for the disk; a crash of
-- the database makes the budgets whole.
CREATE UNLOGGED TABLE rate_limits (
    key      bytea       PRIMARY KEY,
    whole_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- From which addresses an account was logged in to: an HMAC of both. Strangers' failures don't hold these back.
CREATE TABLE known_addresses (
    key     bytea       PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE known_addresses;
DROP TABLE rate_limits;
