-- name: AttemptTake :one
-- Charges one attempt, before anything is hashed for it. Who presents a session of the account, or comes from an address that
-- has logged in to it lately, has a budget of its own; such an address also shares one for all accounts that know it, lest whoever
-- is behind it tries them all. Everybody else needs some of the address's and then of the account's,
-- so that an address without budget can't use up an account's. A budget is whole at most a window from now. If it says much later, the
-- clock was set back, and one attempt brings it into the window again; a little later is an instance whose clock is ahead.
WITH vouched AS (
    SELECT sqlc.arg(session_key)::bytea AS key, true AS is_session WHERE length(sqlc.arg(session_key)::bytea) > 0
    UNION ALL
    SELECT k.key, false FROM known_addresses k WHERE k.key = sqlc.arg(vouching_key) AND k.seen_at > sqlc.arg(known_since)
    LIMIT 1
), shared AS (
    INSERT INTO rate_limits AS l (key, whole_at)
    SELECT sqlc.arg(shared_key)::bytea, sqlc.arg(now)::timestamptz + sqlc.arg(shared_step)::interval FROM vouched WHERE NOT is_session
    ON CONFLICT (key) DO UPDATE
    SET whole_at = least(
        greatest(l.whole_at, sqlc.arg(now)::timestamptz) + sqlc.arg(shared_step)::interval,
        sqlc.arg(now)::timestamptz + sqlc.arg(shared_window)::interval
    )
    WHERE l.whole_at + sqlc.arg(shared_step)::interval <= sqlc.arg(now)::timestamptz + sqlc.arg(shared_window)::interval
        OR l.whole_at > sqlc.arg(now)::timestamptz + sqlc.arg(shared_window)::interval + interval '10 minutes'
    RETURNING l.key
), own AS (
    INSERT INTO rate_limits AS l (key, whole_at)
    SELECT key, sqlc.arg(now)::timestamptz + sqlc.arg(own_step)::interval FROM vouched WHERE is_session OR EXISTS (SELECT FROM shared)
    ON CONFLICT (key) DO UPDATE
    SET whole_at = least(
        greatest(l.whole_at, sqlc.arg(now)::timestamptz) + sqlc.arg(own_step)::interval,
        sqlc.arg(now)::timestamptz + sqlc.arg(own_window)::interval
    )
    WHERE l.whole_at + sqlc.arg(own_step)::interval <= sqlc.arg(now)::timestamptz + sqlc.arg(own_window)::interval
        OR l.whole_at > sqlc.arg(now)::timestamptz + sqlc.arg(own_window)::interval + interval '10 minutes'
    RETURNING l.key
), address AS (
    INSERT INTO rate_limits AS l (key, whole_at)
    SELECT sqlc.arg(address_key)::bytea, sqlc.arg(now)::timestamptz + sqlc.arg(address_step)::interval WHERE NOT EXISTS (SELECT FROM vouched)
    ON CONFLICT (key) DO UPDATE
    SET whole_at = least(
        greatest(l.whole_at, sqlc.arg(now)::timestamptz) + sqlc.arg(address_step)::interval,
        sqlc.arg(now)::timestamptz + sqlc.arg(address_window)::interval
    )
    WHERE l.whole_at + sqlc.arg(address_step)::interval <= sqlc.arg(now)::timestamptz + sqlc.arg(address_window)::interval
        OR l.whole_at > sqlc.arg(now)::timestamptz + sqlc.arg(address_window)::interval + interval '10 minutes'
    RETURNING l.key
), account AS (
    INSERT INTO rate_limits AS l (key, whole_at)
    SELECT sqlc.arg(account_key)::bytea, sqlc.arg(now)::timestamptz + sqlc.arg(account_step)::interval FROM address
    ON CONFLICT (key) DO UPDATE
    SET whole_at = least(
        greatest(l.whole_at, sqlc.arg(now)::timestamptz) + sqlc.arg(account_step)::interval,
        sqlc.arg(now)::timestamptz + sqlc.arg(account_window)::interval
    )
    WHERE l.whole_at + sqlc.arg(account_step)::interval <= sqlc.arg(now)::timestamptz + sqlc.arg(account_window)::interval
        OR l.whole_at > sqlc.arg(now)::timestamptz + sqlc.arg(account_window)::interval + interval '10 minutes'
    RETURNING l.key
), decided AS (
    SELECT
        coalesce((SELECT key FROM vouched), ''::bytea) AS vouched_key,
        coalesce((SELECT is_session FROM vouched), false) AS is_session,
        EXISTS (SELECT FROM own) OR EXISTS (SELECT FROM account) AS allowed,
        EXISTS (SELECT FROM shared) AS shared_allowed,
        EXISTS (SELECT FROM address) AS address_allowed
)
SELECT
    d.vouched_key::bytea AS vouched_key,
    d.is_session::boolean AS is_session,
    d.allowed::boolean AS allowed,
    d.shared_allowed::boolean AS shared_allowed,
    d.address_allowed::boolean AS address_allowed,
    -- Of the budget that refused: it was not changed, so that the value from before the statement is the right one; but for what others have
    -- used of it at the same moment.
    coalesce((SELECT l.whole_at FROM rate_limits l WHERE l.key = CASE
        WHEN d.vouched_key <> ''::bytea AND (d.is_session OR d.shared_allowed) THEN d.vouched_key
        WHEN d.vouched_key <> ''::bytea THEN sqlc.arg(shared_key)::bytea
        WHEN d.address_allowed THEN sqlc.arg(account_key)::bytea
        ELSE sqlc.arg(address_key)::bytea
    END), sqlc.arg(now)::timestamptz)::timestamptz AS whole_at
FROM decided d;

-- name: AttemptReturn :exec
-- Gives an attempt back that came to no verdict. The account's comes after the address's, in the order in which they are taken.
WITH address AS (
    UPDATE rate_limits SET whole_at = whole_at - sqlc.arg(address_step)::interval WHERE key = sqlc.arg(address_key)::bytea
    RETURNING key
)
UPDATE rate_limits SET whole_at = whole_at - sqlc.arg(account_step)::interval
WHERE key = sqlc.arg(account_key)::bytea AND (SELECT count(*) FROM address) >= 0;

-- name: AttemptSweep :execrows
-- Forgets budgets that are whole, some at a time, and waits for none that is being charged.
DELETE FROM rate_limits
WHERE key IN (SELECT l.key FROM rate_limits l WHERE l.whole_at < sqlc.arg(now) LIMIT sqlc.arg(batch) FOR UPDATE SKIP LOCKED);

-- name: KnownAddressSweep :execrows
-- Forgets addresses that were not seen for long, some at a time.
DELETE FROM known_addresses
WHERE key IN (SELECT k.key FROM known_addresses k WHERE k.seen_at < sqlc.arg(known_since) LIMIT sqlc.arg(batch) FOR UPDATE SKIP LOCKED);
