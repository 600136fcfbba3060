-- +goose Up
-- Oldest binary beside it: schema 6
-- A password leaves its user's row, so that a user without one is possible.
CREATE TABLE passwords (
    user_id    uuid        PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    hash       text        NOT NULL,
    changed_at timestamptz NOT NULL
);
ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;

-- Releases up to 0.6 read and write users.password_hash. While one of them may run, two triggers
-- keep both columns equal.
-- +goose StatementBegin
CREATE FUNCTION passwords_follow_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO passwords (user_id, hash, changed_at) VALUES (NEW.id, NEW.password_hash, NEW.updated_at)
    ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION users_follow_passwords() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users SET password_hash = NEW.hash WHERE id = NEW.user_id;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER passwords_follow_new_users AFTER INSERT ON users
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND NEW.password_hash IS NOT NULL) EXECUTE FUNCTION passwords_follow_users();
CREATE TRIGGER passwords_follow_users AFTER UPDATE OF password_hash ON users
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 AND NEW.password_hash IS DISTINCT FROM OLD.password_hash AND NEW.password_hash IS NOT NULL)
    EXECUTE FUNCTION passwords_follow_users();
CREATE TRIGGER users_follow_passwords AFTER INSERT OR UPDATE OF hash ON passwords
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION users_follow_passwords();

-- When the user of a session last proved who it is, and how (RFC 8176). NULL means when the session
-- was opened.
ALTER TABLE sessions ADD COLUMN authenticated_at timestamptz;
ALTER TABLE sessions ADD COLUMN methods text[] NOT NULL DEFAULT '{pwd}';

-- Keys of ours other than those that sign, each sealed under a key made of the secret key.
CREATE TABLE sealed_keys (
    name       text        PRIMARY KEY,
    sealed     bytea       NOT NULL,
    created_at timestamptz NOT NULL
);

-- +goose Down
DROP TABLE sealed_keys;
ALTER TABLE sessions DROP COLUMN methods, DROP COLUMN authenticated_at;
DROP TRIGGER passwords_follow_users ON users;
DROP TRIGGER passwords_follow_new_users ON users;
DROP TABLE passwords;
DROP FUNCTION users_follow_passwords;
DROP FUNCTION passwords_follow_users;
ALTER TABLE users ALTER COLUMN password_hash SET NOT NULL;
