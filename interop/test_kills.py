"""Workers of both kinds, killed in the middle of their work again and again."""

import itertools
import os
import signal
import time

from rq import Queue

from conftest import wait_for

FULL = "LULLABY_SOAK" in os.environ
SECONDS = 60 if FULL else 9
KILLS = (SECONDS - 1) // 2
RATE = 500


def jobs_in(conn, queue):
    """Every id that stands in a list or registry of this queue."""
    lists = [conn.lrange(key, 0, -1) for key in (f"rq:queue:{queue}", f"rq:queue:{queue}:intermediate")]
    names = ("wip", "finished", "failed", "scheduled", "deferred", "canceled")
    lists += [conn.zrange(f"rq:{name}:{queue}", 0, -1) for name in names]
    return {member.decode().split(":")[0] for member in itertools.chain(*lists)}


def test_each_job_has_run_or_stands_in_a_registry_whatever_is_killed(conn, programs):
    start = [
        lambda: programs.rust_worker("--queues", "a,b", "--lease", "1", "--concurrency", "4"),
        lambda: programs.rq_worker("a"),
        lambda: programs.rust_worker("--queues", "b,a", "--lease", "1", "--concurrency", "4"),
        lambda: programs.rq_worker("b"),
    ]
    workers = [begin() for begin in start]
    queues = {name: Queue(name, connection=conn) for name in ("a", "b")}
    made, kills, hit = [], 0, 0
    begun = time.monotonic()
    # On a busy machine a worker may take seconds to end and to start anew: then it goes on until all kills are done.
    while (passed := time.monotonic() - begun) < SECONDS or kills < KILLS:
        while len(made) < passed * RATE:
            batch = [str(len(made) + number) for number in range(50)]
            queues["a" if len(made) % 100 else "b"].enqueue_many(
                [Queue.prepare_data("demo.count", (job, 0.002), job_id=job, result_ttl=3600) for job in batch]
            )
            made += batch
        if passed > 2 * (kills + 1):
            turn = kills % len(workers)
            hit += len(conn.zrange("rq:wip:a", 0, -1)) + len(conn.zrange("rq:wip:b", 0, -1)) > 0
            os.killpg(workers[turn].pid, signal.SIGKILL)
            workers[turn].wait()
            workers[turn] = start[turn]()
            kills += 1
        time.sleep(0.01)

    def unaccounted():
        """Those that have not run, and stand nowhere."""
        missing = {job for job, runs in zip(made, conn.mget(f"demo:count:{job}" for job in made)) if not runs}
        return missing - jobs_in(conn, "a") - jobs_in(conn, "b")

    # What a worker that was killed had in hand comes back by its lease, or stays in the registry of those that run until RQ's deadline.
    wait_for(lambda: conn.llen("rq:queue:a") == conn.llen("rq:queue:b") == 0, "the queues to empty", patience=120)
    runs = [int(count or 0) for count in conn.mget(f"demo:count:{job}" for job in made)]
    print(f"{len(made)} jobs, {kills} kills, {hit} of them while jobs ran: {runs.count(1)} ran once, "
          f"{sum(count > 1 for count in runs)} more often, {runs.count(0)} not yet")
    assert unaccounted() == set()
    if FULL:
        # Past RQ's deadline, and ours for what was taken and never begun, everything has run, or failed as RQ's rule has it.
        waiting = [f"rq:{name}" for name in ("wip:a", "wip:b", "queue:a", "queue:b", "queue:a:intermediate", "queue:b:intermediate")]
        wait_for(lambda: not conn.exists(*waiting), "RQ's deadlines", patience=300)
        failed = conn.zcard("rq:failed:a") + conn.zcard("rq:failed:b")
        assert sum(not runs for runs in conn.mget(f"demo:count:{job}" for job in made)) <= failed
