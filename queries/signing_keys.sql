-- name: SigningKeyList :many
-- Returns all keys, also ended ones for the list command. The last one to sign comes last.
SELECT * FROM signing_keys ORDER BY signs_from, created_at, kid;

-- name: SigningKeyLock :exec
-- Blocks other changes of the keys until the transaction ends.
LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE;

-- name: SigningKeyPut :exec
-- Adds a key, or changes its times and its seal. A key that was there keeps the time when it was made.
INSERT INTO signing_keys (kid, algorithm, sealed, signs_from, verifies_until, created_at, token_ttl)
VALUES (@kid, @algorithm, @sealed, @signs_from, sqlc.narg(verifies_until), @created_at, @token_ttl)
ON CONFLICT (kid) DO UPDATE SET
    sealed = excluded.sealed, signs_from = excluded.signs_from, verifies_until = excluded.verifies_until,
    token_ttl = excluded.token_ttl;

-- name: SigningKeySweep :exec
-- Deletes keys that ended a while ago, by the database's clock. A test may pass another.
DELETE FROM signing_keys
WHERE verifies_until < coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp()) - sqlc.arg(keep_ended)::interval;

-- name: SigningKeyDeleteAll :exec
DELETE FROM signing_keys;
