"""`lullaby scheduler` in the place of `rqscheduler`: its entries, its locks, its notes."""

import datetime
import pickle

import pytest
from rq.job import Job
from rq_scheduler import Scheduler

import pytasks
from conftest import now_of, wait_for

ENTRIES = "rq:scheduler:scheduled_jobs"


@pytest.fixture
def scheduler(conn):
    return Scheduler(queue_name="default", connection=conn)


def utcnow():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def runs(conn, name):
    return int(conn.get(f"test:count:{name}") or 0)


def make_due(conn, job, ago=0):
    """As time does: the entry's moment has come."""
    due = int(now_of(conn)) - ago
    conn.zadd(ENTRIES, {job.id: due})
    return due


def test_an_entry_for_later_runs_when_due_and_not_before(conn, scheduler, programs):
    job = scheduler.enqueue_in(datetime.timedelta(seconds=2), pytasks.count, "later")
    due = conn.zscore(ENTRIES, job.id)
    programs.lullaby_scheduler()

    def queued():
        at = now_of(conn)
        return at if conn.lpos("rq:queue:default", job.id) == 0 else None

    assert due <= wait_for(queued, "the job in its queue")
    assert Job.fetch(job.id, connection=conn).get_status() == "queued"
    programs.rq_worker("--burst", "default")
    wait_for(lambda: runs(conn, "later") == 1, "the job's run")
    assert conn.zcard(ENTRIES) == 0


def test_a_burst_runs_what_is_due_and_tells(conn, scheduler, programs):
    due = scheduler.enqueue_at(utcnow(), pytasks.add, 1, b=2)
    scheduler.enqueue_in(datetime.timedelta(hours=1), pytasks.add, 1)
    assert programs.lullaby("scheduler", "--burst").strip() == "1 run, 1 wait"
    assert conn.lrange("rq:queue:default", 0, -1) == [due.id.encode()]
    assert conn.smembers("rq:queues") == {b"rq:queue:default"}
    programs.rq_worker("--burst", "default")
    assert wait_for(lambda: Job.fetch(due.id, connection=conn).return_value(), "the result") == 3


def test_an_interval_keeps_its_grid_and_its_count_and_python_reads_them_back(conn, scheduler, programs):
    # An object in the notes: nothing but Python can make it, and it has to be there afterwards.
    job = scheduler.schedule(
        scheduled_time=utcnow(), func=pytasks.count, args=["tick"], interval=600, repeat=3,
        meta={"since": datetime.date(2026, 1, 2), "repeat of": {"repeat": 9}},
    )
    for left in (2, 1):
        due = make_due(conn, job, ago=700)
        programs.lullaby("scheduler", "--burst")
        # The first slot after now, on the grid that the user set: not "now and an interval".
        assert conn.zscore(ENTRIES, job.id) == due + 1200
        meta = Job.fetch(job.id, connection=conn).meta
        assert meta["repeat"] == left
        assert meta["since"] == datetime.date(2026, 1, 2) and meta["repeat of"] == {"repeat": 9}
        assert scheduler.get_jobs(with_times=True) and job in scheduler
    make_due(conn, job)
    programs.lullaby("scheduler", "--burst")
    assert job not in scheduler and conn.zcard(ENTRIES) == 0
    assert conn.llen("rq:queue:default") == 3


def test_a_schedule_for_ever_goes_on(conn, scheduler, programs):
    job = scheduler.schedule(scheduled_time=utcnow(), func=pytasks.count, args=["ever"], interval=1, repeat=None)
    programs.lullaby_scheduler()
    programs.rq_worker("default")
    wait_for(lambda: runs(conn, "ever") >= 3, "three runs")
    assert job in scheduler


def test_python_can_cancel_and_move_an_entry_of_ours(conn, scheduler, programs):
    job = scheduler.schedule(scheduled_time=utcnow(), func=pytasks.count, args=["x"], interval=600)
    programs.lullaby("scheduler", "--burst")
    scheduler.change_execution_time(job, utcnow() - datetime.timedelta(seconds=1))
    assert programs.lullaby("scheduler", "--burst").startswith("1 run, 1 wait")
    scheduler.cancel(job)
    assert programs.lullaby("scheduler", "--burst").startswith("0 run, 0 wait")


def test_a_stale_save_by_a_worker_gives_no_runs_back(conn, scheduler, programs):
    job = scheduler.schedule(scheduled_time=utcnow(), func=pytasks.count, args=["x"], interval=600, repeat=5)
    stale = Job.fetch(job.id, connection=conn)
    programs.lullaby("scheduler", "--burst")
    next_due = conn.zscore(ENTRIES, job.id)
    # A worker that read the job before we counted saves it after.
    stale.save_meta()
    assert Job.fetch(job.id, connection=conn).meta["repeat"] == 5
    # Its time comes: the score that we set, made due by moving what we remember with it.
    past = next_due - 1200
    conn.zadd(ENTRIES, {job.id: past})
    conn.hset(f"lullaby:foreign:{job.id}", "score", int(past))
    programs.lullaby("scheduler", "--burst")
    assert Job.fetch(job.id, connection=conn).meta["repeat"] == 3


def test_it_stands_by_while_rqscheduler_is_in_a_round(conn, scheduler, programs):
    assert scheduler.acquire_lock()
    job = scheduler.enqueue_at(utcnow(), pytasks.count, "locked")
    text = programs.lullaby("scheduler", "--burst", code=1)
    assert "holds its lock" in text
    assert conn.llen("rq:queue:default") == 0 and job in scheduler
    scheduler.remove_lock()
    programs.lullaby("scheduler", "--burst")
    assert conn.llen("rq:queue:default") == 1


def test_one_bad_entry_leaves_the_others_alone(conn, scheduler, programs):
    bad = scheduler.schedule(scheduled_time=utcnow(), func=pytasks.count, args=["bad"], interval=60)
    conn.hset(f"rq:job:{bad.id}", "meta", b"\x80\x05garbage")
    gone = scheduler.enqueue_at(utcnow(), pytasks.count, "gone")
    conn.delete(f"rq:job:{gone.id}")
    cron = scheduler.cron("* * * * *", func=pytasks.count, args=["cron"])
    conn.hset(f"rq:job:{cron.id}", "meta", pickle.dumps({"cron_string": "* * * *"}))
    make_due(conn, cron)
    good = scheduler.enqueue_at(utcnow(), pytasks.count, "good")
    text = programs.lullaby("scheduler", "--burst", code=1)
    assert text.startswith("1 run, 2 wait") and bad.id in text and "cron line" in text
    assert conn.lrange("rq:queue:default", 0, -1) == [good.id.encode()]
    # As they were, for rqscheduler to run or a person to mend.
    assert bad in scheduler and cron in scheduler and gone not in scheduler


def test_more_entries_than_a_page_run_behind_ones_that_stay(conn, scheduler, programs):
    for number in range(250):
        job = scheduler.enqueue_at(utcnow(), pytasks.count, "many")
        if number < 210:
            conn.hset(f"rq:job:{job.id}", "meta", pickle.dumps({"cron_string": "* * * *"}))
            conn.zadd(ENTRIES, {job.id: 1})
    assert programs.lullaby("scheduler", "--burst", code=1).startswith("40 run, 210 wait")
