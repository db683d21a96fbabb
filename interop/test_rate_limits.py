"""RQ 3's rate limits: Python and ours enqueue, workers of both kinds share the slots."""

import datetime
import os
import signal

import pytest
import rq
from rq import Queue, Retry
from rq.job import Job
from rq_scheduler import Scheduler

from conftest import wait_for
from test_golden import hash_of, keys_of

if not rq.__version__.startswith("3."):
    pytest.skip("RQ 2 has no rate limits", allow_module_level=True)

from rq.rate_limit import RateLimit, RateLimitRegistry

# Ours writes whole milliseconds.
TICK = datetime.timedelta(milliseconds=1)


def limiter(conn):
    return RateLimitRegistry("api", conn)


def most_at_once(jobs):
    """How many of these, whose last runs have ended, ran at the same time."""
    steps = sorted([(job.started_at + TICK, 1) for job in jobs] + [(job.ended_at - TICK, -1) for job in jobs])
    running = most = 0
    for _, step in steps:
        running += step
        most = max(most, running)
    return most


def ended(conn, ids, status="finished"):
    jobs = Job.fetch_many(ids, connection=conn)
    return jobs if all(job.get_status(refresh=False) == status for job in jobs) else None


def is_left_clean(conn):
    return not limiter(conn).get_allowed_job_ids() and not limiter(conn).get_rate_limited_job_ids()


def test_both_kinds_of_workers_share_the_slots_and_a_killed_one_takes_none_along(conn, programs):
    limit, queue = RateLimit("api", 3), Queue("default", connection=conn)
    ids = [f"job{number}" for number in range(60)]
    for number, id in enumerate(ids):
        at_once = number % 3
        options = dict(args=(id, 0.02), job_id=id, rate_limit=limit, retry=Retry(1), result_ttl=3600)
        if at_once:
            queue.enqueue("demo.count", **options)
        else:
            queue.enqueue_in(datetime.timedelta(seconds=1), "demo.count", **options)
    for _ in range(2):
        programs.rq_worker("--worker-class", "rq.SimpleWorker", "default")
    wait_for(lambda: conn.zcard("rq:finished:default") > 3, "Python's share")
    # One at a time: else ours would leave nothing over.
    start = lambda: programs.rust_worker("--scheduler", "--lease", "1", "--concurrency", "1")
    ours, _ = start(), start()
    wait_for(lambda: conn.zcard("rq:finished:default") > 20, "the first jobs")
    os.killpg(ours.pid, signal.SIGKILL)
    jobs = wait_for(lambda: ended(conn, ids), "all jobs")
    assert most_at_once(jobs) <= 3
    workers = {job.worker_name for job in jobs}
    assert len(workers) >= 3, workers
    assert all(conn.mget(f"demo:count:{id}" for id in ids))
    wait_for(lambda: is_left_clean(conn), "the slots")


def test_what_fails_is_retried_requeued_and_waited_for_by_the_limiter(conn, programs):
    limit, queue = RateLimit("api", 1), Queue("default", connection=conn)
    queue.enqueue("demo.fail", "no milk", job_id="fails", rate_limit=limit)
    queue.enqueue("demo.sleep", 0.2, job_id="parent")
    children = ["child1", "child2"]
    for id in children:
        queue.enqueue("demo.sleep", 0.05, job_id=id, rate_limit=limit, depends_on="parent")
    queue.enqueue("demo.sleep", 0.05, job_id="last", rate_limit=limit, retry=Retry(2, interval=1))
    programs.rust_worker("--scheduler")
    wait_for(lambda: ended(conn, [*children, "last"]), "the jobs")
    wait_for(lambda: ended(conn, ["fails"], "failed"), "the failure")
    assert most_at_once(ended(conn, [*children, "last"])) == 1
    assert is_left_clean(conn)
    # Put back by Python, then by ours.
    Job.fetch("fails", connection=conn).requeue()
    wait_for(lambda: ended(conn, ["fails"], "failed"), "the second failure")
    programs.lullaby("requeue", "fails")
    wait_for(lambda: ended(conn, ["fails"], "failed"), "the third failure")
    wait_for(lambda: is_left_clean(conn), "the slot")


def test_python_cancels_what_runs_here_and_its_slot_is_free_when_the_worker_has_ended_it(conn, programs):
    limit, queue = RateLimit("api", 1), Queue("default", connection=conn)
    runs = queue.enqueue("demo.sleep", 60, job_id="runs", rate_limit=limit)
    waits = queue.enqueue("demo.add", 1, 2, job_id="waits", rate_limit=limit)
    programs.rust_worker("--lease", "1")
    wait_for(lambda: runs.get_status() == "started", "the start")
    runs.cancel()
    wait_for(lambda: waits.get_status() == "finished", "the next one")
    # A program that deletes what is running does the same.
    runs = queue.enqueue("demo.sleep", 60, job_id="again", rate_limit=limit)
    waits = queue.enqueue("demo.add", 1, 2, job_id="waits2", rate_limit=limit)
    wait_for(lambda: runs.get_status() == "started", "the start")
    runs.delete()
    wait_for(lambda: waits.get_status() == "finished", "the next one")


