"""One queue, workers of Python's and of ours."""

import collections
import os

from rq import Queue

import pytasks
from conftest import wait_for

FULL = "LULLABY_SOAK" in os.environ


def pythons(conn, queue):
    """The names of Python's workers on this queue."""
    keys = [key.decode() for key in conn.smembers(f"rq:workers:{queue}")]
    return {key.removeprefix("rq:worker:") for key in keys if not conn.hexists(key, "lullaby_seen")}


def python_listens(conn, queue, workers=1):
    wait_for(lambda: len(pythons(conn, queue)) == workers, "Python's workers")


def test_each_job_runs_exactly_once_and_both_sides_take_their_share(conn, programs):
    jobs = 5000 if FULL else 300
    for _ in range(2):
        programs.rq_worker("shared")
    python_listens(conn, "shared", 2)
    # One at a time, for about as long as a fork takes: else ours would leave nothing over.
    for _ in range(2):
        programs.rust_worker("--queues", "shared", "--concurrency", "1")
    queue = Queue("shared", connection=conn)
    queue.enqueue_many([
        Queue.prepare_data("demo.count", (str(number), 0.03), job_id=str(number), result_ttl=3600)
        for number in range(jobs)
    ])
    wait_for(lambda: conn.zcard("rq:finished:shared") == jobs, "all jobs to end", patience=300 if FULL else 60)
    counts = collections.Counter(conn.mget(f"demo:count:{number}" for number in range(jobs)))
    assert counts == {b"1": jobs}
    by = collections.Counter(conn.hget(f"rq:job:{number}", "worker_name").decode() for number in range(jobs))
    by_python = sum(count for worker, count in by.items() if worker in pythons(conn, "shared"))
    print(f"{jobs} jobs: {by_python} by Python, {jobs - by_python} by ours")
    assert len(by) == 4
    assert jobs / 10 <= by_python <= jobs * 9 / 10
    # Nothing of it stays behind.
    assert conn.llen("rq:queue:shared") == conn.zcard("rq:wip:shared") == 0
    assert conn.llen("rq:queue:shared:intermediate") == 0


def test_jobs_that_only_python_can_run_are_left_to_python(conn, programs):
    # More than ours remembers to leave alone.
    jobs = 1000 if FULL else 100
    queue = Queue("shared", connection=conn)
    programs.rust_worker("--queues", "shared")
    programs.rq_worker("--worker-class", "rq.SimpleWorker", "shared")
    python_listens(conn, "shared")
    before = conn.info("stats")["total_commands_processed"]
    for number in range(jobs):
        queue.enqueue("pytasks.name_of", pytasks.Pet(f"pet{number}"))
        queue.enqueue("pytasks.count", f"unknown{number}")
        queue.enqueue("demo.count", f"ours{number}")
    wait_for(lambda: conn.zcard("rq:finished:shared") == 3 * jobs, "all jobs to end", patience=120 if FULL else 30)
    commands = (conn.info("stats")["total_commands_processed"] - before) / (3 * jobs)
    print(f"{commands:.0f} commands of Redis a job")
    assert conn.zcard("rq:failed:shared") == 0
    for number in range(jobs):
        assert conn.get(f"test:count:pet{number}") == conn.get(f"test:count:unknown{number}") == b"1"
        assert conn.get(f"demo:count:ours{number}") == b"1"
    # Python alone takes 50 a job. Ours once went round and round, with thousands.
    assert commands < 300


def test_without_a_python_worker_such_a_job_fails_and_says_what_is_missing(conn, programs):
    queue = Queue("shared", connection=conn)
    pet = queue.enqueue("pytasks.name_of", pytasks.Pet("Mochi"))
    unknown = queue.enqueue("pytasks.add", 1)
    programs.rust_worker("--queues", "shared", "--burst").wait(30)
    assert pet.get_status() == unknown.get_status() == "failed"
    assert "an object (pytasks.Pet)" in pet.latest_result().exc_string
    assert "pytasks.add" in unknown.latest_result().exc_string and "demo.add" in unknown.latest_result().exc_string


def test_a_python_worker_runs_what_the_limiter_of_ours_let_in(conn, programs):
    """RQ 2 knows no limits: its workers leave the slot taken, and ours frees it. RQ 3 frees it itself."""
    for id in ("first", "second", "third"):
        programs.lullaby("enqueue", "--id", id, "--queue", "python", "--rate-limit", "api=1", "pytasks.add", "1", "2")
    status = lambda id: conn.hget(f"rq:job:{id}", "status")
    assert [status(id) for id in ("first", "second", "third")] == [b"queued", b"rate_limited", b"rate_limited"]
    programs.rq("info")
    programs.rq_worker("--worker-class", "rq.SimpleWorker", "python")
    programs.rust_worker("--queues", "other", "--lease", "1")
    wait_for(lambda: status("third") == b"finished", "the last of them")
    assert [status(id) for id in ("first", "second")] == [b"finished"] * 2
