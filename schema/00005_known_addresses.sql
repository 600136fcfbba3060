-- +goose Up
-- Oldest binary beside it: schema 5
-- An account forgets its known addresses with its password. Otherwise a thief of the former password
-- would keep a budget of their own.
TRUNCATE known_addresses;
ALTER TABLE known_addresses ADD COLUMN user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX known_addresses_user_id ON known_addresses (user_id);
CREATE INDEX known_addresses_seen_at ON known_addresses (seen_at);

-- +goose Down
ALTER TABLE known_addresses DROP COLUMN user_id;
DROP INDEX known_addresses_seen_at;
