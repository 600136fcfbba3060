-- name: AttemptVouch :one
-- Reports who vouches for an attempt on an account: a session of it that lives, or an address that has logged in to it lately.
-- No row means that it is a stranger's.
SELECT true AS is_session
FROM sessions s
JOIN users u ON u.id = s.user_id
WHERE s.id = sqlc.arg(session_id) AND u.email_key = sqlc.arg(email_key)
    AND s.expires_at > sqlc.arg(now)::timestamptz AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before)
UNION ALL
SELECT false
FROM known_addresses k
JOIN users u ON u.id = k.user_id
WHERE k.key = sqlc.arg(pair_key) AND k.seen_at > sqlc.arg(known_since)::timestamptz
    AND (u.tokens_not_before IS NULL OR k.seen_at > u.tokens_not_before)
LIMIT 1;

-- name: BudgetTake :execrows
-- Takes one attempt out of a budget, which is whole again at most a window from now. It changes no row where the budget is
-- used up. A row that is whole much later was written before the clock was set back: one attempt brings it into the window again.
INSERT INTO rate_limits AS l (key, whole_at)
VALUES (sqlc.arg(key), sqlc.arg(now)::timestamptz + sqlc.arg(step)::interval)
ON CONFLICT (key) DO UPDATE
SET whole_at = least(
    greatest(l.whole_at, sqlc.arg(now)::timestamptz) + sqlc.arg(step)::interval,
    sqlc.arg(now)::timestamptz + sqlc.arg(window_length)::interval
)
WHERE l.whole_at + sqlc.arg(step)::interval <= sqlc.arg(now)::timestamptz + sqlc.arg(window_length)::interval
    OR l.whole_at > sqlc.arg(now)::timestamptz + sqlc.arg(window_length)::interval + interval '10 minutes';

-- name: BudgetGet :one
SELECT whole_at FROM rate_limits WHERE key = @key;

-- name: BudgetReturn :exec
-- Gives one attempt back.
UPDATE rate_limits SET whole_at = whole_at - sqlc.arg(step)::interval WHERE key = sqlc.arg(key);

-- name: BudgetForgive :exec
-- Makes a budget whole.
DELETE FROM rate_limits WHERE key = @key;

-- name: BudgetPages :one
-- How many pages the budgets take, for [BudgetSweep].
SELECT (pg_relation_size('rate_limits') / current_setting('block_size')::bigint)::bigint AS pages;

-- name: BudgetSweep :execrows
-- Deletes the budgets of some pages that are whole, and waits for none that is being charged. There is no index to find them by: each charge
-- would have to change it. The clock is the database's, unless a test passes another.
DELETE FROM rate_limits
WHERE ctid = ANY (ARRAY(
    SELECT l.ctid FROM rate_limits l
    WHERE l.ctid >= ('(' || sqlc.arg(first_page)::bigint || ',0)')::tid AND l.ctid < ('(' || sqlc.arg(end_page)::bigint || ',0)')::tid
        AND l.whole_at < coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp())
    FOR UPDATE SKIP LOCKED
));

-- name: AddressKnow :exec
-- Records from which address a user has logged in. A row is written again once a day, or when the credentials were changed since.
INSERT INTO known_addresses AS k (key, seen_at, user_id) VALUES (sqlc.arg(key), sqlc.arg(seen_at), sqlc.arg(user_id))
ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at, user_id = excluded.user_id
WHERE k.user_id <> excluded.user_id OR k.seen_at < excluded.seen_at - interval '1 day' OR k.seen_at <= sqlc.narg(not_before)::timestamptz;

-- name: AddressKeep :exec
-- Keeps an address known, if it is, although the user's sessions were ended.
UPDATE known_addresses SET seen_at = sqlc.arg(seen_at)
WHERE key = sqlc.arg(key) AND user_id = sqlc.arg(user_id) AND (sqlc.narg(not_before)::timestamptz IS NULL OR seen_at > sqlc.narg(not_before)::timestamptz);

-- name: AddressSweep :execrows
-- Deletes addresses that were not seen for long, some at a time, by the database's clock.
DELETE FROM known_addresses
WHERE key IN (
    SELECT k.key FROM known_addresses k
    WHERE k.seen_at < coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp()) - sqlc.arg(known_for)::interval
    LIMIT sqlc.arg(batch)
    FOR UPDATE SKIP LOCKED
);
