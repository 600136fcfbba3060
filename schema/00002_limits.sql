-- +goose Up
-- Oldest binary beside it: schema 2
-- How much of its budget each key has used: the time at which the budget is whole again (the
-- theoretical arrival time of GCRA). A key is an HMAC, so the table reveals nobody. It is unlogged,
-- so that no attempt waits for the disk. A crash of the database makes all budgets whole.
CREATE UNLOGGED TABLE rate_limits (
    key      bytea       PRIMARY KEY,
    whole_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- The addresses from which a user has logged in to an account: an HMAC of both. Strangers' failures
-- don't limit these.
CREATE TABLE known_addresses (
    key     bytea       PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE known_addresses;
DROP TABLE rate_limits;
