-- name: SessionRefresh :one
-- Exchanges a refresh token in one statement. The token is identified by its session and
-- generation.
--   - The newest token is rotated.
--   - Its immediate predecessor gets the same successor while the reuse window is open.
--   - Any other token is a reuse, and ends the session: the whole family of its refresh tokens.
-- A token that could be exchanged isn't if the client asks for a scope that the session doesn't have.
-- The row reports the result: `generation` is that of the token to return, or 0 if there is none.
-- The lock serialises all requests with one token, on every instance. The time is the database's,
-- because instances with different clocks have to agree on the window. `database_now` is for tests.
WITH moment AS MATERIALIZED (
    SELECT coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp()) AS now
), found AS (
    SELECT s.id, s.user_id, s.generation, s.rotated_at, s.expires_at, s.created_at, s.budget_at,
        coalesce(s.authenticated_at, s.created_at) AS authenticated_at, s.methods, s.scopes
    FROM sessions s
    WHERE s.id = sqlc.arg(id)
    FOR UPDATE
), judged AS (
    SELECT
        f.id, f.user_id, f.generation, m.now, f.authenticated_at, f.methods, f.scopes,
        coalesce(sqlc.arg(scopes)::text[], '{}') <@ f.scopes AS is_in_scope,
        -- After a clock was set back, its old charges count for no longer than the window.
        CASE WHEN f.budget_at > m.now + sqlc.arg(budget_window)::interval + interval '10 minutes' THEN m.now ELSE f.budget_at END AS budget_at,
        u.is_active AND f.expires_at > m.now
            AND (u.tokens_not_before IS NULL OR f.created_at > u.tokens_not_before)
            AND (sqlc.arg(owner)::uuid = '00000000-0000-0000-0000-000000000000' OR sqlc.arg(owner)::uuid = f.user_id) AS is_alive,
        f.budget_at + sqlc.arg(budget_step)::interval <= m.now + sqlc.arg(budget_window)::interval
            OR f.budget_at > m.now + sqlc.arg(budget_window)::interval + interval '10 minutes'
            OR sqlc.arg(budget_step)::interval = interval '0' AS is_allowed,
        f.generation = sqlc.arg(generation)::integer AS is_newest,
        -- After a clock was set back, a window stays open for 5 minutes at most.
        f.generation = sqlc.arg(generation)::integer + 1
            AND f.rotated_at + sqlc.arg(reuse_window)::interval > m.now
            AND f.rotated_at <= m.now + interval '5 minutes' AS is_repeated,
        f.generation < sqlc.arg(generation)::integer AS is_unknown
    FROM found f
    JOIN users u ON u.id = f.user_id
    CROSS JOIN moment m
), exchanged AS (
    UPDATE sessions s
    SET
        generation = CASE WHEN j.is_newest THEN j.generation + 1 ELSE j.generation END,
        rotated_at = CASE WHEN j.is_newest THEN j.now ELSE s.rotated_at END,
        expires_at = CASE WHEN j.is_newest THEN least(j.now + sqlc.arg(idle)::interval, s.ends_at) ELSE s.expires_at END,
        budget_at = greatest(j.budget_at, j.now) + sqlc.arg(budget_step)::interval
    FROM judged j
    WHERE s.id = j.id AND j.is_alive AND j.is_allowed AND j.is_in_scope AND (j.is_newest OR j.is_repeated)
    RETURNING s.generation, s.expires_at
), ended AS (
    DELETE FROM sessions s
    USING judged j
    WHERE s.id = j.id AND j.is_alive AND NOT j.is_newest AND NOT j.is_repeated AND NOT j.is_unknown
    RETURNING s.id
), recorded AS (
    INSERT INTO events (id, type, user_id, actor, session_id, address, user_agent, created_at)
    SELECT sqlc.arg(event_id), 'session.reuse_detected', j.user_id, 'unknown', j.id, sqlc.arg(address)::text, sqlc.arg(user_agent)::text, j.now
    FROM judged j
    JOIN ended e ON e.id = j.id
)
SELECT
    j.is_alive::boolean AS is_alive,
    (j.is_alive AND NOT j.is_allowed AND (j.is_newest OR j.is_repeated))::boolean AS is_limited,
    (j.is_alive AND NOT j.is_in_scope AND (j.is_newest OR j.is_repeated))::boolean AS is_beyond_scope,
    j.budget_at::timestamptz AS budget_at,
    EXISTS (SELECT FROM ended)::boolean AS is_reused,
    coalesce((SELECT e.generation FROM exchanged e), 0)::integer AS generation,
    coalesce((SELECT e.expires_at FROM exchanged e), j.now)::timestamptz AS expires_at, j.now::timestamptz AS now,
    j.authenticated_at::timestamptz AS authenticated_at, j.methods::text[] AS methods,
    u.id AS user_id, u.email, u.username, u.app_metadata, u.is_superuser, j.scopes::text[] AS scopes,
    CASE WHEN cardinality(j.scopes) > 0 THEN roles_of(u.id) ELSE '{}' END::text[] AS roles
FROM judged j
JOIN users u ON u.id = j.user_id;

-- name: SessionProve :one
-- Records that the user of a session has proved again who it is. It returns the generation of the
-- newest refresh token, and no row if the session has ended. The transaction has locked the user's
-- row.
UPDATE sessions s
SET authenticated_at = sqlc.arg(now)::timestamptz,
    methods = ARRAY(SELECT DISTINCT unnest(s.methods || sqlc.arg(methods)::text[]) ORDER BY 1)
