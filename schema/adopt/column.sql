-- Adds the column of the oldest binary beside a version to a table that goose, or an earlier release,
-- has made. It looks first, because an ALTER TABLE with nothing to do would still lock the table.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass('latchkey_schema_version') AND attname = 'oldest_beside' AND NOT attisdropped
    ) THEN
        ALTER TABLE latchkey_schema_version ADD COLUMN oldest_beside bigint;
    END IF;
END
$$;
