-- name: EventAdd :exec
INSERT INTO events (id, type, user_id, actor, actor_id, session_id, address, user_agent, data, created_at)
VALUES (
    @id, @type, @user_id, @actor, sqlc.narg(actor_id), sqlc.narg(session_id), sqlc.narg(address), sqlc.narg(user_agent), @data,
    @created_at
);

-- name: EventAddSampled :exec
-- Adds an event unless the user has one of its type and actor since a moment.
INSERT INTO events (id, type, user_id, actor, session_id, address, user_agent, data, created_at)
SELECT @id, sqlc.arg(type)::text, sqlc.arg(user_id)::uuid, sqlc.arg(actor)::text, sqlc.narg(session_id), sqlc.narg(address), sqlc.narg(user_agent), @data, @created_at
WHERE NOT EXISTS (
    SELECT FROM events e
    WHERE e.user_id = sqlc.arg(user_id)::uuid AND e.id > sqlc.arg(since_id)::uuid AND e.type = sqlc.arg(type)::text
        AND e.actor = sqlc.arg(actor)::text
);

-- name: EventList :many
-- Returns a page of all events, the newest first: those between two ids, and of a time. The time is
-- written so that the planner has no statistics of it, and takes most rows for matching. Then it walks
-- along the ids, which ends with the page, and never sorts all that match.
SELECT *
FROM events
WHERE id < sqlc.arg(before)::uuid AND id >= sqlc.arg(after)::uuid
    AND (created_at + interval '0' < sqlc.arg(since)::timestamptz) IS NOT TRUE
    AND (created_at + interval '0' >= sqlc.arg(until)::timestamptz) IS NOT TRUE
ORDER BY id DESC
LIMIT sqlc.arg(page_size)::integer;

-- name: EventListByUser :many
-- Is [EventList] for one user. The array keeps the planner from taking the user for a constant. So
-- only the index of users has the order, and not that of all ids: walking along them could take a
-- second for a user without events.
SELECT *
FROM events
WHERE user_id = ANY (ARRAY[sqlc.arg(user_id)::uuid]) AND id < sqlc.arg(before)::uuid AND id >= sqlc.arg(after)::uuid
    AND (created_at + interval '0' < sqlc.arg(since)::timestamptz) IS NOT TRUE
    AND (created_at + interval '0' >= sqlc.arg(until)::timestamptz) IS NOT TRUE
ORDER BY user_id DESC, id DESC
LIMIT sqlc.arg(page_size)::integer;

-- name: EventListByType :many
-- Is [EventList] for one type, as [EventListByUser] is for a user.
SELECT *
FROM events
WHERE type = ANY (ARRAY[sqlc.arg(type)::text]) AND id < sqlc.arg(before)::uuid AND id >= sqlc.arg(after)::uuid
    AND (created_at + interval '0' < sqlc.arg(since)::timestamptz) IS NOT TRUE
    AND (created_at + interval '0' >= sqlc.arg(until)::timestamptz) IS NOT TRUE
ORDER BY type DESC, id DESC
LIMIT sqlc.arg(page_size)::integer;

-- name: EventListByUserAndType :many
-- Is [EventList] for one type of a user. Both are one key of an index, because the planner would take
-- an index of one of them, and read all its rows, where it expects few.
SELECT *
FROM events
WHERE type || ' ' || user_id::text = ANY (ARRAY[sqlc.arg(type)::text || ' ' || sqlc.arg(user_id)::uuid::text])
    AND id < sqlc.arg(before)::uuid AND id >= sqlc.arg(after)::uuid
    AND (created_at + interval '0' < sqlc.arg(since)::timestamptz) IS NOT TRUE
    AND (created_at + interval '0' >= sqlc.arg(until)::timestamptz) IS NOT TRUE
ORDER BY type || ' ' || user_id::text DESC, id DESC
LIMIT sqlc.arg(page_size)::integer;

-- name: EventListFrom :many
-- Returns a page of the events since a time, the oldest first, after an event. It reads all of them,
-- whatever the filter: for the command that prints them.
SELECT *
FROM events
WHERE id > sqlc.arg(after)::uuid AND (created_at + interval '0' < sqlc.arg(since)::timestamptz) IS NOT TRUE
    AND (sqlc.narg(user_id)::uuid IS NULL OR user_id = sqlc.narg(user_id)::uuid)
    AND (sqlc.narg(type)::text IS NULL OR type = sqlc.narg(type)::text)
ORDER BY id
LIMIT sqlc.arg(page_size)::integer;

-- name: EventSnapshot :one
-- Returns which transactions can be seen now, and the oldest that may still write.
SELECT pg_current_snapshot()::text AS snapshot, pg_snapshot_xmin(pg_current_snapshot())::text AS oldest;

-- name: EventListBetween :many
-- Returns a page of the events of transactions that one snapshot doesn't see and a later one does, in
-- the order of the transactions, after an event. The time leaves out what was restored from another
-- server, whose transactions had numbers of their own.
SELECT *
FROM events
WHERE transaction_id >= sqlc.arg(after_transaction)::text::xid8
    AND (transaction_id, id) > (sqlc.arg(after_transaction)::text::xid8, sqlc.arg(after)::uuid)
    AND NOT pg_visible_in_snapshot(transaction_id, sqlc.arg(earlier)::text::pg_snapshot)
    AND pg_visible_in_snapshot(transaction_id, sqlc.arg(later)::text::pg_snapshot)
    AND (sqlc.narg(user_id)::uuid IS NULL OR user_id = sqlc.narg(user_id)::uuid)
    AND (sqlc.narg(type)::text IS NULL OR type = sqlc.narg(type)::text)
    AND created_at >= sqlc.arg(since)::timestamptz
ORDER BY transaction_id, id
LIMIT sqlc.arg(page_size)::integer;

-- name: EventGetLogin :one
-- Returns what the mail about a login says. No row means that the user was deleted. To an email that
-- nobody has proved goes nothing that the client has written: it may be a stranger's.
SELECT e.address, coalesce(CASE WHEN u.email_verified THEN e.user_agent END, '')::text AS user_agent, u.username
FROM events e
JOIN users u ON u.id = e.user_id
WHERE e.id = @id AND e.type = 'user.logged_in';

-- name: EventSweep :execrows
-- Deletes a batch of old events, by the database's clock. A test may pass another.
DELETE FROM events
WHERE id IN (
    SELECT e.id FROM events e
    WHERE e.created_at < coalesce(sqlc.narg(database_now)::timestamptz, clock_timestamp()) - sqlc.arg(retention)::interval
    LIMIT sqlc.arg(batch)
    FOR UPDATE SKIP LOCKED
);
