"""rq-scheduler's cron lines, run by `lullaby scheduler`: the next run is the one that rq-scheduler would have set."""

import datetime
import os
import pickle
import signal
import time

import pytest
from rq.job import Job
from rq_scheduler import Scheduler
from rq_scheduler.utils import get_next_scheduled_time, to_unix

import pytasks
from conftest import BIN, PYTHON_BIN, wait_for

ENTRIES = "rq:scheduler:scheduled_jobs"
LOCK = "rq:scheduler_lock"

LINES = [
    "*/5 * * * *", "0 9 * * *", "30 2-4 * * 1-5", "0 0 13 * 5", "15 10 l * *", "15 10 z2 * ?", "0 6 * * l5", "0 0 1 1 *",
    "@weekly", "0 12 * jan,jul sun", "*/10 8-18/2 1,15 * *", "5 4 * * sat-sun", "0 0 29 2 * 2028", "30 0 22 * * * *",
]


@pytest.fixture
def in_tokyo(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def scheduler(conn):
    return Scheduler(queue_name="default", connection=conn)


def due_now(conn, job):
    conn.zadd(ENTRIES, {job.id: int(conn.time()[0])})


def test_each_line_goes_on_as_rq_scheduler_would_by_the_clock_of_the_process(conn, scheduler, programs, in_tokyo):
    jobs = {line: scheduler.cron(line, func=pytasks.add, args=[1], use_local_timezone=True) for line in LINES}
    first = {line: conn.zscore(ENTRIES, job.id) for line, job in jobs.items()}
    for job in jobs.values():
        due_now(conn, job)
    before = {line: to_unix(get_next_scheduled_time(line)) for line in LINES}
    out = programs.run(BIN / "lullaby", "--redis", programs.url, "scheduler", "--burst", TZ="Asia/Tokyo")
    assert out.startswith(f"{len(LINES)} run, {len(LINES)} wait")
    after = {line: to_unix(get_next_scheduled_time(line)) for line in LINES}
    for line, job in jobs.items():
        assert conn.zscore(ENTRIES, job.id) in (before[line], after[line]), line
        assert first[line] in (before[line], after[line], conn.zscore(ENTRIES, job.id)), line
        assert Job.fetch(job.id, connection=conn).meta["use_local_timezone"] is True
    assert {job.id for job in scheduler.get_jobs()} == {job.id for job in jobs.values()}


def test_a_zone_may_be_named(conn, scheduler, programs):
    job = scheduler.cron("0 9 * * *", func=pytasks.add, args=[1])
    due_now(conn, job)
    programs.lullaby("scheduler", "--burst", "--tz", "Asia/Tokyo")
    due = datetime.datetime.fromtimestamp(conn.zscore(ENTRIES, job.id), datetime.timezone.utc)
    assert (due.hour, due.minute) == (0, 0)


def test_a_count_of_runs_ends_a_line_and_python_reads_it_back(conn, scheduler, programs):
    job = scheduler.cron("0 0 1 1 *", func=pytasks.count, args=["cron"], repeat=2, meta={"of": datetime.date(2026, 1, 2)})
    due_now(conn, job)
    programs.lullaby("scheduler", "--burst")
    meta = Job.fetch(job.id, connection=conn).meta
    assert meta == {"of": datetime.date(2026, 1, 2), "cron_string": "0 0 1 1 *", "use_local_timezone": False, "repeat": 1}
    due_now(conn, job)
    programs.lullaby("scheduler", "--burst")
    assert job not in scheduler
    programs.rq_worker("--burst", "default")
    wait_for(lambda: conn.get("test:count:cron") == b"2", "both runs")


def test_a_line_that_only_rqscheduler_reads_is_left_to_it_and_so_is_its_lock(conn, scheduler, programs):
    # Longer than any line of ours may be, and fine with Python.
    line = ",".join(["0"] * 400) + " 0 1 1 *"
    job = scheduler.cron(line, func=pytasks.add, args=[1])
    ours = scheduler.enqueue_at(datetime.datetime(2020, 1, 1), pytasks.add, 2)
    programs.lullaby_scheduler()
    wait_for(lambda: (conn.get(LOCK) or b"").startswith(b"lullaby"), "ours to hold the lock")
    due_now(conn, job)
    wait_for(lambda: conn.llen("rq:queue:default") == 1 and not conn.exists(LOCK), "ours to let go of the lock")
    assert job in scheduler and ours not in scheduler
    programs.start(PYTHON_BIN / "rqscheduler", "--url", programs.url, "-i", "0.2")
    wait_for(lambda: conn.llen("rq:queue:default") == 2, "rqscheduler to run the entry")
    # rqscheduler takes an entry out before it puts it in again.
    wait_for(lambda: (conn.zscore(ENTRIES, job.id) or 0) > time.time(), "its next run")
    wait_for(lambda: (conn.get(LOCK) or b"").startswith(b"lullaby"), "ours to hold the lock again")


def test_an_entry_that_waits_for_another_job_is_deferred_until_that_is_done(conn, scheduler, programs):
    from rq import Queue

    parent = Queue(connection=conn).enqueue(pytasks.count, "parent")
    child = scheduler.enqueue_in(datetime.timedelta(0), pytasks.count, "child", depends_on=parent)
    assert programs.lullaby("scheduler", "--burst").startswith("1 run, 0 wait")
    assert Job.fetch(child.id, connection=conn).get_status() == "deferred"
    assert conn.lrange("rq:queue:default", 0, -1) == [parent.id.encode()]
    # To its end: while it still looks for jobs it would take the next one, too.
    programs.rq_worker("--burst", "default").wait(timeout=60)
    assert conn.get("test:count:child") == b"1"
    # A parent that is done, or gone, keeps nobody waiting.
    late = scheduler.enqueue_in(datetime.timedelta(0), pytasks.count, "late", depends_on=parent)
    programs.lullaby("scheduler", "--burst")
    assert conn.lrange("rq:queue:default", 0, -1) == [late.id.encode()]
