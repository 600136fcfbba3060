-- Reports whether another program has our table's name: a table users exists, and no version of ours is recorded.
SELECT to_regclass('latchkey_schema_version') IS NULL AND to_regclass('users') IS NOT NULL
