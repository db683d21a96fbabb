-- Version 4: tasks that the end of a job puts into its queue.

-- Their names, JSON; NULL for none.
ALTER TABLE lullaby_job ADD COLUMN callbacks TEXT;
