-- name: SigningKeyDeleteAll :exec
DELETE FROM signing_keys

-- name: SigningKeyInsert :exec
INSERT INTO signing_keys (kid, algorithm, sealed, signs_from, token_ttl, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (kid) DO UPDATE SET
    sealed = excluded.sealed, signs_from = excluded.signs_from, token_ttl = excluded.token_ttl, verifies_until = NULL

-- name: SigningKeyList :many
SELECT kid, algorithm, sealed, signs_from, verifies_until, created_at, token_ttl FROM signing_keys ORDER BY signs_from, created_at, kid

-- name: SigningKeyLock :exec
LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE

-- name: SigningKeyReseal :exec
UPDATE signing_keys SET sealed = $1 WHERE kid = $2

-- name: SigningKeySweep :exec
DELETE FROM signing_keys WHERE verifies_until < $1

-- name: SigningKeyUpdate :exec
UPDATE signing_keys SET signs_from = $1, verifies_until = $2, token_ttl = $3 WHERE kid = $4

