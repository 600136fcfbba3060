-- +goose Up
-- Oldest binary beside it: schema 6
-- Keeps the numbers without a gap.
SELECT 1;

-- +goose Down
SELECT 1;
