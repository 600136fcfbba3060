-- Records a version, and the schema of the oldest binary that may run beside it.
INSERT INTO latchkey_schema_version (version_id, is_applied, oldest_beside) VALUES ($1, true, $2)
