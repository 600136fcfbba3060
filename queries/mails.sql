-- name: MailCount :one
-- Counts the mails that wait for their first attempt, those that failed and are tried again, and
-- those that were given up in the last days. The states are listed so that sent mails are not read.
SELECT
    count(*) FILTER (WHERE state IN ('available', 'pending', 'running', 'scheduled')) AS waiting,
    count(*) FILTER (WHERE state = 'retryable') AS retrying,
    count(*) FILTER (WHERE state IN ('cancelled', 'discarded')) AS given_up
FROM river_job
WHERE queue = 'mail' AND state IN ('available', 'pending', 'running', 'scheduled', 'retryable', 'cancelled', 'discarded');
