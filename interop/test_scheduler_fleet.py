"""Several schedulers at once, ours and Python's: locks, deaths, successors. Nothing is lost and nothing runs twice."""

import datetime
import os
import signal

import pytest
from rq import Queue
from rq.job import Job
from rq_scheduler import Scheduler

import pytasks
from conftest import BIN, PYTHON_BIN, wait_for

ENTRIES = "rq:scheduler:scheduled_jobs"
LOCK = "rq:scheduler_lock"
QUEUE_LOCK = "rq:scheduler-lock:default"


@pytest.fixture
def scheduler(conn):
    return Scheduler(queue_name="default", connection=conn)


def past(seconds=5):
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(seconds=seconds)


def queued(conn, queue="default"):
    return conn.lrange(f"rq:queue:{queue}", 0, -1)


def is_ours(conn, lock):
    return (conn.get(lock) or b"").startswith(b"lullaby")


def test_two_of_ours_and_rqscheduler_side_by_side_run_each_entry_once(conn, scheduler, programs):
    jobs = [scheduler.enqueue_in(datetime.timedelta(seconds=1), pytasks.add, 1) for _ in range(300)]
    for _ in range(2):
        programs.lullaby_scheduler("--interval", "0.1")
    programs.start(PYTHON_BIN / "rqscheduler", "--url", programs.url, "-i", "0.2")
    wait_for(lambda: conn.zcard(ENTRIES) == 0, "all entries to run")
    assert sorted(queued(conn)) == sorted(job.id.encode() for job in jobs)


def test_rqs_own_scheduled_jobs_run_on_time_and_with_all_locks_held_until_the_last_one_leaves(conn, programs):
    queue = Queue(connection=conn)
    first = programs.lullaby_scheduler()
    second = programs.lullaby_scheduler()
    job = queue.enqueue_in(datetime.timedelta(seconds=1), pytasks.add, 1, b=2)
    due = conn.zscore("rq:scheduled:default", job.id)

    def moved():
        seconds, micros = conn.time()
        return seconds + micros / 1e6 if queued(conn) == [job.id.encode()] else None

    assert due <= wait_for(moved, "the job in its queue")
    assert is_ours(conn, QUEUE_LOCK) and is_ours(conn, LOCK)
    wait_for(lambda: conn.zcard("lullaby:schedulers") == 2, "both to be known")
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=30) == 0
    assert is_ours(conn, QUEUE_LOCK) and is_ours(conn, LOCK)
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=30) == 0
    assert not conn.exists(LOCK, QUEUE_LOCK, "lullaby:schedulers")


def test_a_workers_scheduler_keeps_its_lock_and_ours_stands_by(conn, programs):
    queue = Queue(connection=conn)
    # As `rq worker --with-scheduler` holds it; its own ticks are tested with real workers below.
    conn.set(QUEUE_LOCK, "a worker's scheduler", ex=61)
    job = queue.enqueue_in(datetime.timedelta(seconds=-1), pytasks.add, 1)
    programs.lullaby("scheduler", "--burst")
    assert queued(conn) == [] and conn.get(QUEUE_LOCK) == b"a worker's scheduler"
    conn.delete(QUEUE_LOCK)
    assert "1 scheduled jobs moved" in programs.lullaby("scheduler", "--burst")
    assert queued(conn) == [job.id.encode()] and not conn.exists(QUEUE_LOCK)


def test_beside_a_worker_with_scheduler_every_job_runs_once(conn, programs):
    queue = Queue(connection=conn)
    jobs = [queue.enqueue_in(datetime.timedelta(seconds=number % 3), pytasks.count, f"job {number}") for number in range(60)]
    programs.rq_worker("--with-scheduler", "default")
    programs.lullaby_scheduler()
    wait_for(lambda: all(conn.get(f"test:count:job {number}") for number in range(60)), "all jobs to run")
    assert all(conn.get(f"test:count:job {number}") == b"1" for number in range(60))
    assert conn.zcard("rq:scheduled:default") == 0 and len(jobs) == 60


def test_it_serves_the_queues_that_it_is_given(conn, scheduler, programs):
    mine, other = Queue("mine", connection=conn), Queue("other", connection=conn)
    moved, left = (queue.enqueue_in(datetime.timedelta(seconds=-1), pytasks.add, 1) for queue in (mine, other))
    ran, stays = (scheduler.enqueue_at(past(), pytasks.add, 1, queue_name=name) for name in ("mine", "other"))
    programs.lullaby("scheduler", "--burst", "--queue", "mine")
    assert sorted(queued(conn, "mine")) == sorted([moved.id.encode(), ran.id.encode()])
    assert queued(conn, "other") == [] and stays in scheduler
    assert conn.zscore("rq:scheduled:other", left.id) is not None


