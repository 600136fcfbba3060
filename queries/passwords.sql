-- name: PasswordGet :one
SELECT hash FROM passwords WHERE user_id = @user_id;

-- name: PasswordSet :exec
-- Gives a user its first password, or another one.
INSERT INTO passwords (user_id, hash, changed_at) VALUES (@user_id, @hash, @now)
ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at;

-- name: PasswordRenewHash :exec
-- Gives the same password a hash with other parameters.
UPDATE passwords SET hash = @hash WHERE user_id = @user_id;
