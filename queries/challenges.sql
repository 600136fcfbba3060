-- name: ChallengeOpen :one
-- Makes the challenge of a purpose for an address, in the place of the one that the same network has
-- asked for before. The statement is the same for an address with an account and for one without. A
-- deactivated account counts as none.
INSERT INTO challenges (id, purpose, user_id, email_key, email, network, expires_at, created_at)
SELECT sqlc.arg(id), sqlc.arg(purpose), u.id, a.email_key, coalesce(u.email, a.email), sqlc.arg(network), sqlc.arg(expires_at), sqlc.arg(now)
FROM (SELECT sqlc.arg(email_key)::text AS email_key, sqlc.arg(email)::text AS email) a
LEFT JOIN users u ON u.email_key = a.email_key AND u.is_active
ON CONFLICT ON CONSTRAINT challenges_email_key DO UPDATE
SET id = excluded.id, user_id = excluded.user_id, email = excluded.email, attempts = 0, expires_at = excluded.expires_at,
    used_at = NULL, created_at = excluded.created_at
RETURNING email, (SELECT u.locale FROM users u WHERE u.id = challenges.user_id) AS locale;

-- name: ChallengeOpenOwn :one
-- Makes the challenge of a purpose for a user, in the place of the one before it. The mail goes to
-- an address that may be another than the user's. No row means that the user was deactivated or
-- deleted. created_at always moves, so that it has the order in which a user's challenges of one
-- purpose were made, whatever the clocks of the instances are.
INSERT INTO challenges (id, purpose, user_id, email_key, email, new_email, expires_at, created_at)
SELECT sqlc.arg(id), sqlc.arg(purpose), u.id, u.email_key, sqlc.arg(email), sqlc.narg(new_email), sqlc.arg(expires_at),
    greatest(sqlc.arg(now)::timestamptz, (
        SELECT max(c.created_at) + interval '1 microsecond' FROM challenges c WHERE c.user_id = u.id AND c.purpose = sqlc.arg(purpose)
    ))
FROM users u
WHERE u.id = sqlc.arg(user_id) AND u.is_active
ON CONFLICT ON CONSTRAINT challenges_email_key DO UPDATE
SET id = excluded.id, user_id = excluded.user_id, email = excluded.email, new_email = excluded.new_email, attempts = 0,
    expires_at = excluded.expires_at, used_at = NULL, created_at = excluded.created_at
RETURNING created_at, (SELECT u.locale FROM users u WHERE u.id = challenges.user_id) AS locale;

-- name: ChallengeTry :one
-- Counts a try, before anything is compared, and returns the challenge. The lock serialises all
-- tries of one challenge, on every instance. No row means that the challenge has had all its tries,
-- has expired, was used, or was replaced. Then nothing is written.
UPDATE challenges
SET attempts = attempts + 1
WHERE id = sqlc.arg(id) AND purpose = sqlc.arg(purpose) AND used_at IS NULL AND expires_at > sqlc.arg(now)::timestamptz
    AND attempts < sqlc.arg(tries)::integer
RETURNING *;

-- name: ChallengeGetSpent :one
-- Returns when a challenge that has had all its tries expires. No row means that it has expired, was
-- used, or was replaced.
SELECT expires_at FROM challenges
WHERE id = sqlc.arg(id) AND purpose = sqlc.arg(purpose) AND used_at IS NULL AND expires_at > sqlc.arg(now)::timestamptz
    AND attempts >= sqlc.arg(tries)::integer;

-- name: ChallengeGiveBack :exec
-- Takes back a try whose answer was right, and which was refused for another reason.
UPDATE challenges SET attempts = attempts - 1 WHERE id = @id AND attempts > 0;

-- name: ChallengeUse :execrows
-- Uses a challenge up. Of several transactions that use it at the same moment exactly one gets the
-- row.
UPDATE challenges SET used_at = sqlc.arg(now)
WHERE id = sqlc.arg(id) AND user_id = sqlc.arg(user_id) AND used_at IS NULL AND expires_at > sqlc.arg(now)::timestamptz;

-- name: ChallengeEnd :exec
-- Ends all challenges of a user but the undos of email changes.
DELETE FROM challenges WHERE user_id = sqlc.arg(user_id)::uuid AND purpose <> 'undo_email_change';

-- name: ChallengeEndUndos :exec
-- Ends the undos of a user's email changes since a moment.
DELETE FROM challenges
WHERE user_id = sqlc.arg(user_id)::uuid AND purpose = 'undo_email_change' AND created_at >= sqlc.arg(since)::timestamptz;

-- name: ChallengeTakeBack :execrows
-- Ends the undos of a user's email changes since the user has left an address, if that can be undone
-- still.
DELETE FROM challenges c
USING challenges f
WHERE f.user_id = sqlc.arg(user_id)::uuid AND f.purpose = 'undo_email_change' AND f.email_key = sqlc.arg(email_key)
    AND f.used_at IS NULL AND f.expires_at > sqlc.arg(now)::timestamptz
    AND c.user_id = f.user_id AND c.purpose = f.purpose AND c.created_at >= f.created_at;

-- name: ChallengeGetID :one
-- Returns the id of the newest challenge of a purpose for an address, for a client that proves by its
-- token whose address it is.
SELECT id FROM challenges WHERE email_key = @email_key AND purpose = @purpose ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: ChallengeGetMail :one
-- Returns what the mail of a challenge is made of. No row means that there is nothing to send any
-- more, or nobody to send it to.
SELECT c.id, c.purpose, c.email, c.new_email, c.created_at, c.expires_at, u.id AS user_id, u.username
FROM challenges c
JOIN users u ON u.id = c.user_id AND u.is_active
WHERE c.id = sqlc.arg(id) AND c.used_at IS NULL AND c.expires_at > sqlc.arg(now)::timestamptz;

-- name: ChallengeSweep :execrows
-- Deletes a batch of challenges that have expired, by the database's clock. A test may pass another.
DELETE FROM challenges
WHERE id IN (
    SELECT c.id FROM challenges c
    WHERE c.expires_at < coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp())
    LIMIT sqlc.arg(batch)
    FOR UPDATE SKIP LOCKED
);
