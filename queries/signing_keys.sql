-- name: SigningKeyList :many
-- Returns all keys, also ended ones for the list command. The last one to sign comes last.
SELECT * FROM signing_keys ORDER BY signs_from, created_at, kid;

-- name: SigningKeyLock :exec
-- Blocks other changes of the keys until the transaction ends.
LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE;

-- name: SigningKeyInsert :exec
-- The key of HS256 may exist already, because it is derived from the secret key.
INSERT INTO signing_keys (kid, algorithm, sealed, signs_from, token_ttl, created_at)
VALUES (@kid, @algorithm, @sealed, @signs_from, @token_ttl, @created_at)
ON CONFLICT (kid) DO UPDATE SET
    sealed = excluded.sealed, signs_from = excluded.signs_from, token_ttl = excluded.token_ttl, verifies_until = NULL;

-- name: SigningKeyUpdate :exec
-- Changes the times of a key.
UPDATE signing_keys SET signs_from = @signs_from, verifies_until = @verifies_until, token_ttl = @token_ttl WHERE kid = @kid;

-- name: SigningKeyReseal :exec
UPDATE signing_keys SET sealed = @sealed WHERE kid = @kid;

-- name: SigningKeySweep :exec
-- Deletes keys that ended a while ago, by the database's clock. A test may pass another.
DELETE FROM signing_keys
WHERE verifies_until < coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp()) - sqlc.arg(keep_ended)::interval;

-- name: SigningKeyDeleteAll :exec
DELETE FROM signing_keys;
