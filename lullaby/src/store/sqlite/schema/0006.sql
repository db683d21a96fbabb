-- Version 6: what became of a job's earlier executions.

-- The newest of them, JSON, oldest first; NULL before its first one is over.
ALTER TABLE lullaby_job ADD COLUMN attempts TEXT;
