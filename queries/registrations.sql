-- name: RegistrationPut :exec
-- Keeps a registration until its code comes, in the place of the one before it for the same address.
INSERT INTO registrations (challenge_id, username, username_key, hash, locale)
VALUES (@challenge_id, @username, @username_key, @hash, sqlc.narg(locale))
ON CONFLICT (challenge_id) DO UPDATE
SET username = excluded.username, username_key = excluded.username_key, hash = excluded.hash, locale = excluded.locale;

-- name: RegistrationTake :one
-- Takes a registration with its challenge. Of several transactions that take it at the same moment
-- exactly one gets the row.
WITH taken AS (
    DELETE FROM challenges c
    WHERE c.id = sqlc.arg(id) AND c.used_at IS NULL AND c.expires_at > sqlc.arg(now)::timestamptz
    RETURNING c.id, c.email, c.email_key
)
SELECT t.email, t.email_key, r.username, r.username_key, r.hash, r.locale
FROM taken t
JOIN registrations r ON r.challenge_id = t.id;

-- name: RegistrationGetMail :one
-- Returns what the mail of a registration is made of. No row means that there is nothing to send any
-- more.
SELECT c.email, c.created_at, c.expires_at
FROM challenges c
JOIN registrations r ON r.challenge_id = c.id
WHERE c.id = sqlc.arg(id) AND c.used_at IS NULL AND c.expires_at > sqlc.arg(now)::timestamptz;
