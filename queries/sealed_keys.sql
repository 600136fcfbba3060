-- name: SealedKeyGet :one
SELECT sealed FROM sealed_keys WHERE name = @name;

-- name: SealedKeyPut :exec
-- Adds a key, or replaces the former one, NULL for none. If two servers do it at the same moment, the
-- first one wins.
INSERT INTO sealed_keys (name, sealed, created_at) VALUES (@name, @sealed, @now)
ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed WHERE sealed_keys.sealed = sqlc.arg(former)::bytea;
