-- Copies the versions that releases up to 0.6 kept in goose_db_version, the name that every program that uses goose has, to a
-- table of our own. The old one stays for instances of those releases that run beside this one. It is ours where the table of
-- users beside it is.
DO $$
BEGIN
    IF to_regclass('latchkey_schema_version') IS NULL AND to_regclass('goose_db_version') IS NOT NULL
        AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('users') AND attname = 'email_key' AND NOT attisdropped)
    THEN
        -- One server copies. The others wait here, and then find the table.
        LOCK TABLE goose_db_version IN SHARE ROW EXCLUSIVE MODE;
        IF to_regclass('latchkey_schema_version') IS NULL THEN
            CREATE TABLE latchkey_schema_version (LIKE goose_db_version INCLUDING ALL);
            INSERT INTO latchkey_schema_version (version_id, is_applied, tstamp)
            SELECT version_id, is_applied, tstamp FROM goose_db_version ORDER BY id;
        END IF;
    END IF;
END
$$;
