-- Reports whether the name of our table of users is another program's: nothing tells of a version of ours, and it is there.
SELECT to_regclass('latchkey_schema_version') IS NULL AND to_regclass('users') IS NOT NULL
