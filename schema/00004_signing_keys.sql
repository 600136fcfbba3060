-- +goose Up
-- Oldest binary beside it: schema 4
-- The keys that sign access tokens. Each is sealed under a key derived from the secret key, so this
-- table alone signs nothing.
CREATE TABLE signing_keys (
    -- The thumbprint of the public part (RFC 7638). For HS256, whose key is the secret key, an id
    -- that is derived from it.
    kid            text        PRIMARY KEY,
    algorithm      text        NOT NULL,
    sealed         bytea       NOT NULL,
    -- The key is published from the beginning. It signs from this time on until a later key does.
    -- It verifies for some time after that.
    signs_from     timestamptz NOT NULL,
    verifies_until timestamptz,
    created_at     timestamptz NOT NULL
);

-- +goose Down
DROP TABLE signing_keys;
