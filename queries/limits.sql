-- name: AttemptTake :one
-- Charges one attempt, before anything is hashed for it: to two budgets, or to neither. The narrow one is for one account: of all strangers, or an
-- own one of who presents a session of the account that lives, or comes from an address that has logged in to it lately. The wide one is the
-- address's, for all accounts; such an address has another one of those that know it, lest whoever is behind it tries them all, and a
-- session has none. The wide one is charged only where the narrow one has room, so that whoever goes on at an account that is held takes nothing
-- from the neighbours; and the narrow one only where the wide one was, so that an address without budget can't use up an account's. Where others
-- take the last room of the narrow one at the same moment, is_wide_taken says what is to be given back.
-- A budget is whole at most a window from now. If it says much later, the clock was set back, and one attempt brings it into the window again; a
-- little later is an instance whose clock is ahead.
WITH vouched AS (
    SELECT sqlc.arg(session_key)::bytea AS key, true AS is_session
    FROM sessions s
    JOIN users u ON u.id = s.user_id
    WHERE length(sqlc.arg(session_key)::bytea) > 0 AND s.id = sqlc.arg(session_id)::uuid AND u.email_key = sqlc.arg(email_key)::text
        AND s.expires_at > sqlc.arg(now)::timestamptz AND (u.tokens_not_before IS NULL OR s.created_at > u.tokens_not_before)
    UNION ALL
    SELECT k.key, false
    FROM known_addresses k
    JOIN users u ON u.id = k.user_id
    WHERE k.key = sqlc.arg(vouching_key)::bytea AND k.seen_at > sqlc.arg(known_since)::timestamptz
        AND (u.tokens_not_before IS NULL OR k.seen_at > u.tokens_not_before)
    LIMIT 1
), budgets AS (
    SELECT
        v.key AS vouched_key,
        coalesce(v.is_session, false) AS is_session,
        coalesce(v.key, sqlc.arg(account_key)::bytea) AS narrow_key,
        CASE WHEN v.key IS NULL THEN sqlc.arg(account_step)::interval ELSE sqlc.arg(own_step)::interval END AS narrow_step,
        sqlc.arg(now)::timestamptz + CASE WHEN v.key IS NULL THEN sqlc.arg(account_window)::interval ELSE sqlc.arg(own_window)::interval END AS narrow_end,
        CASE WHEN v.key IS NULL THEN sqlc.arg(address_key)::bytea ELSE sqlc.arg(shared_key)::bytea END AS wide_key,
        CASE WHEN v.key IS NULL THEN sqlc.arg(address_step)::interval ELSE sqlc.arg(shared_step)::interval END AS wide_step,
        sqlc.arg(now)::timestamptz + CASE WHEN v.key IS NULL THEN sqlc.arg(address_window)::interval ELSE sqlc.arg(shared_window)::interval END AS wide_end
    FROM (VALUES (0)) one
    LEFT JOIN vouched v ON true
), used_up AS (
    SELECT l.key
    FROM rate_limits l
    JOIN budgets b ON b.narrow_key = l.key
    WHERE l.whole_at + b.narrow_step > b.narrow_end AND l.whole_at <= b.narrow_end + interval '10 minutes'
), wide AS (
    INSERT INTO rate_limits AS l (key, whole_at)
    SELECT b.wide_key, sqlc.arg(now)::timestamptz + b.wide_step
    FROM budgets b
    WHERE NOT b.is_session AND NOT EXISTS (SELECT FROM used_up)
    ON CONFLICT (key) DO UPDATE
    SET whole_at = least(
        greatest(l.whole_at, sqlc.arg(now)::timestamptz) + (SELECT b.wide_step FROM budgets b),
        (SELECT b.wide_end FROM budgets b)
    )
    WHERE l.whole_at + (SELECT b.wide_step FROM budgets b) <= (SELECT b.wide_end FROM budgets b)
        OR l.whole_at > (SELECT b.wide_end FROM budgets b) + interval '10 minutes'
    RETURNING l.key
), narrow AS (
    INSERT INTO rate_limits AS l (key, whole_at)
    SELECT b.narrow_key, sqlc.arg(now)::timestamptz + b.narrow_step
    FROM budgets b
    WHERE b.is_session OR EXISTS (SELECT FROM wide)
    ON CONFLICT (key) DO UPDATE
    SET whole_at = least(
        greatest(l.whole_at, sqlc.arg(now)::timestamptz) + (SELECT b.narrow_step FROM budgets b),
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
        (SELECT l.whole_at FROM rate_limits l WHERE l.key = CASE WHEN d.is_narrow THEN d.narrow_key ELSE d.wide_key END), sqlc.arg(now)::timestamptz
    )::timestamptz AS whole_at
FROM decided d;

-- name: AttemptReturn :exec
-- Gives an attempt back that came to no verdict. The account's comes after the address's, in the order in which they are taken.
WITH address AS (
    UPDATE rate_limits SET whole_at = whole_at - sqlc.arg(address_step)::interval WHERE key = sqlc.arg(address_key)::bytea
    RETURNING key
)
UPDATE rate_limits SET whole_at = whole_at - sqlc.arg(account_step)::interval
WHERE key = sqlc.arg(account_key)::bytea AND (SELECT count(*) FROM address) >= 0;

-- name: AttemptPages :one
-- How many pages the budgets take, for [AttemptSweep].
SELECT (pg_relation_size('rate_limits') / current_setting('block_size')::bigint)::bigint AS pages;

-- name: AttemptSweep :execrows
-- Forgets the budgets that are whole of some pages, and waits for none that is being charged. There is no index to find them by: each charge
-- would have to change it.
DELETE FROM rate_limits
WHERE ctid = ANY (ARRAY(
    SELECT l.ctid FROM rate_limits l
    WHERE l.ctid >= ('(' || sqlc.arg(first_page)::bigint || ',0)')::tid AND l.ctid < ('(' || sqlc.arg(end_page)::bigint || ',0)')::tid
        AND l.whole_at < sqlc.arg(now)::timestamptz
    FOR UPDATE SKIP LOCKED
));

-- name: KnownAddressSweep :execrows
-- Forgets addresses that were not seen for long, some at a time.
DELETE FROM known_addresses
WHERE key IN (SELECT k.key FROM known_addresses k WHERE k.seen_at < sqlc.arg(known_since) LIMIT sqlc.arg(batch) FOR UPDATE SKIP LOCKED);
