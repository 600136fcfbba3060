-- name: SigningKeyList :many
-- Those that still sign or verify, and some more for whoever looks; the last to sign comes last.
SELECT * FROM signing_keys ORDER BY signs_from, created_at, kid;

-- name: SigningKeyLock :exec
-- One at a time changes the keys, until its transaction ends.
LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE;

-- name: SigningKeyInsert :exec
INSERT INTO signing_keys (kid, algorithm, sealed, signs_from, created_at)
VALUES (@kid, @algorithm, @sealed, @signs_from, @created_at)
ON CONFLICT (kid) DO UPDATE SET signs_from = excluded.signs_from, verifies_until = NULL;

-- name: SigningKeyExpire :exec
-- Lets all but the successor end: those that would sign after it, and so never have, at once, the others when the last token under them has expired.
UPDATE signing_keys
SET verifies_until = least(verifies_until, CASE WHEN signs_from > sqlc.arg(signs_from)::timestamptz THEN sqlc.arg(now)::timestamptz ELSE sqlc.arg(until)::timestamptz END)
WHERE kid <> sqlc.arg(successor);

-- name: SigningKeyRetire :execrows
UPDATE signing_keys SET verifies_until = least(verifies_until, sqlc.arg(now)) WHERE kid = sqlc.arg(kid);

-- name: SigningKeyReseal :exec
UPDATE signing_keys SET sealed = @sealed WHERE kid = @kid;

-- name: SigningKeySweep :exec
DELETE FROM signing_keys WHERE verifies_until < @before;

-- name: SigningKeyDeleteAll :exec
DELETE FROM signing_keys;
