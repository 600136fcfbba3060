-- name: AttemptVouch :one
-- Reports what vouches for an attempt on an account: a live session of the account, or an address
-- that has logged in to it recently. An account that has left the email vouches for nobody. No row
-- means that the attempt is a stranger's.
SELECT true AS is_session
FROM sessions s
JOIN users u ON u.id = s.user_id
WHERE s.id = sqlc.arg(session_id) AND u.email_key = sqlc.arg(email_key)
    AND s.expires_at > sqlc.arg(now)::timestamptz AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before)
UNION ALL
SELECT false
FROM known_addresses k
JOIN users u ON u.id = k.user_id
WHERE k.key = sqlc.arg(pair_key) AND u.email_key = sqlc.arg(email_key) AND k.seen_at > sqlc.arg(known_since)::timestamptz
    AND (u.tokens_not_before IS NULL OR k.seen_at > u.tokens_not_before)
LIMIT 1;

-- name: BudgetTake :execrows
-- Takes one attempt from a budget. The budget is full again at most one window from now. The query
-- changes no row if the budget is exhausted. A row that is full much later was written before the
-- clock was set back: one attempt moves it into the window again.
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
-- Refunds one attempt.
UPDATE rate_limits SET whole_at = whole_at - sqlc.arg(step)::interval WHERE key = sqlc.arg(key);

-- name: BudgetForgive :exec
-- Refills a budget.
DELETE FROM rate_limits WHERE key = @key;

-- name: BudgetPages :one
-- Returns the number of pages of the budgets, for [BudgetSweep].
SELECT (pg_relation_size('rate_limits') / current_setting('block_size')::bigint)::bigint AS pages;

-- name: BudgetSweep :execrows
-- Deletes the full budgets in a range of pages. It skips budgets that are being charged. It scans
-- pages because an index would have to change with each charge. The clock is the database's, unless
-- a test passes another.
DELETE FROM rate_limits
WHERE ctid = ANY (ARRAY(
    SELECT l.ctid FROM rate_limits l
    WHERE l.ctid >= ('(' || sqlc.arg(first_page)::bigint || ',0)')::tid AND l.ctid < ('(' || sqlc.arg(end_page)::bigint || ',0)')::tid
        AND l.whole_at < coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp())
    FOR UPDATE SKIP LOCKED
));

-- name: AddressKnow :one
-- Records the address from which a user has logged in, and reports whether the account has known it
-- before, as [AttemptVouch] does. A row is written again once a day, or if the credentials have
-- changed since.
WITH known AS (
    SELECT FROM known_addresses k
    WHERE k.key = sqlc.arg(key) AND k.user_id = sqlc.arg(user_id) AND k.seen_at > sqlc.arg(known_since)::timestamptz
        AND (sqlc.narg(not_before)::timestamptz IS NULL OR k.seen_at > sqlc.narg(not_before)::timestamptz)
), recorded AS (
    INSERT INTO known_addresses AS k (key, seen_at, user_id) VALUES (sqlc.arg(key), sqlc.arg(seen_at), sqlc.arg(user_id))
    ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at, user_id = excluded.user_id
    WHERE k.user_id <> excluded.user_id OR k.seen_at < excluded.seen_at - interval '1 day' OR k.seen_at <= sqlc.narg(not_before)::timestamptz
)
SELECT EXISTS (SELECT FROM known) AS is_known;

-- name: AddressKeep :exec
-- Keeps a known address known, although the user's sessions were ended.
UPDATE known_addresses SET seen_at = sqlc.arg(seen_at)
WHERE key = sqlc.arg(key) AND user_id = sqlc.arg(user_id) AND (sqlc.narg(not_before)::timestamptz IS NULL OR seen_at > sqlc.narg(not_before)::timestamptz);

-- name: AddressSweep :execrows
-- Deletes a batch of addresses that were not seen for a long time, by the database's clock.
DELETE FROM known_addresses
WHERE key IN (
    SELECT k.key FROM known_addresses k
    WHERE k.seen_at < coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp()) - sqlc.arg(known_for)::interval
    LIMIT sqlc.arg(batch)
    FOR UPDATE SKIP LOCKED
);
