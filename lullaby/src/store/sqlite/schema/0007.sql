-- Version 7: receivers that are told by HTTP how a job has ended.

-- A JSON list as RQ keeps it; NULL for none.
ALTER TABLE lullaby_job ADD COLUMN webhooks TEXT;
