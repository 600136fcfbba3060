-- Returns three facts:
-- 1. The schema's version, 0 before the first migration.
-- 2. The schema of the oldest binary that may run on it, 0 before the first migration. Each version
--    names one, and the highest counts. A version that names none allows its own binary and later
--    ones. Releases up to 0.6 recorded such versions, in a table without the column: to_jsonb reads a
--    column that need not exist.
-- 3. Whether the session can't write, because it is on a standby or was set so.
SELECT
    coalesce(max(version_id), 0),
    coalesce(max(coalesce((to_jsonb(v) ->> 'oldest_beside')::bigint, version_id)), 0),
    current_setting('transaction_read_only') = 'on'
FROM latchkey_schema_version v
