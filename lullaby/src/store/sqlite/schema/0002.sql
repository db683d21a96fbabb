-- Version 2: jobs that wait for others.

-- Whom it waits for, or waited for, and whether failed ones will do: JSON, NULL for nobody.
ALTER TABLE lullaby_job ADD COLUMN depends_on TEXT;

-- A deferred job (its key) and a job that it waits for (its id, which need not exist).
CREATE TABLE lullaby_dependency (
    parent TEXT NOT NULL,
    child  INTEGER NOT NULL,
    PRIMARY KEY (parent, child)
) WITHOUT ROWID;
CREATE INDEX lullaby_dependency_child ON lullaby_dependency (child);
