-- Sets how many milliseconds a statement waits for a lock, until the transaction ends.
SELECT set_config('lock_timeout', $1, true)
