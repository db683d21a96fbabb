-- Version 1 of the store's tables. A version that was released is never edited: a change is a new file.
--
-- Instants and durations are whole milliseconds. Statuses are numbers, in the order of a job's life:
-- 0 created, 1 scheduled, 2 queued, 3 started, 4 finished, 5 failed, 6 deferred, 7 canceled, 8 stopped.

-- What the store knows of itself: the version of its tables, the last token.
CREATE TABLE lullaby_meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value
) WITHOUT ROWID;

INSERT INTO lullaby_meta (name, value) VALUES ('schema', 1), ('token', 0);

-- A queue's number stands in each of its jobs and in their index. Numbers are never taken back.
CREATE TABLE lullaby_queue (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Columns that moves look at stand first, and texts of any length last, so that a move reads no overflow page.
CREATE TABLE lullaby_job (
    key         INTEGER PRIMARY KEY, -- the order in which jobs were made
    id          TEXT NOT NULL UNIQUE,
    queue       INTEGER NOT NULL,
    status      INTEGER NOT NULL,
    -- The one column that orders jobs within their queue and status: the place in line of a queued one, the due time of a
    -- scheduled one, the lease's end of a started one, the end of an ended one.
    pos         INTEGER NOT NULL,
    expires     INTEGER, -- when it is dropped: a queued one unrun, an ended one with what is kept of it
    token       INTEGER,
    owner       INTEGER, -- the opened store that claimed it: see owner.rs
    worker      TEXT,
    created     INTEGER NOT NULL,
    due         INTEGER,
    enqueued    INTEGER,
    started     INTEGER,
    ended       INTEGER,
    timeout     INTEGER,
    ttl         INTEGER,
    result_ttl  INTEGER,
    failure_ttl INTEGER,
    at_front    INTEGER NOT NULL DEFAULT 0,
    failures    INTEGER NOT NULL DEFAULT 0,
    lost        INTEGER NOT NULL DEFAULT 0,
    stop        INTEGER NOT NULL DEFAULT 0, -- somebody asked to stop it
    task        TEXT NOT NULL,
    subject     TEXT,
    description TEXT,
    retry       TEXT, -- JSON, as are the next two
    slot        TEXT,
    meta        TEXT, -- NULL if empty
    payload     TEXT NOT NULL,
    result      TEXT,
    error       TEXT
);

-- Each index costs every move of every job, so there are no more than these; most jobs stand in two of them at a time.
CREATE INDEX lullaby_job_place ON lullaby_job (queue, status, pos);
CREATE INDEX lullaby_job_expires ON lullaby_job (expires) WHERE expires IS NOT NULL;
CREATE INDEX lullaby_job_subject ON lullaby_job (subject) WHERE subject IS NOT NULL;

CREATE TABLE lullaby_schedule (
    name    TEXT NOT NULL PRIMARY KEY,
    id      TEXT NOT NULL,
    version INTEGER NOT NULL,
    next    INTEGER,
    behind  TEXT, -- the id of the job that its buffered slot waits for
    record  TEXT NOT NULL -- all of it, JSON
);
CREATE INDEX lullaby_schedule_next ON lullaby_schedule (next, name) WHERE next IS NOT NULL;
CREATE INDEX lullaby_schedule_behind ON lullaby_schedule (behind) WHERE behind IS NOT NULL;

CREATE TABLE lullaby_ledger (
    schedule TEXT NOT NULL,
    line     INTEGER NOT NULL,
    record   TEXT NOT NULL, -- JSON
    PRIMARY KEY (schedule, line)
) WITHOUT ROWID;

-- AUTOINCREMENT, so that no id comes twice even when the newest events were dropped.
CREATE TABLE lullaby_event (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    subject TEXT NOT NULL,
    job     TEXT,
    kind    TEXT NOT NULL,
    data    TEXT NOT NULL -- JSON
);
CREATE INDEX lullaby_event_subject ON lullaby_event (subject);

CREATE TABLE lullaby_worker (
    name        TEXT NOT NULL PRIMARY KEY,
    queues      TEXT NOT NULL, -- a JSON list
    concurrency INTEGER NOT NULL,
    running     INTEGER NOT NULL,
    pid         INTEGER NOT NULL,
    host        TEXT NOT NULL,
    started     INTEGER NOT NULL,
    seen        INTEGER NOT NULL
);

-- Where any program may put a job by one INSERT, in a transaction of its own: see enqueue_view.rs.
CREATE VIEW lullaby_enqueue AS
SELECT id, '' AS queue, task, payload, due, timeout, ttl, result_ttl, failure_ttl, at_front, retry, meta, description,
       subject, created AS now
FROM lullaby_job WHERE 0;

CREATE TRIGGER lullaby_enqueue_insert INSTEAD OF INSERT ON lullaby_enqueue
BEGIN
    SELECT RAISE(ABORT, 'lullaby_enqueue: task must be a text of 1 to 255 bytes')
    WHERE NEW.task IS NULL OR typeof(NEW.task) <> 'text'
       OR length(CAST(NEW.task AS BLOB)) NOT BETWEEN 1 AND 255;
    SELECT RAISE(ABORT, 'lullaby_enqueue: id must be 1 to 255 letters, digits, - and _, or NULL for a random one')
    WHERE NEW.id IS NOT NULL
      AND (typeof(NEW.id) <> 'text' OR length(NEW.id) NOT BETWEEN 1 AND 255 OR NEW.id GLOB '*[^A-Za-z0-9_-]*');
    SELECT RAISE(ABORT, 'lullaby_enqueue: queue must be a text of 1 to 200 bytes without control characters, or NULL for default')
    WHERE NEW.queue IS NOT NULL
      AND (typeof(NEW.queue) <> 'text' OR length(CAST(NEW.queue AS BLOB)) NOT BETWEEN 1 AND 200
           OR NEW.queue GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'
           OR instr(NEW.queue, char(0)) > 0);
    SELECT RAISE(ABORT, 'lullaby_enqueue: payload must be JSON as [[positional], {named}], at most 16 MiB of it, or NULL for no arguments')
    WHERE NEW.payload IS NOT NULL
      AND CASE WHEN typeof(NEW.payload) = 'text' AND length(CAST(NEW.payload AS BLOB)) <= 16777216 AND json_valid(NEW.payload)
          THEN json_type(NEW.payload) IS NOT 'array' OR json_array_length(NEW.payload) <> 2
               OR json_type(NEW.payload, '$[0]') IS NOT 'array' OR json_type(NEW.payload, '$[1]') IS NOT 'object'
          ELSE 1 END;
    SELECT RAISE(ABORT, 'lullaby_enqueue: due must be an instant as integer milliseconds since 1970 UTC, or NULL for now')
    WHERE NEW.due IS NOT NULL AND (typeof(NEW.due) <> 'integer' OR NEW.due NOT BETWEEN 0 AND 253402300799999);
    SELECT RAISE(ABORT, 'lullaby_enqueue: timeout must be integer milliseconds above 0, -1 for ever, or NULL for 180 s')
    WHERE NEW.timeout IS NOT NULL AND (typeof(NEW.timeout) <> 'integer' OR NEW.timeout < -1 OR NEW.timeout = 0);
    SELECT RAISE(ABORT, 'lullaby_enqueue: ttl must be integer milliseconds above 0, or -1 or NULL for ever')
    WHERE NEW.ttl IS NOT NULL AND (typeof(NEW.ttl) <> 'integer' OR NEW.ttl < -1 OR NEW.ttl = 0);
    SELECT RAISE(ABORT, 'lullaby_enqueue: result_ttl must be integer milliseconds, -1 for ever, or NULL for 500 s')
    WHERE NEW.result_ttl IS NOT NULL AND (typeof(NEW.result_ttl) <> 'integer' OR NEW.result_ttl < -1);
    SELECT RAISE(ABORT, 'lullaby_enqueue: failure_ttl must be integer milliseconds, -1 for ever, or NULL for a year')
    WHERE NEW.failure_ttl IS NOT NULL AND (typeof(NEW.failure_ttl) <> 'integer' OR NEW.failure_ttl < -1);
    SELECT RAISE(ABORT, 'lullaby_enqueue: at_front must be 0, 1 or NULL')
    WHERE NEW.at_front IS NOT NULL AND NEW.at_front NOT IN (0, 1);
    SELECT RAISE(ABORT, 'lullaby_enqueue: retry must be an integer (how many more tries, at once), a policy of EnqueueStatement''s as JSON, or NULL')
    WHERE NEW.retry IS NOT NULL
      AND CASE WHEN typeof(NEW.retry) = 'integer' THEN NEW.retry NOT BETWEEN 0 AND 4294967295
               WHEN typeof(NEW.retry) = 'text' AND json_valid(NEW.retry)
               THEN json_type(NEW.retry, '$.max') IS NOT 'integer' OR json_type(NEW.retry, '$.backoff') IS NOT 'object'
               ELSE 1 END;
    SELECT RAISE(ABORT, 'lullaby_enqueue: meta must be a JSON object or NULL')
    WHERE NEW.meta IS NOT NULL
      AND CASE WHEN typeof(NEW.meta) = 'text' AND json_valid(NEW.meta) THEN json_type(NEW.meta) IS NOT 'object' ELSE 1 END;
    SELECT RAISE(ABORT, 'lullaby_enqueue: description and subject must be texts or NULL')
    WHERE typeof(NEW.description) NOT IN ('text', 'null') OR typeof(NEW.subject) NOT IN ('text', 'null');
    SELECT RAISE(ABORT, 'lullaby_enqueue: now must be NULL, or integer milliseconds if the clock is a manual one')
    WHERE NEW.now IS NOT NULL AND (typeof(NEW.now) <> 'integer' OR NEW.now NOT BETWEEN 0 AND 253402300799999);

    -- Conflicts are avoided, not resolved: an OR clause of the outer INSERT would overrule any that stood here.
    INSERT INTO lullaby_queue (name)
    SELECT coalesce(NEW.queue, 'default')
    WHERE NOT EXISTS (SELECT 1 FROM lullaby_queue WHERE name = coalesce(NEW.queue, 'default'));

    INSERT INTO lullaby_job (id, queue, status, pos, expires, created, due, enqueued, timeout, ttl, result_ttl, failure_ttl,
                             at_front, task, subject, description, retry, meta, payload)
    SELECT coalesce(NEW.id, lower(hex(randomblob(16)))),
           q.id,
           iif(NEW.due > t.now, 1, 2),
           CASE WHEN NEW.due > t.now THEN NEW.due
                WHEN NEW.at_front = 1
                THEN coalesce((SELECT min(pos) - 1 FROM lullaby_job WHERE queue = q.id AND status = 2), 0)
                ELSE coalesce((SELECT max(pos) + 1 FROM lullaby_job WHERE queue = q.id AND status = 2), 0) END,
           iif(NEW.due > t.now, NULL, min(t.now + nullif(NEW.ttl, -1), 253402300799999)),
           t.now,
           NEW.due,
           iif(NEW.due > t.now, NULL, t.now),
           nullif(coalesce(NEW.timeout, 180000), -1),
           nullif(NEW.ttl, -1),
           nullif(coalesce(NEW.result_ttl, 500000), -1),
           nullif(coalesce(NEW.failure_ttl, 31536000000), -1),
           coalesce(NEW.at_front, 0),
           NEW.task, NEW.subject, NEW.description,
           iif(typeof(NEW.retry) = 'integer', json_object('max', NEW.retry, 'backoff', json('{"Intervals":[]}')), NEW.retry),
           nullif(NEW.meta, '{}'),
           coalesce(NEW.payload, '[[],{}]')
    FROM lullaby_queue q,
         (SELECT coalesce(NEW.now, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)) AS now) t
    WHERE q.name = coalesce(NEW.queue, 'default')
      AND NOT EXISTS (SELECT 1 FROM lullaby_job WHERE id = NEW.id);

    INSERT INTO lullaby_event (at, subject, job, kind, data)
    SELECT j.created, j.subject, j.id, iif(j.status = 1, 'job.scheduled', 'job.queued'),
           CASE WHEN j.status = 1 THEN json_object('task', j.task, 'due', j.due)
                WHEN j.due IS NULL THEN json_object('task', j.task, 'queue', coalesce(NEW.queue, 'default'))
                ELSE json_object('task', j.task, 'queue', coalesce(NEW.queue, 'default'), 'due', j.due) END
    FROM lullaby_job j
    WHERE changes() = 1 AND j.key = last_insert_rowid() AND j.subject IS NOT NULL;
END;