FROM users u
WHERE s.id = sqlc.arg(id) AND u.id = s.user_id AND s.user_id = sqlc.arg(user_id) AND s.expires_at > sqlc.arg(now)::timestamptz
    AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before)
RETURNING s.generation, s.expires_at, s.methods, s.scopes;

-- name: SessionKeep :exec
-- Lets a session outlive an end of all sessions of its user, in the same transaction. It is dated
-- anew, and still shown as opened when it was.
UPDATE sessions SET created_at = @valid_from, opened_at = coalesce(opened_at, created_at) WHERE id = @id AND user_id = @user_id;

-- name: SessionHold :one
-- Keeps a session from being ended until the transaction ends, which has locked the user's row. No
-- row means that the session has ended.
SELECT s.id
FROM sessions s
JOIN users u ON u.id = s.user_id
WHERE s.id = sqlc.arg(id) AND s.user_id = sqlc.arg(user_id) AND s.expires_at > sqlc.arg(now)::timestamptz
    AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before)
FOR KEY SHARE OF s;

-- name: SessionListByUser :many
-- Returns a user's live sessions, the newest first, because ids are of version 7. The limit is the
-- contract's.
SELECT s.id, s.user_agent, s.address, coalesce(s.opened_at, s.created_at)::timestamptz AS created_at, s.rotated_at AS used_at, s.expires_at
FROM sessions s
JOIN users u ON u.id = s.user_id
WHERE s.user_id = sqlc.arg(user_id) AND s.expires_at > sqlc.arg(now) AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before)
ORDER BY s.id DESC
LIMIT 1000;

-- name: SessionEnd :execrows
-- Ends a session if it belongs to the user.
DELETE FROM sessions WHERE id = sqlc.arg(id) AND user_id = sqlc.arg(user_id);

-- name: SessionOpen :exec
INSERT INTO sessions (id, user_id, rotated_at, expires_at, ends_at, budget_at, user_agent, address, created_at, authenticated_at, methods, scopes)
VALUES (
    sqlc.arg(id), sqlc.arg(user_id), sqlc.arg(now), sqlc.arg(now)::timestamptz + sqlc.arg(idle)::interval,
    sqlc.arg(now)::timestamptz + sqlc.arg(lifetime)::interval, 'epoch', sqlc.arg(user_agent), sqlc.arg(address), sqlc.arg(created_at),
    sqlc.arg(now), sqlc.arg(methods), coalesce(sqlc.arg(scopes)::text[], '{}')
);

-- name: SessionTrim :exec
-- Ends a user's least recently used sessions beyond the number to keep. A user may have far more
-- sessions from before there was a bound. Then each call looks at 1,000 beyond that number.
DELETE FROM sessions
WHERE id IN (
    SELECT s.id
    FROM (SELECT sessions.id, sessions.rotated_at FROM sessions WHERE sessions.user_id = sqlc.arg(user_id) LIMIT sqlc.arg(keep)::integer + 1000) s
    ORDER BY s.rotated_at DESC, s.id DESC
    OFFSET sqlc.arg(keep)::integer
);

-- name: SessionDeleteSome :execrows
-- Deletes a batch of a user's sessions. It waits for no row, so that it can't deadlock with a
-- transaction that locks the rows in another order.
DELETE FROM sessions
WHERE id IN (
    SELECT s.id FROM sessions s
    WHERE s.user_id = sqlc.arg(user_id)
    LIMIT sqlc.arg(batch)
    FOR UPDATE SKIP LOCKED
);

-- name: SessionRevoke :one
-- Ends a session for a client that has a token of it.
DELETE FROM sessions WHERE id = @id RETURNING user_id;

-- name: SessionSweep :execrows
-- Deletes a batch of expired sessions. It deletes none while another instance runs it. The clock is
-- the database's, so that an instance with a wrong clock can't end sessions. A test may pass
-- another.
WITH turn AS (
    SELECT pg_try_advisory_xact_lock(hashtextextended('latchkey session sweep', 0)) AS is_ours,
        coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp()) AS now
)
DELETE FROM sessions
WHERE id IN (
    SELECT s.id FROM sessions s, turn
    WHERE turn.is_ours AND s.expires_on <= (turn.now AT TIME ZONE 'UTC')::date AND s.expires_at <= turn.now
    LIMIT sqlc.arg(batch)
    FOR UPDATE OF s SKIP LOCKED
);

-- name: SessionSweepEnded :execrows
-- Deletes a batch of sessions that ended together with all others of their user, as [SessionSweep]
-- does. It looks at ends of the last day. Rows that remain after that are deleted when they expire.
WITH turn AS (
    SELECT pg_try_advisory_xact_lock(hashtextextended('latchkey session sweep', 0)) AS is_ours,
        coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp()) AS now
)
DELETE FROM sessions
WHERE id IN (
    SELECT s.id
    FROM turn, users u
    JOIN sessions s ON s.user_id = u.id
    WHERE turn.is_ours AND u.tokens_not_before > turn.now - interval '1 day' AND s.created_at <= u.tokens_not_before
    LIMIT sqlc.arg(batch)
    FOR UPDATE OF s SKIP LOCKED
);

-- name: SessionEndOthers :exec
-- Ends all sessions of a user but one.
DELETE FROM sessions WHERE user_id = sqlc.arg(user_id) AND id <> sqlc.arg(kept);
