-- name: AttemptPages :one
SELECT (pg_relation_size('rate_limits') / current_setting('block_size')::bigint)::bigint AS pages

-- name: AttemptReturn :exec
WITH address AS (
    UPDATE rate_limits SET whole_at = whole_at - $3::interval WHERE key = $4::bytea
    RETURNING key
)
UPDATE rate_limits SET whole_at = whole_at - $1::interval
WHERE key = $2::bytea AND (SELECT count(*) FROM address) >= 0

-- name: AttemptSweep :execrows
DELETE FROM rate_limits
WHERE ctid = ANY (ARRAY(
    SELECT l.ctid FROM rate_limits l
    WHERE l.ctid >= ('(' || $1::bigint || ',0)')::tid AND l.ctid < ('(' || $2::bigint || ',0)')::tid
        AND l.whole_at < $3::timestamptz
    FOR UPDATE SKIP LOCKED
))

-- name: AttemptTake :one
WITH vouched AS (
    SELECT $2::bytea AS key, true AS is_session
    FROM sessions s
    JOIN users u ON u.id = s.user_id
    WHERE length($2::bytea) > 0 AND s.id = $3::uuid AND u.email_key = $4::text
        AND s.expires_at > $1::timestamptz AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before)
    UNION ALL
    SELECT k.key, false
    FROM known_addresses k
    JOIN users u ON u.id = k.user_id
    WHERE k.key = $5::bytea AND k.seen_at > $6::timestamptz
        AND (u.tokens_not_before IS NULL OR k.seen_at > u.tokens_not_before)
    LIMIT 1
), budgets AS (
    SELECT
        v.key AS vouched_key,
        coalesce(v.is_session, false) AS is_session,
        coalesce(v.key, $7::bytea) AS narrow_key,
        CASE WHEN v.key IS NULL THEN $8::interval ELSE $9::interval END AS narrow_step,
        $1::timestamptz + CASE WHEN v.key IS NULL THEN $10::interval ELSE $11::interval END AS narrow_end,
        CASE WHEN v.key IS NULL THEN $12::bytea ELSE $13::bytea END AS wide_key,
        CASE WHEN v.key IS NULL THEN $14::interval ELSE $15::interval END AS wide_step,
        $1::timestamptz + CASE WHEN v.key IS NULL THEN $16::interval ELSE $17::interval END AS wide_end
    FROM (VALUES (0)) one
    LEFT JOIN vouched v ON true
), used_up AS (
    SELECT l.key
    FROM rate_limits l
    JOIN budgets b ON b.narrow_key = l.key
    WHERE l.whole_at + b.narrow_step > b.narrow_end AND l.whole_at <= b.narrow_end + interval '10 minutes'
), wide AS (
    INSERT INTO rate_limits AS l (key, whole_at)
    SELECT b.wide_key, $1::timestamptz + b.wide_step
    FROM budgets b
    WHERE NOT b.is_session AND NOT EXISTS (SELECT FROM used_up)
    ON CONFLICT (key) DO UPDATE
    SET whole_at = least(
        greatest(l.whole_at, $1::timestamptz) + (SELECT b.wide_step FROM budgets b),
        (SELECT b.wide_end FROM budgets b)
    )
    WHERE l.whole_at + (SELECT b.wide_step FROM budgets b) <= (SELECT b.wide_end FROM budgets b)
        OR l.whole_at > (SELECT b.wide_end FROM budgets b) + interval '10 minutes'
    RETURNING l.key
), narrow AS (
    INSERT INTO rate_limits AS l (key, whole_at)
    SELECT b.narrow_key, $1::timestamptz + b.narrow_step
    FROM budgets b
    WHERE b.is_session OR EXISTS (SELECT FROM wide)
    ON CONFLICT (key) DO UPDATE
    SET whole_at = least(
        greatest(l.whole_at, $1::timestamptz) + (SELECT b.narrow_step FROM budgets b),
        (SELECT b.narrow_end FROM budgets b)
    )
    WHERE l.whole_at + (SELECT b.narrow_step FROM budgets b) <= (SELECT b.narrow_end FROM budgets b)
        OR l.whole_at > (SELECT b.narrow_end FROM budgets b) + interval '10 minutes'
    RETURNING l.key
), decided AS (
    SELECT
        coalesce(b.vouched_key, ''::bytea) AS vouched_key,
        b.is_session,
        EXISTS (SELECT FROM narrow) AS is_allowed,
        EXISTS (SELECT FROM wide) AS is_wide_taken,
        b.is_session OR EXISTS (SELECT FROM used_up) OR EXISTS (SELECT FROM wide) AS is_narrow,
        b.narrow_key,
        b.wide_key
    FROM budgets b
)
SELECT
    d.vouched_key::bytea AS vouched_key,
    d.is_session::boolean AS is_session,
    d.is_allowed::boolean AS is_allowed,
    d.is_wide_taken::boolean AS is_wide_taken,
    -- Of the budgets, the one that has refused, if one has. It was not changed, so that the value from before the statement is the right one; but
    -- for what others have used of it at the same moment.
    d.is_narrow::boolean AS is_narrow,
    coalesce(
        (SELECT l.whole_at FROM rate_limits l WHERE l.key = CASE WHEN d.is_narrow THEN d.narrow_key ELSE d.wide_key END), $1::timestamptz
    )::timestamptz AS whole_at
FROM decided d

-- name: KnownAddressSweep :execrows
DELETE FROM known_addresses
WHERE key IN (SELECT k.key FROM known_addresses k WHERE k.seen_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)

