-- Version 3: jobs that run again after they have finished.

-- How often and when, JSON: what is left of it. NULL for one that does not.
ALTER TABLE lullaby_job ADD COLUMN repeat TEXT;
