-- Version 5: jobs of which only so many may be queued or run at once.

-- Its rate limit, NULL for none. One that waits for a slot has the status 9, and `pos` is its place among those of its key.
ALTER TABLE lullaby_job ADD COLUMN limit_key TEXT;
ALTER TABLE lullaby_job ADD COLUMN limit_concurrency INTEGER;
CREATE INDEX lullaby_job_limit ON lullaby_job (status, limit_key, pos) WHERE limit_key IS NOT NULL;

-- How many slots a key has, as the last job that came to its limiter said. Keys that no job holds a slot of have no row.
CREATE TABLE lullaby_rate_limit (
    key         TEXT NOT NULL PRIMARY KEY,
    concurrency INTEGER NOT NULL
) WITHOUT ROWID;
