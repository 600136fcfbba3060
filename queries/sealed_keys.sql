-- name: SealedKeyGet :one
SELECT sealed FROM sealed_keys WHERE name = @name;

-- name: SealedKeyInsert :exec
-- If two servers make a key at the same moment, the first one wins.
INSERT INTO sealed_keys (name, sealed, created_at) VALUES (@name, @sealed, @now) ON CONFLICT (name) DO NOTHING;

-- name: SealedKeyReplace :exec
-- Replaces a key unless another server has replaced it meanwhile.
UPDATE sealed_keys SET sealed = @sealed WHERE name = @name AND sealed = @former;
