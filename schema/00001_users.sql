-- +goose Up
-- Oldest binary beside it: schema 1
-- An email and a username are kept as typed and compared by their keys, the canonical forms.
CREATE TABLE users (
    id                uuid        PRIMARY KEY,
    email             text        NOT NULL,
    email_key         text        NOT NULL CONSTRAINT users_email_key UNIQUE,
    username          text        NOT NULL,
    username_key      text        NOT NULL CONSTRAINT users_username_key UNIQUE,
    password_hash     text        NOT NULL,
    email_verified    boolean     NOT NULL DEFAULT false,
    is_active         boolean     NOT NULL DEFAULT true,
    is_superuser      boolean     NOT NULL DEFAULT false,
    -- An access token that was issued in this second or before it is refused. It is set when the
    -- password changes and when the user is deactivated.
    tokens_not_before timestamptz,
    last_login_at     timestamptz,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL
);

-- +goose Down
DROP TABLE users;
