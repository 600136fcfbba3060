-- +goose Up
-- Oldest binary beside it: schema 6
-- Takes over the passwords from before 00007, which blocks no login.
INSERT INTO passwords (user_id, hash, changed_at)
SELECT id, password_hash, coalesce(tokens_not_before, created_at) FROM users WHERE password_hash IS NOT NULL
ON CONFLICT (user_id) DO NOTHING;

-- +goose Down
