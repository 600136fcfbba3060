-- name: PasswordGet :one
SELECT hash FROM passwords WHERE user_id = @user_id;

-- name: PasswordSet :exec
-- Sets the first password of a user, or replaces it.
INSERT INTO passwords (user_id, hash, changed_at) VALUES (@user_id, @hash, @now)
ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at;

-- name: PasswordRenewHash :exec
-- Replaces the hash of the same password by one with other parameters.
UPDATE passwords SET hash = @hash WHERE user_id = @user_id;