def test_pythons_maintenance_leaves_our_slots_alone(conn, programs):
    limit, queue = RateLimit("api", 1), Queue("default", connection=conn)
    runs = queue.enqueue("demo.sleep", 60, job_id="runs", rate_limit=limit)
    waits = queue.enqueue("demo.add", 1, 2, job_id="waits", rate_limit=limit)
    programs.rust_worker("--lease", "30")
    wait_for(lambda: runs.get_status() == "started", "the start")
    # Canceled in its first seconds; the worker has not heard of it.
    runs.cancel()
    for _ in range(3):
        limiter(conn).cleanup()
        programs.rq("info")
    assert waits.get_status() == "rate_limited"
    assert limiter(conn).get_allowed_job_ids() == ["runs"]


def test_an_entry_of_rq_scheduler_runs_through_the_limiter(conn, programs):
    limit, queue = RateLimit("api", 1), Queue("default", connection=conn)
    holds = queue.enqueue("pytasks.add", 1, job_id="holds", rate_limit=limit)
    scheduler = Scheduler(connection=conn)
    entry = scheduler.enqueue_in(datetime.timedelta(seconds=0), "demo.add", 1, 2)
    entry.rate_limit_key, entry.rate_limit_concurrency = "api", 1
    entry.save()
    programs.lullaby_scheduler()
    wait_for(lambda: entry.get_status() == "rate_limited", "the entry to run")
    assert queue.get_job_ids() == ["holds"]
    programs.rq_worker("--burst", "--worker-class", "rq.SimpleWorker", "default").wait(30)
    assert holds.get_status() == "finished"
    wait_for(lambda: conn.llen("rq:queue:default") == 0, "the entry's turn")


def enqueue_ours(programs, id, *call, limit="api=1"):
    programs.lullaby("enqueue", "--id", id, "--rate-limit", limit, *call)


def test_ours_writes_what_rq_writes(conn, programs):
    dumps = []
    for enqueue in (
        lambda id: Queue("default", connection=conn).enqueue("demo.add", 1, 2, job_id=id, rate_limit=RateLimit("api", 1)),
        lambda id: enqueue_ours(programs, id, "demo.add", "1", "2"),
    ):
        conn.flushall()
        for id in ("holds", "waits"):
            enqueue(id)
        sets = [conn.zrange(f"rq:rl:api:{name}", 0, -1) for name in ("allowed", "rate_limited")]
        hashes = [hash_of(conn, id, "pickle") for id in ("holds", "waits")]
        dumps.append((hashes, sets, keys_of(conn, "holds"), conn.hgetall("rq:rl:api"), conn.smembers("rq:rl-keys")))
    theirs, mine = dumps
    assert mine == theirs
    assert [one["status"] for one in mine[0]] == [b"queued", b"rate_limited"]


def test_jobs_of_both_kinds_of_producers_wait_for_the_same_slots(conn, programs):
    queue, ids = Queue("default", connection=conn), [f"job{number}" for number in range(8)]
    for number, id in enumerate(ids):
        if number % 2:
            enqueue_ours(programs, id, "demo.sleep", "0.03", limit="api=2")
        else:
            queue.enqueue("demo.sleep", 0.03, job_id=id, rate_limit=RateLimit("api", 2))
    assert limiter(conn).get_allowed_job_ids() == ids[:2]
    assert set(limiter(conn).get_rate_limited_job_ids()) == set(ids[2:])
    why = 'rate_limited: it waits for a free slot of its rate limit "api", which lets 2 of its jobs be queued or run at once'
    assert why in programs.lullaby("job", ids[7])
    # Python withdraws one that waits, ours another.
    Job.fetch(ids[3], connection=conn).cancel()
    programs.lullaby("cancel", ids[4])
    programs.rust_worker("--concurrency", "4")
    programs.rq_worker("--worker-class", "rq.SimpleWorker", "default")
    done = [id for id in ids if id not in (ids[3], ids[4])]
    jobs = wait_for(lambda: ended(conn, done), "all jobs")
    assert most_at_once(jobs) <= 2
    wait_for(lambda: is_left_clean(conn), "the slots")
    # What failed for good is put back by Python, and comes by its limiter.
    enqueue_ours(programs, "fails", "demo.fail", "no milk")
    wait_for(lambda: ended(conn, ["fails"], "failed"), "the failure")
    conn.set("rq:suspended", 1)
    queue.enqueue("demo.add", 1, 2, job_id="holds", rate_limit=RateLimit("api", 1))
    Job.fetch("fails", connection=conn).requeue()
    assert Job.fetch("fails", connection=conn).get_status() == "rate_limited"
    conn.delete("rq:suspended")
    wait_for(lambda: is_left_clean(conn), "the slots once more")
