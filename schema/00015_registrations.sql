-- +goose Up
-- Oldest binary beside it: schema 6
-- Registrations that wait for the code that was mailed to their address. There is no user before
-- the code is entered. A registration ends with its challenge, and another one for the same address
-- replaces both.
CREATE TABLE registrations (
    challenge_id uuid PRIMARY KEY REFERENCES challenges (id) ON UPDATE CASCADE ON DELETE CASCADE,
    username     text NOT NULL,
    username_key text NOT NULL,
    hash         text NOT NULL,
    locale       text
);

-- +goose Down
DROP TABLE registrations;
