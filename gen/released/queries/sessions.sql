-- name: SessionDeleteSome :execrows
DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions s WHERE s.user_id = $1 LIMIT $2)

-- name: SessionEnd :execrows
DELETE FROM sessions WHERE id = $1 AND user_id = $2

-- name: SessionListByUser :many
SELECT s.id, s.user_agent, s.address, s.created_at, s.rotated_at, s.expires_at
FROM sessions s
JOIN users u ON u.id = s.user_id
WHERE s.user_id = $1 AND s.expires_at > $2 AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before)
ORDER BY s.id DESC
LIMIT 1000

-- name: SessionRefresh :one
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
), found AS (
    SELECT s.id, s.user_id, s.generation, s.rotated_at, s.expires_at, s.created_at, s.budget_at
    FROM sessions s
    WHERE s.id = $2
    FOR UPDATE
), judged AS (
    SELECT
        f.id, f.user_id, f.generation, m.now,
        -- What was counted by a clock that has been set back since is not held against anybody for longer than the window.
        CASE WHEN f.budget_at > m.now + $3::interval + interval '10 minutes' THEN m.now ELSE f.budget_at END AS budget_at,
        u.is_active AND f.expires_at > m.now
            AND (u.tokens_not_before IS NULL OR f.created_at > u.tokens_not_before)
            AND ($4::uuid = '00000000-0000-0000-0000-000000000000' OR $4::uuid = f.user_id) AS is_alive,
        f.budget_at + $5::interval <= m.now + $3::interval
            OR f.budget_at > m.now + $3::interval + interval '10 minutes'
            OR $5::interval = interval '0' AS is_allowed,
        f.generation = $6::integer AS is_newest,
        -- A clock that was set back keeps no window open for long.
        f.generation = $6::integer + 1
            AND f.rotated_at + $7::interval > m.now
            AND f.rotated_at <= m.now + interval '5 minutes' AS is_repeated,
        f.generation < $6::integer AS is_unknown
    FROM found f
    JOIN users u ON u.id = f.user_id
    CROSS JOIN moment m
), exchanged AS (
    UPDATE sessions s
    SET
        generation = CASE WHEN j.is_newest THEN j.generation + 1 ELSE j.generation END,
        rotated_at = CASE WHEN j.is_newest THEN j.now ELSE s.rotated_at END,
        expires_at = CASE WHEN j.is_newest THEN least(j.now + $8::interval, s.ends_at) ELSE s.expires_at END,
        budget_at = greatest(j.budget_at, j.now) + $5::interval
    FROM judged j
    WHERE s.id = j.id AND j.is_alive AND j.is_allowed AND (j.is_newest OR j.is_repeated)
    RETURNING s.generation, s.expires_at
), ended AS (
    DELETE FROM sessions s
    USING judged j
    WHERE s.id = j.id AND j.is_alive AND NOT j.is_newest AND NOT j.is_repeated AND NOT j.is_unknown
    RETURNING s.id
)
SELECT
    j.is_alive::boolean AS is_alive,
    (j.is_alive AND NOT j.is_allowed AND (j.is_newest OR j.is_repeated))::boolean AS is_limited,
    j.budget_at::timestamptz AS budget_at,
    EXISTS (SELECT FROM ended)::boolean AS is_reused,
    coalesce((SELECT e.generation FROM exchanged e), 0)::integer AS generation,
    coalesce((SELECT e.expires_at FROM exchanged e), j.now)::timestamptz AS expires_at, j.now::timestamptz AS now,
    u.id AS user_id, u.email, u.username
FROM judged j
JOIN users u ON u.id = j.user_id

-- name: SessionRevoke :exec
DELETE FROM sessions WHERE id = $1

-- name: SessionSweep :execrows
WITH turn AS (
    SELECT pg_try_advisory_xact_lock(hashtextextended('latchkey session sweep', 0)) AS is_ours
)
DELETE FROM sessions
WHERE id IN (
    SELECT s.id FROM sessions s, turn
    WHERE turn.is_ours AND s.expires_on <= ($1::timestamptz AT TIME ZONE 'UTC')::date AND s.expires_at <= $1
    LIMIT $2
    FOR UPDATE OF s SKIP LOCKED
)

-- name: SessionTrim :exec
DELETE FROM sessions
WHERE id IN (
    SELECT s.id
    FROM (SELECT sessions.id, sessions.rotated_at FROM sessions WHERE sessions.user_id = $1 LIMIT $2::integer + 1000) s
    ORDER BY s.rotated_at DESC, s.id DESC
    OFFSET $2::integer
)

