-- The schema's version, NULL before the first migration, and whether the session can't write: it is on a standby, or was set so.
SELECT (SELECT max(version_id) FROM latchkey_schema_version), current_setting('transaction_read_only') = 'on'