def test_it_starts_as_rqscheduler_does(conn, scheduler, programs, tmp_path):
    job = scheduler.enqueue_at(past(), pytasks.add, 1)
    port = programs.url.split(":")[-1].split("/")[0]
    pid = tmp_path / "pid"
    flags = ["-H", "127.0.0.1", "-p", port, "-d", "0", "-i", "30.5", "--pid", pid, "-v", "--path", ".", "-j", "a.Job", "-q", "a.Queue"]
    child = programs.start(BIN / "lullaby", "scheduler", *flags)
    wait_for(lambda: queued(conn) == [job.id.encode()], "the entry to run")
    assert int(pid.read_text()) == child.pid
    again = scheduler.enqueue_at(past(), pytasks.add, 2)
    wait_for(lambda: len(queued(conn)) == 2, "a new entry, though it looks every 30 s only")
    programs.run(BIN / "lullaby", "scheduler", "-b", "--quiet", RQ_REDIS_URL=programs.url)
    programs.run(BIN / "lullaby", "scheduler", "-b", RQ_REDIS_HOST="127.0.0.1", RQ_REDIS_PORT=port, RQ_REDIS_DB="0")
    assert queued(conn)[1] == again.id.encode()


# Between the steps of a round, and how often each is passed in the round below.
STEPS = {
    "entries.held": 1, "entries.read": 1, "entries.planned": 3, "entries.ran": 3, "entries.dropped": 1, "entries.let_go": 1,
    "move.moved": 1, "slot.read": 1, "slot.advanced": 1, "entries.left": 1,
}


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_this_step_loses_and_doubles_nothing(conn, scheduler, programs, step):
    queue = Queue(connection=conn)
    for time in range(1, STEPS[step] + 1):
        conn.flushall()
        tick = scheduler.schedule(past(), pytasks.add, [1], interval=100_000, repeat=3)
        cron = scheduler.cron("0 0 1 1 *", pytasks.add, [2], repeat=3)
        conn.zadd(ENTRIES, {cron.id: conn.zscore(ENTRIES, tick.id) + 1})
        once = scheduler.enqueue_at(past(), pytasks.add, 3)
        gone = scheduler.enqueue_at(past(), pytasks.add, 4)
        conn.delete(f"rq:job:{gone.id}")
        unread = scheduler.cron(",".join(["0"] * 400) + " 0 1 1 *", pytasks.add, [5])
        conn.zadd(ENTRIES, {unread.id: 1})
        later = queue.enqueue_in(datetime.timedelta(seconds=-1), pytasks.add, 6)
        programs.run(BIN / "lullaby", "--store", programs.url, "schedule", "add", "ours", "demo.echo", "--every", "1d", "--start", "2026-01-01T00:00:00Z")

        command = [BIN / "lullaby", "--redis", programs.url, "scheduler", "--burst"]
        programs.run(*command, code=-signal.SIGKILL, LULLABY_FAILPOINT=f"{step}:{time}")
        # Nobody waits: the successor finds locks of its own kind. It leaves one entry to rqscheduler, and says so.
        programs.run(*command, code=1)

        expected = sorted(job.id.encode() for job in (tick, cron, once, later))
        ours = [job for job in queued(conn) if job not in expected]
        assert sorted(set(queued(conn)) - set(ours)) == expected and len(queued(conn)) == 5, f"{step}, time {time}"
        assert len(ours) == 1, "one slot of our own schedule"
        assert {job.id for job in scheduler.get_jobs()} == {tick.id, cron.id, unread.id}
        for job in (tick, cron):
            assert Job.fetch(job.id, connection=conn).meta["repeat"] == 2
        assert not conn.exists(LOCK)


def test_a_scheduler_killed_again_and_again_loses_and_doubles_nothing(conn, scheduler, programs):
    jobs = [scheduler.schedule(past(), pytasks.add, [1], interval=100_000, repeat=5) for _ in range(300)]
    kills = 0
    while len(queued(conn)) < len(jobs):
        before = len(queued(conn))
        child = programs.lullaby_scheduler()
        # In the middle of its round, if it is that slow; else after it.
        wait_for(lambda: len(queued(conn)) > before, "it to begin")
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        kills += 1
    assert kills >= 1
    assert sorted(queued(conn)) == sorted(job.id.encode() for job in jobs)
    assert conn.zcard(ENTRIES) == len(jobs)
    assert all(Job.fetch(job.id, connection=conn).meta["repeat"] == 4 for job in jobs)
