-- +goose Up
-- Oldest binary beside it: schema 4
-- The keys that access tokens are signed with. Each is sealed under a key made of the secret key, so that this table alone signs nothing.
CREATE TABLE signing_keys (
    -- The thumbprint of its public part (RFC 7638); for HS256, whose key is the secret key itself, a name made with it.
    kid            text        PRIMARY KEY,
    algorithm      text        NOT NULL,
    sealed         bytea       NOT NULL,
    -- It is published from the beginning, signs from here on until a later one does, and verifies until then and some more.
    signs_from     timestamptz NOT NULL,
    verifies_until timestamptz,
    created_at     timestamptz NOT NULL
);

-- +goose Down
DROP TABLE signing_keys;
